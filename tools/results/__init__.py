"""The results table as data: a row a finished training, in docs/results/, and what is made from it."""

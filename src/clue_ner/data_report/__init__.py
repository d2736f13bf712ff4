"""Analyses a corpus before training: ``report`` combines the counts of the other modules."""

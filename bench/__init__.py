"""``make bench``: speed of training, tagging and the pipeline against a plain loop and stock transformers."""

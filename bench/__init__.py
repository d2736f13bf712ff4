"""How fast training, tagging and the pipeline are, against the plain recipe and stock transformers: ``make bench``."""

"""The formats in which a trained tagger is written."""

"""Formats that a trained tagger is written in."""

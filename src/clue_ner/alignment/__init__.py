"""Alignment of characters and tokens, windows, batches."""

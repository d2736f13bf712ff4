"""Errors, redaction, retries, paths: used by every package; no result depends on them."""

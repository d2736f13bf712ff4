"""Errors, redaction, retries, paths: what every package uses and no result depends on."""

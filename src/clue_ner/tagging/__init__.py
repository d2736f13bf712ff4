"""Between characters and tokens."""

"""Where a tagger's logits come from, one runtime a file."""

"""Text in, entities out, with NumPy and tokenizers only; logits come from ``clue_ner.runtimes``."""

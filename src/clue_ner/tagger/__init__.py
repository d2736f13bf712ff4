"""From text to entities with only NumPy and tokenizers; ``clue_ner.runtimes`` computes the logits."""

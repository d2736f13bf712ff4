"""``clue-ner``: one module a command group."""

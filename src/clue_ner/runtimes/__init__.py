"""Runtimes, which compute a tagger's logits; one file per runtime."""

"""The network: a BERT encoder, units gathered from its states, a head."""

"""What a corpus is like before anything is trained on it: ``report`` puts together what the other modules count."""

"""Stage fine_tune; docs/training-step.md walks through one step."""

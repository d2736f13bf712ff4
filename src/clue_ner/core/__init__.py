"""The data model, the files between stages and params.yaml: what decides a result."""

"""The data model, the files between stages and params.yaml: what determines a result."""

"""A search for better params by valid micro F1: Optuna proposes, ``dvc exp run`` trains, MLflow records."""

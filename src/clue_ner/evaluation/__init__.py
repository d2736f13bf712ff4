"""Scores, their intervals and the errors behind them."""

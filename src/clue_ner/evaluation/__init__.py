"""Scores, their confidence intervals, and error analysis."""

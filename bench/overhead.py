"""The time of all stages with almost no work, compared with importing torch and Trainer."""

import shutil
import sys
from pathlib import Path
from typing import Any

from bench import clone, commands
from bench.pipeline import imports

TIMES = 3
"""Number of repetitions; the median is reported."""
IMPORT = "import torch; from transformers import Trainer"
"""The import that every fine-tuning needs."""


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Medians of seconds: the pipeline, that import, and each stage's process and imports without DVC; in turns.

    Each time in new clones, so that every stage runs, and MLflow has a run and a version to make.
    """
    place = place / "overhead"
    variables = commands.environment(root) | {"DVC_SITE_CACHE_DIR": str(place / "dvc-site")}
    template = clone.make(root, place / "clone", variables)
    names, watch = clone.stages(template), commands.Stopwatch()
    for turn in range(TIMES):
        piped, by_hand = (shutil.copytree(template, place / f"{kind}-{turn}") for kind in ("piped", "by-hand"))
        with watch.timing("pipeline"):
            clone.run(piped, variables)
        with watch.timing("import"):
            commands.run([sys.executable, "-c", IMPORT], piped, variables)
        shutil.copy(piped / "params.yaml", by_hand)
        for name in names:
            with watch.timing(f"{name} process"):
                commands.run(["stages/python", f"stages/{name}.py"], by_hand, variables)
            with watch.timing(f"{name} imports"):
                commands.run([sys.executable, "-c", imports(by_hand / f"stages/{name}.py")], by_hand, variables)
        shutil.rmtree(piped), shutil.rmtree(by_hand)
    medians = watch.medians()
    return {
        "pipeline": medians["pipeline"],
        "import": medians["import"],
        "ratio": medians["pipeline"] / medians["import"],
        "stages": {
            name: {"process": medians[f"{name} process"], "imports": medians[f"{name} imports"]} for name in names
        },
    }

"""Stages in processes of their own, forked from one that has imported what they need: no seconds of imports a kill."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import yaml
from support.clones import ROOT, Clone

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
IMPORTED = (
    "torch transformers datasets accelerate safetensors.torch mlflow onnx onnxruntime onnxscript matplotlib.pyplot "
    "clue_ner.exporting clue_ner.training.fine_tune clue_ner.tracking clue_ner.evaluation.plots clue_ner.corpora "
    "clue_ner.backbones clue_ner.common.stage"
)
SERVER = """
import importlib, os, runpy, sys, traceback
for module in sys.argv[1].split():
    importlib.import_module(module)
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.setsid()
        said = os.open(".git/said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        status = 0
        try:
            runpy.run_path(f"stages/{line.strip()}.py", run_name="__main__")
        except SystemExit as ended:
            print(ended.code, file=sys.stderr)
            status = 1 if ended.code else 0
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forge:
    """A process in a clone that forks one stage at a time; what DVC does before a stage, it does too."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.seconds: dict[str, float] = {}
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, IMPORTED],
            cwd=clone.path,
            env={**clone.environment, "DVC_ROOT": str(clone.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def __enter__(self) -> "Forge":
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.kill()
        self._server.wait()

    def start(self, stage: str) -> int:
        """Remove what the stage writes, and begin it; its process's number."""
        for out in outs(stage):
            path = self.clone.path / out
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        assert self._server.stdin is not None
        self._server.stdin.write(f"{stage}\n")
        self._server.stdin.flush()
        return int(self._answer())

    def kill(self, process: int) -> None:
        """SIGKILL, if it has not ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        assert self._answer() in ("0", str(-signal.SIGKILL)), self.clone.said()

    def whole(self, stage: str) -> float:
        """Run the stage to its end; the seconds that took."""
        begun = time.monotonic()
        self.start(stage)
        assert self._answer() == "0", self.clone.said()
        return time.monotonic() - begun

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def outs(stage: str) -> list[str]:
    """All that a stage writes, as dvc.yaml says."""
    made = [*STAGES[stage].get("metrics", []), *STAGES[stage].get("plots", [])]
    return [*STAGES[stage].get("outs", []), *(next(iter(entry)) for entry in made)]

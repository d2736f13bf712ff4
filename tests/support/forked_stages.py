"""Stages in processes of their own, forked from one that has imported what they need: no seconds of imports each."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from support.clones import ROOT, Clone

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
IMPORTED = (
    "torch transformers datasets accelerate safetensors.torch mlflow onnx onnxruntime onnxscript matplotlib.pyplot "
    "clue_ner.exporting.onnx clue_ner.training.fine_tune clue_ner.tracking clue_ner.evaluation.plots clue_ner.corpora "
    "clue_ner.backbones clue_ner.common.stage"
)
SERVER = """
import importlib, json, os, runpy, sys, traceback
for module in sys.argv[1].split():
    importlib.import_module(module)
print("ready", flush=True)
for line in sys.stdin:
    script, folder, environment = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(folder)
        os.environ.update(environment)
        log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = 0
        try:
            runpy.run_path(script, run_name="__main__")
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


class ForkServer:
    """Runs one script at a time, forked from a process that has imported ``modules``; its output goes to ``log``."""

    def __init__(self, environment: dict[str, str], log: Path, modules: str = IMPORTED) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, modules, str(log)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, script: str, folder: Path, **environment: str) -> int:
        """Begin ``script`` in ``folder``, with these variables too; its process's number."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([script, str(folder), environment]) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def wait(self) -> int:
        """The exit status of the script that was started, minus the signal's number if it was killed."""
        return int(self._answer())

    def kill(self, process: int) -> None:
        """SIGKILL, if it has not ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        assert self.wait() in (0, -signal.SIGKILL), self.output()

    def output(self) -> str:
        """What the script has written so far."""
        return self.log.read_text()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class StageForker(ForkServer):
    """Runs the stages of a clone; what DVC does before a stage, it does too."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.seconds: dict[str, float] = {}
        super().__init__({**clone.environment, "DVC_ROOT": str(clone.path)}, clone.path / ".git/said")

    def begin(self, stage: str) -> int:
        """Remove what the stage writes, and begin it; its process's number."""
        for out in outs(stage):
            path = self.clone.path / out
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        return self.start(f"stages/{stage}.py", self.clone.path)

    def whole(self, stage: str) -> float:
        """Run the stage to its end; the seconds that took."""
        begun = time.monotonic()
        self.begin(stage)
        assert self.wait() == 0, self.output()
        return time.monotonic() - begun


def outs(stage: str) -> list[str]:
    """All that a stage writes by dvc.yaml."""
    made = [*STAGES[stage].get("metrics", []), *STAGES[stage].get("plots", [])]
    return [*STAGES[stage].get("outs", []), *(next(iter(entry)) for entry in made)]

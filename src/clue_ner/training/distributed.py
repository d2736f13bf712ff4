"""Several processes for one training (`train.processes`): torchrun runs the stage's script once in each.

Every process trains on its share of each batch. All have the same weights, so each validates without communication;
only the main process logs and writes.
"""

import os
import subprocess
import sys

import torch


def is_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """The rank of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this is the process that logs and writes."""
    return rank() == 0


def backend() -> str:
    """How processes exchange gradients: NCCL between GPUs, Gloo between CPUs."""
    return "nccl" if torch.cuda.is_available() else "gloo"


def relaunch(script: str, processes: int) -> bool:
    """Run ``script`` under torchrun if ``processes`` is above 1 and this is not one of its processes; whether it did.

    Exits with torchrun's status if it fails.
    """
    if processes == 1 or is_launched():
        return False
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", script]
    status = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": threads}, check=False).returncode
    if status:
        sys.exit(status)
    return True

"""Several processes on one training (`train.processes`): torchrun runs the stage's script once in each.

Every process trains on its share of every batch, and validates for itself, since all have the same weights; the
leading one alone tells and writes.
"""

import os
import subprocess
import sys
from typing import Any

import torch


def is_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def leads() -> bool:
    """Whether this is the process that tells and writes."""
    return rank() == 0


def backend() -> str:
    """How processes exchange gradients: NCCL between GPUs, Gloo between processors."""
    return "nccl" if torch.cuda.is_available() else "gloo"


def launch(script: str, processes: int) -> None:
    """Run ``script`` in so many processes of this machine; exits with their status if one fails."""
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", script]
    status = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": threads}, check=False).returncode
    if status:
        sys.exit(status)


def gathered(value: Any) -> list[Any]:
    """The ``value`` of every process, in the order of their numbers."""
    if not is_launched():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def from_leader(value: Any) -> Any:
    """The leading process's ``value``, in all of them."""
    if not is_launched():
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values)
    return values[0]

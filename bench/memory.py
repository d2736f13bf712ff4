"""Peak memory of this process, without importing torch."""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory_gb() -> float:
    """Peak memory in GB of 10^9 bytes; if torch uses a GPU, its peak memory there."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e9
    if STATUS.is_file():  # Linux's ru_maxrss begins with what the parent held when it started this process
        peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

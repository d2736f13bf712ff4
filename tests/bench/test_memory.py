import subprocess
import sys
from pathlib import Path

import pytest

from bench.inputs import ROOT
from bench.memory import peak_memory_gb


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="other systems count each process on its own")
def test_memory_is_that_of_the_process_and_not_of_its_parent() -> None:
    held = bytearray(b"1") * 400_000_000
    command = [sys.executable, "-c", "from bench.memory import peak_memory_gb; print(peak_memory_gb())"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.2 < 0.4 <= len(held) / 1e9 <= peak_memory_gb()

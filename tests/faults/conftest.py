"""What the fault tests share: the table at the end, and a clone in which everything ran undisturbed."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

_counts: dict[str, Counter[str]] = {}
QUICK = {
    "test_checksums.py": "a bit flipped in data/ or models/",
    "test_downloads.py": "downloads that go wrong",
    "test_fuzz.py": "thousands of odd texts and requests",
    "test_hostile.py": "files made to do harm",
    "test_secrets.py": "secrets in addresses and environment",
    "test_service.py": "the service: overload, a killed worker, a stop, a moved alias",
}
"""Tests of `make test` that break things too, and their lines of the table: `make test-faults` runs them as well."""


def pytest_runtest_logreport(report: Any) -> None:
    """A test names its fault, or faults, with ``record_property("fault", …)``."""
    line = QUICK.get(report.nodeid.partition("::")[0].rpartition("/")[2])
    for name, fault in [*report.user_properties, *([("fault", line)] if line else [])]:
        if name == "fault" and (report.when == "call" or report.outcome == "skipped"):
            _counts.setdefault(str(fault), Counter())[report.outcome] += 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _counts:
        return
    width = 2 + max(len(fault) for fault in _counts)
    terminalreporter.write_line(f"\n{'fault':{width}}{'tries':>7}{'survived':>10}{'lost':>6}{'skipped':>9}")
    for fault, count in sorted(_counts.items()):
        tries = count["passed"] + count["failed"]
        line = f"{fault:{width}}{tries:>7}{count['passed']:>10}{count['failed']:>6}{count['skipped']:>9}"
        terminalreporter.write_line(line, red=bool(count["failed"]))


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """``fault("name")`` says which line of the table the test belongs to."""
    return lambda name: record_property("fault", name)

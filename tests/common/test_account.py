"""A user whom the system does not know gets a name and a home folder; others keep theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

CODE = """
import getpass, os, pwd, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from clue_ner.common.account import supply
os.setuid(int(sys.argv[2]))  # from here on nothing can be imported: Python's own folder may be root's alone
supply()
print(getpass.getuser(), Path.home(), os.environ.get("LOGNAME"), os.environ.get("HOME"))
"""
UNKNOWN = 54321


def supplied(user: int, **environment: str) -> list[str]:
    command = [sys.executable, "-c", CODE, str(ROOT / "src"), str(user)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, ["uid54321", "/", "uid54321", "/"]),
        ({"HOME": "/tmp"}, ["uid54321", "/tmp", "uid54321", "/tmp"]),
        ({"HOME": ""}, ["uid54321", "/", "uid54321", "/"]),
        ({"HOME": "relative"}, ["uid54321", "/", "uid54321", "/"]),
        ({"USER": "me", "HOME": "/tmp"}, ["me", "/tmp", "None", "/tmp"]),
    ],
)
def test_account_of_an_unknown_user_is_supplied(environment: dict[str, str], wanted: list[str]) -> None:
    assert supplied(UNKNOWN, **environment) == wanted


def test_account_of_a_known_user_stays() -> None:
    name, home, *rest = supplied(os.getuid())
    assert (name.startswith("uid"), Path(home).is_absolute(), rest) == (False, True, ["None", "None"])
    assert supplied(os.getuid(), LOGNAME="me", HOME="/tmp") == ["me", "/tmp", "me", "/tmp"]

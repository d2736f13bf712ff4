"""docs/design.md's map against the code: every module of the top two levels is on it, and nothing on it is missing."""

import re

from support.places import ROOT

PACKAGE = ROOT / "src/clue_ner"
DESIGN = (ROOT / "docs/design.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ((?:`[\w/]+` ?)+)\| .+ \|$", re.MULTILINE)


def on_the_map() -> dict[str, set[str]]:
    return {row[1]: set(re.findall(r"`([\w/]+)`", row[2])) for row in ROW.finditer(DESIGN)}


def in_the_code() -> dict[str, set[str]]:
    found = {"clue_ner": {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}}
    for folder in (path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()):
        modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        found[folder.name] = modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    return found


def test_design_map_has_every_module_and_no_other() -> None:
    assert on_the_map() == in_the_code()


def test_design_map_has_every_stage_and_folder() -> None:
    block = DESIGN.split("```")[1]
    stages = re.search(r"^stages/ +(.+?):", block, re.MULTILINE)
    assert stages is not None
    assert set(stages[1].split()) == {path.stem for path in (ROOT / "stages").glob("*.py")}
    for name in re.findall(r"^([\w./]+)  ", block, re.MULTILINE):
        assert (ROOT / name.split()[0]).exists(), name

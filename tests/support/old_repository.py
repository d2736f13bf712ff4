"""What commit 3ec9ba5 left in a repository: a store with two runs and two versions, its journals, an export."""

import shutil
import sqlite3
from pathlib import Path

from support.places import GOLDEN

COMMIT = "3ec9ba5"
PLACE = "/REPOSITORY"
"""What stands in its files for the path of the repository."""
CORPUS = "854de1b807f54dbecc30aa9175b0c1907a2e0422097aeb85691799736a884831"
"""The fingerprint of its corpus, over train, valid and test."""
TEXTS = ["我是王德发，目前住在北京。", "黄飞鸿在佛山看电影", "上海的新经理说晓艳高"]
FOUND = {
    "torch": [
        [(0, 1, "address", 0.52746), (4, 7, "address", 0.2918), (9, 12, "address", 0.38824), (12, 13, "name", 0.35707)],
        [],
        [(0, 2, "name", 0.35977), (5, 6, "address", 0.44608), (6, 7, "name", 0.43757)],
    ],
    "int8": [
        [
            (0, 1, "address", 0.52418),
            (4, 7, "address", 0.29019),
            (9, 12, "address", 0.38968),
            (12, 13, "name", 0.35784),
        ],
        [],
        [(0, 2, "name", 0.36202), (5, 6, "address", 0.44782), (6, 7, "name", 0.43691)],
    ],
}
"""What that commit's own tagger found in TEXTS with models/export, by runtime: start, end, type, score."""
FOUND["onnx"] = FOUND["torch"]


def unpack(root: Path) -> None:
    """Lay it out in ``root``, as if it had been made there."""
    shutil.unpack_archive(GOLDEN / f"upgrade/{COMMIT}.tar.xz", root)
    for journal in (root / ".tracking").glob("*.jsonl"):  # left out of the archive: it names the machine
        (journal.with_suffix("") / "environment.txt").write_text("# Python\n")
    with sqlite3.connect(root / "mlflow.db") as store:
        for (table,) in store.execute("select name from sqlite_master where type = 'table'").fetchall():
            for _, column, kind, *_ in store.execute(f"pragma table_info({table})").fetchall():
                if kind.upper().startswith(("VARCHAR", "TEXT")):
                    store.execute(f'update {table} set "{column}" = replace("{column}", ?, ?)', (PLACE, str(root)))
    store.close()

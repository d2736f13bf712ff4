"""The tables as docs/bench.md and on the terminal.

``python -m bench.report`` writes docs/bench.md from docs/bench.json again, after a change of the wording here.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from bench.inputs import ROOT
from bench.tables import Results, tables
from clue_ner.common.files import read_json, write_text


def write(folder: Path) -> None:
    """Write bench.md into ``folder`` from its bench.json."""
    write_text(folder / "bench.md", markdown(read_json(folder / "bench.json")))


def markdown(results: Results) -> str:
    """The whole of docs/bench.md."""
    parts = [
        "# Bench",
        f"Written by `{results['command']}`; do not edit it by hand. All numbers are of one run of "
        f"{results['seconds'] / 60:.0f} minutes on the machine below. The variants of a comparison ran in alternation. "
        "Raw numbers: [bench.json](bench.json).",
    ]
    if figure := {"training", "tagging"} & set(results):
        parts.append(f"![{' and '.join(sorted(figure, reverse=True)).capitalize()}](bench.png)")
    for table in tables(results):
        lines = [table.header, ["---"] + ["---:"] * (len(table.header) - 1), *table.rows]
        parts += [f"## {table.title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        if table.notes:
            parts.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(parts) + "\n"


def show(results: Results, console: Console) -> None:
    """The same tables for a terminal."""
    for table in tables(results):
        shown = RichTable(title=table.title, title_justify="left")
        for number, column in enumerate(table.header):
            shown.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
        for note in table.notes:
            console.print(f"  {note}", highlight=False, markup=False)
        console.print()


if __name__ == "__main__":
    write(ROOT / "docs")

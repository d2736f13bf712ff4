"""The report on a corpus as tables: a column for each split."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console

from clue_ner.cli.tables import number, show, table

Report = Mapping[str, Any]
Split = Mapping[str, Any]


def print_report(to: Console, report: Report) -> None:
    """Print all of ``data_report.report``."""
    splits = report["splits"]
    show(to, f"Corpus: {report['corpus']}", _left_out(report["reading"]))
    show(to, "Size", table(["", *splits], _rows(splits, _SIZE)))
    labelled = {name: split for name, split in splits.items() if "overlaps" in split}
    show(to, "Entities by type", table(["type", *labelled, "characters"], _types(labelled)))
    show(to, "Labels", table(["", *labelled], [*_rows(labelled, _LABELS), *_shared(report, labelled)]))
    show(to, "Entities that look cut wrongly", table(["", *labelled], _cut(labelled)))
    show(to, "Texts with unusual characters (entities)", table(["", *splits], _odd(splits)))
    _print_losses(to, report, labelled)
    show(to, "Examples", _examples(report, labelled))
    show(to, "Warnings", [f"- {warning}" for warning in report["warnings"]] or ["none"])


def _lengths(split: Split, key: str) -> str:
    found = split.get(key)
    return "{median} / {p99} / {max}".format(**found) if found else ""


_SIZE: dict[str, Callable[[Split], str]] = {
    "sentences": lambda split: number(split["sentences"]),
    "characters of a text: median / 99 % / longest": lambda split: _lengths(split, "text_lengths"),
    "texts that an earlier sentence of the split has": lambda split: number(split["repeated"]),
    "entities": lambda split: number(split["entities"]) if "overlaps" in split else "",
    "characters of an entity: median / 99 % / longest": lambda split: _lengths(split, "span_lengths"),
    "sentences without entity": lambda split: number(split["without_entities"]) if "overlaps" in split else "",
}
_LABELS: dict[str, Callable[[Split], str]] = {
    "surfaces with several types": lambda split: number(split["several_types"]["surfaces"]),
    "… entities that have one of them": lambda split: number(split["several_types"]["entities"]),
    "places where a common surface is not labelled": lambda split: number(split["unlabelled_occurrences"]["places"]),
    "pairs: one span, two types": lambda split: number(split["overlaps"]["same_span"]),
    "pairs: one inside the other": lambda split: number(split["overlaps"]["nested"]),
    "pairs: crossing": lambda split: number(split["overlaps"]["crossing"]),
    "entities that train does not have": lambda split: number(split["unseen"]["share"]) if "unseen" in split else "",
    "… has with another type only": lambda split: number(split["unseen"]["other_type"]) if "unseen" in split else "",
}
_EDGES = {
    "space": "space at an edge",
    "punctuation": "punctuation at an edge",
    "inside_word": "edge inside a word or number",
}


def _rows(splits: Mapping[str, Split], measures: Mapping[str, Callable[[Split], str]]) -> Iterator[list[str]]:
    for label, measure in measures.items():
        cells = [measure(split) for split in splits.values()]
        if any(cells):
            yield [label, *cells]


def _left_out(reading: Mapping[str, Any]) -> Iterator[str]:
    """What was left out or read otherwise than it stands in the files, at least that there was nothing."""
    counts = reading.get("left_out", {})
    for split, found in counts.items():
        yield f"{split}: {', '.join(f'{what}: {number(count)}' for what, count in found.items())}"
    if not counts:
        yield "read as it stands, nothing left out"


def _types(splits: Mapping[str, Split]) -> Iterator[list[str]]:
    """A type's entities in each split, and how long they are in the first split that has it."""
    for type_ in sorted({type_ for split in splits.values() for type_ in split["per_type"]}):
        lengths = next(s["span_lengths_per_type"][type_] for s in splits.values() if type_ in s["per_type"])
        counts = (number(split["per_type"].get(type_, 0)) for split in splits.values())
        yield [type_, *counts, "{median} / {p99} / {max}".format(**lengths)]


def _shared(report: Report, splits: Mapping[str, Split]) -> Iterator[list[str]]:
    for label, key in (("texts that an earlier split has", "leaks"), ("… nearly so", "near_leaks")):
        if report[key]:
            yield [label, *(number(report[key][name]) if name in report[key] else "" for name in splits)]


def _cut(splits: Mapping[str, Split]) -> Iterator[list[str]]:
    for pair in sorted({pair for split in splits.values() for pair in split["half_pairs"]}):
        counts = [split["half_pairs"].get(pair, {"entities": 0})["entities"] for split in splits.values()]
        if any(counts):
            yield [f"unpaired {pair}", *map(number, counts)]
    for edge, label in _EDGES.items():
        yield [label, *(number(split["odd_edges"][edge]["entities"]) for split in splits.values())]


def _odd(splits: Mapping[str, Split]) -> Iterator[list[str]]:
    kinds = dict.fromkeys(kind for split in splits.values() for kind in split["odd_characters"])
    for kind in kinds:
        found = (split["odd_characters"].get(kind) for split in splits.values())
        cells = [f"{number(each['texts'])} ({number(each['entities'])})" if each else "0" for each in found]
        yield [kind.replace("_", " "), *cells]


def _print_losses(to: Console, report: Report, splits: Mapping[str, Split]) -> None:
    alignment = report["alignment"]
    schemes = sorted(set(report["schemes"].values()))
    names = {lost: [name for name, other in report["schemes"].items() if other == lost] for lost in schemes}
    lines = [
        f"tags of {', '.join(names[lost])}: {number(lost)} entities, which a longer one overlaps" for lost in schemes
    ]
    if "skipped" in alignment:
        lines.append(f"alignments: skipped, {alignment['skipped']}")
    else:
        lines.append(f"tokenizer: {alignment['tokenizer']}; windows of {alignment['window']} tokens")
        lines += [f"{align}: skipped, {why}" for align, why in alignment["refused"].items()]
    show(to, "Lost entities", lines)
    rows = []
    for align, by_split in alignment.get("alignments", {}).items():
        mark = " (in use)" if align == alignment["in_use"] else ""
        rows += [
            [f"{align}{mark}"],
            ["  entities that begin or end inside a unit", *(number(by_split[name]["inside_unit"]) for name in splits)],
            ["  entities that no window holds", *(number(by_split[name]["cut_entities"]) for name in splits)],
            ["  texts of several windows", *(number(by_split[name]["cut_texts"]) for name in splits)],
            ["  units that the vocabulary lacks", *(number(_share(by_split[name])) for name in splits)],
        ]
    show(to, "Alignments", table(["", *splits], rows))


def _share(losses: Mapping[str, Any]) -> float:
    return losses["unknown"] / losses["units"] if losses["units"] else 0.0


def _examples(report: Report, splits: Mapping[str, Split]) -> Iterator[str]:
    for name, split in splits.items():
        for one in split["several_types"]["examples"]:
            types = ", ".join(f"{type_} {count}" for type_, count in one["types"].items())
            yield f"{name}: {one['text']}: {types}"
        for one in split["unlabelled_occurrences"]["examples"]:
            where = ", ".join(one["ids"])
            yield f"{name}: {one['text']}: labelled {one['labelled']} times, not {one['unlabelled']} ({where}, …)"
        for pair, found in split["half_pairs"].items():
            yield from (f"{name}: unpaired {pair}: {_place(one)}" for one in found["examples"])
        for edge, found in split["odd_edges"].items():
            yield from (f"{name}: {_EDGES[edge]}: {_place(one)}" for one in found["examples"])
    for one in report["same_text"]["examples"]:
        labels = " | ".join(f"{label['split']} {label['id']}: {_spans(label)}" for label in one["labels"])
        yield f"same text, different labels: {one['text']}: {labels}"


def _place(one: Mapping[str, Any]) -> str:
    return f"{one['text']} ({one['type']}, {one['id']} {one['start']}:{one['end']})"


def _spans(label: Mapping[str, Any]) -> str:
    return ", ".join(f"{type_} {start}:{end}" for type_, start, end in label["entities"]) or "none"

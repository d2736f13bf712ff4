"""What every layout takes of its tools' files, and that nothing but our own errors leaves a reader."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from clue_ner.common.errors import CorpusError, ParamsError, SourceError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.layouts import Reading, Record, parquet, read, write
from clue_ner.layouts._offsets import OPTIONS
from clue_ner.layouts._options import VALUES

LAYOUTS = plugins.names(plugins.LAYOUTS)
TEXT = "林若溪到了上海。"
NAME, PLACE = Entity(0, 3, "name"), Entity(5, 7, "place")
CORPUS = [
    Record(Sentence("7", TEXT, (NAME, PLACE)), True, 1),
    Record(Sentence("", "今天没有风😀。"), True, 2),
    Record(Sentence("", "在😀上海", (Entity(2, 4, "place"),)), True, 3),
]


def put(path: Path, *values: Any) -> Path:
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), encoding="utf-8")
    return path


def one(reading: Reading) -> tuple[Entity, ...]:
    (record,) = reading
    assert record.sentence.text == TEXT
    return record.sentence.entities


def refused(reading: Reading) -> str:
    with pytest.raises(CorpusError) as caught:
        list(reading)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_is_recognised_by_what_is_written(layout: str, tmp_path: Path) -> None:
    write(tmp_path / "a", CORPUS, layout)
    assert read(tmp_path / "a").layout == layout
    assert [record.sentence.text for record in read(tmp_path / "a")] == [record.sentence.text for record in CORPUS]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_options_have_values_and_offsets_are_converted_both_ways(layout: str, tmp_path: Path) -> None:
    options = plugins.layout_options(layout)
    assert set(options) <= set(VALUES)
    assert set(OPTIONS) <= set(options) or not set(OPTIONS) & set(options)
    with pytest.raises(ParamsError, match=f"no option x of {layout}: there are "):
        read(tmp_path, layout, {"x": 1})
    if "offsets" in options:
        way = {"offsets": "utf16", "first": 1, "ends": "inclusive"}
        write(tmp_path / "a", CORPUS, layout, way)
        records = list(read(tmp_path / "a", layout, way))
        assert [record.sentence.entities for record in records] == [record.sentence.entities for record in CORPUS]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_damaged_files_raise_only_our_errors(layout: str, tmp_path: Path) -> None:
    write(tmp_path / "good", CORPUS, layout)
    files = [path for path in sorted((tmp_path / "good").rglob("*")) if path.is_file()] or [tmp_path / "good"]
    draw = random.Random(0)
    for number in range(15 if layout == "hugging_face" else 60):
        damaged = draw.choice(files)
        content = bytearray(damaged.read_bytes())
        before = bytes(content)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(content) + 1)
            kind = number % 3
            if kind == 0:
                content[at : at + draw.randint(1, 30)] = b""
            elif kind == 1:
                content[at : at + 1] = draw.randbytes(2)
            else:
                content[at:at] = draw.choice([b"[" * 5000, b"9" * 5000, b"\xff", b"\n", b'"', b"null", b"1e999"])
        damaged.write_bytes(content)
        for name in (layout, "auto"):
            with contextlib.suppress(CorpusError, SourceError):
                list(read(tmp_path / "good", name))
        damaged.write_bytes(before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_shows_twenty_problems_with_file_and_line(layout: str, tmp_path: Path) -> None:
    way = {"first": 1, "ends": "inclusive"} if "first" in plugins.layout_options(layout) else {}
    path = tmp_path / "a"
    if way:
        write(path, [Record(Sentence("", "甲", (Entity(0, 1, "t"),)), True, 1)] * 23, layout, way)
    elif layout == "clue":
        put(path, *[{"text": "甲", "label": {"t": {"甲": [[0, 1]]}}}] * 23)
    elif layout == "conll":
        path.write_text("甲\n" * 23, encoding="utf-8")
    else:
        write(path, [Record(Sentence("", "甲", (Entity(0, 1, "t"),)), True, 1)] * 23, layout)
        for annotations in path.glob("*.ann"):
            annotations.write_text("T1\tt 1 2\t乙\n", encoding="utf-8")
    message = refused(read(path, layout))
    lines = message.splitlines()
    assert lines[0] == "23 wrong"
    assert all(line.startswith(f"  {path}") for line in lines[1:21])
    assert lines[21] == "  and 3 more"
    assert lines[22].startswith(("wanted", "All offsets fit"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + bytes(40), "a: a ZIP archive; unpack it and name the file in it"),
        (b"\x1f\x8b\x08" + bytes(40), "a: a gzip file; unpack it and name the file in it"),
        (b" \r\n", r"does not look like any known layout \(brat, .*\); it is empty\. Name its layout"),
        (
            b'[{"text": "x", "labels": [[0, 1, "a"]]}]',
            r"; it is a JSON array: write one object per line, .* `jq -c '\.\[\]' .*a > NEW`",
        ),
        (
            b'{"id": 1, "sentence": "x"}',
            r"; its JSON objects have the keys id, sentence: option text names the key of the text\.",
        ),
        (b"\x00\x01\x02\xff\xff\xff", r"does not look like any known layout \(brat, .*, parquet\)\. Name its layout"),
    ],
)
def test_file_of_no_layout_says_what_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        read(tmp_path / "a")


def test_folder_of_no_layout_names_those_in_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / "docs" / name, CORPUS, "brat")
    with pytest.raises(CorpusError, match=r"; it is a folder with one, two: name one of them"):
        read(tmp_path / "docs")
    with pytest.raises(SourceError, match=r"docs: no \.txt file in it; name the folder that has the \.txt and"):
        list(read(tmp_path / "docs", "brat"))
    with pytest.raises(CorpusError, match=r"; it is a folder. Name its layout"):
        read(tmp_path / "docs" / "..")


@pytest.mark.parametrize(
    ("codec", "named"), [("gb18030", "GB18030"), ("utf-16", "UTF-16LE"), ("utf-16-be", "UTF-16BE")]
)
@pytest.mark.parametrize("layout", ["auto", "jsonl", "conll", "doccano", "label_studio", "csv", "clue"])
def test_text_in_another_encoding_is_refused_by_its_name(codec: str, named: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in ('{"text": "林若溪到了上海。", "label": []}\n' * 3, "".join(f"{char} O\n" for char in TEXT * 9)):
        path.write_bytes(content.encode(codec))
        with pytest.raises(
            CorpusError, match=rf"a: not UTF-8; it looks like {named}.*`iconv -f {named} -t UTF-8 "
        ) as e:
            list(read(path, layout))
        assert str(path) in str(e.value)
    write(tmp_path / "docs", CORPUS, "brat")
    (tmp_path / "docs/0000001.txt").write_bytes(TEXT.encode(codec))
    with pytest.raises(CorpusError, match=f"0000001.txt: not UTF-8; it looks like {named}"):
        list(read(tmp_path / "docs"))


@pytest.mark.parametrize("layout", ["jsonl", "doccano", "clue", "label_studio"])
def test_layout_is_recognised_by_a_first_line_of_any_length(layout: str, tmp_path: Path) -> None:
    long = Record(Sentence("", "长" * 50_000, (NAME,)), True, 1)
    write(tmp_path / "a", [long, *CORPUS], layout)
    path = tmp_path / "a"
    if layout == "label_studio":  # which writes its exports on one line
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), ensure_ascii=False), encoding="utf-8")
    assert (read(path).layout, len(list(read(path)))) == (layout, 4)


def test_doccano_takes_labels_entities_relations_and_older_keys(tmp_path: Path) -> None:
    entity = {"id": 9, "label": "name", "start_offset": 0, "end_offset": 3}
    new = {"id": 1, "text": TEXT, "entities": [entity], "relations": [{"id": 1}], "Comments": []}
    reading = read(put(tmp_path / "a", new))
    assert (reading.layout, one(reading)) == ("doccano", (NAME,))
    assert +reading.counts == {"relations": 1, "keys that are not read": 1}
    for key in ("label", "labels"):
        assert one(read(put(tmp_path / "a", {"id": "x", "text": TEXT, key: [[5, 7, "place"]]}))) == (PLACE,)
    assert one(read(put(tmp_path / "a", {"data": TEXT, "label": [[0, 3, "name"]]}))) == (NAME,)
    (record,) = read(put(tmp_path / "a", {"text": TEXT}), "doccano")
    assert not record.labelled
    assert ":1: label: wanted a list of [start, end, type]" in refused(
        read(put(tmp_path / "a", {"text": TEXT, "label": [["0", 3, "name"]]}), "doccano")
    )


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "text": TEXT, "cats": ["news"], "entities": [[0, 3, "name"]]},
        {"text": TEXT, "entities": [[0, 3, "name"]]},
        {"text": TEXT, "annotations": [{"label": "name", "start_offset": 0, "end_offset": 3, "user": 1}], "meta": {}},
        {"text": TEXT, "label": [[0, 3, "name"]], "entities": None},
    ],
)
def test_doccano_takes_triples_and_objects_under_each_of_its_keys(record: dict[str, Any], tmp_path: Path) -> None:
    nothing = {key: [] if isinstance(value, list) else value for key, value in record.items()}
    (first, second) = reading = list(read(put(tmp_path / "a", {**nothing, "relations": []}, record)))
    assert (first.sentence.entities, second.sentence.entities) == ((), (NAME,))
    assert all(one.labelled for one in reading)


def test_doccano_names_what_it_cannot_read(tmp_path: Path) -> None:
    numbers = {"text": TEXT, "annotations": [{"label": 3, "start_offset": 0, "end_offset": 3}]}
    both = {"text": TEXT, "label": [[0, 3, "name"]], "entities": [{"label": "a", "start_offset": 5, "end_offset": 7}]}
    message = refused(read(put(tmp_path / "a", numbers, both, {"text": TEXT, "label": ["entities"]})))
    lines = message.splitlines()
    wanted = "wanted [start, end, type], or an object with label (a text), start_offset and end_offset, found"
    assert lines[1].startswith(f"  {tmp_path / 'a'}:1: annotations.0: {wanted} {{'label': 3")
    assert lines[2] == f"  {tmp_path / 'a'}:2: has label and entities, wanted one of them; remove the others"
    assert lines[3].startswith(f"  {tmp_path / 'a'}:3: label.0: {wanted} 'entities'")


def test_clue_ends_are_inclusive_and_surfaces_checked(tmp_path: Path) -> None:
    label = {"name": {"林若溪": [[0, 2]]}, "place": {"上海": [[5, 6]]}}
    assert one(read(put(tmp_path / "a", {"text": TEXT, "label": label}))) == (NAME, PLACE)
    wrong = {"text": TEXT, "label": {"name": {"若溪": [[0, 2]]}}}
    assert ":1: entities.0 (name 0:3): text[start:end] is '林若溪', the record says '若溪'" in refused(
        read(put(tmp_path / "a", wrong))
    )


def task(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"text": TEXT}, "annotations": [{"result": list(results)}], **more}


def result(start: Any, end: Any, *labels: str, **more: Any) -> dict[str, Any]:
    return {"type": "labels", "value": {"start": start, "end": end, "labels": list(labels), **more}}


def test_label_studio_takes_full_and_minimal_exports(tmp_path: Path) -> None:
    path = put(tmp_path / "a", [task(result(0, 3, "name", text="林若溪"), {"type": "choices", "value": {}})])
    reading = read(path)
    assert (reading.layout, one(reading)) == ("label_studio", (NAME,))
    assert +reading.counts == {"results that are not labelled spans": 1}
    minimal = {"id": 3, "text": TEXT, "tags": [{"start": 5, "end": 7, "text": "上海", "labels": ["place"]}]}
    assert one(read(put(path, [minimal]))) == (PLACE,)
    assert one(read(put(path, [task(result(0, 3, "a", "b"))]))) == (Entity(0, 3, "a"), Entity(0, 3, "b"))
    assert not next(iter(read(put(path, [task(annotations=[], predictions=[])])))).labelled
    skipped = task(annotations=[{"was_cancelled": True, "result": [result(0, 3, "name")]}])
    assert not next(iter(read(put(path, [skipped])))).labelled


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_label_studio_is_recognised_however_it_is_laid_out(indent: int | str | None, end: str, tmp_path: Path) -> None:
    many = {"id": 1, "annotations": [{"result": [result(0, 3, "name")] * 2000}], "data": {"text": TEXT}}
    path = tmp_path / "a"
    path.write_bytes(json.dumps([many], indent=indent).replace("\n", end).encode())
    assert (read(path).layout, one(read(path))) == ("label_studio", (NAME,))
    assert not next(iter(read(put(path, [{"data": {"text": TEXT}}])))).labelled


def test_label_studio_minimal_export_has_only_annotated_tasks_and_no_empty_tags(tmp_path: Path) -> None:
    beside = {"annotator": 1, "annotation_id": 7, "lead_time": 1.5}
    spans = {
        "people": [{"start": 0, "end": 3, "text": "林若溪", "labels": ["name"]}],
        "places": [{"start": 5, "end": 7, "text": "上海", "labels": ["place"]}],
        "sure": [{"start": 5, "end": 7, "text": "上海", "choices": ["yes"]}],
        "topic": "news",
    }
    reading = read(put(tmp_path / "a", [{"text": TEXT, **beside}, {"text": TEXT, **spans, **beside}]))
    assert [(record.labelled, record.sentence.entities) for record in reading] == [(True, ()), (True, (NAME, PLACE))]
    assert +reading.counts == {"results that are not labelled spans": 1}
    unlabelled = [{"start": 0, "end": 3, "text": "林若溪"}]
    assert "wanted a list of texts as labels of a span, found None" in refused(
        read(put(tmp_path / "a", [{"text": TEXT, "people": unlabelled, **beside}]))
    )


def test_label_studio_refuses_spans_that_are_not_in_a_plain_text(tmp_path: Path) -> None:
    value = {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "hypertextlabels": ["name"]}
    said = ":1: hypertextlabels, whose spans are not in a plain text; label the text itself"
    full = task({"type": "hypertextlabels", "value": value})
    for one_task in (full, {"text": TEXT, "label": [value], "annotation_id": 7}):
        assert said in refused(read(put(tmp_path / "a", [one_task])))


def test_label_studio_takes_annotations_that_agree_and_predictions_of_one_version(tmp_path: Path) -> None:
    skipped = {"skipped": True, "result": []}
    agreeing = [{"result": [result(0, 3, "name")]}, {"result": [result(0, 3, "name"), {"type": "relation"}]}, skipped]
    reading = read(put(tmp_path / "a", [task(annotations=agreeing)]))
    assert one(reading) == (NAME,)
    assert reading.counts["annotations that were skipped by their annotator"] == 1
    made = [
        {"model_version": name, "result": [result(*span)]}
        for name, span in (("a", (0, 3, "name")), ("b", (5, 7, "place")))
    ]
    path = put(tmp_path / "a", [task(annotations=[], predictions=made)])
    assert one(read(path, "auto", {"labels": "predictions", "model_version": "b"})) == (PLACE,)
    assert ":1: 2 predictions that differ; choose one with option model_version" in refused(
        read(path, "auto", {"labels": "predictions"})
    )
    (record,) = read(path, "auto", {"labels": "predictions", "model_version": "c"})
    assert not record.labelled


def test_label_studio_counts_all_spans_of_a_task_in_one_unit(tmp_path: Path) -> None:
    spans = [result(2, 3, "x", text="哈"), result(5, 7, "place", text="上海")]
    task_ = {"data": {"text": "😀哈哈哈上海"}, "annotations": [{"result": spans}]}
    reading = read(put(tmp_path / "a", [task_]))
    (record,) = reading
    assert record.sentence.entities == (Entity(1, 2, "x"), Entity(4, 6, "place"))
    assert reading.counts["entities whose offsets counted UTF-16 units, converted"] == 2
    del task_["annotations"][0]["result"][1]["value"]["text"]  # type: ignore[index]
    assert "entities.1 (place 5:7): wanted 0 <= start < end <= 6" in refused(read(put(tmp_path / "a", [task_])))


def test_label_studio_utf16_offsets_are_known_by_the_surface(tmp_path: Path) -> None:
    text = "💩林若溪"
    old = {"data": {"text": text}, "annotations": [{"result": [result(2, 5, "name", text="林若溪")]}]}
    reading = read(put(tmp_path / "a", [old]))
    (record,) = reading
    assert record.sentence.entities == (Entity(1, 4, "name"),)
    assert reading.counts["entities whose offsets counted UTF-16 units, converted"] == 1
    (record,) = reading = read(tmp_path / "a", "auto", {"offsets": "utf16"})  # type: ignore[assignment]
    assert record.sentence.entities == (Entity(1, 4, "name"),)


def test_label_studio_names_what_is_wrong_with_a_task(tmp_path: Path) -> None:
    two = [{"result": [result(0, 3, "name")]}, {"result": [result(0, 2, "name")]}]
    tasks = [{"data": {"txt": "x"}, "annotations": []}, task(annotations=two), task(result("/div[1]", 3, "name")), 5]
    path = tmp_path / "a"
    path.write_text("[\n" + ",\n".join(map(json.dumps, tasks)) + "\n]", encoding="utf-8")
    lines = refused(read(path, "label_studio")).splitlines()
    assert lines[1] == f"  {path}:2: no text 'text' in its data, which has txt; name it with option text"
    assert lines[2] == f"  {path}:3: 2 annotations that differ; keep one, or mark one as ground truth"
    assert lines[3].startswith(f"  {path}:4: wanted whole numbers as start and end of a span, found '/div[1]'")
    assert lines[4] == f"  {path}:5: wanted an object, found 5"
    for score in (1.5, -1, "high"):
        sure = {**result(0, 3, "name"), "score": score}
        assert "wanted a number from 0 to 1 as score, found" in refused(read(put(path, [task(sure)])))
    two[1]["ground_truth"] = True  # type: ignore[assignment]
    assert one(read(put(path, [task(annotations=two)]))) == (Entity(0, 2, "name"),)


def test_label_studio_takes_line_ends_as_its_editor_writes_them(tmp_path: Path) -> None:
    lines = {"data": {"text": "林\n若"}, "annotations": [{"result": [result(0, 3, "name", text="林\\n若")]}]}
    (record,) = read(put(tmp_path / "a", [lines]))
    assert record.sentence.entities == (NAME,)


def test_label_studio_ids_that_are_numbers_stay_numbers_unless_a_browser_would_round_them(tmp_path: Path) -> None:
    ids = ["7", "123456789012345", "1234567890123456", "a7", "٣", "007"]
    write(tmp_path / "a", [Record(Sentence(one, TEXT), True, 1) for one in ids], "label_studio")
    tasks = json.loads((tmp_path / "a").read_text(encoding="utf-8"))
    assert [one.get("id") for one in tasks] == [7, 123456789012345, None, None, None, None]
    assert [record.sentence.id for record in read(tmp_path / "a")] == ids


@pytest.mark.parametrize(
    ("options", "score", "key"),
    [
        ({}, None, "annotations"),
        ({}, 0.5, "predictions"),
        ({"model_version": "m"}, None, "predictions"),
        ({"labels": "annotations", "model_version": "m"}, 0.5, "annotations"),
        ({"labels": "predictions"}, None, "predictions"),
    ],
)
def test_label_studio_writes_predictions_if_they_are_a_models(
    options: dict[str, str], score: float | None, key: str, tmp_path: Path
) -> None:
    write(
        tmp_path / "a", [Record(Sentence("", TEXT, (Entity(0, 3, "name", score),)), True, 1)], "label_studio", options
    )
    (written,) = json.loads((tmp_path / "a").read_text(encoding="utf-8"))
    assert written.keys() - {"data"} == {key}


def test_label_studio_scores_become_predictions_with_the_models_version(tmp_path: Path) -> None:
    scored = Record(Sentence("", TEXT, (Entity(0, 3, "name", 0.5), Entity(5, 7, "place", 1.0))), True, 1)
    write(tmp_path / "a", [scored], "label_studio", {"model_version": "clue-ner/3"})
    (written,) = json.loads((tmp_path / "a").read_text(encoding="utf-8"))
    (prediction,) = written["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("clue-ner/3", 0.75)
    assert [one["score"] for one in prediction["result"]] == [0.5, 1.0]
    assert not next(iter(read(tmp_path / "a"))).labelled
    found = read(tmp_path / "a", "label_studio", {"labels": "predictions"})
    assert one(found) == scored.sentence.entities
    assert [entity.score for entity in next(iter(found)).sentence.entities] == [0.5, 1.0]


def test_brat_reads_documents_or_lines_and_refuses_entities_of_several_parts(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("他走。\n" + TEXT, encoding="utf-8")
    (folder / "a.ann").write_text("T1\tname 4 7\t林若溪\nR1\tat Arg1:T1 Arg2:T1\n#1\tNote T1\tx\n", encoding="utf-8")
    (folder / "b.txt").write_text("谁？", encoding="utf-8")
    reading = read(folder)
    assert reading.layout == "brat"
    assert [(r.sentence.id, r.sentence.entities, r.labelled) for r in reading] == [
        ("a", (Entity(4, 7, "name"),), True),
        ("b", (), False),
    ]
    assert reading.counts["annotations that are no entities (relations, events, attributes, notes)"] == 2
    lines = [record.sentence for record in read(folder, "brat", {"split": "lines"})]
    assert [(sentence.text, sentence.entities) for sentence in lines] == [("他走。", ()), (TEXT, (NAME,)), ("谁？", ())]
    (folder / "a.txt").write_bytes(f"他走。\r\n{TEXT}".encode())
    (folder / "a.ann").write_text("T1\tname 5 8\t林若溪\n", encoding="utf-8")
    crlf = [record.sentence for record in read(folder, "brat", {"split": "lines"})][:2]
    assert [(one.id, one.text, one.entities) for one in crlf] == [("a-0", "他走。", ()), ("a-1", TEXT, (NAME,))]
    (folder / "a.ann").write_text("T1\tname 5 8\t林若\nT2\tname 90 95\tx\n", encoding="utf-8")
    assert "(name 5:8): text[start:end] is '林若溪', the record says '林若'" in refused(read(folder))
    message = refused(read(folder, "brat", {"split": "lines"}))
    assert f"{folder / 'a.ann'}: name 90 95 is not in the text" in message
    (folder / "a.txt").write_text("他走。\n" + TEXT, encoding="utf-8")
    (folder / "a.ann").write_text("T1\tname 0 1;2 3\t他。\nT2\tname 2 6\t。 林若\nT3 x\n", encoding="utf-8")
    message = refused(read(folder, "brat", {"split": "lines"}))
    assert f"{folder / 'a.ann'}:1: T1: name 0 1;2 3 is an entity of several parts" in message
    assert "name 2 6 goes over the end of a line" in message
    assert f"{folder / 'a.ann'}:3: wanted an annotation such as" in message
    (folder / "a.ann").write_text("\ufeffT1\tname 4 7\t林若溪\n", encoding="utf-8")
    assert next(iter(read(folder))).sentence.entities == (Entity(4, 7, "name"),)
    (folder / "c.ann").touch()
    assert f"{folder / 'c.ann'}: there is no c.txt beside it" in refused(read(folder))


def test_csv_takes_other_separators_columns_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    cell = json.dumps([{"label": "name", "start_offset": 0, "end_offset": 3}]).replace('"', '""')
    for mark in ",\t;":
        path.write_bytes(f'\ufeffnote{mark}text{mark}entities\r\nx{mark}{TEXT}{mark}"{cell}"\r\n'.encode())
        reading = read(path)
        assert (reading.layout, one(reading)) == ("csv", (NAME,))
        assert +reading.counts == {"columns that are not read": 1}
    path.write_text(f'content,spans\n"{TEXT}",[]\n', encoding="utf-8")
    assert one(read(path, "csv", {"text": "content", "entities": "spans"})) == ()
    assert "no column 'text', nor tokens with tags; it has content, spans" in refused(read(path, "csv"))
    wrong = {"text": "content", "entities": "span"}
    assert "no column 'span'; it has content, spans; name it with option entities" in refused(read(path, "csv", wrong))
    path.write_text(f'text,entities\n"{TEXT}","[[0, 3, ""name""]]"\n', encoding="utf-8")
    assert one(read(path)) == (NAME,)
    path.write_bytes(b"text,entities\na,[]\nb,[]\n\xff\xfe,[]\n")
    assert "a.csv:4: not UTF-8 (invalid start byte); the rest of the file was not read" in refused(read(path, "csv"))
    path.write_text('text,entities\n"a\nb",[]\n甲,"[{"\n乙\n丙,"[{""type"": ""x""}]"\n', encoding="utf-8")
    lines = refused(read(path)).splitlines()
    assert lines[1].startswith(f"  {path}:4: entities: not JSON")
    assert lines[2] == f"  {path}:5: 1 cells, and the header has 2"
    assert lines[3] == f"  {path}:6: entities.0.start: wanted a whole number, found None"


def test_parquet_and_data_sets_take_tokens_with_class_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    names = ["O", "B-name", "I-name", "B-place", "I-place"]
    features = Features(
        {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}
    )
    rows = {"id": ["7"], "tokens": [list(TEXT)], "ner_tags": [[1, 2, 2, 0, 0, 3, 4, 0]]}
    data = Dataset.from_dict(rows, features=features)
    data.to_parquet(tmp_path / "a.parquet")
    data.save_to_disk(tmp_path / "a")
    assert one(read(tmp_path / "a.parquet")) == one(read(tmp_path / "a")) == (NAME, PLACE)
    rows["ner_tags"] = [[1, 2, 2, 0, 0, 4, 4, 0]]
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    message = refused(read(tmp_path / "a.parquet", "parquet", {"scheme": "BIO"}))
    assert "a.parquet row 1: ner_tags.5: I-place after O, which BIO does not allow" in message
    rows["ner_tags"] = [[1, 2, 2, 0, 0, 3, 4, -1]]
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert "row 1: ner_tags: wanted tags (O, or as B-PER), found -1\n" in refused(read(tmp_path / "a.parquet"))
    monkeypatch.setattr(parquet, "LARGEST", 100)
    with pytest.raises(CorpusError, match="a row group has more than 100 bytes; write smaller row groups"):
        list(read(tmp_path / "a.parquet"))
    monkeypatch.undo()
    Dataset.from_dict(rows).to_parquet(tmp_path / "a.parquet")
    assert "the file does not say what numbers mean" in refused(read(tmp_path / "a.parquet"))


def test_tables_take_entities_in_each_shape_that_data_sets_have(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    number = Value("int64")
    numbered = {"label": ClassLabel(names=["place", "name"]), "start": number, "end": number, "sure": Value("float64")}
    lists = {"label": List(Value("string")), "start_offset": List(number), "end_offset": List(number)}
    shapes: list[tuple[Any, Any]] = [
        (List(numbered), [{"label": "name", "start": 0, "end": 3, "sure": 0.5}]),
        (lists, {"label": ["name"], "start_offset": [0], "end_offset": [3]}),
        (Value("string"), '[{"type": "name", "start": 0, "end": 3}]'),
        (Value("string"), '[[0, 3, "name"]]'),
    ]
    for shape, cell in shapes:
        features = Features({"text": Value("string"), "entities": shape})
        data = Dataset.from_dict({"text": [TEXT], "entities": [cell]}, features=features)
        data.to_parquet(tmp_path / "a.parquet")
        reading = read(tmp_path / "a.parquet")
        assert one(reading) == (NAME,)
        assert reading.counts["keys of entities that are not read"] == (shape == List(numbered))
    data = Dataset.from_dict({"text": [TEXT], "entities": [{**shapes[1][1], "label": []}]}, features=None)
    data.save_to_disk(tmp_path / "a")
    assert f"{tmp_path / 'a'} row 1: entities: wanted lists of one length, found" in refused(read(tmp_path / "a"))


def test_tables_with_a_text_and_tokens_take_the_tags_if_there_are_no_entities(tmp_path: Path) -> None:
    rows = [
        {
            "id": 7,
            "text": TEXT,
            "tokens": list(TEXT),
            "labels": ["B-name", "I-name", "I-name", *"OO", "B-place", "I-place", "O"],
        }
    ]
    reading = read(put(tmp_path / "a.jsonl", *rows))
    assert (reading.layout, one(reading)) == ("hugging_face", (NAME, PLACE))
    assert +reading.counts == {"columns that are not read": 1}
    rows[0]["labels"] = list(range(8))
    assert "a.jsonl:1: labels: wanted tags (O, or as B-PER), found 0, and the file does not say what" in refused(
        read(put(tmp_path / "a.jsonl", *rows))
    )
    wrong = [{"tokens": ["a"], "tags": ["O"]}, [], {"tokens": ["a", "b"], "tags": ["O"]}, {"tokens": [], "tags": []}]
    lines = refused(read(put(tmp_path / "a.jsonl", *wrong))).splitlines()
    assert [line.split("a.jsonl:")[1] for line in lines[1:4]] == [
        "2: wanted an object, found []",
        "3: tags: wanted a tag for each of 2 tokens, found ['O']",
        "4: tokens: wanted a list of texts, found []",
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_write_counts_ids_and_scores_that_it_leaves_out(layout: str, tmp_path: Path) -> None:
    scored = Record(Sentence("a7", TEXT, (Entity(0, 3, "name", 0.5), PLACE)), True, 1)
    left_out = write(tmp_path / "a", [scored], layout, {"labels": "predictions"} if layout == "label_studio" else {})
    (record,) = read(tmp_path / "a", layout, {"labels": "predictions"} if layout == "label_studio" else {})
    assert record.sentence.entities == scored.sentence.entities
    assert left_out["scores"] == (record.sentence.entities[0].score is None)
    kept = layout not in ("conll", "brat")
    assert (left_out["ids"], record.sentence.id == "a7") == (not kept, kept)


def test_write_folder_only_where_none_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").touch()
    with pytest.raises(CorpusError, match="already exists; brat writes a folder: name a new one"):
        write(tmp_path / "mine", CORPUS, "brat")
    assert (tmp_path / "mine/thesis.txt").exists()

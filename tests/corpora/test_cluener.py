import io
import threading
from typing import ClassVar

import pyarrow
import pytest
from pyarrow import parquet
from support.cluener_files import (  # noqa: F401
    CLOSED,
    DEV,
    FILES,
    PINS,
    SENTENCES,
    TRAIN,
    archive,
    lines,
    load,
    nothing_reachable,
)
from support.servers import COMMIT, Handler, file_handler, hub_handler, refusing, serve, use_hub

from clue_ner import hub
from clue_ner.common.errors import SourceError
from clue_ner.corpora import _web, cluener


def hub_rows(split):
    return [
        {
            "text": sentence.text,
            "entities": [
                {
                    "id": number,
                    "entity": entity.surface(sentence.text),
                    "start_offset": entity.start,
                    "end_offset": entity.end,
                    "label": entity.type,
                }
                for number, entity in enumerate(sentence.entities)
            ],
        }
        for sentence in SENTENCES[split]
    ]


def table(records):
    entity = pyarrow.struct(
        {"id": "int64", "entity": "string", "start_offset": "int64", "end_offset": "int64", "label": "string"}
    )
    schema = pyarrow.schema({"text": pyarrow.string(), "entities": pyarrow.list_(entity)})
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(records, schema=schema), sink)
    return sink.getvalue()


HUB_PARQUET = {
    "data/train-00001-of-00002-0bb6.parquet": table(hub_rows("train")[2:]),
    "data/train-00000-of-00002-39fc.parquet": table(hub_rows("train")[:2]),
    "data/validation-00000-of-00001-bc56.parquet": table(hub_rows("test")),
    "data/test-00000-of-00001-0bb6.parquet": table(hub_rows("unlabelled")),
    "README.md": b"# a dataset",
    "train.json": b"not used where there is Parquet",
}
HUB_JSON = {
    "train.json": lines(hub_rows("train")),
    "dev.json": lines(hub_rows("test")),
    "test.json": FILES["test.json"],
    "label.txt": b"name",
}


@pytest.fixture
def folder(tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, content in FILES.items():
        (mirror / name).write_bytes(content)
    return mirror


def test_cluener_reads_a_mirror_folder(folder, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    assert load().splits == SENTENCES
    assert caplog.messages == [f"corpus cluener: read from CLUENER_MIRROR {folder}"]


def test_cluener_takes_a_relative_mirror_from_the_repository_root(folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", "./mirror")
    monkeypatch.setenv("DVC_ROOT", str(folder.parent))
    assert load().splits == SENTENCES


def test_cluener_without_official_test_has_no_unlabelled(folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    (folder / "test.json").unlink()
    assert list(load().splits) == ["train", "test"]


def test_cluener_reads_a_mirror_url(monkeypatch):
    with serve(file_handler({f"/data/{name}": content for name, content in FILES.items()})) as url:
        monkeypatch.setenv("CLUENER_MIRROR", f"{url}/data/")
        assert load().splits == SENTENCES


def test_cluener_mirror_url_needs_no_official_test(monkeypatch):
    with serve(file_handler({f"/{name}": FILES[name] for name in ("train.json", "dev.json")})) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url)
        assert list(load().splits) == ["train", "test"]


def test_cluener_mirror_url_with_a_login_keeps_the_password_out_of_every_message(monkeypatch, caplog):
    caplog.set_level("DEBUG")
    handler = file_handler({f"/{name}": content for name, content in FILES.items()}, login="me:s3cr@t")
    with serve(handler) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url.replace("//", "//me:s3cr%40t@"))
        assert load().splits == SENTENCES
        monkeypatch.setenv("CLUENER_MIRROR", url.replace("//", "//me:s3cr@x@"))
        with pytest.raises(
            SourceError, match=r"CLUENER_MIRROR http://\*\*\*@127.*train\.json: answered HTTP 401"
        ) as info:
            load()
    assert "s3cr" not in str(info.value) + caplog.text


@pytest.mark.parametrize("missing", ["train.json", "dev.json"])
def test_cluener_mirror_that_lacks_a_file_is_an_error(missing, folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    (folder / missing).unlink()
    with pytest.raises(SourceError, match=f"{folder}: has no {missing}"):
        load()


def test_cluener_mirror_folder_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match=r"/nowhere: has no train\.json and no dev\.json"):
        load()


def test_cluener_mirror_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(tmp_path / ("x" * 300)))
    with pytest.raises(SourceError, match=r"CLUENER_MIRROR .*x: \[Errno 36\] File name too long"):
        load()


def test_cluener_wrong_mirror_is_refused_by_fingerprint_and_no_other_source_asked(folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    (folder / "dev.json").write_bytes(lines(TRAIN[:1]))
    handler = hub_handler("dataset", {cluener.HUB_DATASET: HUB_JSON})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(folder.parent / "hub"))
        wanted = PINS["test"][:12]
        with pytest.raises(SourceError, match=rf"dev\.json has fingerprint .*1 sentences, 2 entities.*wanted {wanted}"):
            load()
    assert handler.requests == []


def test_cluener_pins_are_checked_for_train_too(folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    with pytest.raises(SourceError, match=r"train\.json has fingerprint .*wanted 4fffff787582"):
        load(cluener.PINS)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"text": "在南京", "label": {"address": {"北京": [[1, 2]]}}},
            r"text\[start:end\] is '南京', the record says '北京'",
        ),
        ({"text": "在南京", "label": {"address": {"南京": [[1, 3]]}}}, r"address 1:4\): wanted 0 <= start < end <= 3"),
        ({"text": "在南京", "label": {"address": {"南京": [[1]]}}}, r"label\.address\.南京\.0: .*at least 2"),
        ({"text": "在南京"}, r"lacks 'label'"),
        ({"label": {}}, r"lacks 'text'"),
        ("在南京", r"the record: .*found '在南京'"),
    ],
)
def test_cluener_bad_record_is_named(record, message, folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    (folder / "train.json").write_bytes(lines([*TRAIN, record]))
    with pytest.raises(SourceError, match=rf"train\.json:4: .*{message}"):
        load()


@pytest.mark.parametrize(
    ("records", "message"),
    [(DEV, "unknown key 'label'"), (hub_rows("test"), "entities: List should have at most 0 items")],
)
def test_cluener_labels_in_the_unlabelled_split_are_refused(records, message, folder, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(folder))
    (folder / "test.json").write_bytes(lines(records))
    with pytest.raises(SourceError, match=rf"test\.json:1: {message}"):
        load()


def test_cluener_mirror_with_html_is_refused(monkeypatch):
    page = b"\n <!doctype html><p>please log in</p>"
    with serve(file_handler({**{f"/{name}": content for name, content in FILES.items()}, "/dev.json": page})) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url)
        with pytest.raises(SourceError, match=r"dev\.json: an HTML page"):
            load()


def test_cluener_truncated_mirror_is_refused(monkeypatch):
    with serve(file_handler({f"/{name}": content for name, content in FILES.items()}, cut=5)) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url)
        size = len(FILES["train.json"]) - 5
        with pytest.raises(SourceError, match=rf"train\.json: broke off after {size} bytes"):
            load()


def test_cluener_mirror_with_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(_web, "LARGEST", 20)
    with serve(file_handler({f"/{name}": content for name, content in FILES.items()})) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url)
        with pytest.raises(SourceError, match=r"train\.json: more than the 20 bytes"):
            load()


def test_cluener_mirror_that_is_no_url_is_an_error(monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", "http://127.0.0.1:b/x")
    with pytest.raises(SourceError, match=r"train\.json: not a URL"):
        load()


@pytest.mark.parametrize("files", [HUB_PARQUET, HUB_JSON], ids=["parquet", "json"])
def test_cluener_reads_the_hub_dataset_and_then_its_cache(files, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "clue_ner")
    handler = hub_handler("dataset", {cluener.HUB_DATASET: files})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        assert load().splits == SENTENCES
    assert caplog.messages == ["corpus cluener: read from hub dataset xusenlin/clue-ner"]
    assert not any("README" in request for request in handler.requests)
    assert (tmp_path / "hub" / "datasets--xusenlin--clue-ner" / "snapshots" / COMMIT).is_dir()
    assert load().splits == SENTENCES


def test_cluener_hub_offline_uses_the_cache_without_asking(tmp_path, monkeypatch):
    handler = hub_handler("dataset", {cluener.HUB_DATASET: HUB_JSON})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        load()
        handler.requests.clear()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert load().splits == SENTENCES
        use_hub(monkeypatch, url, str(tmp_path / "empty"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(SourceError, match=r"hub dataset xusenlin/clue-ner: .*OfflineModeIsEnabled.*HF_HUB_OFFLINE"):
            load()
    assert handler.requests == []


def test_cluener_reads_the_archive_where_the_hub_has_other_content(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "clue_ner")
    other = hub_handler("dataset", {cluener.HUB_DATASET: {**HUB_JSON, "train.json": lines(TRAIN[:2])}})
    with serve(other) as hub_url, serve(file_handler({"/c.zip": archive(FILES)})) as url:
        use_hub(monkeypatch, hub_url, str(tmp_path / "hub"))
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        assert load().splits == SENTENCES
    assert caplog.messages == [
        "corpus cluener: not from hub dataset xusenlin/clue-ner",
        f"corpus cluener: read from archive {url}/c.zip",
    ]


def test_cluener_gives_the_same_from_every_source(folder, tmp_path, monkeypatch):
    found = []
    with (
        serve(hub_handler("dataset", {cluener.HUB_DATASET: HUB_PARQUET})) as hub_url,
        serve(file_handler({"/c.zip": archive(FILES)})) as url,
    ):
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        found.append(load())
        use_hub(monkeypatch, hub_url, str(tmp_path / "hub"))
        found.append(load())
        monkeypatch.setenv("CLUENER_MIRROR", str(folder))
        found.append(load())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("mask", [0xFF, 4])
def test_cluener_archive_with_any_byte_damaged_is_whole_or_refused(mask):
    whole = archive(FILES)
    refused = 0
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= mask
        try:
            files = cluener._unzip(bytes(content))
        except SourceError as error:
            assert "not a zip archive that can be read" in str(error) or "more than" in str(error)
            refused += 1
        else:
            assert all(content in FILES.values() for split in files.values() for content in split.values())
    assert refused > len(whole) / 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(FILES)[:-40], "not a zip archive that can be read"),
        (b"<html>sorry</html>", r"c\.zip: an HTML page"),
        (archive({"train.json": FILES["train.json"]}), r"has no dev\.json"),
        (archive({**FILES, "train.json": b" " * 20_000}), "train.json in it has more than the 10000 bytes"),
    ],
    ids=["cut", "html", "member missing", "member too large"],
)
def test_cluener_bad_archive_is_refused(content, message, monkeypatch):
    monkeypatch.setattr(_web, "LARGEST", 10_000)
    with serve(file_handler({"/c.zip": content})) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=rf"archive {url}/c\.zip: .*{message}"):
            load()


def test_cluener_truncated_archive_download_is_refused(monkeypatch):
    with serve(file_handler({"/c.zip": archive(FILES)}, cut=9)) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=r"c\.zip: broke off"):
            load()


def test_cluener_archive_that_is_not_there_is_an_error(monkeypatch):
    with serve(file_handler({})) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=r"c\.zip: there is no such file"):
            load()


def test_cluener_hub_without_the_dataset_is_an_error(tmp_path, monkeypatch):
    with serve(hub_handler("dataset", {})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"hub dataset .*: \S+ did not provide it \(RepositoryNotFoundError: "):
            load()


def test_cluener_hub_that_is_a_login_page_is_an_error(tmp_path, monkeypatch):
    with serve(refusing(200, b"<html>please log in</html>")) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"hub dataset .*: \S+ did not provide it \(JSONDecodeError: "):
            load()


def test_cluener_hub_that_fails_is_an_error_without_its_password(tmp_path, monkeypatch):
    with serve(refusing(500)) as url:
        use_hub(monkeypatch, url.replace("//", "//me:s3cret@"), str(tmp_path / "hub"))
        with pytest.raises(
            SourceError, match=r"http://\*\*\*@127\S+ did not provide it \(.*500.*http://\*\*\*@127"
        ) as info:
            load()
    assert "s3cret" not in str(info.value)


def test_cluener_hub_interface_that_never_answers_is_given_up(tmp_path, monkeypatch):
    enough = threading.Event()

    class Slow(Handler):
        requests: ClassVar[list[str]] = []

        def answer(self):
            if "/api/" in self.path:
                enough.wait(30)
            self.send(200)

    monkeypatch.setattr(hub, "PATIENCE", 0.3)
    with serve(Slow) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"hub dataset .*Timeout.*timed out"):
            load()
        enough.set()


def test_cluener_truncated_hub_download_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serve(hub_handler("dataset", {cluener.HUB_DATASET: HUB_JSON}, cut=7)) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"\(RemoteProtocolError: peer closed connection"):
            load()


def test_cluener_hub_download_that_hangs_is_given_up(tmp_path, monkeypatch):
    enough = threading.Event()

    class Hanging(hub_handler("dataset", {cluener.HUB_DATASET: HUB_JSON})):
        def send_file(self, name, content):
            enough.wait(30)
            super().send_file(name, None)

    monkeypatch.setattr(hub, "SLACK", 0.3)
    with serve(Hanging) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"\(TimeoutError: dev\.json was not downloaded within 0 s\)"):
            load()
        enough.set()


@pytest.mark.parametrize("content", [b"PAR1 no", b"x" * 100, HUB_PARQUET["data/test-00000-of-00001-0bb6.parquet"][:-9]])
def test_cluener_damaged_parquet_is_refused(content, tmp_path, monkeypatch):
    files = {**HUB_PARQUET, "data/validation-00000-of-00001-bc56.parquet": content}
    with serve(hub_handler("dataset", {cluener.HUB_DATASET: files})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match=r"validation-.*\.parquet: not Parquet"):
            load()


def test_cluener_download_that_stalls_is_given_up(monkeypatch):
    enough = threading.Event()

    class Stalling(Handler):
        requests: ClassVar[list[str]] = []

        def answer(self):
            self.send(200, b"PK", {"Content-Length": "1000"})
            enough.wait(30)

    monkeypatch.setattr(_web, "PATIENCE", 0.3)
    with serve(Stalling) as url:
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=r"c\.zip: broke off after 2 bytes \(timed out\)"):
            load()
        enough.set()


def test_cluener_follows_a_redirect(monkeypatch):
    with serve(file_handler({"/c.zip": archive(FILES)})) as there:

        class Moved(Handler):
            requests: ClassVar[list[str]] = []

            def answer(self):
                self.send(302, b"", {"Location": f"{there}/c.zip"})

        with serve(Moved) as url:
            monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/old.zip")
            assert load().splits == SENTENCES


def test_cluener_without_any_source_says_what_to_do():
    with pytest.raises(SourceError, match="no answer") as info:
        load()
    message = str(info.value)
    assert f"hub dataset xusenlin/clue-ner: {CLOSED} did not provide it (ConnectError: " in message
    assert f"archive {CLOSED}/cluener_public.zip: cluener_public.zip: no answer" in message
    assert "set CLUENER_MIRROR to a folder or URL" in message
    assert "make demo" in message


def test_cluener_does_not_wait_for_a_server_that_never_answers(tmp_path, monkeypatch):
    class Mute(Handler):
        requests: ClassVar[list[str]] = []

        def answer(self):
            self.rfile.read()

    for module in (hub, _web):
        monkeypatch.setattr(module, "PATIENCE", 0.2)
    with serve(Mute) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        monkeypatch.setenv("CLUENER_ARCHIVE_URL", f"{url}/c.zip")
        with pytest.raises(SourceError, match=r"c\.zip: no answer"):
            load()
    assert len(Mute.requests) == 2


def test_cluener_waits_at_most_half_a_minute_for_all_sources():
    hub_silent, archive_silent, archive_stalls = hub.PATIENCE, _web.PATIENCE, _web.PATIENCE
    assert hub_silent + archive_silent + archive_stalls < 30

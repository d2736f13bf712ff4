"""The service as a whole: overload, a worker that dies or stands still, a stop, a model that changes."""

import contextlib
import http.client
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import psutil
import pytest
from support.serving import Answer, Server, ask_on, served, start, until
from support.tiny import TAGS, tiny_tagger_folder
from support.tracking_repository import leave_stores_alone, local_client, put_empty_store, tracking_params

from clue_ner.common.files import write_checksums
from clue_ner.tagger.config import TaggerConfig


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as executor:
        yield executor


def name_training(folder: Path, fingerprint: str) -> None:
    """Make the tagger in ``folder`` that of another training."""
    config = TaggerConfig.load(folder)
    trained = config.trained.model_copy(update={"fingerprint": fingerprint})
    config.model_copy(update={"trained": trained}).save(folder)
    write_checksums(folder)


def in_flight(server: Server, pool: ThreadPoolExecutor, texts: list[str]) -> list["Future[Answer]"]:
    """Requests that wait for a worker that stands still: all of them have been accepted."""
    before = server.metric("clue_ner_open_requests")
    asked = [pool.submit(server.tag, text) for text in texts]
    until(lambda: server.metric("clue_ner_open_requests") == before + len(texts))
    assert not any(future.done() for future in asked)
    return asked


def test_too_much_is_refused_at_once_with_a_time_and_what_was_accepted_is_answered(
    export: Path, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    with served("--model", export, "--max-waiting", 200, folder=tmp_path) as server:
        with server.held():
            first = in_flight(server, pool, ["上海"])
            waiting = in_flight(server, pool, ["李雷"] * 11)  # 18 of 200 each
            refused = [server.tag("李雷") for _ in range(5)]
        for answer in refused:
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json["error"] == "too much is waiting: 198 characters, at most 200 are allowed"
        assert {future.result().status for future in [*first, *waiting]} == {200}
        assert server.tag("上海").status == 200


def test_a_request_that_is_larger_than_the_queue_is_answered_when_nothing_waits(export: Path, tmp_path: Path) -> None:
    with served("--model", export, "--max-waiting", 10, folder=tmp_path) as server:
        answer = server.tag(*["李雷在上海"] * 50)
        assert (answer.status, len(answer.json["results"])) == (200, 50)


def test_requests_take_turns(export: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with served("--model", export, "--max-waiting", 10**6, folder=tmp_path) as server:
        with server.held():
            first = in_flight(server, pool, ["上海"])
            large = pool.submit(server.tag, *["李雷" * 400] * 200)
            until(lambda: server.metric("clue_ner_open_requests") == 2)
            small = in_flight(server, pool, ["上海"] * 3)
        order = list(as_completed([large, *first, *small]))
        assert order[-1] is large
        assert {future.result().status for future in order} == {200}


def test_requests_of_a_worker_that_is_killed_end_at_once_and_the_next_are_answered(
    export: Path, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    with served("--model", export, folder=tmp_path) as server:
        with server.held() as worker:
            computed = in_flight(server, pool, ["上海"])
            waiting = in_flight(server, pool, ["李雷"] * 3)
            worker.kill()
            answer = computed[0].result(timeout=20)
            assert (answer.status, "signal 9" in answer.json["error"]) == (500, True)
        assert [future.result().json["results"][0]["entities"][0]["text"] for future in waiting] == ["李雷"] * 3
        assert server.worker().pid != worker.pid
        assert server.metric("clue_ner_worker_starts") == 2
        assert "it is restarted" in server.said


def test_a_worker_that_is_killed_while_it_has_nothing_to_do_costs_no_request(export: Path, tmp_path: Path) -> None:
    with served("--model", export, folder=tmp_path) as server:
        server.worker().kill()
        until(lambda: server.metric("clue_ner_worker_starts") == 2)
        assert server.tag("上海").status == 200
        assert server.ask("/readyz").status == 200


def test_of_two_workers_one_is_enough(export: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with served("--model", export, "--workers", 2, folder=tmp_path) as server:
        with server.held() as worker:
            asked = [pool.submit(server.tag, "上海") for _ in range(2)]
            until(lambda: server.metric("clue_ner_open_requests") == 1)  # each worker got one of them
            assert [server.tag("李雷").status for _ in range(5)] == [200] * 5
            worker.kill()
            assert sorted(future.result(timeout=20).status for future in asked) == [200, 500]
        assert server.ask("/readyz").status == 200
        until(lambda: server.metric("clue_ner_worker_starts") == 3)
        assert {answer.status for answer in server.at_once([{"text": "上海"}] * 40)} == {200}


def test_two_workers_share_what_waits(export: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with served("--model", export, "--workers", 2, folder=tmp_path) as server:
        workers = [child for child in psutil.Process(server.process.pid).children() if "worker" in str(child.cmdline())]
        assert len(workers) == 2
        for worker in workers:
            worker.suspend()
        first = in_flight(server, pool, ["上海"] * 2)
        waiting = in_flight(server, pool, ["李雷"] * 8)
        workers[0].resume()
        until(lambda: sum(future.done() for future in [*first, *waiting]) == 9)
        workers[1].resume()
        assert {future.result().status for future in [*first, *waiting]} == {200}
        assert server.metric('clue_ner_group_texts_bucket{le="4.0"}') == server.metric("clue_ner_group_texts_count")


def test_a_worker_that_does_not_answer_is_replaced(export: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with served("--model", export, "--timeout", 1, folder=tmp_path) as server, server.held() as worker:
        (asked,) = in_flight(server, pool, ["上海"])
        assert asked.result(timeout=20).status in (500, 504)
        until(lambda: not psutil.pid_exists(worker.pid))
        assert until(lambda: server.tag("上海").status == 200)


def test_a_worker_does_not_reload_another_model_in_the_same_folder(export: Path, tmp_path: Path) -> None:
    """Answers name one version, so it must not be computed by another."""
    folder = Path(shutil.copytree(export, tmp_path / "export"))
    with served("--model", folder, "--workers", 2, folder=tmp_path) as server:
        answer = server.tag("上海").json
        name_training(folder / "tagger", "a" * 64)
        server.worker().kill()
        until(lambda: "restart the service to serve it" in server.said)
        assert [server.tag("上海").json for _ in range(3)] == [answer] * 3


def test_while_the_model_cannot_be_loaded_requests_are_refused_and_then_answered_again(
    export: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(export, tmp_path / "export"))
    with served("--model", folder, folder=tmp_path) as server:
        folder.rename(tmp_path / "away")
        server.worker().kill()
        until(lambda: server.tag("上海").status == 503)
        assert server.ask("/readyz").status == 503
        assert server.ask("/healthz").status == 200
        (tmp_path / "away").rename(folder)
        assert until(lambda: server.tag("上海").status == 200)


def test_term_answers_what_was_accepted(export: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with served("--model", export, folder=tmp_path) as server:
        with server.held() as worker:
            asked = in_flight(server, pool, ["李雷"] * 20)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert server.process.poll() is None
        assert [future.result().status for future in asked] == [200] * 20
        assert server.process.wait(30) == 0
        until(lambda: not psutil.pid_exists(worker.pid))


def test_term_answers_what_arrives_on_an_open_connection_meanwhile(export: Path, tmp_path: Path) -> None:
    with served("--model", export, folder=tmp_path) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        with contextlib.closing(connection):
            assert ask_on(connection, "/healthz").headers.get("connection") is None
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            answer = ask_on(connection, "/tag", {"text": "上海"})
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(20) == 0


def test_the_worker_ends_with_a_service_that_is_killed(export: Path, tmp_path: Path) -> None:
    with served("--model", export, folder=tmp_path) as server:
        worker = server.worker()
        server.stop(signal.SIGKILL)
        until(lambda: not worker.is_running())


def test_ctrl_c_ends_it(export: Path, tmp_path: Path) -> None:
    with served("--model", export, folder=tmp_path) as server:
        assert server.stop(signal.SIGINT) == 130


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    process = start("--model", tmp_path, folder=tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith(f"error: {tmp_path}: no model (wanted tagger.json there")
    assert said.count("\n") == 1


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose registry has two versions of ``clue-ner``; ``champion`` is the first."""
    from clue_ner.tracking import register

    leave_stores_alone(monkeypatch)
    put_empty_store(tmp_path)
    for number, lexicon in enumerate((TAGS, {"人": "B-name"}), 1):
        export = tmp_path / f"export-{number}"
        folder = tiny_tagger_folder(export / "tagger", lexicon=lexicon)
        name_training(folder, f"{number}" * 64)
        version = register(tmp_path, export, tracking_params())
        assert version is not None
        assert version.version == number
    local_client(tmp_path).set_registered_model_alias("clue-ner", "champion", "1")
    return tmp_path


@pytest.mark.slow
def test_follow_changes_the_model_without_losing_a_request(registry: Path, pool: ThreadPoolExecutor) -> None:
    with served("--follow", "models:/clue-ner@champion", "--poll", 1, folder=registry) as server:
        assert server.ask("/model").json["version"] == "1"
        answers: list[Answer] = []
        asking = True

        def ask() -> None:
            while asking:
                answers.append(server.tag("李雷", "人"))

        clients = [pool.submit(ask) for _ in range(4)]
        local_client(registry).set_registered_model_alias("clue-ner", "champion", "2")
        until(lambda: server.ask("/model").json["version"] == "2")
        until(lambda: len(psutil.Process(server.process.pid).children()) == 2)  # a worker, and who asks MLflow
        asking = False
        for client in clients:
            client.result()
        found = {"1": ["李雷"], "2": ["人"]}
        for answer in answers:
            assert answer.status == 200
            results = answer.json["results"]
            texts = [entity["text"] for result in results for entity in result["entities"]]
            assert texts == found[answer.json["model"]["version"]]
        assert {answer.json["model"]["name"] for answer in answers} == {"clue-ner"}
        assert {answer.json["model"]["version"] for answer in answers} == {"1", "2"}


@pytest.mark.slow
def test_a_request_that_was_begun_is_answered_by_its_version(registry: Path, pool: ThreadPoolExecutor) -> None:
    with served("--follow", "models:/clue-ner@champion", "--poll", 1, "--timeout", 120, folder=registry) as server:
        with server.held():
            begun = pool.submit(server.tag, *["李雷" * 400] * 3)  # three groups, of which the first is computed
            local_client(registry).set_registered_model_alias("clue-ner", "champion", "2")
            until(lambda: server.ask("/model").json["version"] == "2")
        answer = begun.result().json
        assert answer["model"]["version"] == "1"
        assert [len(result["entities"]) for result in answer["results"]] == [400] * 3
        assert server.tag("李雷").json["results"] == [{"entities": []}]


@pytest.mark.slow
def test_follow_keeps_the_model_when_the_new_one_is_damaged(registry: Path) -> None:
    with served("--follow", "models:/clue-ner@champion", "--poll", 1, folder=registry) as server:
        for file in registry.rglob("artifacts/tagger/model.safetensors"):
            file.write_bytes(b"damaged")
        local_client(registry).set_registered_model_alias("clue-ner", "champion", "2")
        until(lambda: server.metric("clue_ner_follow_errors_total") >= 2)
        assert server.ask("/model").json["version"] == "1"
        assert server.tag("李雷").status == 200
        assert server.said.count("stays in use") == 1

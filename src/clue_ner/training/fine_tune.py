"""One fine-tuning from the stages' files to a folder that ``Tagger.load`` reads."""

import functools
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import clue_ner
from clue_ner.alignment.aligner import Aligner, load_tokenizer
from clue_ner.alignment.encode import read_rows
from clue_ner.common.errors import CorpusError
from clue_ner.common.paths import home_of
from clue_ner.core.files import (
    CHECKSUMS,
    atomic_folder,
    checked,
    folder_fingerprint,
    read_json,
    read_sentences,
    read_tags,
    sha256,
    write_checksums,
    write_json,
    write_text,
)
from clue_ner.core.params import Params
from clue_ner.evaluation.scores import micro
from clue_ner.network.heads import reads_tags
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.tagger import CARD, FORMAT, Tagger
from clue_ner.training import device, distributed, model_setup
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.evaluation_callback import History, Validate
from clue_ner.training.teacher import Teacher, identity
from clue_ner.training.trainer import fine_tune

logger = logging.getLogger(__name__)

CODE = ("alignment", "core", "network", "tagger", "training")
"""What of this package decides the weights: part of a training's fingerprint."""


def describe(root: Path, params: Params, teacher: Path | None = None) -> dict[str, Any]:
    """``tagger.json`` before training: the model's shape, and what it is made from, whose checksums are compared.

    ``teacher`` is the folder of the model that ``train.teacher`` names.
    Raises ArtifactError if a file in data/ is missing or damaged, or the teacher is no model.
    """
    folders = {name: checked(root / "data" / name) for name in ("corpus", "backbone", "encoded")}
    corpus, tags = read_json(folders["corpus"] / "corpus.json"), read_tags(root)
    used = params.model_dump(include={"seed", "corpus", "backbone", "tagging", "train"})
    trained = {
        "corpus": {"name": corpus["name"], "fingerprint": corpus["fingerprint"], "licence": corpus["licence"]},
        "backbone": read_json(folders["backbone"] / "source.json"),
        "params": used,
    }
    if teacher is not None:
        trained["teacher"] = {"name": params.train.teacher, "checksums": identity(teacher)}
    inputs = {
        **trained,
        "encoded": folder_fingerprint(folders["encoded"]),
        "weights": read_json(folders["backbone"] / CHECKSUMS),
        "code": _code_fingerprint(),
    }
    return {
        "format": FORMAT,
        "head": params.train.head,
        "align": params.tagging.align,
        "scheme": tags["scheme"],
        "types": tags["types"],
        "tags": tags["tags"],
        "window": params.tagging.window,
        "overlap": params.tagging.overlap,
        "context_size": params.train.context_size,
        "head_options": params.train.head_options,
        "flat": params.train.flat,
        "trained": {"fingerprint": hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(), **trained},
    }


def checkpoints_of(root: Path, params: Params, card: dict[str, Any]) -> Checkpoints:
    """Where the training that ``card`` describes, on this device and with these libraries, keeps its checkpoints."""
    about = {
        "training": card["trained"]["fingerprint"],
        "code": _code_fingerprint(),
        "device": device.describe(params.train),
        "libraries": {name: version(name) for name in ("accelerate", "torch", "transformers")},
    }
    return Checkpoints(home_of(root), about)


def train(
    root: Path,
    params: Params,
    card: dict[str, Any],
    tell: Callable[[History], None],
    checkpoints: Checkpoints,
    teacher: Path | None = None,
) -> History:
    """Fine-tune on data/encoded and write models/tagger; ``tell`` hears of every epoch as it ends.

    Goes on from the newest of ``checkpoints``. Of several processes, the leading one writes and tells.
    Raises CorpusError if there is nothing to train on, ArtifactError if the model in ``teacher`` is damaged or unlike.
    """
    from transformers import set_seed
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    rows = read_rows(root / "data/encoded/train.arrow")
    if not len(rows):
        raise CorpusError("data/encoded/train.arrow: no sentence to train on; add some to the corpus")
    if len(rows) < params.train.processes:
        raise CorpusError(f"data/encoded/train.arrow: {len(rows)} rows for train.processes {params.train.processes}")
    logger.info("training on %s", device.describe(params.train))
    if levers := model_setup.levers(params.train):
        logger.info("with %s", levers)
    if params.train.flat and not reads_tags(card["head"]) and (pairs := _overlapping_pairs(root)):
        logger.info("%d pairs of entities in train overlap; of such, one is found (train.flat: true)", pairs)
    pieces = root / "data/encoded/tokenizer"
    taught_by = None if teacher is None else Teacher.load(teacher, card, pieces, params.train)
    set_seed(params.seed)
    model = model_setup.build(root / "data/backbone", card, params.train)
    tokenizer = load_tokenizer(pieces)
    aligner = Aligner(tokenizer, card["align"], card["window"], card["overlap"])
    with tempfile.TemporaryDirectory() as scratch:
        history = fine_tune(
            model,
            rows,
            tokenizer.pad_token_id,
            params.train,
            params.seed,
            scratch,
            _validation(root / "data/corpus/valid.jsonl", aligner, card),
            tell,
            checkpoints,
            taught_by,
        )
    card["trained"]["valid_micro_f1"] = summary(history)["valid_micro_f1"]
    if distributed.leads():
        _save(model, card, root, params.train.layers)
    return history


def summary(history: History) -> dict[str, Any]:
    """``metrics/train.json``: the epochs, the one that is kept, and its valid F1 (None without a valid split)."""
    kept = history.epochs[history.best - 1]
    return {"epochs": history.epochs, "best_epoch": history.best, "valid_micro_f1": kept.get("valid_micro_f1")}


def _overlapping_pairs(root: Path) -> int:
    return int(read_json(root / "metrics/corpus.json")["splits"]["train"]["overlapping_pairs"])


def _validation(path: Path, aligner: Aligner, card: dict[str, Any]) -> Validate | None:
    if not path.exists():
        return None
    gold = read_sentences(path)
    texts = [sentence.text for sentence in gold]

    def validate(model: TaggerModel) -> dict[str, float]:
        readings = Tagger(model, aligner, card).read(texts)
        scores = micro(gold, [reading.strict for reading in readings])
        return {"micro_f1": scores["f1"], "precision": scores["precision"], "recall": scores["recall"]}

    return validate


def _save(model: TaggerModel, card: dict[str, Any], root: Path, layers: int | None) -> None:
    from safetensors.torch import save_file

    with atomic_folder(root / "models/tagger") as folder:
        weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        write_text(folder / "config.json", model_setup.config_json(root / "data/backbone", layers))
        shutil.copytree(root / "data/encoded/tokenizer", folder, dirs_exist_ok=True)
        write_json(folder / CARD, card)
        write_checksums(folder)


@functools.cache
def _code_fingerprint() -> str:
    package = Path(clue_ner.__file__).parent
    files = sorted(
        path for name in CODE for path in (package / name, *(package / name).rglob("*.py")) if path.is_file()
    )
    return hashlib.sha256("".join(f"{p.relative_to(package)} {sha256(p)}\n" for p in files).encode()).hexdigest()

"""One fine-tuning: from the outputs of the earlier stages to a folder that ``Tagger.load`` reads."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from clue_ner.alignment.aligner import Aligner
from clue_ner.common.errors import TrainingError
from clue_ner.common.files import atomic_folder, write_checksums, write_text
from clue_ner.core.entities import Sentence
from clue_ner.core.params import Params
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.model_files import WEIGHTS
from clue_ner.tagger.tagger import Tagger
from clue_ner.training import device, distributed, model_setup
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.evaluation_callback import History, Validate
from clue_ner.training.inputs import Inputs
from clue_ner.training.teacher import Teacher
from clue_ner.training.trainer import fit
from clue_ner.training.warm_start import WarmStart

logger = logging.getLogger(__name__)


def checkpoints_of(home: Path, inputs: Inputs, config: TaggerConfig, used: str) -> Checkpoints:
    """The checkpoints of the training of ``config``, for these library versions and the device (``used``)."""
    about = {
        "training": config.trained.fingerprint,
        "code": inputs.digests["code"],
        "device": used,
        "libraries": {name: version(name) for name in ("accelerate", "torch", "transformers")},
    }
    return Checkpoints(home, about)


@contextlib.contextmanager
def exclusive(home: Path, checkpoints: Checkpoints) -> Iterator[None]:
    """Lock the device and the training against other trainings; of several processes, the main one does it."""
    if distributed.is_main_process():
        with device.turn(home), checkpoints.held():
            yield
    else:
        yield


def load_taggers(
    folders: Mapping[str, Path], inputs: Inputs, params: Params, config: TaggerConfig
) -> tuple[Teacher | None, WarmStart | None]:
    """The tagger to learn from and the one to go on from; ``folders`` as of ``trained_tagger.folders``.

    Raises ArtifactError for one that is damaged or does not fit.
    """
    teacher, start = None, None
    if (folder := folders.get("init_from")) is not None:
        start = WarmStart.load(folder, config, inputs, params.train)
    if (folder := folders.get("teacher")) is not None:
        teacher = Teacher.load(folder, config, inputs.encoded / "tokenizer", params.train)
    return teacher, start


def train(
    inputs: Inputs,
    params: Params,
    config: TaggerConfig,
    checkpoints: Checkpoints,
    used: str,
    on_epoch: Callable[[History], None],
    teacher: Teacher | None = None,
    start: WarmStart | None = None,
) -> tuple[TaggerModel, History]:
    """Fine-tune the model that ``config`` describes, from ``checkpoints`` if there are any; the model and its history.

    - ``used``: the result of ``device.describe``
    - ``on_epoch``: called at the end of each epoch
    - ``teacher``, ``start``: from ``load_taggers``; the weights of ``start`` are released after use

    Raises CorpusError if there is nothing to train on, and TrainingError if loss or weights are infinite or NaN. In the
    last case the checkpoints are removed, because resuming would give the same result.
    """
    from transformers import set_seed

    options = params.train
    examples = inputs.examples(options.processes)
    logger.info("training on %s", used)
    if (slowness := device.slowness(options)) is not None:
        logger.info("%s", slowness)
    if enabled := model_setup.enabled_options(options):
        logger.info("with %s", enabled)
    pairs = inputs.corpus["splits"]["train"]["overlapping_pairs"]
    if options.flat and pairs:
        logger.info(
            "%d pairs of entities in train overlap; only one of each pair can be found (train.flat: true)", pairs
        )
    aligner = inputs.aligner(config)
    set_seed(params.seed)
    model = model_setup.build(inputs.backbone, config, options)
    if start is not None:
        start.into(model)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            history = fit(
                model,
                examples,
                aligner.tokenizer.pad_id,
                options,
                params.seed,
                scratch,
                _validation(inputs.valid(), aligner, config),
                on_epoch,
                checkpoints,
                teacher,
            )
    except TrainingError:
        checkpoints.remove()
        raise
    if history.summary()["valid_micro_f1"] == 0:
        logger.warning(
            "warning: valid F1 is 0 after each of %d epochs: the model finds nothing and will not become champion; "
            "raise "
            "train.epochs, or change train.lr (%g)",
            len(history.epochs),
            options.lr,
        )
    return model, history


def save(folder: Path, model: TaggerModel, config: TaggerConfig, history: History, inputs: Inputs) -> None:
    """Write everything that ``Tagger.load`` needs into ``folder``: weights, configurations, tokenizer, checksums."""
    from safetensors.torch import save_file

    score = history.summary()["valid_micro_f1"]
    trained = config.trained.model_copy(update={"valid_micro_f1": score})
    with atomic_folder(folder) as target:
        weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
        write_text(target / "config.json", model_setup.config_json(inputs.backbone, trained.params["train"]["layers"]))
        shutil.copytree(inputs.encoded / "tokenizer", target, dirs_exist_ok=True)
        config.model_copy(update={"trained": trained}).save(target)
        write_checksums(target)


def _validation(gold: list[Sentence] | None, aligner: Aligner, config: TaggerConfig) -> Validate | None:
    """A function that scores a model on ``gold``; None without ``gold``, or if it has no entity."""
    if gold is None:
        return None
    if not any(sentence.entities for sentence in gold):
        logger.warning(
            "warning: valid has no entity: the last epoch is kept, whatever train.keep and train.patience say"
        )
        return None
    texts = [sentence.text for sentence in gold]

    def validate(model: TaggerModel) -> dict[str, float]:
        tagger = Tagger(config, aligner, TorchRuntime(model), model_setup.head_weights(model, config.head))
        scores = micro(gold, [reading.strict for reading in tagger.read(texts)])
        return {"micro_f1": scores["f1"], "precision": scores["precision"], "recall": scores["recall"]}

    return validate

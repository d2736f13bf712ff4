"""A hyperparameter search, which can be stopped and resumed in another process.

Trials are stored in ``.sweeps/optuna.db`` of the repository. A trial is ``dvc exp run --temp`` up to fine_tune, so it
is a DVC experiment named ``<sweep>-<number>``, and its params describe it completely. The objective is the valid
micro F1 in metrics/train.json; test is never scored.
"""

import contextlib
import hashlib
import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from clue_ner.common.errors import ArtifactError, ClueNerError, ParamsError
from clue_ner.core.params import Params, dotted_training
from clue_ner.experiments.overrides import command_line, overrides
from clue_ner.experiments.revision import read_file
from clue_ner.experiments.sweep_recorder import Recorder
from clue_ner.experiments.sweep_space import Choices, Range, Sweep, with_params

FOLDER = ".sweeps"
FAILURES = 3
"""A sweep stops after this many failed trainings in a row, because then the params are not the cause."""
LOST = "lost"
"""Attribute of a study: numbers of trials whose process was killed; each is repeated with a new number."""

_log = logging.getLogger(__name__)


def run_sweep(root: Path, sweep: Sweep, base: Mapping[str, Any], text: str) -> list[FrozenTrial]:
    """Run the missing trials, and return all, best first, failed ones last.

    ``base``: params.yaml, nested; ``text``: sweep.yaml, for the record. Raises ArtifactError if another process runs
    this sweep, if it was started with another space or other params, or after ``FAILURES`` failed trainings in a row.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{sweep.name}.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise ArtifactError(f"{lock.lock_file}: another process runs this sweep; wait for it, or end it") from None
    with held:
        study = _open(folder, sweep, base)
        with Recorder(root, sweep, base, text, identity(sweep, base)) as recorder:
            _clear(study)
            _run(root, sweep, base, study, recorder)
    return in_order(study)


def identity(sweep: Sweep, base: Mapping[str, Any]) -> str:
    """SHA-256 of what must be equal for trials to be comparable: the name, the space, and the params not searched.

    A param that an earlier release lacks is included only if it differs from that release's behaviour.
    """
    space = {name: values.model_dump() for name, values in sweep.space.items()}
    params = Params.model_validate(base).model_dump(exclude_defaults=True)
    about = [sweep.name, space, {k: v for k, v in dotted_training(params).items() if k not in space}]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def in_order(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were not killed, best first, failed ones last."""
    lost = study.user_attrs.get(LOST, [])
    trials = [trial for trial in study.trials if trial.number not in lost and trial.state.is_finished()]
    return sorted(trials, key=lambda trial: (-(trial.value if trial.value is not None else -1.0), trial.number))


def command(params: Mapping[str, Any], *options: str) -> str:
    """The command that runs a trial's params."""
    return command_line((change for name, value in params.items() for change in overrides(name, value)), *options)


def _open(folder: Path, sweep: Sweep, base: Mapping[str, Any]) -> optuna.Study:
    storage = f"sqlite:///{(folder / 'optuna.db').resolve()}"
    with _loggers_kept():
        study = optuna.create_study(storage=storage, study_name=sweep.name, direction="maximize", load_if_exists=True)
    begun = study.user_attrs.get("identity")
    if begun is None:
        study.set_user_attr("identity", identity(sweep, base))
    elif begun != identity(sweep, base):
        raise ArtifactError(
            f"{folder / 'optuna.db'}: sweep {sweep.name!r} was started with another space or other params in "
            "params.yaml, so its trials are not comparable with new ones; rename it in sweep.yaml, or undo the changes"
        )
    return study


@contextlib.contextmanager
def _loggers_kept() -> Iterator[None]:
    """Optuna's migrations configure logging and thereby disable all existing loggers; this restores them."""
    there = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    enabled = [logger for logger in there if not logger.disabled]
    try:
        yield
    finally:
        for logger in enabled:
            logger.disabled = False


def _clear(study: optuna.Study) -> None:
    """Mark a trial that was running when the sweep was killed as lost.

    The next one is proposed from the same finished trials and random numbers, so it has the same params, and its
    training resumes from its checkpoint.
    """
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.set_user_attr(LOST, [*study.user_attrs.get(LOST, []), trial.number])
        study.tell(trial.number, state=TrialState.FAIL)
        _log.info("trial %d was killed and runs again", trial.number)


def _run(root: Path, sweep: Sweep, base: Mapping[str, Any], study: optuna.Study, recorder: Recorder) -> None:
    space = {name: _distribution(values) for name, values in sweep.space.items()}
    failures = 0
    while (done := len(in_order(study))) < sweep.trials:
        # A new sampler for each trial, so that the proposals do not depend on where the sweep was stopped.
        seed = np.random.SeedSequence([sweep.seed, done]).generate_state(1)[0]
        study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        trial = study.ask(space)
        trial.set_user_attr("command", command(trial.params, "--temp"))
        _log.info("trial %d, %d of %d: %s", trial.number, done + 1, sweep.trials, command(trial.params, "--temp"))
        try:
            name, value = _valid_f1(root, sweep, base, study, trial)
        except ClueNerError as error:
            _log.warning("trial %d failed: %s", trial.number, error)
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.FAIL)
            failures += not isinstance(error, ParamsError)
            if failures == FAILURES:
                raise ArtifactError(
                    f"{FAILURES} trainings failed one after the other, the last: {error}; "
                    "fix it and start the sweep again"
                ) from None
            continue
        failures = 0
        trial.set_user_attr("experiment", name)
        study.tell(trial, value)
        recorder.trial(trial.number, value, study.best_value, name)
        _log.info("trial %d: valid micro F1 %.2f, best %.2f", trial.number, 100 * value, 100 * study.best_value)


def _valid_f1(
    root: Path, sweep: Sweep, base: Mapping[str, Any], study: optuna.Study, trial: optuna.Trial
) -> tuple[str, float]:
    """The experiment of a trial and its valid micro F1, or those of an earlier trial with the same params."""
    for other in study.get_trials(states=(TrialState.COMPLETE,)):
        if other.params == trial.params and other.value is not None:
            return other.user_attrs["experiment"], other.value
    with_params(base, trial.params)
    name = f"{sweep.name}-{trial.number}"
    _run_line(root, command(trial.params, "--temp", "--force", "--name", name) + " fine_tune")
    value = json.loads(read_file(root, name, "metrics/train.json"))["valid_micro_f1"]
    if value is None:
        raise ArtifactError(f"{name}: no valid split to choose the params by; set corpus.valid_fraction above 0")
    return name, float(value)


def _run_line(root: Path, line: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(shlex.split(line), cwd=root, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise ArtifactError(f"`{line}` ended with status {done.returncode}; see the lines above")


def _distribution(values: Range | Choices) -> BaseDistribution:
    if isinstance(values, Choices):
        return CategoricalDistribution(values.choices)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)

"""The options that name a model, and where one is found that is not named."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clue_ner.common.errors import ClueNerError, MissingExtraError
from clue_ner.common.extras import explained
from clue_ner.common.paths import is_registry_name, repository
from clue_ner.core.device import AUTO, check, unused_gpu

if TYPE_CHECKING:
    from clue_ner.tagger.tagger import Tagger

CHAMPIONS = ("clue-ner", "clue-ner-demo")
"""Registered models that are looked for when there is no export, in this order."""
FORMS = "FOLDER|models:/NAME@ALIAS|runs:/RUN_ID/NAME"

_Command = Callable[..., None]

runtime_option = click.option(
    "--runtime",
    type=click.Choice(("auto", "onnx", "int8", "torch")),
    default="auto",
    show_default=True,
    help="What runs the model. auto: onnx (float32) if the model has that graph, else torch. int8 is the fastest "
    "on a CPU.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Number of CPU threads. Default: one per core."
)


def _check_device(context: click.Context, option: click.Parameter, value: str) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


device_option = click.option(
    "--device",
    default=AUTO,
    show_default=True,
    metavar="auto|cpu|cuda[:N]|mps",
    callback=_check_device,
    help="Where the model computes. auto: a GPU if the runtime can use one, else the CPU.",
)
with_batch_size = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Maximum number of windows in a batch; fewer if they are long.",
)


def with_computing(command: _Command) -> _Command:
    """The options that say how a model computes; ``command`` gets ``load(model)``, which loads a tagger."""

    @runtime_option
    @threads_option
    @device_option
    @functools.wraps(command)
    def with_options(runtime: str, threads: int | None, device: str, **arguments: Any) -> None:
        command(load=functools.partial(load, runtime=runtime, threads=threads, device=device), **arguments)

    return with_options


def with_model(command: _Command) -> _Command:
    """The options that name a model and how it computes; ``command`` gets ``load()``, which loads the tagger."""

    @click.option(
        "--model",
        metavar=FORMS,
        help="The model; also models:/NAME/VERSION, models:/NAME/latest, models:/MODEL_ID. Default: the first that "
        "exists of models/export, demo/models/export, and the champions of clue-ner and clue-ner-demo in the registry.",
    )
    @with_computing
    @functools.wraps(command)
    def with_options(model: str | None, load: Callable[[str | None], "Tagger"], **arguments: Any) -> None:
        command(load=functools.partial(load, model), **arguments)

    return with_options


def load(model: str | None, runtime: str, threads: int | None, device: str) -> "Tagger":
    """The tagger that was asked for, or of the first model there is; stderr gets a line of what it is."""
    from clue_ner.tagger.tagger import Tagger

    name, place = first_model() if model is None else (model, model)
    tagger = Tagger.load(place, runtime, threads, device)
    assert tagger.source is not None
    where = f"{name} ({tagger.source.folder})" if is_registry_name(name) else name
    click.echo(f"model: {where}, runtime {tagger.source.runtime} on {tagger.source.device}", err=True)
    if device == AUTO and (unused := unused_gpu(tagger.source.device)) is not None:
        click.echo(unused, err=True)
    return tagger


def first_model() -> tuple[str, str | Path]:
    """The first model there is, by its name and its folder: of the pipeline, the demo, or last, the registry."""
    root = repository()
    exports = [root / "models" / "export", root / "demo" / "models" / "export"]
    for export in exports:
        if export.is_dir():
            return str(export), export
    searched = f"neither {exports[0]} nor {exports[1]} nor a champion of {' or '.join(CHAMPIONS)} in the registry"
    try:
        with explained("the model registry", "tracking"):
            from clue_ner.tracking import champion_path

            for name in CHAMPIONS:
                if (folder := champion_path(root, name)) is not None:
                    return f"models:/{name}@champion", folder
    except MissingExtraError as error:
        searched = f"neither {exports[0]} nor {exports[1]} ({error})"
    raise ClueNerError(f"no model: there is {searched}; run `make demo` or `dvc repro`, or name one with --model")

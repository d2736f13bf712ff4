"""Options for reading labelled files, and the meaning of CORPUS on the command line."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clue_ner.common.errors import CorpusError, ParamsError
from clue_ner.common.paths import repository
from clue_ner.core import plugins
from clue_ner.core.names import is_hub_data

if TYPE_CHECKING:
    from clue_ner.core.params import CorpusParams
    from clue_ner.corpora import Corpus
    from clue_ner.evaluation.matching import Placed

LAYOUTS = (plugins.AUTO, *plugins.names(plugins.LAYOUTS))

Options = dict[str, str | int]


def with_layout(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a labelled file; ``command`` gets ``layout``, ``options`` and ``revision``."""

    layout = click.option(
        "--from",
        "layout",
        type=click.Choice(LAYOUTS),
        default=plugins.AUTO,
        show_default=True,
        help="The layout of the files; auto recognises it.",
    )
    options = click.option(
        "--option",
        "options",
        metavar="KEY=VALUE",
        multiple=True,
        callback=parsed_options,
        help="An option of the layout, as in corpus.options of params.yaml. Can be repeated.",
    )
    return layout(options(with_revision(command)))


def with_revision(command: Callable[..., None]) -> Callable[..., None]:
    """The option that names the revision of a data set on the hub; ``command`` gets ``revision``."""
    return click.option("--revision", help="Of a data set on the Hugging Face hub: a branch, a tag or a commit.")(
        command
    )


def parsed_options(ctx: click.Context, option: click.Parameter, given: Iterable[str]) -> Options:
    """Options as in ``corpus.options``, with numbers where the layouts have numbers."""
    options: Options = {}
    known = plugins.layout_options(plugins.AUTO)
    for one in given:
        key, equals, value = one.partition("=")
        if not equals:
            raise click.BadParameter(f"{one!r}: wanted KEY=VALUE, such as ends=inclusive")
        options[key] = value_of(value, known.get(key, ()))
    return options


def value_of(text: str, wanted: Iterable[str | int]) -> str | int:
    """The value of an option; a number if ``wanted``, its possible values, has numbers."""
    takes_numbers = any(type(one) is int or one == "NUMBER" for one in wanted)
    return int(text) if takes_numbers and text.removeprefix("-").isdecimal() else text


def layout_of(out: Path, option: str) -> str:
    """The only layout with the extension of ``out``, or ``jsonl``; otherwise the error refers to ``option``."""
    layouts = plugins.names(plugins.LAYOUTS)
    found = [name for name in layouts if out.suffix in plugins.literal(plugins.LAYOUTS, name, "SUFFIXES", default=())]
    if out.suffix == ".jsonl":
        return "jsonl"
    if len(found) != 1:
        raise click.UsageError(f"name the layout of {out} with {option}: {', '.join(found or layouts)}")
    return found[0]


def is_on_hub(name: str, layout: str, revision: str | None) -> bool:
    """Whether ``name`` is a data set on the Hugging Face hub, not a file or folder. Only a data set has a revision."""
    found = is_hub_data(layout, name) and not Path(name).exists()
    if revision is not None and not found:
        raise click.UsageError("--revision needs the id of a data set on the hub, and --from hugging_face")
    return found


def hub_hint(name: str | None) -> str:
    """The end of a message about a missing file whose name could be a data set on the hub; empty for other names."""
    is_id = name is not None and not Path(name).suffix and is_hub_data("hugging_face", name)
    return "; for a data set on the Hugging Face hub add --from hugging_face" if is_id else ""


def load(name: str | None, layout: str, options: Options, revision: str | None = None) -> tuple["Corpus", str]:
    """The corpus ``name``, without splitting train, and a description of its origin.

    ``name`` is a folder or file, an id of the Hugging Face hub, a corpus known by name, or the ``corpus.name`` of the
    repository's params.yaml, which None stands for too. Raises CorpusError if it is none of these.
    """
    from clue_ner.core.params import CorpusParams
    from clue_ner.corpora import load_corpus

    on_hub = is_on_hub(name or "", layout, revision)
    known = plugins.names(plugins.CORPORA)
    if name in known:
        params = CorpusParams(name=name, path=None, split_seed=0, valid_fraction=0.0)
        return load_corpus(params), f"corpus {name}"
    if name is not None and (Path(name).exists() or on_hub):
        params = params_of(name, layout, options, revision)
        corpus = load_corpus(params)
        return corpus, f"{name}, read as {corpus.name}"
    own = _of_repository()
    if name is None and own is None:
        raise CorpusError(f"{repository()}: no params.yaml there that names a corpus; name one, a folder or a file")
    if own is None or name not in (None, own.name):
        of_params = "" if own is None else f", nor {own.name}, as params.yaml calls its corpus"
        raise CorpusError(
            f"{name}: no such file or folder, and no corpus of that name ({', '.join(known)}){of_params}; "
            f"name another{hub_hint(name)}"
        )
    return load_corpus(
        own.model_copy(update={"valid_fraction": 0.0, "test_fraction": 0.0})
    ), f"corpus {own.name} of params.yaml"


def is_one_file(path: Path, layout: str) -> bool:
    """Whether ``path`` is a file, or a folder that its layout treats as one file, and not a folder of splits."""
    from clue_ner.layouts import is_folder_of

    return path.is_file() or (path.is_dir() and is_folder_of(layout, path))


def placed(path: Path, layout: str, options: Options) -> list["Placed"]:
    """All sentences of one file with their places; raises CorpusError if any is wrong."""
    from clue_ner.evaluation.matching import Placed
    from clue_ner.layouts import read

    reading = read(path, layout, options)
    if layout == plugins.AUTO:
        click.echo(f"{path}: read as {reading.layout}: {reading.reason}", err=True)
    found = [Placed(reading.source.where(record.line), record.sentence, record.labelled) for record in reading]
    for what, times in (+reading.counts).items():
        click.echo(f"  read: {what}: {times}", err=True)
    return found


def params_of(name: str, layout: str, options: Options, revision: str | None) -> "CorpusParams":
    """Params for a path from the command line; params.yaml would refuse some, such as outputs of stages."""
    from clue_ner.core.params import CorpusParams

    if wrong := list(plugins.wrong_options(layout, options)):
        raise ParamsError(f"--option: {'; '.join(wrong)}")
    path = name if is_on_hub(name, layout, revision) else str(Path(name).resolve())
    return CorpusParams.model_construct(
        name=layout, path=path, revision=revision, options=options, types={}, valid_fraction=0.0, split_seed=0
    )


def _of_repository() -> "CorpusParams | None":
    from clue_ner.core.params import load_params

    path = repository() / "params.yaml"
    return load_params(path).corpus if path.is_file() else None

"""Which extra of the package installs a missing library."""

import contextlib
import re
from collections.abc import Iterator

from clue_ner.common.errors import MissingExtraError

_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+).*;\s*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")


@contextlib.contextmanager
def explained(what: str, extra: str | None = None) -> Iterator[None]:
    """Replace a library's ModuleNotFoundError by a MissingExtraError that says how to install what ``what`` needs.

    ``extra`` is the extra that ``what`` belongs to; default: the smallest one that installs the library.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", "clue_ner"):
            raise
        raise MissingExtraError(
            f"{what} needs {module}, which is not installed; run `pip install 'clue-ner[{extra or extra_of(module)}]'`"
        ) from None


def extra_of(module: str) -> str:
    """The first extra that lists the top-level ``module``; ``train``, which has all of them, if none does.

    >>> extra_of("torch"), extra_of("mlflow"), extra_of("dvc")
    ('torch', 'tracking', 'train')
    """
    from importlib import metadata  # takes 13 ms, which would slow down every start of the command line

    try:
        requirements = metadata.requires("clue-ner") or []
    except metadata.PackageNotFoundError:  # the code is on the path but not installed
        requirements = []
    for requirement in requirements:
        found = _REQUIREMENT.fullmatch(requirement)
        if found and re.split(r"[<>=~!. -]", found["name"].replace("_", "-"))[0] == module.replace("_", "-"):
            return found["extra"]
    return "train"

"""Every error that clue-ner raises on purpose.

ClueNerError
├── ParamsError      params.yaml: unknown, missing, mistyped or out of range values
├── UnknownNameError a corpus, backbone, scheme or head that does not exist
├── SourceError      no place that should have data or weights could give it
├── CorpusError      data that arrived, but is not what it should be
├── BackboneError    pretrained weights that are missing, unsafe or not what was pinned
├── ArtifactError    a file between two stages, or a model folder, that is missing or damaged
├── TrainingError    a training that cannot go on
├── ServingError     a service that cannot start as it was asked to
├── MissingExtraError  a library that an extra of the package brings, and that is not installed; also an ImportError
└── TrackingError    the MLflow store or registry cannot do what was asked of it

A message says where (file, line, key), what was found, what was wanted, and what to do next; never a secret.
"""

from collections.abc import Iterable


class ClueNerError(Exception):
    """The root: stages and the command line print its message and exit with status 1."""


class ParamsError(ClueNerError):
    """params.yaml does not say something that can be run."""


class UnknownNameError(ClueNerError):
    """A name that is not one of those there are."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}: there are {', '.join(sorted(known))}")


class SourceError(ClueNerError):
    """No source could be reached, or none gave what was wanted."""


class CorpusError(ClueNerError):
    """A record or a split of a corpus that is not as documented."""


class BackboneError(ClueNerError):
    """A backbone that cannot be used."""


class ArtifactError(ClueNerError):
    """A stage's file or a model folder that is missing, damaged or of another kind."""


class TrainingError(ClueNerError):
    """A training that cannot go on: its loss or its weights are no numbers any more."""


class ServingError(ClueNerError):
    """The service cannot start: its address, token file or model is not usable."""


class MissingExtraError(ClueNerError, ImportError):
    """A library is not installed that belongs to an extra of the package."""


class TrackingError(ClueNerError):
    """The tracking store refused, or the registry lacks what was asked for."""


SHOWN = 20
"""Problems of a corpus that are listed; of more, the number is given."""


def refuse(problems: list[str], advice: str) -> None:
    """Raise CorpusError with the first problems and the number of the others, if there are any."""
    if not problems:
        return
    more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    raise CorpusError("\n  ".join([f"{len(problems)} wrong", *problems[:SHOWN], *more]) + f"\n{advice}")

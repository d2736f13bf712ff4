"""Every error that clue-ner raises on purpose.

ClueNerError
├── ParamsError      params.yaml: unknown, missing, mistyped or out of range values
├── UnknownNameError a corpus, backbone, scheme or head that does not exist
├── SourceError      no source could provide the data or weights
├── CorpusError      data that is not as expected
├── BackboneError    pretrained weights that are missing, unsafe or not the pinned ones
├── ArtifactError    a file between two stages, or a model folder, that is missing or damaged
├── TrainingError    a training that cannot continue
├── DeviceError      a device that is not here, that a runtime cannot use, or whose memory is too small
├── ServingError     a service that cannot start with its options
├── MissingExtraError  a library of an extra is not installed; also an ImportError
└── TrackingError    the MLflow store or registry cannot do what was requested

A message says where (file, line, key), what was found, what was wanted, and what to do next; never a secret.
"""

from collections.abc import Iterable


class ClueNerError(Exception):
    """The base class: stages and the command line print its message and exit with status 1."""


class ParamsError(ClueNerError):
    """The values in params.yaml cannot be used."""


class UnknownNameError(ClueNerError):
    """An unknown name; the message lists the known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}: there are {', '.join(sorted(known))}")


class SourceError(ClueNerError):
    """No source could be reached, or none has what was requested."""


class CorpusError(ClueNerError):
    """A record or a split of a corpus that is not in the documented form."""


class BackboneError(ClueNerError):
    """A backbone that cannot be used."""


class ArtifactError(ClueNerError):
    """A stage's file or a model folder that is missing, damaged or of another kind."""


class TrainingError(ClueNerError):
    """A training that cannot continue, because its loss or weights are infinite or NaN."""


class DeviceError(ClueNerError):
    """A device that is not here, or that a runtime does not use, or whose memory is too small."""


class ServingError(ClueNerError):
    """The service cannot start: its address, token file or model is not usable."""


class MissingExtraError(ClueNerError, ImportError):
    """A library that belongs to an extra of the package is not installed."""


class TrackingError(ClueNerError):
    """The tracking store failed, or the registry does not have what was requested."""

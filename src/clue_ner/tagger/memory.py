"""Batches that do not fit a device's memory: they are computed in halves, and later ones are smaller."""

import logging
import re
from collections.abc import Callable

import numpy as np

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import DeviceError
from clue_ner.core.device import CPU
from clue_ner.tagger.decoding._base import Floats

FULL = re.compile("allocate memory|out of memory|ALLOC_FAILED")
"""In the errors of torch, ONNX Runtime, CUDA and CUDA's libraries for a device whose memory is full."""

logger = logging.getLogger(__name__)


def is_full(error: Exception) -> bool:
    """Whether a device raised this error because its memory is full."""
    return FULL.search(str(error)) is not None


class Limit:
    """The number of tokens, padding included, that a batch may have; lowered when one does not fit."""

    def __init__(self, tokens: float) -> None:
        self.tokens, self._said = tokens, False

    def compute(self, batch: Batch, device: str, logits: Callable[[Batch], Floats | None]) -> Floats:
        """The logits of a batch; ``logits`` returns None for one that does not fit the memory.

        Raises DeviceError if a single row does not fit.
        """
        if (found := logits(batch)) is not None:
            return found
        rows, tokens = batch["input_ids"].shape
        if rows == 1:
            other = "" if device == CPU else ", or take device cpu"
            raise DeviceError(
                f"device {device}: its memory is too small for a window of {tokens} tokens; end other processes that "
                f"use it{other}"
            )
        half = rows // 2
        if not self._said:
            logger.warning("%s: %d x %d tokens do not fit its memory; later batches are smaller", device, rows, tokens)
            self._said = True
        self.tokens = min(self.tokens, half * tokens)
        parts = [{name: column[part] for name, column in batch.items()} for part in (slice(half), slice(half, None))]
        return np.concatenate([self.compute(part, device, logits) for part in parts])

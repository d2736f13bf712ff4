"""Rows as one padded batch of NumPy arrays. Letters: B batch, T tokens, U units, E entities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clue_ner.alignment.windows import UNIT_COLUMNS, Row

Batch = dict[str, NDArray[np.generic]]


def collate(rows: Sequence[Row], pad_id: int) -> Batch:
    """The inputs of the network: tokens [B, T], units [B, U] (int64), and masks that are 0 or false for padding.

    ``attention_mask`` [B, T] is int64, ``unit_mask`` [B, U] bool. Padding comes last: ``pad_id`` for tokens, else 0.
    """
    tokens = [row.input_ids for row in rows]
    batch: Batch = {"input_ids": padded(tokens, pad_id), "attention_mask": _mask(tokens).astype(np.int64)}
    for column in UNIT_COLUMNS:
        batch[column] = padded([getattr(row, column) for row in rows], 0)
    batch["unit_mask"] = _mask([row.unit_tokens for row in rows])
    return batch


def padded(lists: Sequence[Sequence[int]], value: int) -> NDArray[np.int64]:
    """Lists as rows of one array, the shorter ones filled with ``value``."""
    array = np.full((len(lists), max(map(len, lists), default=0)), value, dtype=np.int64)
    for row, items in zip(array, lists):
        row[: len(items)] = items
    return array


def _mask(lists: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    lengths = np.array([len(items) for items in lists])
    return np.asarray(np.arange(lengths.max(initial=0)) < lengths[:, None])

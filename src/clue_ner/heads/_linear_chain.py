"""Inference in a linear chain with NumPy: a step is a few small products, which PyTorch's overhead would outweigh.

Letters: B batch, U units, L labels. Windows begin at unit 0; what is returned beyond their end has no meaning.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TINY = np.finfo(np.float64).tiny


def viterbi(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> Ints:
    """The labels [B, U] with the highest sum of scores (Viterbi 1967).

    ``emissions`` are [B, U, L], ``lengths`` [B] from 1 to U, ``transitions`` [L, L] from-to, -inf where forbidden.
    """
    batch, units, size = emissions.shape
    arriving = np.ascontiguousarray(transitions.T)
    best, origins = np.empty_like(emissions), np.empty(emissions.shape, dtype=np.int64)
    best[:, 0] = start + emissions[:, 0]
    for i in range(1, units):
        scores = best[:, i - 1, None] + arriving
        scores.argmax(-1, out=origins[:, i])
        best[:, i] = scores.max(-1) + emissions[:, i]
    origins[np.arange(units) >= lengths[:, None]] = np.arange(size)  # beyond its end, a window stays where it is
    rows = np.arange(batch)
    labels = np.empty((batch, units), dtype=np.int64)
    label = (best[rows, lengths - 1] + end).argmax(-1)
    for i in range(units - 1, 0, -1):
        labels[:, i] = label
        label = origins[rows, i, label]
    labels[:, 0] = label
    return labels


@dataclass(frozen=True, slots=True)
class Posterior:
    """What all label sequences together say of each window."""

    log_partition: Floats
    """[B]: the log of the summed exponentials of all sequences' scores"""
    marginals: Floats
    """[B, U, L]: the probability of each label at each unit; 0 beyond the end"""
    moves: Floats
    """[B, L, L]: how often each label is expected to follow each other, from-to"""


def posterior(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> Posterior:
    """Sums forwards and backwards (Rabiner 1989); the marginals are the log partition's derivatives.

    Every step is scaled to a sum of one, so that nothing overflows. Arguments are as in ``viterbi``.
    """
    units = emissions.shape[1]
    tops = emissions.max(-1, keepdims=True)
    own = np.exp(emissions - tops)
    tables = (start, transitions, end)
    highest = [table.max() for table in tables]
    begin, move, stop = (np.exp(table - high) for table, high in zip(tables, highest))
    positions = np.arange(units)
    mirrored = lengths[:, None] - 1 - positions
    inside = mirrored >= 0
    order = np.where(inside, mirrored, positions)[..., None]
    before, scales = _sums(begin, move, own)
    after, _ = _sums(stop, np.ascontiguousarray(move.T), np.take_along_axis(own, order, 1))
    ahead, behind = before * own, own * np.take_along_axis(after, order, 1)
    totals = np.maximum((before * behind).sum(-1, keepdims=True), TINY)
    behind *= inside[..., None] / totals
    ended = np.maximum(ahead[np.arange(len(lengths)), lengths - 1] @ stop, TINY)
    steps = np.log(scales[:, :-1]) + highest[1] + tops[:, 1:, 0]
    log_partition = highest[0] + tops[:, 0, 0] + (steps * inside[:, 1:]).sum(-1) + np.log(ended) + highest[2]
    moves = move * ((ahead / scales[..., None])[:, :-1].swapaxes(1, 2) @ behind[:, 1:])
    return Posterior(log_partition, before * behind, moves)


def _sums(first: Floats, move: Floats, own: Floats) -> tuple[Floats, Floats]:
    """For each unit and label [B, U, L] the scaled sum over all that can come before it; the scales [B, U]."""
    sums, scales = np.empty_like(own), np.ones(own.shape[:2])
    sums[:, 0] = first
    for i in range(1, own.shape[1]):
        step = sums[:, i - 1] * own[:, i - 1]
        scales[:, i - 1] = np.maximum(step.sum(-1), TINY)
        sums[:, i] = (step / scales[:, i - 1, None]) @ move
    return sums, scales

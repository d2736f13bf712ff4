"""Inference in a linear chain with NumPy: a step is a few small products, which PyTorch's overhead would outweigh.

Letters: B batch, U units, L labels. Windows begin at unit 0; what is returned beyond their end has no meaning.
"""

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


def marginals(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> Floats:
    """The probability [B, U, L] of each label at each unit, by sums forwards and backwards (Rabiner 1989).

    Every step is scaled to a sum of one, so that nothing overflows. Arguments are as in ``viterbi``.
    """
    units = emissions.shape[1]
    own = np.exp(emissions - emissions.max(-1, keepdims=True))
    move, begin, stop = (np.exp(table - table.max()) for table in (transitions, start, end))
    mirrored = lengths[:, None] - 1 - np.arange(units)
    order = np.where(mirrored >= 0, mirrored, np.arange(units))[..., None]
    before = _sums(begin, move, own)
    after = _sums(stop, np.ascontiguousarray(move.T), np.take_along_axis(own, order, 1))
    joint = before * own * np.take_along_axis(after, order, 1)
    probabilities: Floats = joint / np.maximum(joint.sum(-1, keepdims=True), TINY)
    return probabilities


def _sums(first: Floats, move: Floats, own: Floats) -> Floats:
    """For each unit and label [B, U, L] the scaled sum over all that can come before it."""
    sums = np.empty_like(own)
    sums[:, 0] = first
    for i in range(1, own.shape[1]):
        step = sums[:, i - 1] * own[:, i - 1]
        sums[:, i] = (step / np.maximum(step.sum(-1, keepdims=True), TINY)) @ move
    return sums

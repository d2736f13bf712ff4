"""Inference in a linear chain with NumPy: a step is a few small products, for which PyTorch has too much overhead.

Letters: B batch, U units, L labels. Windows begin at unit 0; results beyond their end have no meaning.
"""

from dataclasses import dataclass
from typing import NamedTuple

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
    best = emissions.transpose(1, 2, 0).copy()  # windows as last axis, because NumPy is slow on rows of L
    best[0] += start[:, None]
    scores = np.empty((size, size, batch))
    for i in range(1, units):
        np.add(best[i - 1, :, None], transitions[..., None], out=scores)
        best[i] += scores.max(0)
    labels = np.empty((batch, units), dtype=np.int64)
    label = (best[lengths - 1, :, np.arange(batch)] + end).argmax(-1)
    for i in range(units - 1, 0, -1):
        labels[:, i] = label
        origin = (best[i - 1] + transitions[:, label]).argmax(0)
        label = np.where(i < lengths, origin, label)  # beyond its end, a window keeps its state
    labels[:, 0] = label
    return labels


@dataclass(frozen=True, slots=True)
class Posterior:
    """Sums over all label sequences of each window."""

    log_partition: Floats
    """[B]: the log of the summed exponentials of all sequences' scores"""
    marginals: Floats
    """[B, U, L]: the probability of each label at each unit; 0 beyond the end"""
    moves: Floats
    """[B, L, L]: the expected number of transitions, from-to"""


def posterior(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> Posterior:
    """The results of forward-backward that training needs; arguments are as in ``viterbi``."""
    sums = _forward_backward(emissions, lengths, start, transitions, end)
    forward = sums.alpha * sums.own  # [B, U, L]
    stop = np.exp(end - end.max())
    ended = np.maximum(forward[np.arange(len(lengths)), lengths - 1] @ stop, TINY)
    tops = emissions.max(-1)
    steps = (np.log(sums.scales[:, :-1]) + transitions.max() + tops[:, 1:]) * sums.inside[:, 1:]
    log_partition = start.max() + tops[:, 0] + steps.sum(-1) + np.log(ended) + end.max()
    move = np.exp(transitions - transitions.max())
    moves = move * ((forward / sums.scales[..., None])[:, :-1].swapaxes(1, 2) @ sums.beta[:, 1:])
    return Posterior(log_partition, sums.alpha * sums.beta, moves)


def marginals(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> Floats:
    """Only the ``marginals`` [B, U, L] of the posterior, for tagging."""
    sums = _forward_backward(emissions, lengths, start, transitions, end)
    return sums.alpha * sums.beta


class _Sums(NamedTuple):
    """Scaled forward (alpha) and backward (beta) sums for each unit and label [B, U, L]."""

    own: Floats
    alpha: Floats
    """over all paths that lead to the unit, without the unit's own score"""
    beta: Floats
    """over all paths from the unit on, with its own score, scaled so that alpha x beta are the marginals; 0 beyond the
    end"""
    scales: Floats
    """[B, U]: the number by which a unit's alpha was divided"""
    inside: npt.NDArray[np.bool_]
    """[B, U]: whether the unit is inside the window"""


def _forward_backward(emissions: Floats, lengths: Ints, start: Floats, transitions: Floats, end: Floats) -> _Sums:
    """The forward-backward algorithm (Rabiner 1989); the marginals are the log partition's derivatives.

    Every step is scaled to a sum of one to prevent overflow. One loop computes both directions: backward is forward
    over the mirrored window with transposed transitions.
    """
    batch, units, size = emissions.shape
    own = np.exp(emissions - emissions.max(-1, keepdims=True))  # [B, U, L]
    begin, move, stop = (np.exp(table - table.max()) for table in (start, transitions, end))
    positions = np.arange(units)
    mirrored = lengths[:, None] - 1 - positions  # [B, U]
    inside = mirrored >= 0
    order = np.where(inside, mirrored, positions)[..., None]
    both = np.stack([own, np.take_along_axis(own, order, 1)])  # [2, B, U, L]
    arriving = np.stack([move, move.T])  # [2, L, L]
    sums, scales = np.empty((units, 2, batch, size)), np.empty((units, 2, batch, 1))
    sums[0] = np.stack([begin, stop])[:, None]
    scales[-1] = 1
    for i in range(1, units):
        step = sums[i - 1] * both[:, :, i - 1]
        scales[i - 1] = np.maximum(step.sum(-1, keepdims=True), TINY)
        np.matmul(step / scales[i - 1], arriving, out=sums[i])
    alpha, after = sums.transpose(1, 2, 0, 3)  # [B, U, L] each
    beta = own * np.take_along_axis(after, order, 1)
    beta *= inside[..., None] / np.maximum((alpha * beta).sum(-1, keepdims=True), TINY)
    return _Sums(own, alpha, beta, scales[:, 0, :, 0].T, inside)

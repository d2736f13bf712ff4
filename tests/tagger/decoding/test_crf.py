"""The CRF's tags and their probabilities are what brute force says they are."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from support.decoders import TYPES, decoder_of, random_logits
from support.sequences import CHAINS, LENGTHS, scored_paths

from clue_ner.common.errors import ArtifactError
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding import DecoderSpec, build
from clue_ner.tagger.decoding._base import TagDecoder

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def crf_of(scheme: str, types: tuple[str, ...] = TYPES) -> TagDecoder:
    decoder = decoder_of("crf", scheme, types)
    assert isinstance(decoder, TagDecoder)
    return decoder


@dataclass
class Case:
    """A CRF and the emissions of a padded batch, whose windows have ``LENGTHS``."""

    decoder: TagDecoder
    emissions: NDArray[np.float64]

    def sequences(self, window: int) -> Iterator[tuple[tuple[int, ...], float]]:
        """All legal sequences of a window and their scores."""
        spec, emissions = self.decoder.spec, self.emissions[window, : LENGTHS[window]].tolist()
        start, transitions, end = (spec.weights[name].tolist() for name in ("start", "transitions", "end"))
        yield from scored_paths(spec.scheme, spec.tags, emissions, start, transitions, end)


@pytest.fixture(params=CHAINS, ids=lambda param: param[0])
def case(request: pytest.FixtureRequest) -> Case:
    decoder = crf_of(*request.param)
    return Case(decoder, random_logits("crf", decoder, len(LENGTHS), 5, seed=1))


def test_crf_decodes_the_best_sequence_of_brute_force(case: Case) -> None:
    for window, found in enumerate(case.decoder.read(case.emissions, np.array(LENGTHS))):
        best = max(case.sequences(window), key=lambda scored: scored[1])[0]
        assert found.tags == [case.decoder.spec.tags[tag] for tag in best]


@pytest.mark.parametrize("alone", [False, True])
def test_crf_scores_are_marginal_probabilities(case: Case, alone: bool) -> None:
    emissions = case.emissions.copy()
    read = case.decoder.read(emissions, np.array(LENGTHS))
    if alone:
        read = [
            case.decoder.read(emissions[w : w + 1, :length], np.array([length]))[0] for w, length in enumerate(LENGTHS)
        ]
    assert np.array_equal(emissions, case.emissions)
    for window, found in enumerate(read):
        paths, scores = zip(*case.sequences(window))
        weights = np.exp(np.array(scores) - max(scores))
        weights /= weights.sum()
        for unit, (tag, score) in enumerate(zip(found.tags, found.scores, strict=True)):
            id_ = case.decoder.spec.tags.index(tag)
            marginal = sum(weight for path, weight in zip(paths, weights, strict=True) if path[unit] == id_)
            assert score == pytest.approx(marginal, abs=1e-5)


@every_scheme
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_crf_decodes_legal_sequences_only(scheme: str, scale: float) -> None:
    decoder = crf_of(scheme)
    lengths = np.random.default_rng(2).integers(1, 12, 200)
    logits = (scale * random_logits("crf", decoder, 200, int(lengths.max()), seed=2)).astype(np.float32)
    for window in decoder.read(logits, lengths):
        edges = itertools.pairwise([None, *window.tags, None])
        assert all(decoder.spec.scheme.allowed(left, right) for left, right in edges)
        assert decoder.spec.scheme.decode(window.tags) == decoder.spec.scheme.decode_lenient(window.tags)
        assert all(0 <= score <= 1 for score in window.scores)


def test_crf_takes_a_window_of_a_thousand_units() -> None:
    decoder = crf_of("BIO")
    logits = (20 * random_logits("crf", decoder, 2, 1000)).astype(np.float32)
    read = decoder.read(logits, np.array([1000, 999]))
    assert [len(window.tags) for window in read] == [1000, 999]
    assert all(0 <= score <= 1 for window in read for score in window.scores)


@pytest.mark.parametrize("name", ["transitions", "start", "end"])
def test_crf_refuses_weights_of_another_label_list(name: str) -> None:
    spec = decoder_of("crf").spec
    weights = {**spec.weights, name: spec.weights[name][..., :1]}
    with pytest.raises(ArtifactError, match=rf"head crf: {name} is \(.*1,?\), wanted \(.*7,?\) for the tags"):
        build("crf", DecoderSpec(spec.scheme, spec.tags, spec.options, weights))

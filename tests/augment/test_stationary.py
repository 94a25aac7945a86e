"""Samples follow P_s exactly: all texts of a toy vocabulary are enumerated, and compared with a slow twin."""

import math
from collections import Counter
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from references import stationary as reference
from tinybert.augment.stationary import Stationary, StationaryDistribution, StationarySettings
from tinybert.models.masked_lm import MaskedLM
from tinybert.types import Example, subset

FILLS = ("joint", "independent", "sequential")
TOY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film", "dull", "##s", "##ed")
MANY = 600
FILMS = Example("good films", label=1, row=4)
FILM = Example("film", row=1)
IN_PIECES = (2, 5, 6, 8, 3)  # [CLS] good film ##s [SEP]: three words, three words and two endings may stand there


def stream(row: int, copy: int) -> np.random.Generator:
    return np.random.default_rng([row, copy])


@pytest.fixture
def toy_tokenizer():
    """Three words and two endings."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(TOY)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(piece, TOY.index(piece)) for piece in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {f"{piece.strip('[]').lower()}_token": piece for piece in TOY[:5]}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


@pytest.fixture
def network(tiny_model):
    """Random, but with opinions."""
    return opinionated(tiny_model, seed=0)


def opinionated(tiny_model, seed):
    model = tiny_model("bert", head="masked_lm", seed=seed)
    with torch.no_grad():
        model.model.cls.predictions.transform.LayerNorm.weight.mul_(2)
    return model


def made_of(network, tokenizer, max_length=128, **settings) -> Stationary:
    masked_lm = MaskedLM(network, tokenizer, torch.device("cpu"), "fp32")
    return Stationary(masked_lm, StationarySettings(**settings), max_length)


@pytest.fixture
def make(network, tiny_tokenizer):
    return partial(made_of, network, tiny_tokenizer)


@pytest.fixture
def make_toy(network, toy_tokenizer):
    return partial(made_of, network, toy_tokenizer)


def changed(pieces) -> tuple[int, ...]:
    """The positions of FILMS where other pieces stand."""
    return tuple(position for position, both in enumerate(zip(pieces, IN_PIECES, strict=True)) if len(set(both)) == 2)


def enumerated(network, settings: StationarySettings) -> dict[tuple[int, ...], float]:
    """Every sample of FILMS with the logarithm of its probability."""
    allowed = {1: (5, 6, 7), 2: (5, 6, 7), 3: (8, 9)}
    known = asdict(subset(StationaryDistribution, settings))
    del known["law"]

    @cache
    def scores(shown: tuple[int, ...]) -> list[list[float]]:
        with torch.no_grad():
            return network.model(input_ids=torch.tensor([shown])).logits[0].double().tolist()

    def log_probability(sample: tuple[int, ...]) -> float:
        return reference.log_probability(IN_PIECES, sample, allowed, 4, lambda shown: scores(tuple(shown)), **known)

    samples = [(2, *middle, 3) for middle in product(*allowed.values())]
    return {sample: log_probability(sample) for sample in samples if len(changed(sample)) >= settings.min_edits}


def assert_follows(samples: list[Example], expected: dict[tuple[int, ...], float]) -> None:
    """All samples come as often as they should; `expected` has the probability of each."""
    counts = Counter(made.sample.pieces for made in samples)
    assert counts.keys() <= expected.keys()
    wanted = {pieces: value * len(samples) for pieces, value in expected.items()}
    often = [pieces for pieces, value in wanted.items() if value >= 5]
    rest = (
        len(samples) - sum(counts[pieces] for pieces in often),
        len(samples) - sum(wanted[pieces] for pieces in often),
    )
    found, exact = [counts[pieces] for pieces in often], [wanted[pieces] for pieces in often]
    if len(often) < len(wanted):
        found, exact = [*found, rest[0]], [*exact, rest[1]]
    assert chisquare(found, exact).pvalue > 1e-3


@pytest.mark.parametrize(("min_edits", "word"), [(0, "logits"), (1, "logits"), (0, "probabilities")])
@pytest.mark.parametrize("fill", FILLS)
def test__samples_follow_the_enumerated_distribution(fill, min_edits, word, make_toy, network):
    settings = {"alpha": 0.9, "word_temperature": 0.8, "fill": fill, "min_edits": min_edits, "word": word}
    expected = enumerated(network, StationarySettings(**settings))
    assert len(expected) == 3 * 3 * 2 - min_edits
    assert sum(map(math.exp, expected.values())) == pytest.approx(1)
    samples = list(make_toy(**settings)([FILMS], MANY, stream))
    for made in samples:
        assert made.sample.log_probability == pytest.approx(expected[made.sample.pieces], abs=1e-4)
    assert_follows(samples, {pieces: math.exp(value) for pieces, value in expected.items()})


def test__what_all_texts_state_sums_to_one(make_toy):
    """Nothing but the augmenter: drawn so hot and so often that every text comes."""
    samples = make_toy(alpha=3.0, word_temperature=5.0)([FILMS], MANY, stream)
    stated = {made.sample.pieces: math.exp(made.sample.log_probability) for made in samples}
    assert len(stated) == 18
    assert sum(stated.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("fill", FILLS)
def test_refilled__words_of_another_network_come_to_the_same_positions(fill, make_toy, toy_tokenizer, tiny_model):
    drawn = next(made for made in make_toy(alpha=2.0)([FILMS], 100, stream) if made.sample.positions == (1, 3))
    other = opinionated(tiny_model, seed=1)
    again = made_of(other, toy_tokenizer, alpha=2.0, fill=fill)
    samples = [replace(drawn, copy=copy) for copy in range(1, MANY + 1)]
    refilled = list(again.refilled(samples, [FILMS] * MANY, stream))
    assert [(made.row, made.copy, made.label) for made in refilled] == [(4, copy, 1) for copy in range(1, MANY + 1)]
    assert {made.sample.positions for made in refilled} == {(1, 3)}
    exact = enumerated(other, StationarySettings(alpha=2.0, fill=fill))
    for made in refilled:
        assert made.sample.log_probability == pytest.approx(exact[made.sample.pieces], abs=1e-4)
    log_positions = again.distance.log_probability(2, 3)
    words = {pieces: math.exp(value - log_positions) for pieces, value in exact.items() if changed(pieces) == (1, 3)}
    assert sum(words.values()) == pytest.approx(1)
    assert_follows(refilled, words)


def test_refilled__only_words_change(make):
    """Of a pair too; what has no positions stays as it is."""
    example = Example("A very DULL movie", "it was", label=0, row=2)
    stationary = make()
    samples = list(stationary([example], 50, stream))
    again = list(stationary.refilled(samples, [example] * 50, lambda row, copy: stream(row, copy + 999)))
    for made, before in zip(again, samples, strict=True):
        changed_too = replace(before.sample, pieces=made.sample.pieces, log_probability=made.sample.log_probability)
        assert made.sample == changed_too
        assert made.copy == before.copy
    kept = [(made, before) for made, before in zip(again, samples, strict=True) if not before.sample.positions]
    assert 0 < len(kept) < 50
    assert all(made == before for made, before in kept)
    assert sum(made == before for made, before in zip(again, samples, strict=True)) < 25


def test_refilled__samples_of_another_text_are_refused(make):
    stationary = make(min_edits=1)
    (sample,) = stationary([Example("good film", row=1)], 1, stream)
    with pytest.raises(ValueError, match="copy 1 of row 1 was drawn from another text than row 2"):
        list(stationary.refilled([sample], [Example("good", row=2)], stream))
    with pytest.raises(ValueError, match="was not drawn from this distribution"):
        list(stationary.refilled([Example("good film", row=1, copy=1)], [Example("good film", row=1)], stream))


def test__replaced_places_are_those_that_differ_and_are_of_their_kind(make, tiny_tokenizer):
    """Also unknown pieces may go; none may come."""
    example = Example("A very DULL filming, \u0436 not good!", label=0, row=1)
    original = tiny_tokenizer(example.text).input_ids
    assert tiny_tokenizer.unk_token_id in original
    stationary = make(alpha=2.0, min_edits=1)
    starts, marks = stationary._lm.vocabulary.starts_word, stationary._lm.vocabulary.marks
    for made in stationary([example], 100, stream):
        pieces, positions = made.sample.pieces, made.sample.positions
        assert positions == tuple(n for n, both in enumerate(zip(original, pieces, strict=True)) if len(set(both)) == 2)
        assert 1 <= len(positions) <= made.sample.open == len(original) - 4
        assert not set(positions) & {0, len(original) - 1}
        assert not {pieces[position] for position in positions} & set(tiny_tokenizer.all_special_ids)
        assert all(starts[pieces[n]] == (starts[original[n]] or original[n] == 1) for n in positions)
        assert not marks[[original[n] for n in positions]].any()
        assert not marks[[pieces[n] for n in positions]].any()
        assert made.label == 0


def test__no_replacement_and_the_original_are_the_same_thing(make, tiny_tokenizer):
    example = Example("A  DULL movie", row=3)
    samples = list(make()([example], 200, stream))
    assert {made.sample.positions == () for made in samples} == {True, False}
    for made in samples:
        same = made.sample.pieces == tuple(tiny_tokenizer(example.text).input_ids)
        assert (made.sample.positions == ()) == same == (made.text == example.text)
    assert all(made.sample.positions for made in make(min_edits=1)([example], 200, stream))


def test__both_sides_of_a_pair_count_together(make, tiny_tokenizer):
    example = Example("good film", "bad plot", label=0, row=2)
    samples = list(make()([example], 200, stream))
    assert {made.sample.open for made in samples} == {4}
    assert any(made.text != example.text and made.pair != example.pair for made in samples)
    separator = tiny_tokenizer.sep_token_id
    assert {made.sample.pieces[3] for made in samples} == {made.sample.pieces[6] for made in samples} == {separator}
    assert {made.sample.types for made in samples} == {(0, 0, 0, 0, 1, 1, 1)}


def test__text_and_pieces_say_the_same(make, tiny_tokenizer):
    example = Example("The film-plot was't (very) good...", row=1)
    for made in make(alpha=2.0)([example], 200, stream):
        assert tuple(tiny_tokenizer(made.text).input_ids) == made.sample.pieces


def test__what_is_cut_off_stays(make):
    for made in make(alpha=9.0, max_length=5)([Example("good film good film was dull", row=1)], 50, stream):
        assert made.text.endswith(" film was dull")
        assert (made.sample.open, len(made.sample.pieces)) == (3, 5)


def test__cold_takes_the_best_and_hot_all_alike(make_toy, network):
    cold, hot = (make_toy(alpha=9.0, min_edits=3, word_temperature=value) for value in (1e-4, 1e9))
    with torch.no_grad():
        logits = network.model(input_ids=torch.tensor([[2, 4, 4, 4, 3]])).logits[0]
    best = [
        max(others, key=lambda n: logits[position, n]) for position, others in ((1, (6, 7)), (2, (5, 7)), (3, (9,)))
    ]
    assert {made.sample.pieces for made in cold([FILMS], 50, stream)} == {(2, *best, 3)}
    samples = list(hot([FILMS], MANY, stream))
    assert_follows(samples, dict.fromkeys({made.sample.pieces for made in samples}, 1 / 4))
    assert samples[0].sample.log_probability == pytest.approx(-math.log(4))


def test__probabilities_instead_of_logits_are_all_but_uniform(make):
    """Eq. 12 as it is printed: the likeliest piece is at most e times as likely as any other."""
    logs = {
        word: [made.sample.log_probability for made in make(word=word, min_edits=1)([FILM], 300, stream)]
        for word in ("logits", "probabilities")
    }
    spread = {word: max(found) - min(found) for word, found in logs.items()}
    assert spread["probabilities"] < 1 < spread["logits"]


@pytest.mark.parametrize("fill", FILLS)
def test__copies_do_not_depend_on_their_company(fill, make):
    examples = [Example(text, row=row) for row, text in enumerate(["good film", "a dull plot", "not bad", "x"], 1)]
    stationary = make(fill=fill)
    together = {(made.row, made.copy): made.text for made in stationary(examples, 5, stream)}
    alone = {(made.row, made.copy): made.text for one in reversed(examples) for made in stationary([one], 5, stream)}
    assert together == alone
    assert list(together) == [(row, copy) for row in range(1, 5) for copy in range(1, 6)]


def test__long_texts_do_not_overflow(make):
    text = Example(" ".join(["good"] * 60), row=1)
    for made in make(law="literal")([text], 3, stream):
        assert len(made.sample.positions) > 45
        assert math.isfinite(made.sample.log_probability)


def test__a_text_without_places_stays(make):
    (made,) = make(min_edits=1)([Example("\u200b", row=1)], 1, stream)
    assert (made.text, made.sample.positions, made.sample.log_probability) == ("\u200b", (), 0.0)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"word_temperature": -1.0}, {"min_edits": -1}])
def test__settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=rf"{next(iter(settings))} must"):
        StationarySettings(**settings)

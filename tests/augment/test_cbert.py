"""CBERT's copies follow their exact law, which knows the class; words, spaces and the other side stay."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from references.cbert import law_at
from tinybert.augment.cbert import Cbert, CbertSettings
from tinybert.models.masked_lm import MaskedLM
from tinybert.types import Example

MANY = 4000


def stream(row: int, copy: int) -> np.random.Generator:
    return np.random.default_rng([row, copy])


@pytest.fixture
def network(tiny_model):
    """Random, but with opinions: without the factor all its distributions would be nearly uniform."""
    model = tiny_model("bert", head="masked_lm")
    with torch.no_grad():
        model.model.bert.embeddings.token_type_embeddings.weight.mul_(9)
        model.model.cls.predictions.transform.LayerNorm.weight.mul_(3)
    return model


@pytest.fixture
def make_cbert(network, tiny_tokenizer):
    def make(max_length=64, **settings) -> Cbert:
        masked_lm = MaskedLM(network, tiny_tokenizer, torch.device("cpu"), "fp32")
        return Cbert(masked_lm, lambda example: example.label, CbertSettings(**settings), max_length)

    return make


@pytest.mark.parametrize("label", [0, 1])
def test__every_place_follows_its_exact_law(label, make_cbert, network, tiny_tokenizer):
    example = Example("good film", label=label, row=1)
    pieces = tiny_tokenizer(example.text).input_ids
    cbert = make_cbert(one_in=2, temperature=1.5)
    known = cbert._lm.vocabulary
    allowed = np.flatnonzero(known.starts_word & ~known.marks).tolist()

    def scores_of(shown: list[int]) -> list[list[float]]:
        with torch.no_grad():
            ids = torch.tensor([shown])
            return network.model(input_ids=ids, token_type_ids=torch.full_like(ids, label)).logits[0].double().tolist()

    copies = [copy.text.split(" ") for copy in cbert([example], MANY, stream)]
    for number, position in enumerate((1, 2)):
        law = law_at(position, pieces, (1, 2), 2, tiny_tokenizer.mask_token_id, scores_of, allowed, 1.5)
        counts = Counter(words[number] for words in copies)
        expected = {tiny_tokenizer.convert_ids_to_tokens(piece): value * MANY for piece, value in law.items()}
        assert counts.keys() <= expected.keys()
        often = [word for word, value in expected.items() if value >= 5]
        observed = [counts[word] for word in often] + [sum(counts[w] for w in expected if w not in often)]
        wanted = [expected[word] for word in often] + [sum(expected[w] for w in expected if w not in often)]
        assert chisquare(observed, np.array(wanted) * MANY / sum(wanted)).pvalue > 1e-3


def test__the_class_changes_what_is_likely(make_cbert):
    found = [
        Counter(copy.text for copy in make_cbert()([Example("a very good film", label=label, row=1)], 300, stream))
        for label in (0, 1)
    ]
    common = sum((found[0] & found[1]).values())
    assert common < 200


def test__only_pieces_change_and_keep_their_kind(make_cbert):
    """Capitals, spaces and punctuation between words stay; a piece inside a word becomes another inside it."""
    example = Example("A  Filming , GOOD", label=1, row=3)
    for copy in make_cbert(one_in=1)([example], 50, stream):
        assert (copy.row, copy.label) == (3, 1)
        spaces = [letter for letter in copy.text if letter.isspace()]
        assert spaces == [" "] * 4
        assert copy.text.split()[0][0] == copy.text.split()[0][0].upper()


def test__of_a_pair_one_side_is_rewritten_in_turn(make_cbert):
    example = Example("good film", "bad plot", label=0, row=2)
    copies = list(make_cbert(one_in=1)([example], 20, stream))
    assert [copy.copy for copy in copies] == list(range(1, 21))
    assert all(copy.pair == "bad plot" for copy in copies[1::2])  # row 2: even copies rewrite the first side
    assert all(copy.text == "good film" for copy in copies[0::2])
    assert any(copy.text != "good film" for copy in copies[1::2])
    assert any(copy.pair != "bad plot" for copy in copies[0::2])


def test__copies_do_not_depend_on_their_company(make_cbert):
    examples = [Example(text, label=n % 2, row=n) for n, text in enumerate(["good film", "a dull plot", "not bad"], 1)]
    cbert = make_cbert()
    together = list(cbert(examples, 5, stream))
    alone = [copy for example in reversed(examples) for copy in cbert([example], 5, stream)]
    assert sorted(together, key=lambda e: (e.row, e.copy)) == sorted(alone, key=lambda e: (e.row, e.copy))


def test__a_text_without_a_usable_piece_stays(make_cbert):
    (copy,) = make_cbert()([Example("\u200b", label=0, row=1)], 1, stream)
    assert copy == Example("\u200b", label=0, row=1, copy=1)


@pytest.mark.parametrize("settings", [{"one_in": 0}, {"temperature": 0.0}, {"temperature": float("inf")}])
def test__settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=r"one_in|temperature"):
        CbertSettings(**settings)

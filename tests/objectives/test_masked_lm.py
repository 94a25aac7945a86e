"""Hiding follows its law exactly, the loss its slow twin; neither padding nor other examples matter."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from references import masked_lm as reference
from tinybert.objectives.masked_lm import (
    DrawnPlaces,
    Hiding,
    MaskedCrossEntropy,
    masked_cross_entropy,
    negative_log_likelihood,
    places_to_fill,
)
from tinybert.types import MASKED_LOGITS, NO_TRACE, Batch, Trace

VOCABULARY, MASK, CLS, SEP = 12, 4, 2, 3
SPECIAL = torch.arange(VOCABULARY) < 5
STARTS = (torch.arange(VOCABULARY) >= 5) & (torch.arange(VOCABULARY) < 9)  # 9, 10, 11 continue a word
ROW = [CLS, 5, 9, 6, 7, 10, 11, 8, SEP, 0, 0]
UNITS = {False: [[1], [2], [3], [4], [5], [6], [7]], True: [[1, 2], [3], [4, 5, 6], [7]]}
MANY = 20_000


def batch_of(rows: list[list[int]], labels: list[int] | None = None) -> Batch:
    pieces = torch.tensor(rows)
    given = None if labels is None else torch.tensor(labels)
    return Batch(pieces, torch.zeros_like(pieces), pieces != 0, given, torch.arange(len(rows)))


def objective(**hiding) -> MaskedCrossEntropy:
    return MaskedCrossEntropy(MASK, SPECIAL, STARTS, Hiding(**hiding))


@pytest.mark.parametrize("whole_words", [False, True])
def test_places_to_fill__follows_the_law_of_units_in_random_order(whole_words):
    torch.manual_seed(3)
    batch = batch_of([ROW] * MANY)
    usable = batch.real & ~SPECIAL[batch.input_ids]
    places = places_to_fill(usable, STARTS[batch.input_ids], Hiding(share=0.4, whole_words=whole_words))
    found = Counter(frozenset(row.nonzero()[:, 0].tolist()) for row in places)
    law = reference.law_of_places(UNITS[whole_words], wanted=3)  # .4 of 7, rounded
    assert found.keys() == law.keys()
    expected = [law[places] * MANY for places in found]
    assert chisquare(list(found.values()), expected).pvalue > 1e-3


@pytest.mark.parametrize(("share", "at_most", "count"), [(0.01, None, 1), (0.5, None, 4), (1.0, None, 7), (1.0, 2, 2)])
def test_places_to_fill__hides_the_share_but_at_least_one(share, at_most, count):
    batch = batch_of([ROW, [CLS, SEP] + [0] * 9])
    usable = batch.real & ~SPECIAL[batch.input_ids]
    places = places_to_fill(usable, STARTS[batch.input_ids], Hiding(share=share, at_most=at_most))
    assert places.sum(dim=1).tolist() == [count, 0]


def test_reads__masks_replaces_and_leaves_in_the_published_shares():
    torch.manual_seed(5)
    original = batch_of([ROW] * MANY)
    read = objective(share=0.3).reads(original)
    places = read.needed_targets() >= 0
    assert torch.equal(read.needed_targets()[places], original.input_ids[places])
    assert torch.equal(read.input_ids[~places], original.input_ids[~places])
    shown, was = read.input_ids[places], original.input_ids[places]
    counts = Counter(shown.tolist())
    total = int(places.sum())
    # 7 ordinary pieces: a replacement is the piece itself once in seven.
    assert counts[MASK] / total == pytest.approx(0.8, abs=0.01)
    assert float((shown == was).float().mean()) == pytest.approx(0.1 + 0.1 / 7, abs=0.005)
    assert not SPECIAL[shown[shown != MASK]].any()


def test_reads__replaces_from_the_same_text_only():
    torch.manual_seed(6)
    rows = [[CLS, 5, 6, SEP], [CLS, 7, 8, SEP], [CLS, SEP, 0, 0]] * 500
    original = batch_of(rows)
    read = objective(share=1.0, from_the_same_text=True).reads(original)
    replaced = (read.input_ids != original.input_ids) & (read.input_ids != MASK)
    assert replaced.any()
    partner = {5: 6, 6: 5, 7: 8, 8: 7}
    pairs = set(zip(original.input_ids[replaced].tolist(), read.input_ids[replaced].tolist(), strict=True))
    assert pairs == set(partner.items())


def test_reads__is_a_function_of_the_random_state():
    batch, hidden = batch_of([ROW] * 9), objective()
    torch.manual_seed(1)
    first = hidden.reads(batch)
    torch.manual_seed(1)
    assert torch.equal(first.input_ids, hidden.reads(batch).input_ids)
    assert not torch.equal(first.input_ids, hidden.reads(batch).input_ids)


def test_reads__labels_become_token_types_of_real_pieces():
    conditional = MaskedCrossEntropy(MASK, SPECIAL, STARTS, Hiding(), labels_as_types=True)
    read = conditional.reads(batch_of([ROW, ROW], labels=[0, 2]))
    assert read.token_type_ids.tolist() == [[0] * 11, [2] * 9 + [0, 0]]
    with pytest.raises(ValueError, match="labelled"):
        conditional.reads(batch_of([ROW]))


def test_masked_cross_entropy__is_its_slow_twin():
    torch.manual_seed(2)
    targets = torch.tensor([[-1, 3, -1, 11], [-1, -1, -1, -1], [0, 1, 2, -1]])
    logits = torch.randn(5, VOCABULARY, dtype=torch.float64) * 9
    expected = reference.loss(logits.tolist(), targets.tolist())
    torch.testing.assert_close(masked_cross_entropy(logits, targets), torch.tensor(expected, dtype=torch.float64))


def test_masked_cross_entropy__knows_no_padding_and_no_neighbours():
    torch.manual_seed(2)
    targets, logits = torch.tensor([[-1, 3], [5, -1]]), torch.randn(2, VOCABULARY)
    value = masked_cross_entropy(logits, targets)
    padded = torch.nn.functional.pad(targets, (0, 3), value=-1)
    torch.testing.assert_close(masked_cross_entropy(logits, padded), value)
    torch.testing.assert_close(masked_cross_entropy(logits.flip(0), targets.flip(0)), value.flip(0))
    doubled = masked_cross_entropy(torch.cat([logits, logits]), torch.cat([targets, targets]))
    torch.testing.assert_close(doubled, torch.cat([value, value]))


def test_masked_cross_entropy__has_the_right_gradient():
    targets = torch.tensor([[2, -1, 7], [-1, -1, 0]])
    logits = torch.randn(3, VOCABULARY, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: masked_cross_entropy(x, targets), logits)


def test_masked_cross_entropy__refuses_logits_of_other_places():
    with pytest.raises(ValueError, match="1 rows of logits for 2 places"):
        masked_cross_entropy(torch.zeros(1, VOCABULARY), torch.tensor([[1, 2]]))


def test_masked_cross_entropy_objective__is_one_named_term_of_the_places():
    batch = objective(share=0.5).reads(batch_of([ROW, ROW]))
    logits = torch.randn(int((batch.needed_targets() >= 0).sum()), VOCABULARY)
    terms = objective().terms(Trace(masked_logits=logits), NO_TRACE, batch)
    assert list(terms) == ["masked_lm"]
    assert objective().needs_student == {MASKED_LOGITS}
    assert not objective().state_dict()  # what the pieces are is known from the tokenizer
    with pytest.raises(ValueError, match="MASKED_LOGITS"):
        objective().terms(NO_TRACE, NO_TRACE, batch)
    with pytest.raises(ValueError, match="no places to fill"):
        objective().terms(Trace(masked_logits=logits), NO_TRACE, batch_of([ROW]))


@pytest.mark.parametrize("hiding", [{"share": 0.0}, {"share": 1.5}, {"at_most": 0}])
def test_hiding__refuses_what_hides_nothing(hiding):
    with pytest.raises(ValueError, match=r"share|at_most"):
        Hiding(**hiding)


def test_negative_log_likelihood__is_the_mean_times_the_number_of_places():
    torch.manual_seed(0)
    targets = torch.tensor([[-1, 3, 7, 2], [5, -1, -1, -1], [-1, -1, -1, -1]])
    logits = torch.randn(4, VOCABULARY)
    means = masked_cross_entropy(logits, targets)
    assert torch.allclose(negative_log_likelihood(logits, targets), means * torch.tensor([3, 1, 0]))


def test_drawn_places__hides_what_was_drawn_and_predicts_it():
    batch = batch_of([ROW, ROW, ROW])
    drawn = DrawnPlaces(MASK, [(), (1, 7), (), (4,)])
    read = drawn.reads(Batch(batch.input_ids, batch.token_type_ids, batch.real, None, torch.tensor([1, 3, 0])))
    assert (read.input_ids == MASK).nonzero().tolist() == [[0, 1], [0, 7], [1, 4]]
    assert read.targets[0, [1, 7]].tolist() == [5, 8]
    assert read.targets[1, 4] == 7
    assert (read.targets >= 0).sum() == 3
    logits = torch.randn(3, VOCABULARY)
    terms = drawn.terms(Trace(masked_logits=logits), NO_TRACE, read)
    expected = -logits.log_softmax(1)[[0, 1, 2], [5, 8, 7]]
    assert torch.allclose(terms["generator"], torch.stack([expected[0] + expected[1], expected[2], torch.tensor(0.0)]))

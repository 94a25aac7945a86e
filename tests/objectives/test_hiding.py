"""Hiding follows its law exactly."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from objectives.pieces import CLS, MASK, ROW, SEP, SPECIAL, STARTS, batch_of, hider
from references import masked_lm as reference
from tinybert.objectives.hiding import Hiding, PieceHider, places_to_fill

UNITS = {False: [[1], [2], [3], [4], [5], [6], [7]], True: [[1, 2], [3], [4, 5, 6], [7]]}
MANY = 20_000


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


def test_piece_hider__masks_replaces_and_leaves_in_the_published_shares():
    torch.manual_seed(5)
    original = batch_of([ROW] * MANY)
    read = hider(share=0.3)(original)
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


def test_piece_hider__replaces_from_the_same_text_only():
    torch.manual_seed(6)
    rows = [[CLS, 5, 6, SEP], [CLS, 7, 8, SEP], [CLS, SEP, 0, 0]] * 500
    original = batch_of(rows)
    read = hider(share=1.0, from_the_same_text=True)(original)
    replaced = (read.input_ids != original.input_ids) & (read.input_ids != MASK)
    assert replaced.any()
    partner = {5: 6, 6: 5, 7: 8, 8: 7}
    pairs = set(zip(original.input_ids[replaced].tolist(), read.input_ids[replaced].tolist(), strict=True))
    assert pairs == set(partner.items())


def test_piece_hider__is_a_function_of_the_random_state():
    batch, hide = batch_of([ROW] * 9), hider()
    torch.manual_seed(1)
    first = hide(batch)
    torch.manual_seed(1)
    assert torch.equal(first.input_ids, hide(batch).input_ids)
    assert not torch.equal(first.input_ids, hide(batch).input_ids)


def test_piece_hider__labels_become_token_types_of_real_pieces():
    conditional = PieceHider(MASK, SPECIAL, STARTS, Hiding(), labels_as_types=True)
    read = conditional(batch_of([ROW, ROW], labels=[0, 2]))
    assert read.token_type_ids.tolist() == [[0] * 11, [2] * 9 + [0, 0]]
    with pytest.raises(ValueError, match="labelled"):
        conditional(batch_of([ROW]))


@pytest.mark.parametrize("hiding", [{"share": 0.0}, {"share": 1.5}, {"at_most": 0}])
def test_hiding__refuses_what_hides_nothing(hiding):
    with pytest.raises(ValueError, match=r"share|at_most"):
        Hiding(**hiding)

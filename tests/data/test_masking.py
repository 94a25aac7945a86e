"""Masking follows its law exactly."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare

from references import masked_lm as reference
from tinybert.data.masking import FixedMasker, Masking, PieceMasker, mask_positions
from tinybert.types import Batch

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


def masker(**masking) -> PieceMasker:
    return PieceMasker(MASK, SPECIAL, STARTS, Masking(**masking))


@pytest.mark.parametrize("first", [5, 11])  # byte-level vocabularies know no start where no space is before a word
@pytest.mark.parametrize("whole_words", [False, True])
def test_mask_positions__follows_the_law_of_units_in_random_order(whole_words, first):
    torch.manual_seed(3)
    batch = batch_of([[CLS, first, *ROW[2:]]] * MANY)
    usable = batch.real & ~SPECIAL[batch.input_ids]
    positions = mask_positions(usable, STARTS[batch.input_ids], Masking(share=0.4, whole_words=whole_words))
    found = Counter(frozenset(row.nonzero()[:, 0].tolist()) for row in positions)
    law = reference.law_of_positions(UNITS[whole_words], wanted=3)  # .4 of 7, rounded
    assert found.keys() == law.keys()
    expected = [law[positions] * MANY for positions in found]
    assert chisquare(list(found.values()), expected).pvalue > 1e-3


@pytest.mark.parametrize(("share", "at_most", "count"), [(0.01, None, 1), (0.5, None, 4), (1.0, None, 7), (1.0, 2, 2)])
def test_mask_positions__are_the_share_but_at_least_one(share, at_most, count):
    batch = batch_of([ROW, [CLS, SEP] + [0] * 9])
    usable = batch.real & ~SPECIAL[batch.input_ids]
    positions = mask_positions(usable, STARTS[batch.input_ids], Masking(share=share, at_most=at_most))
    assert positions.sum(dim=1).tolist() == [count, 0]


def test_piece_masker__masks_replaces_and_leaves_in_the_published_shares():
    torch.manual_seed(5)
    original = batch_of([ROW] * MANY)
    read = masker(share=0.3)(original)
    positions = read.needed_targets() >= 0
    assert torch.equal(read.needed_targets()[positions], original.input_ids[positions])
    assert torch.equal(read.input_ids[~positions], original.input_ids[~positions])
    shown, was = read.input_ids[positions], original.input_ids[positions]
    counts = Counter(shown.tolist())
    total = int(positions.sum())
    # 7 ordinary pieces: a replacement is the piece itself once in seven.
    assert counts[MASK] / total == pytest.approx(0.8, abs=0.01)
    assert float((shown == was).float().mean()) == pytest.approx(0.1 + 0.1 / 7, abs=0.005)
    assert not SPECIAL[shown[shown != MASK]].any()


def test_piece_masker__replaces_from_the_same_text_only():
    torch.manual_seed(6)
    rows = [[CLS, 5, 6, SEP], [CLS, 7, 8, SEP], [CLS, SEP, 0, 0]] * 500
    original = batch_of(rows)
    read = masker(share=1.0, from_the_same_text=True)(original)
    replaced = (read.input_ids != original.input_ids) & (read.input_ids != MASK)
    assert replaced.any()
    partner = {5: 6, 6: 5, 7: 8, 8: 7}
    pairs = set(zip(original.input_ids[replaced].tolist(), read.input_ids[replaced].tolist(), strict=True))
    assert pairs == set(partner.items())


def test_piece_masker__is_a_function_of_the_random_state():
    batch, mask = batch_of([ROW] * 9), masker()
    torch.manual_seed(1)
    first = mask(batch)
    torch.manual_seed(1)
    assert torch.equal(first.input_ids, mask(batch).input_ids)
    assert not torch.equal(first.input_ids, mask(batch).input_ids)


def test_piece_masker__labels_become_token_types_of_real_pieces():
    conditional = PieceMasker(MASK, SPECIAL, STARTS, Masking(), labels_as_types=True)
    read = conditional(batch_of([ROW, ROW], labels=[0, 2]))
    assert read.token_type_ids.tolist() == [[0] * 11, [2] * 9 + [0, 0]]
    with pytest.raises(ValueError, match="labelled"):
        conditional(batch_of([ROW]))


@pytest.mark.parametrize("masking", [{"share": 0.0}, {"share": 1.5}, {"at_most": 0}])
def test_masking__refuses_what_masks_nothing(masking):
    with pytest.raises(ValueError, match=r"share|at_most"):
        Masking(**masking)


def test_fixed_masker__masks_the_places_of_each_row_whichever_rows_are_read():
    batch = replace(batch_of([ROW, ROW, ROW]), rows=torch.tensor([1, 3, 0]))
    read = FixedMasker(MASK, [(), (1, 7), (), (4,)])(batch)
    assert (read.input_ids == MASK).nonzero().tolist() == [[0, 1], [0, 7], [1, 4]]
    assert read.needed_targets()[0, [1, 7]].tolist() == [5, 8]
    assert read.needed_targets()[1, 4] == 7
    assert (read.needed_targets() >= 0).sum() == 3

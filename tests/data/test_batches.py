import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.batches import batches, by_length

LENGTHS = st.lists(st.integers(1, 128), max_size=400).map(lambda values: np.array(values, np.int32))
SIZES = st.integers(1, 40)


@given(LENGTHS, SIZES, st.integers(0, 3))
def test_batches__hold_every_row_exactly_once(lengths: np.ndarray, size: int, seed: int) -> None:
    found = batches(lengths, size, np.random.default_rng(seed))
    assert sorted(np.concatenate([np.zeros(0, np.int64), *found]).tolist()) == list(range(len(lengths)))
    assert sum(len(batch) != size for batch in found) == (len(lengths) % size > 0)


@given(LENGTHS, SIZES)
def test_by_length__holds_every_row_exactly_once_the_longest_first(lengths: np.ndarray, size: int) -> None:
    found = np.concatenate([np.zeros(0, np.int64), *by_length(lengths, size)])
    assert sorted(found.tolist()) == list(range(len(lengths)))
    assert (np.diff(lengths[found]) <= 0).all()


def test_by_length__keeps_the_order_of_rows_of_the_same_length() -> None:
    assert [batch.tolist() for batch in by_length(np.array([3, 5, 3, 5, 4], np.int32), 2)] == [[1, 3], [4, 0], [2]]


def test_batches__are_a_pure_function_of_the_stream() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    first, again, other = (batches(lengths, 32, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]


def test_batches__waste_less_padding_than_random_ones_and_come_in_no_order_of_length() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.geometric(0.05, 5000)
    found = batches(lengths, 32, rng)
    random = [lengths[rows] for rows in np.array_split(rng.permutation(5000), 157)]
    padded = sum(lengths[rows].max() * len(rows) for rows in found)
    assert padded < 1.15 * lengths.sum() < 0.6 * sum(part.max() * len(part) for part in random)
    means = np.array([lengths[rows].mean() for rows in found])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


@pytest.mark.parametrize("size", [0, -1])
def test_batches__need_a_row_each(size: int) -> None:
    with pytest.raises(ValueError, match=r"at least one row"):
        batches(np.array([1, 2]), size, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"at least one row"):
        by_length(np.array([1, 2]), size)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from references import permutation as slow
from tinybert.data.corpus.permutation import Permutation


def whole(size: int, key: int) -> list[int]:
    return Permutation(size, key)(np.arange(size)).tolist()


def test_call__every_index_goes_to_one_place() -> None:
    for size in [*range(1, 301), 1024, 1025, 100_000]:
        assert sorted(whole(size, key=size)) == list(range(size))


@settings(max_examples=25)
@given(st.integers(1, 2**62), st.integers(0, 2**64 - 1), st.data())
def test_call__is_its_slow_twin(size: int, key: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, size - 1), max_size=5))
    expected = [slow.permuted(index, size, key) for index in indices]
    assert Permutation(size, key)(np.array(indices, np.int64)).tolist() == expected


@pytest.mark.parametrize("size", [2, 5, 17])
def test_call__an_index_goes_everywhere_alike(size: int) -> None:
    places = [int(Permutation(size, key)(np.array([0]))[0]) for key in range(300)]
    assert chisquare(np.bincount(places, minlength=size)).pvalue > 1e-3


def test_call__small_orders_are_all_equally_frequent() -> None:
    for size, orders in ((3, 6), (4, 24)):
        found = [tuple(whole(size, key)) for key in range(20 * orders)]
        counts = [found.count(order) for order in set(found)]
        assert len(counts) == orders
        assert chisquare(counts).pvalue > 1e-3


def test_call__different_keys_give_different_orders() -> None:
    assert len({tuple(whole(50, key)) for key in range(50)}) == 50


def test_call__neighbours_are_torn_apart() -> None:
    size = 10_000
    order = np.array(whole(size, key=3))
    distances = np.abs(np.diff(order))
    assert abs(distances.mean() / (size / 3) - 1) < 0.03  # of two random places
    assert (distances == 1).sum() < 12  # 2 are expected
    assert abs(np.corrcoef(order, np.arange(size))[0, 1]) < 0.05


def test_call__takes_no_memory_for_what_is_not_asked_for() -> None:
    size = 10**12
    indices = np.array([0, 1, size - 1])
    found = Permutation(size, key=7)(indices)
    assert ((found >= 0) & (found < size)).all()
    assert found.dtype == np.int64
    assert len(Permutation(size, key=7)) == size


def test_call__leaves_what_it_is_given_and_takes_nothing_at_all() -> None:
    indices = np.array([2, 1, 0])
    Permutation(3, key=1)(indices)
    assert indices.tolist() == [2, 1, 0]
    assert Permutation(0, key=1)(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("index", [-1, 5])
def test_call__refuses_other_indices(index: int) -> None:
    with pytest.raises(IndexError, match=r"^an index is not in range\(5\)$"):
        Permutation(5, key=0)(np.array([0, index]))


def test_init__refuses_what_64_bits_do_not_hold() -> None:
    for size, key in ((-1, 0), (2**62 + 1, 0), (5, -1), (5, 2**64)):
        with pytest.raises(ValueError, match=r"^a (permutation|key) "):
            Permutation(size, key)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.draws import dev_rows, few_rows, share_of_rows

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=300)


@given(LABELS, st.integers(0, 5))
def test_dev_rows__are_a_tenth_of_each_class(labels: list[int], seed: int) -> None:
    array = np.array(labels)
    dev = dev_rows(array, np.random.default_rng(seed))
    for index in range(4):
        count = int((array == index).sum())
        taken = int(dev[array == index].sum())
        assert taken == (0 if count < 2 else max(1, round(count / 10)))


@pytest.mark.parametrize(("rows", "taken"), [(1, 0), (2, 1), (10, 1), (104, 10)])
def test_dev_rows__of_scores_are_a_tenth_without_strata(rows: int, taken: int) -> None:
    assert dev_rows(np.zeros(rows, np.int64), np.random.default_rng(0)).sum() == taken


def test_dev_rows__are_a_function_of_the_stream() -> None:
    labels = np.arange(200) % 2
    first, again, other = (dev_rows(labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@given(LABELS, st.integers(1, 40))
def test_few_rows__draw_so_many_of_each_class_in_the_order_of_the_data(labels: list[int], per_class: int) -> None:
    array = np.array(labels)
    drawn = few_rows(array, per_class, np.random.default_rng(0))
    assert (np.diff(drawn) > 0).all()
    expected = np.minimum(np.bincount(array, minlength=4), per_class)
    assert np.bincount(array[drawn], minlength=4).tolist() == expected.tolist()


def test_few_rows__depend_on_the_stream() -> None:
    labels = np.arange(200) % 2
    first, again, other = (few_rows(labels, 10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@given(LABELS, st.floats(0.01, 0.99))
def test_share_of_rows__draws_it_of_each_class_and_at_least_one(labels: list[int], share: float) -> None:
    array = np.array(labels)
    drawn = share_of_rows(array, share, np.random.default_rng(0))
    assert (np.diff(drawn) > 0).all()
    expected = [max(1, round(share * count)) if count else 0 for count in np.bincount(array, minlength=4)]
    assert np.bincount(array[drawn], minlength=4).tolist() == expected

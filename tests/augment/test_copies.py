"""Streams of copies, and examples that go into a table and come back."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from augment.worlds import Shuffler, rows
from tinybert.augment.copies import (
    COPY_SCHEMA,
    CopyMaker,
    Streams,
    examples_of,
    first_of_each,
    hash_of,
    table_of,
)
from tinybert.types import Answer, Example

EXAMPLES = (
    Example("a film", None, 1, 3, 2),
    Example("one", "two", 0.25, 4, 1),
    Example("Who ?", "By Ann.", Answer(3, 6), 5, 1),
    Example("New York", None, (1, 2), 6, 1, ("New", "York")),
    Example("no label"),
)


def test__examples_of_every_kind_come_back_as_they_were():
    table = table_of(EXAMPLES)
    assert table.schema == COPY_SCHEMA
    assert tuple(examples_of(table)) == EXAMPLES


def test__every_copy_has_a_stream_of_its_own_that_repeats():
    streams = Streams(12345)
    first = {(row, copy): streams(row, copy).random(4).tolist() for row in (1, 2, 300) for copy in (0, 1, 2, 19)}
    assert len({tuple(values) for values in first.values()}) == len(first)
    assert all(streams(*position).random(4).tolist() == values for position, values in first.items())
    assert Streams(12346)(1, 1).random() != streams(1, 1).random()


def test__streams_are_uniform_and_unrelated():
    drawn = np.array([Streams(7)(row, copy).random(2) for row in range(1, 101) for copy in range(20)])
    counts = np.histogram2d(*drawn.T, bins=4, range=[[0, 1], [0, 1]])[0]
    assert ((counts - 125) ** 2 / 125).sum() < 37.7  # chi-square, 15 degrees of freedom, p = .001
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.07


def test__a_shard_is_the_same_whatever_rows_are_made_with_it():
    maker, ticks = CopyMaker(Shuffler(), 3, Streams(1)), []
    whole = list(examples_of(pa.table(_read(maker(list(rows(6)), ticks.append)))))
    alone = [copy for row in rows(6) for copy in examples_of(_read(maker([row], ticks.append)))]
    assert whole == alone
    assert [(copy.row, copy.copy) for copy in whole] == [(row, copy) for row in range(1, 7) for copy in (1, 2, 3)]
    assert ticks == [1] * 12


def _read(content):
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(content))


def test__the_hash_is_that_of_the_texts_alone():
    assert hash_of(Example("a", "b", 1, 5, 2)) == hash_of(Example("a", "b", 0, 6, 0))
    texts = (Example("a", "b"), Example("ab"), Example("a"), Example("b", "a"), Example("A", "b"), Example("a ", "b"))
    assert len({hash_of(example) for example in texts}) == len(texts)


@given(st.lists(st.integers(0, 5)))
def test__the_first_of_each_is_kept(values):
    expected = [value not in values[:position] for position, value in enumerate(values)]
    assert first_of_each(np.array(values, np.uint64)).tolist() == expected

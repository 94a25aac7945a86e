import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows, unknown_notes
from tinybert.data.examples import Examples
from tinybert.types import Example

TEXTS = ["good", "a very good film", "bad plot", "the movie was dull and the plot was bad", "not great"]


@pytest.fixture
def rows(tiny_tokenizer: Any, tmp_path: Path) -> EncodedRows:
    examples = Examples.of([Example(text, None, n % 3) for n, text in enumerate(TEXTS)])
    return encode(examples, tiny_tokenizer, 64, tmp_path / "rows.arrow", record_batch=2)


def test_unknown_notes__warn_of_texts_that_the_vocabulary_does_not_know() -> None:
    (note,) = unknown_notes({"train": 0.3, "dev": 0.05, "test": 0.0})
    assert note.startswith("train: 30% of the pieces are unknown to the vocabulary")


def test_batch__picks_rows_in_any_order_and_pads_to_the_longest(rows: EncodedRows, tiny_tokenizer: Any) -> None:
    batch = rows.batch(np.array([4, 1, 0, 1]))
    expected = tiny_tokenizer([TEXTS[n] for n in (4, 1, 0, 1)], padding=True, return_tensors="pt")
    assert torch.equal(batch.input_ids, expected["input_ids"])
    assert torch.equal(batch.real, expected["attention_mask"].bool())
    assert batch.token_type_ids.sum() == 0
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 1, 0, 1]
    assert batch.labels.dtype == torch.int64
    assert batch.rows.tolist() == [4, 1, 0, 1]


def test_batch__does_not_share_memory_with_what_was_asked_for(rows: EncodedRows) -> None:
    indices = np.array([0, 1])
    batch = rows.batch(indices)
    indices[:] = 9
    assert batch.rows.tolist() == [0, 1]


def test_batch__pads_with_the_tokenizers_own_piece(tiny_tokenizer: Any, tmp_path: Path) -> None:
    other = copy.deepcopy(tiny_tokenizer)
    other.pad_token = "[SEP]"
    rows = encode(Examples.of([Example(text) for text in TEXTS]), other, 64, tmp_path / "rows.arrow")
    batch = rows.batch(np.array([0, 3]))
    assert (batch.input_ids[0][~batch.real[0]] == 3).all()


def test_batch__gives_scores_as_floats_or_no_labels(tiny_tokenizer: Any, tmp_path: Path) -> None:
    scores = Examples.of([Example("good", "bad", 0.5), Example("film", "plot", 2.0)])
    batch = encode(scores, tiny_tokenizer, 64, tmp_path / "a.arrow").batch(np.array([1]))
    assert batch.labels is not None
    assert batch.labels.dtype == torch.float32
    assert batch.labels.tolist() == [2.0]
    bare = encode(Examples.of([Example("good")]), tiny_tokenizer, 64, tmp_path / "b.arrow")
    assert bare.labels is None
    assert bare.batch(np.array([0])).labels is None


def test_open__reads_back_everything(rows: EncodedRows, tmp_path: Path) -> None:
    again = EncodedRows.open(tmp_path / "rows.arrow")
    assert len(again) == len(TEXTS)
    assert again.lengths.tolist() == rows.lengths.tolist() == [3, 6, 4, 11, 4]
    assert again.labels is not None
    assert again.labels.tolist() == [0, 1, 2, 0, 1]
    assert (again.digest, again.truncated) == (rows.digest, 0)


def test_open__maps_the_file_instead_of_reading_it(tiny_tokenizer: Any, tmp_path: Path) -> None:
    examples = Examples.of([Example("the film is very good and the plot is great " * 5)] * 5_000)
    encode(examples, tiny_tokenizer, 64, tmp_path / "rows.arrow")
    before = pa.total_allocated_bytes()
    rows = EncodedRows.open(tmp_path / "rows.arrow")
    assert rows.batch(np.array([4_999])).input_ids.shape == (1, 52)
    assert pa.total_allocated_bytes() - before < 100_000


def test_open__takes_no_rows_at_all(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = encode(Examples.of([]), tiny_tokenizer, 64, tmp_path / "rows.arrow")
    assert len(rows) == 0


def test_select__is_a_view_whose_batches_name_the_rows_of_the_file(rows: EncodedRows) -> None:
    picked = np.array([2, 0, 2, 1])
    view = rows.select(picked)
    assert (len(view), view.lengths.tolist()) == (4, rows.lengths[picked].tolist())
    batch, expected = view.batch(np.array([3, 0])), rows.batch(np.array([1, 2]))
    assert torch.equal(batch.input_ids, expected.input_ids)
    assert torch.equal(batch.rows, expected.rows)
    assert batch.labels is not None
    assert expected.labels is not None
    assert torch.equal(batch.labels, expected.labels)
    again = view.select(np.array([1, 3]))
    assert torch.equal(again.batch(np.array([0, 1])).rows, torch.tensor([0, 1]))
    assert len({rows.digest, view.digest, again.digest, rows.select(picked[::-1]).digest}) == 4
    assert rows.select(picked).digest == view.digest


def test_joined__rows_follow_each_other_without_labels(rows: EncodedRows, tiny_tokenizer: Any, tmp_path: Path) -> None:
    more = encode(Examples.of([Example("a dull film"), Example("it is")]), tiny_tokenizer, 64, tmp_path / "more.arrow")
    both = rows.joined(more)
    picked = np.array([6, 0, 3, 5])
    batch = both.batch(picked)
    for place, (part, index) in enumerate([(more, 1), (rows, 0), (rows, 3), (more, 0)]):
        alone = part.batch(np.array([index])).input_ids[0]
        assert torch.equal(batch.input_ids[place][batch.real[place]], alone)
    assert batch.labels is None
    assert batch.rows.tolist() == picked.tolist()
    assert len(both) == 7
    assert {both.digest, more.joined(rows).digest}.isdisjoint({rows.digest, more.digest})
    assert both.digest != more.joined(rows).digest
    with pytest.raises(ValueError, match="only whole files of rows are joined"):
        both.joined(rows.select(np.array([0])))


def test_piece_counts__are_of_all_rows_of_a_view_without_padding(rows: EncodedRows, tiny_tokenizer: Any) -> None:
    for picked in (np.arange(5), np.array([3, 1, 3])):
        expected = [number for row in picked for number in tiny_tokenizer(TEXTS[row])["input_ids"]]
        found = rows.select(picked).piece_counts(200)
        assert found.tolist() == [expected.count(number) for number in range(200)]

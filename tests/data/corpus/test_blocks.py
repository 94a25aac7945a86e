from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from references.packing import packed
from tinybert.data.corpus import layout
from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.layout import Shard
from tinybert.data.corpus.packing import pack
from tinybert.types import Rows

TEXTS = [f"the film {number} is very good and it was great {number % 7}" for number in range(150)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbers_of(count: int, digest: str = "0") -> Blocks:
    """Blocks of a single piece, which is the block's number."""
    parts = [part[:, None] for part in np.array_split(np.arange(count), 3)]
    schema = pa.schema([pa.field("pieces", pa.list_(pa.int32(), 1))])
    return Blocks([Shard(parts, digest, 0, schema)], 1)


def all_of(blocks: Blocks) -> list[int]:
    return [int(number) for number in blocks.batch(np.arange(len(blocks))).rows]


@pytest.fixture
def blocks(tiny_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    monkeypatch.setattr(layout, "_AT_ONCE", 100)
    pack(TEXTS, tiny_tokenizer, 8, tmp_path, shard_bytes=900)
    return Blocks.open(tmp_path)


def test_batch__is_what_was_packed(blocks: Blocks, tiny_tokenizer: Any) -> None:
    def tokenise(text: str) -> Any:
        return tiny_tokenizer.convert_tokens_to_ids(tiny_tokenizer.tokenize(text))

    expected, _ = packed(TEXTS, tokenise, 8, [2], [3], 900)
    assert (len(blocks), blocks.block_length, blocks.pieces) == (len(expected), 8, 8 * len(expected))
    indices = np.array([5, 0, len(blocks) - 1, 5, 200])
    batch = blocks.batch(indices)
    assert batch.input_ids.tolist() == [expected[index] for index in indices]
    assert batch.input_ids.dtype == batch.token_type_ids.dtype == batch.rows.dtype == torch.int64
    assert batch.rows.tolist() == indices.tolist()
    assert batch.labels is None
    assert batch.real.all()
    assert not batch.token_type_ids.any()


def test_batch__does_not_share_memory_with_what_was_asked_for(blocks: Blocks) -> None:
    indices = np.array([0, 1])
    batch = blocks.batch(indices)
    indices[:] = 9
    assert batch.rows.tolist() == [0, 1]


def test_blocks__are_rows_to_learn_from(blocks: Blocks) -> None:
    assert isinstance(blocks, Rows)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 16, 17, 100])
def test_order__has_every_block_once(count: int) -> None:
    for size in {1, 2, 3, 16, count, count + 1}:
        order = numbers_of(count).order(size, rng(count))
        found = [batch.tolist() for batch in order]
        assert sorted(chain.from_iterable(found)) == list(range(count))
        assert len(found) == len(order)
        assert {len(batch) for batch in found[:-1]} <= {size}
        assert 1 <= len(found[-1]) <= size


def test_order__is_a_function_of_its_stream() -> None:
    blocks = numbers_of(200)
    first, again, other = (np.concatenate(list(blocks.order(8, rng(seed)))).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_order__gives_any_batch_or_some_of_them() -> None:
    order = numbers_of(103).order(10, rng())
    everything = [batch.tolist() for batch in order]
    assert order[7].tolist() == everything[7]
    assert order[-1].tolist() == everything[-1]
    assert [batch.tolist() for batch in order[4:]] == everything[4:]
    assert len(order[4:9]) == 5
    with pytest.raises(IndexError):
        order[11]


def test_order__takes_no_memory() -> None:
    blocks = numbers_of(10)
    blocks._size = 10**12
    order = blocks.order(256, rng())
    assert len(order) == 10**12 // 256
    assert len(set(order[3 * 10**9].tolist())) == 256


def test_order__refuses_batches_of_nothing(blocks: Blocks) -> None:
    with pytest.raises(ValueError, match=r"got a batch size of 0$"):
        blocks.order(0, rng())


@pytest.mark.parametrize("held_out", [0, 1, 30, 99, 100])
def test_split__has_every_block_on_one_side(held_out: int) -> None:
    one, rest = numbers_of(100).split(held_out, rng(5))
    assert (len(one), len(rest)) == (held_out, 100 - held_out)
    assert sorted(all_of(one) + all_of(rest)) == list(range(100))
    assert all_of(rest) != sorted(all_of(rest)) or held_out >= 99


def test_split__batches_and_orders_are_those_of_the_part() -> None:
    one, rest = numbers_of(100).split(30, rng(5))
    found = [row for indices in rest.order(8, rng()) for row in rest.batch(indices).rows.tolist()]
    assert sorted(found) == sorted(all_of(rest))
    assert rest.batch(np.array([3])).input_ids.tolist() == [[all_of(rest)[3]]]
    with pytest.raises(IndexError):
        one.batch(np.array([-1]))


def test_split__can_be_split_again() -> None:
    whole = numbers_of(100)
    one, rest = whole.split(30, rng(5))
    two, last = rest.split(20, rng(6))
    assert sorted(all_of(one) + all_of(two) + all_of(last)) == list(range(100))
    assert set(all_of(two)) <= set(all_of(rest))


def test_split__every_block_is_held_out_alike() -> None:
    held = [row for seed in range(100) for row in all_of(numbers_of(10).split(3, rng(seed))[0])]
    assert np.abs(np.bincount(held, minlength=10) - 30).max() < 19  # over four standard deviations


def test_split__refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"^5 of 4 blocks cannot be held out$"):
        numbers_of(4).split(5, rng())


def test_digest__tells_contents_lengths_and_parts_apart() -> None:
    whole = numbers_of(100)
    parts = [*whole.split(30, rng(5)), *whole.split(30, rng(6)), *whole.split(31, rng(5))]
    others = [numbers_of(100, digest="1"), Blocks([], 1), Blocks([], 2)]
    assert len({blocks.digest for blocks in (whole, *parts, *others)}) == 10
    assert [part.digest for part in whole.split(30, rng(5))] == [part.digest for part in parts[:2]]


def test_open__maps_the_files_instead_of_reading_them(tiny_tokenizer: Any, tmp_path: Path) -> None:
    pack(["it " * 20_000] * 20, tiny_tokenizer, 64, tmp_path, shard_bytes=200_000)
    before = pa.total_allocated_bytes()
    blocks = Blocks.open(tmp_path)
    assert blocks.batch(np.array([len(blocks) - 1])).input_ids.shape == (1, 64)
    assert pa.total_allocated_bytes() - before < 10_000


def test_open__lets_go_of_its_files(blocks: Blocks, tmp_path: Path) -> None:
    expected = blocks.batch(np.arange(len(blocks))).input_ids
    for path in tmp_path.iterdir():
        path.unlink()
    assert torch.equal(blocks.batch(np.arange(len(blocks))).input_ids, expected)

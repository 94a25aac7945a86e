import copy
import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinybert.data import encode as module
from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.errors import ResourceError
from tinybert.types import Example

WORDS = ["the", "film", "is", "very", "good", "and", "a", "movie", "was", "bad", "it", "not", "dull", "plot", "great"]


def sentence(count: int, start: int = 0) -> str:
    return " ".join(WORDS[(start + n) % len(WORDS)] for n in range(count))


SINGLES = Examples.of([Example(sentence(n, n), None, n % 2) for n in range(1, 40)])
PAIRS = Examples.of([Example(sentence(n, 1), sentence(m, 2), n / 7) for n in range(1, 14) for m in (1, 6, 7, 13)])


@pytest.mark.parametrize("examples", [SINGLES, PAIRS])
@pytest.mark.parametrize("max_length", [5, 8, 15, 64])
def test_encode__gives_what_the_tokenizer_itself_gives(
    tiny_tokenizer: Any, tmp_path: Path, examples: Examples, max_length: int
) -> None:
    rows = encode(examples, tiny_tokenizer, max_length, tmp_path / "rows.arrow", record_batch=10)
    cut = 0
    for number, example in enumerate(examples):
        sides = [example.text] if example.pair is None else [example.text, example.pair]
        expected = tiny_tokenizer(*sides, truncation="longest_first", max_length=max_length)
        batch = rows.batch(rows_of(number))
        assert batch.input_ids[0].tolist() == expected["input_ids"]
        assert batch.token_type_ids[0].tolist() == expected["token_type_ids"]
        cut += len(tiny_tokenizer(*sides)["input_ids"]) > max_length
    assert rows.truncated == cut


def rows_of(*numbers: int) -> Any:
    return np.array(numbers)


def test_encode__leaves_the_tokenizer_as_it_was(tiny_tokenizer: Any, tmp_path: Path) -> None:
    backend = tiny_tokenizer.backend_tokenizer
    encode(SINGLES, tiny_tokenizer, 8, tmp_path / "rows.arrow")
    assert backend.truncation is None
    assert backend.padding is None
    backend.enable_truncation(7, stride=2, strategy="only_first")
    backend.enable_padding(length=9, pad_id=3, pad_token="[MASK]")
    before = backend.truncation, backend.padding
    try:
        rows = encode(SINGLES, tiny_tokenizer, 12, tmp_path / "rows.arrow")
        assert (backend.truncation, backend.padding) == before
    finally:
        backend.no_truncation()
        backend.no_padding()
    assert rows.lengths.min() == 3
    assert rows.lengths.max() == 12


def test_encode__has_a_digest_of_contents_whatever_the_layout(tiny_tokenizer: Any, tmp_path: Path) -> None:
    def digest(examples: Examples, max_length: int = 64, record_batch: int = 4096) -> str:
        return encode(examples, tiny_tokenizer, max_length, tmp_path / "rows.arrow", record_batch).digest

    assert digest(PAIRS, record_batch=7) == digest(PAIRS, record_batch=1) == digest(PAIRS)
    relabelled = Examples.of([Example(e.text, e.pair, 1.0) for e in PAIRS])
    unlabelled = Examples.of([Example(e.text, e.pair) for e in PAIRS])
    joined = Examples.of([Example(f"{e.text} [SEP] {e.pair}", None, e.label) for e in PAIRS])
    digests = {digest(part) for part in (PAIRS, relabelled, unlabelled, joined, PAIRS[1:])} | {digest(PAIRS, 8)}
    assert len(digests) == 6


def test_encode__stores_no_types_where_the_model_takes_none(tiny_tokenizer: Any, tmp_path: Path) -> None:
    other = copy.deepcopy(tiny_tokenizer)
    other.model_input_names = ["input_ids", "attention_mask"]
    rows = encode(PAIRS, other, 64, tmp_path / "rows.arrow")
    assert rows.batch(rows_of(0, 5)).token_type_ids.sum() == 0


@pytest.mark.parametrize("long", ["good " * 300_000, "x" * 300_000, " " * 300_000 + "good film", "é " * 100_000])
def test_encode__cuts_a_cell_of_megabytes_like_any_other(tiny_tokenizer: Any, tmp_path: Path, long: str) -> None:
    examples = Examples.of([Example(long), Example("film")])
    rows = encode(examples, tiny_tokenizer, 16, tmp_path / "rows.arrow")
    expected = tiny_tokenizer(long, truncation=True, max_length=16)["input_ids"]
    assert rows.batch(rows_of(0)).input_ids[0].tolist() == expected
    assert rows.truncated == (len(expected) == 16)


def test_encode__cuts_a_pair_with_a_cell_of_megabytes(tiny_tokenizer: Any, tmp_path: Path) -> None:
    sides = "good film " * 50_000, "the plot"
    rows = encode(Examples.of([Example(*sides)]), tiny_tokenizer, 16, tmp_path / "rows.arrow")
    expected = tiny_tokenizer(*sides, truncation="longest_first", max_length=16)["input_ids"]
    assert rows.batch(rows_of(0)).input_ids[0].tolist() == expected
    assert rows.truncated == 1


def test_encode__counts_unknown_pieces_but_no_special_ones(tiny_tokenizer: Any, tmp_path: Path) -> None:
    def unknown(*examples: Example) -> float:
        return encode(Examples.of(list(examples)), tiny_tokenizer, 16, tmp_path / "rows.arrow", record_batch=1).unknown

    assert unknown(Example("good"), Example("\U0001f600 film \u0e01")) == 0.5
    assert unknown(Example("good film", "\U0001f600 plot")) == 0.25
    assert unknown(Example("good")) == 0


def test_encode__tokenises_every_text_once(
    tiny_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    whole = module._tokenised
    monkeypatch.setattr(module, "_tokenised", lambda b, sides: seen.extend(t for t, _ in sides) or whole(b, sides))
    encode(SINGLES, tiny_tokenizer, 8, tmp_path / "rows.arrow", record_batch=6)
    assert seen == [example.text for example in SINGLES]


def test_encode__leaves_nothing_behind_when_the_disk_is_full(
    tiny_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_block", full)
    with pytest.raises(ResourceError, match=r"rows.arrow: no space left"):
        encode(SINGLES, tiny_tokenizer, 8, tmp_path / "rows.arrow")
    assert list(tmp_path.iterdir()) == []


def test_encode__needs_a_padding_piece(tiny_tokenizer: Any, tmp_path: Path) -> None:
    bare = copy.deepcopy(tiny_tokenizer)
    bare.pad_token = None
    with pytest.raises(ValueError, match=r"no padding piece"):
        encode(SINGLES, bare, 8, tmp_path / "rows.arrow")

"""From plain text to blocks of pieces on the disk: tokenised once, by one process or several, whatever the size.

The text is cut into shards at the borders of texts. Every process reads all of it, which is quick, and tokenises the
shards that are its own, which is slow. A shard is a function of its texts alone, so that neither the number of
processes nor a kill in between changes a byte.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerFast

from tinybert.data.corpus.layout import Form, shard_is_whole, shard_path, untouched, written

SHARD_BYTES = 32_000_000  # of text
_AT_ONCE = 1 << 18  # characters tokenised at once: pieces take a hundred times more memory there than in the file
_STRIDE = 1 << 20  # bytes between two calls of `advance`


def pack(
    texts: Iterable[str],
    tokenizer: PreTrainedTokenizerFast,
    block_length: int,
    folder: Path,
    *,
    rank: int = 0,
    world: int = 1,
    limit_bytes: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Pack texts into blocks; shards that a killed process has made of them are used.

    The pieces of a shard are put on end across the borders of texts and cut into blocks; the rest that does not fill
    one is left out. Around each block are the special pieces that the tokenizer puts around a single text. Text that
    spells a special piece is read as letters, or, where SentencePiece cannot, left out. `Blocks.open` gives the blocks
    when all processes are done.

    Args:
        texts: See `texts_of`.
        tokenizer: Its own padding and truncation are left aside, and left as they were.
        block_length: Pieces in a block, special ones included.
        folder: Of these texts, this tokenizer and this `limit_bytes` only; made if it is not there.
        rank: Which of the processes this is.
        world: How many processes share the work.
        limit_bytes: Texts are read until they have so many bytes; None = all.
        shard_bytes: Of text in a shard, the last text aside.
        advance: Told now and then how many more bytes of text are behind.

    Raises:
        ResourceError: If the disk is full.
        UserError: If the texts cannot be read.
        ValueError: If a block has no room for text.
    """
    form = Form.of(tokenizer, block_length)
    stream = _watched(_sharded(texts, shard_bytes, limit_bytes), advance or (lambda _: None))
    number = -1
    for number, group in groupby(stream, key=itemgetter(0)):
        target = shard_path(folder, number)
        if number % world == rank and not shard_is_whole(target, form):
            with written(target, form) as shard:
                for pieces in _tokenised((text for _, _, text in group), tokenizer):
                    shard.add(pieces)
    if number < 0 and rank == 0:  # no text at all: `Blocks.open` says so
        with written(shard_path(folder, 0), form):
            pass


def _sharded(texts: Iterable[str], shard_bytes: int, limit_bytes: int | None) -> Iterator[tuple[int, int, str]]:
    """Each text with the number of its shard put first, and its size in bytes."""
    number = size = total = 0
    for text in texts:
        if limit_bytes is not None and total >= limit_bytes:
            return
        if size >= shard_bytes:
            number, size = number + 1, 0
        length = len(text.encode())
        size, total = size + length, total + length
        yield number, length, text


def _watched(stream: Iterable[tuple[int, int, str]], advance: Callable[[int], None]) -> Iterator[tuple[int, int, str]]:
    behind = 0
    for entry in stream:
        yield entry
        behind += entry[1]
        if behind >= _STRIDE:
            advance(behind)
            behind = 0
    advance(behind)


def _tokenised(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> Iterator[Int[np.ndarray, " pieces"]]:
    """The pieces of texts on end, without special ones, some texts at a time."""
    special = [piece for piece in tokenizer.all_special_ids if piece != tokenizer.unk_token_id]
    with untouched(tokenizer.backend_tokenizer) as backend:
        for some in _some(texts):
            # Byte-level pieces know whether a space stood before them: what follows another text has one.
            found = backend.encode_batch_fast([f" {text}" for text in some], add_special_tokens=False)
            pieces = np.fromiter(chain.from_iterable(encoding.ids for encoding in found), np.int32)
            yield pieces[~np.isin(pieces, special)]  # SentencePiece has them among its pieces, so letters may give one


def _some(texts: Iterable[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= _AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some

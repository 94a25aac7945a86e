"""Long texts as windows of pieces.

Of a whole text all windows answer, and their logits are pooled. Of every word one piece in one window answers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from tinybert.data.words import characters_of

OVERLAP = 4  # a quarter of a window is in the next one too, where nothing else is said
_PLACEHOLDER = "?"  # read instead of a word that a tokenizer passes over in silence, as some do with control characters


class Windows(NamedTuple):
    """How texts that are longer than a row become rows.

    Attributes:
        pooling: What a text's logits are made of those of its windows by; `off` = there is one, the text is cut.
        stride: Pieces that a window shares with the next one; None = a quarter of what it holds.
    """

    pooling: Literal["off", "mean", "max"] = "off"
    stride: int | None = None

    def shared(self, room: int) -> int:
        """How many pieces windows of so many share, at most half of them."""
        return room // OVERLAP if self.stride is None else min(self.stride, room // 2)


NO_WINDOWS = Windows()


class Window(NamedTuple):
    """Pieces as a network reads them.

    Attributes:
        pieces: With the special ones at both ends.
        words: For each piece the word that it answers for, as an index into the words of the text; -1 = none.
    """

    pieces: list[int]
    words: list[int]


class _First(NamedTuple):
    """Where the first piece of a word stands, and how many pieces of its text are on its narrower side."""

    character: int
    window: int
    piece: int
    context: float


def word_spans(words: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Which characters of a text each of its words is, in order.

    Example:
        >>> word_spans(["A", "film", "."], "A film.")
        [(0, 1), (2, 6), (6, 7)]
    """
    found, end = [], 0
    for word in words:
        start = text.index(word, end)
        end = start + len(word)
        found.append((start, end))
    return found


def notes_on(backend: Any) -> tuple[str, ...]:
    """What the log should say of a tokenizer that reads the first word of a text otherwise than the same word later.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> bytes_of = Tokenizer(models.BPE({"a": 0, "\u0120": 1, "\u0120a": 2}, [("\u0120", "a")]))
        >>> bytes_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> len(notes_on(bytes_of))
        1
    """
    first, *_, last = backend.encode("a a", add_special_tokens=False).ids or [0, 0]
    if first == last:
        return ()
    return (
        "the tokenizer reads the first word of a text without the space that the others have (add_prefix_space=false), "
        "as other pieces; programs that hand in words must join them by spaces",
    )


def whole_windows(
    sides: Sequence[tuple[str, str | None]], backend: Any, max_length: int, windows: Windows
) -> list[list[Any]]:
    """The encodings of some texts or pairs: one where it fits, otherwise as many as it takes.

    Of a pair the longer side slides, and the whole shorter one is in every window; of that at most half a row.

    Args:
        sides: Texts, or pairs of them.
        backend: A tokenizer of the library tokenizers; truncation and padding are the caller's to put back.
        max_length: Pieces of a window, special ones included.
        windows: How many pieces they share.
    """
    backend.no_truncation()
    backend.no_padding()
    every = [part for side in sides for part in side if part is not None]
    read = iter(backend.encode_batch_fast(every, add_special_tokens=False))
    return [
        _slid(text, next(read), pair, None if pair is None else next(read), backend, max_length, windows)
        for text, pair in sides
    ]


def _slid(
    text: str, first: Any, pair: str | None, second: Any | None, backend: Any, max_length: int, windows: Windows
) -> list[Any]:
    """The windows of one text or pair out of its pieces, without special ones."""
    room = max_length - backend.num_special_tokens_to_add(pair is not None)
    if second is None:
        first.truncate(room, windows.shared(room))
        return [backend.post_process(part) for part in (first, *first.overflowing)]
    if len(first) + len(second) <= room:
        return [backend.post_process(first, second)]
    if len(first) >= len(second):
        second = _beginning(str(pair), second, room // 2, backend)
        first.truncate(room - len(second), windows.shared(room - len(second)))
        return [backend.post_process(part, second) for part in (first, *first.overflowing)]
    first = _beginning(text, first, room // 2, backend)
    second.truncate(room - len(first), windows.shared(room - len(first)))
    # One by one: the library gives all but the first window of a second text the token type of a first one.
    return [backend.post_process(first, part) for part in (second, *second.overflowing)]


def _beginning(text: str, pieces: Any, longest: int, backend: Any) -> Any:
    """The first pieces of a text; read again, since what `truncate` cuts off would be combined with every window."""
    if len(pieces) <= longest:
        return pieces
    end = backend.encode(text, add_special_tokens=False).offsets[longest - 1][1]
    found = backend.encode(text[:end], add_special_tokens=False)
    found.truncate(longest)
    return found


def windows_of(
    texts: Sequence[str],
    words: Sequence[Sequence[str]],
    backend: Any,
    max_length: int,
    windows: Windows = NO_WINDOWS,
) -> list[list[Window]]:
    """The windows of some texts: one where the text fits, otherwise as many as it takes, each with a part of the last.

    A word is answered for by its first piece, in the window where most pieces stand on the narrower side of it.

    Args:
        texts: As they are read.
        words: Of each text, in order.
        backend: A tokenizer of the library tokenizers; truncation and padding are the caller's to put back.
        max_length: Pieces of a window, special ones included.
        windows: How many pieces they share.
    """
    room = max_length - backend.num_special_tokens_to_add(False)
    backend.enable_truncation(max_length, stride=max(windows.shared(room), 0), strategy="longest_first")
    backend.no_padding()
    encodings = backend.encode_batch(list(texts))
    return [_windows(*found, backend) for found in zip(texts, words, encodings, strict=True)]


def _windows(text: str, words: Sequence[str], encoding: Any, backend: Any) -> list[Window]:
    parts = [encoding, *encoding.overflowing]
    best = _best(parts, word_spans(words, text), text)
    if len(best) < len(words):
        readable = [word if number in best else _PLACEHOLDER for number, word in enumerate(words)]
        text = " ".join(readable)
        encoding = backend.encode(text)
        parts = [encoding, *encoding.overflowing]
        best = _best(parts, word_spans(readable, text), text)
    answering = [[-1] * len(part.ids) for part in parts]
    for word, first in best.items():
        answering[first.window][first.piece] = word
    return [Window(part.ids, found) for part, found in zip(parts, answering, strict=True)]


def _best(parts: Sequence[Any], spans: Sequence[tuple[int, int]], text: str) -> dict[int, _First]:
    """Of each word that has a piece, the first one, in the window that shows most around it."""
    best: dict[int, _First] = {}
    for word, first in _firsts(parts, spans, text):
        known = best.get(word)
        if known is None or (first.character, -first.context) < (known.character, -known.context):
            best[word] = first
    return best


def _firsts(parts: Sequence[Any], spans: Sequence[tuple[int, int]], text: str) -> Iterator[tuple[int, _First]]:
    """In each window the first piece of every word in it; of a word that the window cuts it may be a later one."""
    for window, part in enumerate(parts):
        word, seen = 0, -1
        last = len(part.ids) - 1
        for index, (piece, offsets, special) in enumerate(
            zip(part.tokens, part.offsets, part.special_tokens_mask, strict=True)
        ):
            if special or (span := characters_of(piece, offsets, text)) is None:
                continue
            while word < len(spans) and spans[word][1] <= span[0]:
                word += 1
            if word < len(spans) and word != seen and span[1] > spans[word][0]:
                before = float("inf") if window == 0 else index
                after = float("inf") if window == len(parts) - 1 else last - index
                seen = word
                yield word, _First(span[0], window, index, min(before, after))

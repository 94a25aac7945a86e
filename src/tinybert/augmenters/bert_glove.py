"""Words replaced by what a masked language model or word vectors put in their place: TinyBERT's augmentation.

Jiao et al. 2020, arXiv:1909.10351, Algorithm 1. For each copy and each word: a word of a single piece gets the K most
probable pieces at its masked position as candidates, any other word its K nearest by word vectors; with probability p
it becomes one of them, each as likely. Where this differs from the algorithm as printed, or from its authors' code
(huawei-noah/Pretrained-Language-Model, TinyBERT/data_augmentation.py):

- A word that is not replaced stays. The printed algorithm masks it before it draws; read literally, masks stay.
- All is drawn first and the model runs only where a word is replaced: the same distribution for less work.
- `context="progressive"` masks in the copy, where earlier replacements show, as printed; `"original"` masks in the
  unchanged text, once for all copies, as the code does.
- The model reads the masked text alone, as printed. The code adds the unmasked text as a second sentence, off which the
  hidden word can be read.
- Special pieces and pieces inside words are left out before the K best are taken; the code takes K, then leaves out.
- Of a pair one side changes and the model reads that side alone, as in the code; the other side stays original.
- Case and spacing stay; the code gives back lower case and spaces between all tokens.
- Stop words, numbers and punctuation are replaced too, as printed; the code leaves them: `skip_stopwords` and
  `skip_nonletters`.

Candidates come in the order of their ids before one is drawn, so that rounding, which depends on what else a forward
pass holds, cannot exchange them. It can still decide between the candidates at rank K and K + 1 where the model finds
both as probable: seldom in float32, now and then in bfloat16. The same examples in the same order give the same copies.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar, final

from tinybert.augmenters.candidates import Candidates, Context
from tinybert.augmenters.neighbours import Neighbours
from tinybert.augmenters.sides import rewritten, side_of, text_of
from tinybert.data.carried import Side, protected
from tinybert.data.lexicon import STOP_WORDS
from tinybert.data.pieces import Reading, pieces_within, read
from tinybert.data.words import Edit, Word, cased_like
from tinybert.models.masked_lm import MaskedLM
from tinybert.types import Example, Stream

TOGETHER = 2048  # copies that are made in step; more would fill memory, not forward passes
_Option = TypeVar("_Option")


@dataclass(frozen=True)
class BertGloveSettings:
    """Settings of the augmenter.

    Attributes:
        probability: p, with which a word is replaced.
        candidates: K, the number of candidates of a word.
        context: What the model reads around a word: the `original` text, or the copy so far (`progressive`), which
            costs up to copies times probability as many forward passes.
        group_positions: Places of a text that are masked in the same forward pass, as far apart as can be. More than 1
            is faster and approximate: the model does not see the other hidden words.
        skip_stopwords: Leave stop words as they are.
        skip_nonletters: Leave words as they are that have other signs than letters, such as numbers and punctuation.
        keep_original: A word may be among its own candidates in the masked language model; otherwise the K best others
            are. Word vectors never give the word itself.
    """

    probability: float = 0.4  # p_t of the paper
    candidates: int = 15  # K
    context: Literal["original", "progressive"] = "original"
    group_positions: int = 1
    skip_stopwords: bool = False
    skip_nonletters: bool = False
    keep_original: bool = True

    def __post_init__(self) -> None:
        """Refuse what would change nothing, or cannot be."""
        if not 0 < self.probability <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, got {self.probability}")
        for name in ("candidates", "group_positions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.group_positions > 1 and self.context == "progressive":
            raise ValueError("group_positions above 1 hides several words of the original text; use context=original")


class _Draft(NamedTuple):
    """A copy to be made: which words may be replaced, which are, and the number that chooses the candidate of each."""

    example: Example
    copy: int
    side: Side
    reading: Reading
    open: Sequence[int]
    replaced: Mapping[int, float]


_Writer = Generator[list[Context], None, list[Edit]]  # gives the contexts it must know to go on; ends with its edits


@final
class BertGlove:
    """The augmenter.

    Attributes:
        settings: See there.
        mlm: Gives the candidates of words of a single piece.
        neighbours: Gives those of other words.
        max_length: Pieces of a text that the model reads; words beyond stay as they are.
    """

    def __init__(
        self, settings: BertGloveSettings, mlm: MaskedLM, neighbours: Neighbours, max_length: int = 128
    ) -> None:
        self.settings, self.mlm, self.neighbours = settings, mlm, neighbours
        self.max_length = min(max_length, mlm.longest)

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Copies 1 to `copies` of each example, in order."""
        window = max(TOGETHER // max(copies, 1), 1)
        for start in range(0, len(examples), window):
            drafts = self._drafts(examples[start : start + window], copies, stream)
            self._meet_neighbours(drafts)
            for draft, edits in zip(drafts, self._written(drafts), strict=True):
                yield rewritten(draft.example, draft.side, edits, draft.copy)

    def _drafts(self, examples: Sequence[Example], copies: int, stream: Stream) -> list[_Draft]:
        """All that is random, before any model runs: two numbers for each word, whether it is open or not."""
        wanted = [(example, copy, side_of(example, copy)) for example in examples for copy in range(1, copies + 1)]
        texts = list(dict.fromkeys(text_of(example, side) for example, _, side in wanted))
        readings = dict(zip(texts, read(texts, self.mlm.vocabulary.tokenizer, self.max_length), strict=True))
        open_words: dict[tuple[Example, Side], list[int]] = {}
        drafts = []
        for example, copy, side in wanted:
            reading = readings[text_of(example, side)]
            if (example, side) not in open_words:
                open_words[example, side] = self._open_words(example, side, reading)
            opened = open_words[example, side]
            chance, choice = stream(example.row, copy).random((2, len(reading.words))).tolist()
            replaced = {word: choice[word] for word in opened if chance[word] < self.settings.probability}
            drafts.append(_Draft(example, copy, side, reading, opened, replaced))
        return drafts

    def _open_words(self, example: Example, side: Side, reading: Reading) -> list[int]:
        """The words that may be replaced: not those cut off, skipped, or of an answer."""
        closed = protected(example, side)
        return [
            number
            for number, (word, span) in enumerate(zip(reading.words, reading.spans, strict=True))
            if span is not None and not self._skips(word) and all(word.end <= a or b <= word.start for a, b in closed)
        ]

    def _skips(self, word: Word) -> bool:
        if self.settings.skip_nonletters and not word.text.isalpha():
            return True
        return self.settings.skip_stopwords and word.text.lower() in STOP_WORDS

    def _meet_neighbours(self, drafts: Sequence[_Draft]) -> None:
        """Ask for all at once, and let them be remembered: a pass over word vectors costs as much for one word."""
        wanted = (
            draft.reading.words[word].text
            for draft in drafts
            for word in draft.replaced
            if not self._is_filled(draft.reading, word)
        )
        self.neighbours.nearest(list(dict.fromkeys(wanted)), self.settings.candidates)

    def _written(self, drafts: Sequence[_Draft]) -> list[list[Edit]]:
        """The edits of all drafts, made in step: what each must know next goes through the model together."""
        candidates = Candidates(self.mlm, self.settings.candidates, keep_original=self.settings.keep_original)
        write = self._from_original if self.settings.context == "original" else self._progressively
        written: list[list[Edit]] = [[] for _ in drafts]
        writers = {number: write(draft, candidates) for number, draft in enumerate(drafts)}
        while writers:
            wanted: list[Context] = []
            for number, writer in list(writers.items()):
                try:
                    wanted += next(writer)
                except StopIteration as end:
                    written[number] = end.value
                    del writers[number]
            candidates.learn(wanted)
        return written

    def _from_original(self, draft: _Draft, candidates: Candidates) -> _Writer:
        """Every word is replaced in the unchanged text, so all contexts are known at once."""
        reading, edits = draft.reading, list[Edit]()
        contexts = self._contexts(draft)
        yield [context for word, (context, _) in contexts.items() if word in draft.replaced]
        for word, number in draft.replaced.items():
            if word in contexts:
                edits += self._filled(reading, word, _chosen(candidates.of(*contexts[word]), number))
            else:
                edits += self._exchanged(draft, word, number)
        return edits

    def _contexts(self, draft: _Draft) -> dict[int, tuple[Context, int]]:
        """Context and place of each open word that the model fills; which are hidden together depends on no copy."""
        reading = draft.reading
        words = [word for word in draft.open if self._is_filled(reading, word)]
        places = [reading.span_of(word).start for word in words]
        groups = math.ceil(len(places) / self.settings.group_positions)
        pieces = tuple(reading.pieces)
        return {
            word: (Context(pieces, tuple(places[number % groups :: groups])), places[number])
            for number, word in enumerate(words)
        }

    def _progressively(self, draft: _Draft, candidates: Candidates) -> _Writer:
        """Each word is replaced in the text so far, whose later words move as it grows."""
        reading, edits = draft.reading, list[Edit]()
        pieces, grown = list(reading.pieces), 0
        for word, number in draft.replaced.items():
            start, end = (place + grown for place in reading.span_of(word))
            if not self._is_filled(reading, word):
                edit = self._exchanged(draft, word, number)
                new = [piece for _, _, text in edit for piece in self._pieces_of(text, pieces[start])]
            elif start + 1 < len(shown := self._fitting(pieces)):
                context = Context(shown, (start,))
                yield [context]
                piece = _chosen(candidates.of(context, start), number)
                edit, new = self._filled(reading, word, piece), [] if piece is None else [piece]
            else:
                break  # pushed beyond what the model reads, like all after it
            edits += edit
            if new:
                pieces[start:end] = new
                grown += len(new) - (end - start)
        return edits

    def _filled(self, reading: Reading, word: int, piece: int | None) -> list[Edit]:
        """The edit that puts a piece in place of a word; none for the word's own."""
        if piece is None or piece == reading.piece_of(word):
            return []
        return [_edit(reading.words[word], self.mlm.vocabulary.text_of(piece))]

    def _exchanged(self, draft: _Draft, word: int, number: float) -> list[Edit]:
        """The edit that puts a neighbour in place of a word; none where it has no neighbour."""
        original = draft.reading.words[word]
        (others,) = self.neighbours.nearest([original.text], self.settings.candidates)
        if draft.example.words is not None:  # a tag belongs to one word
            others = tuple(other for other in others if other.split() == [other])
        other = _chosen(others, number)
        return [] if other is None else [_edit(original, other)]

    def _is_filled(self, reading: Reading, word: int) -> bool:
        """Whether the model gives the candidates of a word: it is a single piece, and a known one."""
        piece = reading.piece_of(word)
        return piece is not None and not self.mlm.vocabulary.special[piece]

    def _pieces_of(self, text: str, replaced: int) -> list[int]:
        """The pieces of a text in place of a word that begins with the piece `replaced`."""
        vocabulary = self.mlm.vocabulary
        return pieces_within(text, vocabulary.tokenizer, after_space=bool(vocabulary.starts_word[replaced]))

    def _fitting(self, pieces: Sequence[int]) -> tuple[int, ...]:
        """What the model can read of them; the special piece at the end stays."""
        return (*pieces[: self.max_length - 1], pieces[-1]) if len(pieces) > self.max_length else tuple(pieces)


def _chosen(options: Sequence[_Option], number: float) -> _Option | None:
    """The option that a number of [0, 1) falls on, each as likely; None where there is none."""
    return options[int(number * len(options))] if options else None


def _edit(original: Word, text: str) -> Edit:
    return Edit(original.start, original.end, cased_like(text, original.text))

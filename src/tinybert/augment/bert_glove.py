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
- Stop words and numbers are replaced too, as printed; the code leaves them: `skip_stopwords` and `skip_nonletters`.
- Marks of punctuation stay, as in the code, and no word becomes one, which the code allows. Contractions stay too, of
  which the code's list of stop words holds the parts: "don't" must not become "don'cannot". `punctuation="any"` is
  the algorithm as printed, for which a mark is a word like others, except for spaces that keep a word apart which comes
  in place of a mark: "A fine pan." must not become "A fine panat".

Candidates come in the order of their ids before one is drawn, so that rounding, which depends on what else a forward
pass holds, cannot exchange them. It can still decide between the candidates at rank K and K + 1 where the model finds
both as probable: seldom in float32, now and then in bfloat16. The same examples in the same order give the same copies.
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, final

import numpy as np

from tinybert import files
from tinybert.artifacts import Store
from tinybert.augment.candidates import Candidates, Context
from tinybert.augment.method import AugmentContext, AugmenterFactory, MaskedLMAugmentSettings, Method, open_masked_lm
from tinybert.augment.neighbours import Neighbours, PieceNeighbours
from tinybert.augment.sides import rewritten, side_of, text_of
from tinybert.data.carried import Side, protected
from tinybert.data.lexicon import STOP_WORDS
from tinybert.data.pieces import TokenizedText, tokenize
from tinybert.data.vectors import open_vectors
from tinybert.data.words import Edit, Word, cased_like, contractions, edited, is_mark, kept_apart, touches
from tinybert.models.masked_lm import MaskedLM
from tinybert.run import Run
from tinybert.types import Example, Stream

TOGETHER = 2048  # copies that are made in step; more would fill memory, not forward passes
_Option = TypeVar("_Option")


@dataclass(frozen=True)
class BertGloveSettings(MaskedLMAugmentSettings):
    """Settings of the augmenter.

    Attributes:
        probability: p, with which a word is replaced.
        candidates: K, the number of candidates of a word.
        context: What the model reads around a word: the `original` text, or the copy so far (`progressive`), which
            costs up to copies times probability as many forward passes.
        group_positions: Positions of a text that are masked in the same forward pass, as far apart as can be. More than
            1 is faster and approximate: the model does not see the other hidden words.
        skip_stopwords: Leave stop words as they are.
        skip_nonletters: Leave words as they are that have other signs than letters, such as numbers.
        punctuation: What becomes of marks, which have neither letters nor digits: they stay (`keep`), become other
            marks (`marks`), or are words like others, and words may become marks (`any`). The parts of contractions
            stay unless it is `any`.
        keep_original: A word may be among its own candidates in the masked language model; otherwise the K best others
            are. Word vectors never give the word itself.
    """

    method: Literal["bert_glove"] = field(default="bert_glove", kw_only=True)
    probability: float = 0.4  # p_t of the paper
    candidates: int = 15  # K
    context: Literal["original", "progressive"] = "original"
    group_positions: int = 1
    skip_stopwords: bool = False
    skip_nonletters: bool = False
    punctuation: Literal["keep", "marks", "any"] = "keep"
    keep_original: bool = True

    def __post_init__(self) -> None:
        """Refuse what would change nothing, or cannot be."""
        super().__post_init__()
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
    tokenized: TokenizedText
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
        tokenized_texts = dict(zip(texts, tokenize(texts, self.mlm.vocabulary.tokenizer, self.max_length), strict=True))
        open_words: dict[tuple[Example, Side], list[int]] = {}
        drafts = []
        for example, copy, side in wanted:
            tokenized = tokenized_texts[text_of(example, side)]
            if (example, side) not in open_words:
                open_words[example, side] = self._open_words(example, side, tokenized)
            open_here = open_words[example, side]
            chance, choice = stream(example.row, copy).random((2, len(tokenized.words))).tolist()
            replaced = {word: choice[word] for word in open_here if chance[word] < self.settings.probability}
            drafts.append(_Draft(example, copy, side, tokenized, open_here, replaced))
        return drafts

    def _open_words(self, example: Example, side: Side, tokenized: TokenizedText) -> list[int]:
        """The words that may be replaced: not those cut off, skipped, of an answer or of a contraction."""
        closed = protected(example, side)
        if self.settings.punctuation != "any":
            closed = [*closed, *contractions(text_of(example, side))]
        return [
            number
            for number, (word, span) in enumerate(zip(tokenized.words, tokenized.spans, strict=True))
            if span is not None and not self._skips(word) and not touches(word.start, word.end, closed)
        ]

    def _skips(self, word: Word) -> bool:
        if is_mark(word.text):
            return self.settings.punctuation == "keep"
        if self.settings.skip_nonletters and not word.text.isalpha():
            return True
        return self.settings.skip_stopwords and word.text.lower() in STOP_WORDS

    def _meet_neighbours(self, drafts: Sequence[_Draft]) -> None:
        """Look all up at once and cache them: a pass over the word vectors costs as much for a single word."""
        wanted = (
            draft.tokenized.words[word].text
            for draft in drafts
            for word in draft.replaced
            if not self._is_filled(draft.tokenized, word)
        )
        self.neighbours.nearest(list(dict.fromkeys(wanted)), self.settings.candidates)

    def _written(self, drafts: Sequence[_Draft]) -> list[list[Edit]]:
        """The edits of all drafts, made in step: what each must know next goes through the model together."""
        rules = {"keep_original": self.settings.keep_original, "marks_are_words": self.settings.punctuation == "any"}
        candidates = Candidates(self.mlm, self.settings.candidates, **rules)
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
        tokenized, edits = draft.tokenized, list[Edit]()
        contexts = self._contexts(draft)
        yield [context for word, (context, _) in contexts.items() if word in draft.replaced]
        for word, number in draft.replaced.items():
            if word in contexts:
                other = self._filler(tokenized, word, _chosen(candidates.of(*contexts[word]), number))
            else:
                other = self._neighbour(draft, word, number)
            edits = _extended(edits, draft, word, other)
        return edits

    def _contexts(self, draft: _Draft) -> dict[int, tuple[Context, int]]:
        """Context and position of each open word that the model fills; which are hidden together depends on no copy."""
        tokenized = draft.tokenized
        words = [word for word in draft.open if self._is_filled(tokenized, word)]
        positions = [tokenized.span_of(word).start for word in words]
        groups = math.ceil(len(positions) / self.settings.group_positions)
        pieces = tuple(tokenized.pieces)
        return {
            word: (Context(pieces, tuple(positions[number % groups :: groups])), positions[number])
            for number, word in enumerate(words)
        }

    def _progressively(self, draft: _Draft, candidates: Candidates) -> _Writer:
        """Each word is replaced in the text so far."""
        edits = list[Edit]()
        for word, number in draft.replaced.items():
            so_far, position = self._so_far(draft, word, edits)
            if so_far.spans[position] is None:
                break  # pushed beyond what the model reads, like all after it
            if self._is_filled(so_far, position):
                context = Context(tuple(so_far.pieces), (so_far.span_of(position).start,))
                yield [context]
                other = self._filler(so_far, position, _chosen(candidates.of(context, *context.hidden), number))
            else:
                other = self._neighbour(draft, word, number)
            edits = _extended(edits, draft, word, other)
        return edits

    def _so_far(self, draft: _Draft, word: int, edits: Sequence[Edit]) -> tuple[TokenizedText, int]:
        """The text after some edits, and which of its words a word has become that stands behind them."""
        if not edits:
            return draft.tokenized, word
        text = text_of(draft.example, draft.side)
        spaced = kept_apart(text, edits)
        start = draft.tokenized.words[word].start + sum(len(edit.text) - (edit.end - edit.start) for edit in spaced)
        (tokenized,) = tokenize([edited(text, spaced)], self.mlm.vocabulary.tokenizer, self.max_length)
        return tokenized, [there.start for there in tokenized.words].index(start)

    def _filler(self, tokenized: TokenizedText, word: int, piece: int | None) -> str | None:
        """What a piece puts in place of a word; None for the word's own."""
        return None if piece in (None, tokenized.piece_of(word)) else self.mlm.vocabulary.text_of(piece)

    def _neighbour(self, draft: _Draft, word: int, number: float) -> str | None:
        """The neighbour that comes in place of a word; None where it has none."""
        original = draft.tokenized.words[word].text
        (others,) = self.neighbours.nearest([original], self.settings.candidates)
        if self.settings.punctuation != "any":
            others = tuple(other for other in others if is_mark(other) == is_mark(original))
        if draft.example.words is not None:  # a tag belongs to one word
            others = tuple(other for other in others if other.split() == [other])
        return _chosen(others, number)

    def _is_filled(self, tokenized: TokenizedText, word: int) -> bool:
        """Whether the model gives the candidates of a word: it is a single piece, and a known one."""
        piece = tokenized.piece_of(word)
        return piece is not None and not self.mlm.vocabulary.special[piece]


def _chosen(options: Sequence[_Option], number: float) -> _Option | None:
    """The option that a number of [0, 1) falls on, each as likely; None where there is none."""
    return options[int(number * len(options))] if options else None


def _extended(edits: list[Edit], draft: _Draft, word: int, other: str | None) -> list[Edit]:
    """The edits, and one more that puts another in place of a word, if there is another."""
    if other is None:
        return edits
    text, start, end = draft.tokenized.words[word]
    longer = [*edits, Edit(start, end, cased_like(other, text))]
    cut = draft.example.words is not None and kept_apart(draft.example.text, longer) != longer
    return edits if cut else longer  # a word with a tag stays one word


def _factory(context: AugmentContext[BertGloveSettings], mlm: str, run: Run) -> AugmenterFactory:
    vectors = None if context.vectors is None else Path(context.vectors)
    if vectors is None:
        note = "augment: no --vectors; the masked LM's own embeddings say which words are near"
        before: Callable[[], object] = partial(run.log.say, note)
    else:
        before = partial(open_vectors, vectors, run.store)  # converted once, and found by all who make copies
    make = partial(_make, context.settings, mlm, vectors, run.store, run.device.type, context.max_length)
    return AugmenterFactory(make, before)


def _make(
    settings: BertGloveSettings, mlm: str, vectors: Path | None, store: Store, device: str, max_length: int
) -> BertGlove:
    network = open_masked_lm(mlm, device)
    neighbours = PieceNeighbours(network) if vectors is None else open_vectors(vectors, store)
    return BertGlove(settings, network, neighbours, max_length)


def _inputs(context: AugmentContext[BertGloveSettings]) -> dict[str, Any]:
    vectors = None if context.vectors is None else files.sha256_file(Path(context.vectors))
    return {"vectors": vectors, "data.max_length": context.max_length}


def _pieces_read(settings: BertGloveSettings, lengths: np.ndarray, copies: int) -> float:
    """A text for each word that is looked at: once, or in each copy."""
    times = copies * settings.probability if settings.context == "progressive" else 1.0
    return float((lengths.astype(float) ** 2).sum()) * times / settings.group_positions


METHOD = Method(
    summary="a masked LM and word vectors replace words (TinyBERT)",
    citation="Jiao et al. 2020, arXiv:1909.10351",
    settings=BertGloveSettings,
    factory=_factory,
    inputs=_inputs,
    uses=frozenset({"mlm", "vectors"}),
    pieces_read=_pieces_read,
)

"""Masks, words of the same part of speech, n-grams: the texts of BiLSTM_SOFT (Tang et al. 2019, arXiv:1903.12136).

Where this differs from the paper or its code (castorini/d-bert), which has faults here:

- Words stand between spaces, without the punctuation around them; that stays where it is.
- Parts of speech are those of WordNet, or of a spaCy model; the code takes NLTK's tagger.
- A text of which only masks would be left is drawn again. The code discards a single text in which every word became a
  mask or another word, so that there are fewer copies, and looks at this before it takes an n-gram.
- A word may be "replaced" by itself: the paper draws from the distribution of the tag, which contains it.
- Pairs: first text, second text, both, in turn, as in the paper; the code throws coins.
- Of a context with an answer no n-gram is taken, and the answer is not touched.

Copies that equal each other or the original are left to the stage, which drops what it has seen.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, Final, Literal

from tinybert.augment.method import AugmentContext, AugmenterFactory, AugmentSettings, Method
from tinybert.augment.random import Random
from tinybert.augment.sides import open_words, rewritten, side_of, text_of
from tinybert.augment.taggers import WORDNET, Tagger, tagger_of
from tinybert.data.carried import Side, protected
from tinybert.data.words import Edit, Word, cased_like
from tinybert.run import Run
from tinybert.types import Answer, Example, Stream

LONGEST: Final = 5  # words of an n-gram
_IN_TURN: Final[tuple[tuple[Side, ...], ...]] = (("text",), ("pair",), ("text", "pair"))


@dataclass(frozen=True)
class TangSettings(AugmentSettings):
    """Settings of Tang's augmentation; the defaults are the paper's.

    Attributes:
        p_mask: Probability with which a word becomes the mask.
        p_pos: Probability with which a word becomes one of the same part of speech.
        p_ngram: Probability with which only 1 to 5 neighbouring words of the text are kept.
        tagger: `wordnet`, or the name of a spaCy model.
    """

    method: Literal["tang"] = field(default="tang", kw_only=True)
    p_mask: float = 0.1
    p_pos: float = 0.1
    p_ngram: float = 0.25
    tagger: str = WORDNET

    def __post_init__(self) -> None:
        """Refuse what are no probabilities, and masks only."""
        super().__post_init__()
        for name in ("p_mask", "p_pos", "p_ngram"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, between 0 and 1, got {getattr(self, name)}")
        if self.p_mask == 1 or self.p_mask + self.p_pos > 1:
            raise ValueError(f"p_mask ({self.p_mask}) must be below 1, and with p_pos ({self.p_pos}) not above it")


@dataclass(frozen=True)
class Unigrams:
    """How often words stand in a corpus, by part of speech.

    Attributes:
        words: By tag: its words in the order of their letters, each with the capitals it mostly has.
        totals: By tag: how often these words occur, added up from the first to each.
    """

    words: Mapping[str, Sequence[str]]
    totals: Mapping[str, Sequence[int]]

    def draw(self, tag: str, random: Random) -> str | None:
        """A word of a tag, each as likely as it is frequent; None of a tag that the corpus does not have."""
        if tag not in self.words:
            return None
        totals = self.totals[tag]
        return self.words[tag][bisect_right(totals, random.below(totals[-1]))]


class Tang:
    """The augmenter.

    Args:
        corpus: The texts that replacements are drawn from; in any order.
        settings: See there.
        mask: The mask as it stands in a text: the tokenizer's own.
        outside: The tag of words that belong to no entity (`O`), where words have tags.
    """

    def __init__(
        self,
        corpus: Iterable[Example],
        settings: TangSettings | None = None,
        mask: str = "[MASK]",
        outside: int | None = None,
    ) -> None:
        self.settings = settings or TangSettings()
        self.mask = mask
        self.outside = outside
        self._tagger = tagger_of(self.settings.tagger)
        self._unigrams = unigrams(corpus, self._tagger)

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Copies 1 to `copies` of each example."""
        for example in examples:
            sentences: dict[Side, _Sentence] = {}
            for copy in range(1, copies + 1):
                made, random = example, Random(stream(example.row, copy))
                for side in sides_of(example, copy):
                    if side not in sentences:
                        sentences[side] = _Sentence.of(example, side, self._tagger)
                    made = rewritten(made, side, self._edits(sentences[side], random), copy, self.outside)
                yield made

    def _edits(self, sentence: "_Sentence", random: Random) -> list[Edit]:
        words = sentence.words
        while words:
            drawn = [self._drawn(word, tag, random) for word, tag in zip(words, sentence.tags, strict=True)]
            kept = self._window(sentence, random)
            if any(drawn[position] != self.mask for position in kept):
                changed = ((words[position], drawn[position]) for position in kept)
                return [
                    *_cuts(sentence, kept),
                    *(Edit(word.start, word.end, text) for word, text in changed if text is not None),
                ]
        return []

    def _drawn(self, word: Word, tag: str, random: Random) -> str | None:
        """What a word becomes; None where it stays."""
        share = random.uniform()
        if share < self.settings.p_mask:
            return self.mask
        if share >= self.settings.p_mask + self.settings.p_pos:
            return None
        other = self._unigrams.draw(tag, random)
        return None if other is None else cased_like(other, word.text)

    def _window(self, sentence: "_Sentence", random: Random) -> range:
        """The positions of the words that are kept: all, or a random n-gram."""
        count = len(sentence.words)
        if not (sentence.may_be_cut and random.chance(self.settings.p_ngram)):
            return range(count)
        size = min(1 + random.below(LONGEST), count)
        start = random.below(count - size + 1)
        return range(start, start + size)


def sides_of(example: Example, copy: int) -> Sequence[Side]:
    """The texts that a copy rewrites: of pairs the first, the second, both, in turn."""
    if example.pair is None or example.words is not None or isinstance(example.label, Answer):
        return (side_of(example, copy),)
    return _IN_TURN[(example.row + copy) % len(_IN_TURN)]


def unigrams(corpus: Iterable[Example], tagger: Tagger) -> Unigrams:
    """Count the words of all texts by their tags; in lower case, written as they mostly are."""
    counts: dict[str, Counter[str]] = {}
    written: dict[str, Counter[str]] = {}
    for example in corpus:
        for text, words in _texts(example):
            for word, tag in zip(words, tagger(text, words), strict=True):
                key = word.text.lower()
                counts.setdefault(tag, Counter())[key] += 1
                written.setdefault(key, Counter())[word.text] += 1
    mostly = {key: max(forms, key=lambda form: (forms[form], form)) for key, forms in written.items()}
    ordered = {tag: sorted(counts[tag]) for tag in sorted(counts)}
    totals = {tag: list(accumulate(counts[tag][key] for key in keys)) for tag, keys in ordered.items()}
    return Unigrams({tag: [mostly[key] for key in keys] for tag, keys in ordered.items()}, totals)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One side of an example: its text, its words that may change, their tags, and whether an n-gram may replace it."""

    text: str
    words: Sequence[Word]
    tags: Sequence[str]
    may_be_cut: bool

    @classmethod
    def of(cls, example: Example, side: Side, tagger: Tagger) -> "_Sentence":
        text, words = text_of(example, side), open_words(example, side)
        return cls(text, words, tagger(text, words), may_be_cut=not protected(example, side))


def _texts(example: Example) -> Iterator[tuple[str, list[Word]]]:
    """The sides of an example with all their words."""
    plain = Example(example.text, example.pair, words=example.words)
    yield plain.text, open_words(plain, "text")
    if plain.pair is not None:
        yield plain.pair, open_words(plain, "pair")


def _cuts(sentence: _Sentence, kept: range) -> Iterator[Edit]:
    """Take away what stands before and after the words that are kept, if there are words."""
    if kept.start > 0:
        yield Edit(0, sentence.words[kept.start].start, "")
    if kept.stop < len(sentence.words):
        yield Edit(sentence.words[kept.stop - 1].end, len(sentence.text), "")


def _factory(context: AugmentContext[TangSettings], _mlm: str, _run: Run) -> AugmenterFactory:
    return AugmenterFactory(partial(Tang, context.originals, context.settings, context.mask, context.task.outside))


def _inputs(context: AugmentContext[TangSettings]) -> dict[str, Any]:
    return {"mask": context.mask}


METHOD = Method(
    summary="masks, words of the same part of speech, n-grams (BiLSTM_SOFT)",
    citation="Tang et al. 2019, arXiv:1903.12136",
    settings=TangSettings,
    factory=_factory,
    inputs=_inputs,
    for_english=lambda settings: settings.tagger == WORDNET,
)

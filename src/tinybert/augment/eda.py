"""EDA: synonyms, insertions, swaps and deletions (Wei and Zou 2019, arXiv:1901.11196).

Each copy is made by one of four operations. Where this differs from the paper or its code (jasonwei20/eda_nlp):

- Case, spacing and punctuation stay; the code's clean-up (lower case, letters only) is the setting `clean="paper"`.
- Of copies 1 to 4, 5 to 8, ... each operation makes one, in random order; the code shuffles and cuts a longer list.
- Insertion is the paper's: a random synonym of a word that is no stop word, anywhere. The code takes stop words too,
  only the first synonym, never puts it at the end, and gives up after ten words without synonyms.
- A swap always finds two different words; the code gives up after three tries.
- All changes are of the original's words; in the code a synonym can be replaced again.
- Synonyms of inflected words: see `data.lexicon`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Final, Literal

from tinybert.augment.method import AugmentContext, AugmenterFactory, AugmentSettings, Method
from tinybert.augment.random import Random
from tinybert.augment.sentence import Clean, Sentence, cleaned, insertion, removed, sentence_of
from tinybert.augment.sides import rewritten, side_of, text_of
from tinybert.data.carried import Side
from tinybert.data.words import Edit, cased_like
from tinybert.errors import UserError
from tinybert.run import Run
from tinybert.types import Answer, Example, Stream


@dataclass(frozen=True)
class EdaSettings(AugmentSettings):
    """Settings of EDA.

    Attributes:
        alpha: Share of words that an operation changes, at least one; of a deletion the probability. None = by the
            number of rows, see `usual_alpha`.
        clean: `original` keeps case, spacing and punctuation; `paper` makes all lower case and letters first.
    """

    method: Literal["eda"] = field(default="eda", kw_only=True)
    alpha: float | None = None
    clean: Clean = "original"

    def __post_init__(self) -> None:
        """Refuse what would change nothing, or more than there is."""
        super().__post_init__()
        if self.alpha is not None and not 0 < self.alpha <= 1:
            raise ValueError(f"alpha is the share of words to change, above 0 and up to 1, got {self.alpha}")


def usual_alpha(rows: int) -> float:
    """Table 3 of the paper: .05 up to 2,000 rows of training data, .1 for more.

    Example:
        >>> usual_alpha(500), usual_alpha(5000)
        (0.05, 0.1)
    """
    return 0.05 if rows <= 2000 else 0.1


@dataclass(frozen=True)
class Eda:
    """The augmenter.

    Attributes:
        settings: See there; an open `alpha` is that of few rows.
        outside: The tag of words that belong to no entity (`O`). None: nothing is inserted where words have tags.
    """

    settings: EdaSettings = EdaSettings()
    outside: int | None = None

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Copies 1 to `copies` of each example; which operation makes which copy is drawn from `stream(row, 0)`.

        Raises:
            UserError: If texts with tags or answers are to be cleaned.
        """
        for example in examples:
            yield from self._copies(example, copies, stream)

    def _copies(self, example: Example, copies: int, stream: Stream) -> Iterator[Example]:
        alpha = usual_alpha(1) if self.settings.alpha is None else self.settings.alpha
        known: dict[Side, tuple[Example, Sentence]] = {}
        operations = list(islice(shares(Random(stream(example.row, 0))), copies))
        for copy, operation in enumerate(operations, start=1):
            side = side_of(example, copy)
            if side not in known:
                ready = self._cleaned(example, side)
                known[side] = ready, sentence_of(ready, side, self.settings.clean, self.outside)
            ready, sentence = known[side]
            edits = operation(sentence, alpha, Random(stream(example.row, copy)))
            yield rewritten(ready, side, edits, copy, self.outside)

    def _cleaned(self, example: Example, side: Side) -> Example:
        if self.settings.clean == "original":
            return example
        if example.words is not None or isinstance(example.label, Answer):
            raise UserError("augment.clean: paper changes tagged words and answers; use original for them")
        original = text_of(example, side)
        text = cleaned(original) or original
        return replace(example, pair=text) if side == "pair" else replace(example, text=text)


Operation = Callable[[Sentence, float, Random], list[Edit]]


def replace_synonyms(sentence: Sentence, alpha: float, random: Random) -> list[Edit]:
    """Some different words become a random synonym, the same one wherever the word stands."""
    edits = []
    for positions in random.some_of(sentence.distinct, sentence.changes(alpha)):
        synonym = random.one_of(sentence.synonyms[positions[0]])
        words = (sentence.words[position] for position in positions)
        edits += [Edit(word.start, word.end, cased_like(synonym, word.text)) for word in words]
    return edits


def insert_synonyms(sentence: Sentence, alpha: float, random: Random) -> list[Edit]:
    """Random synonyms of random words come in at random positions, one after another."""
    sources = list(sentence.synonyms.values())
    if not sources or not sentence.gaps:
        return []
    slots, inserted = list(range(len(sentence.gaps))), list[tuple[int, str]]()
    for _ in range(sentence.changes(alpha)):
        synonym = random.one_of(random.one_of(sources))
        slot = random.below(len(slots))  # a gap with one word in it offers two positions, and so on
        gap = slots[slot]
        inserted.insert(slot - gap, (gap, synonym))
        slots.insert(slot, gap)
    return _insertions(sentence, inserted)


def swap_words(sentence: Sentence, alpha: float, random: Random) -> list[Edit]:
    """Two different words change places, and so on; where words have tags, words of the same tag.

    The first of the two is any word that has a partner, the second any of its partners.
    """
    movable = [position for position, others in enumerate(sentence.like) if len(others) > 1]
    if not movable:
        return []
    order = list(range(len(sentence.words)))
    for _ in range(sentence.changes(alpha)):
        one = random.one_of(movable)
        others = sentence.like[one]
        drawn = others[random.below(len(others) - 1)]
        other = others[-1] if drawn == one else drawn
        order[one], order[other] = order[other], order[one]
    moves = (
        (sentence.words[position], sentence.words[source])
        for position, source in enumerate(order)
        if position != source
    )
    return [Edit(position.start, position.end, source.text) for position, source in moves]


def delete_words(sentence: Sentence, alpha: float, random: Random) -> list[Edit]:
    """Each word goes with probability `alpha`; one stays if all would go, and the only word of a text stays."""
    if len(sentence.words) == 1:
        return []
    going = [word for word in sentence.words if random.chance(alpha)]
    if going and len(going) == len(sentence.words):
        going.remove(random.one_of(going))
    return removed(sentence.text, going)


OPERATIONS: Final[tuple[Operation, ...]] = (replace_synonyms, insert_synonyms, swap_words, delete_words)


def shares(random: Random) -> Iterator[Operation]:
    """Which operation makes the next copy: four copies by four operations in random order, the next four, ...

    So the first N copies have floor(N / 4) or one more of each, whatever N is.
    """
    while True:
        yield from random.some_of(OPERATIONS, len(OPERATIONS))


def _insertions(sentence: Sentence, inserted: Sequence[tuple[int, str]]) -> list[Edit]:
    together: dict[int, list[str]] = {}
    for gap, word in inserted:
        together.setdefault(sentence.gaps[gap], []).append(word)
    return [insertion(sentence.words, gap, " ".join(words)) for gap, words in together.items()]


def _settled(context: AugmentContext[EdaSettings]) -> EdaSettings:
    """As the user has them; what is open goes by the number of rows."""
    known = context.settings
    return known if known.alpha is not None else replace(known, alpha=usual_alpha(len(context.originals)))


def _factory(context: AugmentContext[EdaSettings], _mlm: str, _run: Run) -> AugmenterFactory:
    return AugmenterFactory(partial(Eda, _settled(context), context.task.outside))


def _inputs(context: AugmentContext[EdaSettings]) -> dict[str, Any]:
    return {"augment.alpha": _settled(context).alpha}


METHOD = Method(
    summary="synonyms, insertions, swaps, deletions",
    citation="Wei and Zou 2019, arXiv:1901.11196",
    settings=EdaSettings,
    factory=_factory,
    inputs=_inputs,
    for_english=lambda _: True,
)

"""A tag for each word of a text: names in it, or whatever else single words are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Int
from scipy.special import softmax
from transformers import PretrainedConfig

from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.labels import LabelMap
from tinybert.data.problems import listed
from tinybert.data.read import RawRows
from tinybert.data.resolve import unlabelled
from tinybert.data.settings import DataSettings
from tinybert.data.tagged import resolve_tags
from tinybert.data.windows import word_spans
from tinybert.models.heads import Head, gives_tags, names_of
from tinybert.objectives.pieces import PieceCrossEntropy, PieceSoftCrossEntropy
from tinybert.statistics import Strength, classifier_strength
from tinybert.tasks.base import LabelReader, Logits, OneDomain
from tinybert.tasks.calibration import Decisions
from tinybert.tasks.spans import SCHEMES, Scheme, Span, marked_parts, scheme_of, span_metrics, spans_of
from tinybert.tasks.tag_files import TagTask
from tinybert.types import Kind, Objective

SHOWN = 8  # sentences with mistakes


@final
@dataclass(frozen=True)
class TokenClassification(TagTask):
    """A tag for each word of a text; see `Task`.

    Attributes:
        scheme: How tags make entities.
    """

    kind: ClassVar[Kind] = "token-classification"
    one_label: ClassVar[bool] = False
    can_flip: ClassVar[bool] = False
    figures: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall")
    pipeline: ClassVar[str] = "token-classification"
    verb: ClassVar[str] = "tagging"
    pipeline_options: ClassVar[str] = 'aggregation_strategy="first"'
    pipeline_note: ClassVar[str] = (
        "A word has the tag of its first piece. Texts are cut after {max_length} pieces; `stride=` in the first call "
        "reads long ones in windows."
    )
    meaningless: ClassVar[tuple[str, ...]] = ("text_a", "text_b", "labels", "positive")
    own_windows: ClassVar[bool] = True

    scheme: Scheme = "IOB2"

    @property
    def head(self) -> Head:
        """An output for each tag, of every piece."""
        return Head(self.classes, None, "AutoModelForTokenClassification", self.scheme)

    @property
    def outside(self) -> int | None:
        """The tag `O`."""
        return self.classes.index("O") if "O" in self.classes else None

    @classmethod
    def begin(
        cls,
        train: RawRows,
        settings: DataSettings,
        head: tuple[str, ...] | None,
        *,
        insisted: bool,  # noqa: ARG003
    ) -> tuple["TokenClassification", LabelReader]:
        """The tags that occur, or those of the teacher's head; see `Task`."""
        named = None if head is None or head == tuple(f"LABEL_{n}" for n in range(len(head))) else head
        tags, examples = resolve_tags(train, settings.label_map, named)
        scheme = scheme_of([tags[number] for number in _numbers(example.label)] for example in examples)
        return cls(tags, scheme=scheme), _Tags(tags, settings.label_map)

    @classmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """See `Task`."""
        return gives_tags(config)

    @classmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "TokenClassification":  # noqa: ARG003
        """See `Task`; a model from elsewhere does not say its scheme, which its tags tell as far as they can."""
        tags = names_of(config)
        said = getattr(config, "tag_scheme", None)
        return cls(tags, scheme=said if said in SCHEMES else scheme_of([[tag] for tag in _likeliest(tags)]))

    def labels(self, settings: DataSettings) -> LabelReader:
        """See `Task`."""
        return _Tags(self.classes, settings.label_map)

    def spelled(self, label: Any) -> list[str]:
        """The names of tags."""
        return [self.classes[number] for number in label]

    def described(self, examples: Examples) -> str:
        """How many words and entities of each type there are."""
        gold = [_numbers(example.label) for example in examples]
        types = [span.type for tags in gold for span in self._spans(self.spelled(tags))]
        names, counts = np.unique(np.array(types, np.object_), return_counts=True)
        found = listed(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
        return f"{sum(map(len, gold)):,} words ({self.scheme}); entities: {found or 'none'}"

    def strata(self, examples: Examples) -> None:
        """A text has no class."""

    def gold(self) -> Objective:
        """Cross-entropy of every word."""
        return PieceCrossEntropy()

    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:
        """Cross-entropy of the two distributions of every word, both softened."""
        return PieceSoftCrossEntropy(temperature, scaled=scaled)

    def decisions(self, logits: Logits, rows: EncodedRows) -> Decisions:
        """The tag of each word."""
        return Decisions(logits, self._gold_numbers(rows))

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """Precision, recall and F1 of entities, see `spans.span_metrics`."""
        return span_metrics(*self._both(logits, rows))[0]

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """The same by type of entity; and sentences with mistakes, word by word."""
        gold, predicted = self._both(logits, rows)
        wrong = [number for number, (true, said) in enumerate(zip(gold, predicted, strict=True)) if true != said][
            :SHOWN
        ]
        examples = rows.needed_examples()
        shown = [marked_parts(examples[number].words or (), gold[number], predicted[number]) for number in wrong]
        sentences = [
            {"row": int(examples.rows[number]), "parts": parts} for number, parts in zip(wrong, shown, strict=True)
        ]
        return {"entities": span_metrics(gold, predicted)[1], "sentences": sentences}

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Is it better than giving every word the commonest tag?"""
        return classifier_strength(self._gold_numbers(rows), logits.argmax(axis=1), rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """Words, their tags, how sure they are, and at which characters of the text they stand."""
        examples = rows.needed_examples()
        for example, of_words in zip(examples, _by_example(logits, examples), strict=True):
            words, scores = list(example.words or ()), softmax(of_words, axis=1)
            yield {
                "row": example.row,
                "tokens": words,
                "tags": self.spelled(scores.argmax(axis=1)),
                "scores": [float(score) for score in scores.max(axis=1)],
                "offsets": [list(span) for span in word_spans(words, example.text)],
            }

    def values(self, logits: Logits, rows: EncodedRows) -> list[tuple[int, ...]]:
        """The tags of every example."""
        parts = _by_example(logits, rows.needed_examples())
        return [tuple(int(number) for number in part.argmax(axis=1)) for part in parts]

    def agreement(self, first: Logits, second: Logits, rows: EncodedRows) -> float:  # noqa: ARG002
        """Word by word."""
        return float(np.mean(first.argmax(axis=1) == second.argmax(axis=1)))

    def gold_answers(self, rows: EncodedRows) -> list[list[str]]:
        """The tags of every example."""
        return [self.spelled(_numbers(example.label)) for example in rows.needed_examples()]

    def _gold_numbers(self, rows: EncodedRows) -> Int[np.ndarray, " word"]:
        """The true tag of every word."""
        return np.concatenate([_numbers(example.label) for example in rows.needed_examples()])

    def _both(self, logits: Logits, rows: EncodedRows) -> tuple[list[list[Span]], list[list[Span]]]:
        """Entities of every example, gold ones and predicted ones."""
        if len(rows) == 0 or not rows.labelled:
            raise ValueError("metrics need rows, and their labels")
        gold, said = self.gold_answers(rows), self.answers(logits, rows)
        return [self._spans(tags) for tags in gold], [self._spans(tags) for tags in said]

    def _spans(self, tags: Sequence[str]) -> list[Span]:
        return spans_of(tags, self.scheme)


@dataclass(frozen=True)
class _Tags(OneDomain):
    """A `LabelReader` of tags whose names are decided."""

    tags: tuple[str, ...]
    label_map: LabelMap

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:  # noqa: ARG002
        if "tags" not in rows.table.column_names:
            return unlabelled(rows)
        return resolve_tags(rows, self.label_map, self.tags)[1]


def _numbers(label: Any) -> Int[np.ndarray, " words"]:
    """The tags of an example."""
    return np.array(label, np.int64)


def _by_example(logits: Logits, examples: Examples) -> Iterator[Logits]:
    """The logits of each example's words."""
    ends = np.cumsum([0, *(len(example.words or ()) for example in examples)])
    if len(logits) != ends[-1]:
        raise ValueError(f"{len(logits)} logits for {ends[-1]} words")
    yield from (logits[start:stop] for start, stop in pairwise(ends))


def _likeliest(tags: Sequence[str]) -> list[str]:
    """Tags as a scheme is told by: where a type has no `B-`, entities begin with `I-`, as in IOB1."""
    begun = {tag[2:] for tag in tags if tag.startswith("B-")}
    return [tag for tag in tags if not tag.startswith("I-") or tag[2:] not in begun]

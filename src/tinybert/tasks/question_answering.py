"""An answer out of a context for each question, or none where the context has none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Int
from scipy.special import softmax
from transformers import PretrainedConfig

from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.read import RawRows
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.models.heads import Head, finds_answers
from tinybert.objectives.spans import SpanCrossEntropy, SpanSoftCrossEntropy
from tinybert.statistics import Strength, mean_strength
from tinybert.tasks.answers import (
    N_BEST,
    Candidate,
    Found,
    answer_figures,
    found_answers,
    marked_sentences,
    mean_figures,
    no_answer_threshold,
)
from tinybert.tasks.base import LabelReader, Logits
from tinybert.tasks.question_files import AnswerReader, QuestionTask
from tinybert.tasks.thresholds import Wanted
from tinybert.types import Answer, Example, Kind, Objective

SHOWN = 8  # questions with mistakes
NAMED = 5  # answers to a question, of those that share the probability


@final
@dataclass(frozen=True)
class QuestionAnswering(QuestionTask):
    """An answer out of a context for each question; see `Task`.

    Attributes:
        threshold: No answer is given where its score is so far above that of the best answer; None = one always is.
    """

    kind: ClassVar[Kind] = "question-answering"
    one_label: ClassVar[bool] = False
    can_flip: ClassVar[bool] = False
    figures: ClassVar[tuple[str, ...]] = ("f1", "exact_match")
    pipeline: ClassVar[str] = "question-answering"
    verb: ClassVar[str] = "answering questions about"
    pipeline_note: ClassVar[str] = (
        "It reads {max_length} pieces; of a longer context only the beginning. `tinybert predict` reads all of it "
        "in windows, and knows from which score on there is no answer."
    )
    meaningless: ClassVar[tuple[str, ...]] = ("text", "labels", "label_map", "positive")
    own_windows: ClassVar[bool] = True
    usage: ClassVar[str] = """\
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

model = AutoModelForQuestionAnswering.from_pretrained("MODEL")
tokenizer = AutoTokenizer.from_pretrained("MODEL")
question, context = "one question", "a text with the answer"
read = tokenizer(question, context, truncation="only_second", return_offsets_mapping=True, return_tensors="pt")
offsets = read.pop("offset_mapping")[0]
with torch.no_grad():
    said = model(**read)
scores = said.start_logits[0, :, None] + said.end_logits[0, None, :]
inside = torch.tensor([side == 1 for side in read.sequence_ids()])
scores[~(inside[:, None] & inside[None, :]).triu()] = -torch.inf
start, end = divmod(int(scores.argmax()), len(offsets))
print(context[offsets[start, 0] : offsets[end, 1]])"""

    threshold: float | None = None
    paired: bool = field(default=True, kw_only=True)

    @property
    def head(self) -> Head:
        """How well an answer begins, and ends, at every piece."""
        return Head(("start", "end"), None, "AutoModelForQuestionAnswering")

    @classmethod
    def begin(
        cls,
        train: RawRows,
        settings: DataSettings,  # noqa: ARG003
        head: tuple[str, ...] | None,  # noqa: ARG003
        *,
        insisted: bool,  # noqa: ARG003
    ) -> tuple["QuestionAnswering", LabelReader]:
        """Whether there may be no answer is for train to say; see `Task`."""
        return cls(threshold=0.0 if train.table.column("start").null_count else None), AnswerReader()

    @classmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """See `Task`."""
        return finds_answers(config)

    @classmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "QuestionAnswering":  # noqa: ARG003
        """See `Task`."""
        noted = getattr(config, "no_answer_threshold", None)
        if not isinstance(noted, int | float | None):
            raise UserError("config.json: no_answer_threshold must be a number; correct or remove it")
        return cls(threshold=noted)

    def labels(self, settings: DataSettings) -> LabelReader:  # noqa: ARG002
        """See `Task`."""
        return AnswerReader()

    def described(self, examples: Examples) -> str:
        """How many questions have no answer."""
        said = sum(answer is not None for answer in examples.answers(0, len(examples)) or ())
        return f"{said:,} questions with an answer, {len(examples) - said:,} without"

    def strata(self, examples: Examples) -> None:
        """A question has no class."""

    def groups(self, examples: Examples) -> Int[np.ndarray, " rows"]:
        """Questions about one context: one that is in dev says where the answers of the others are not."""
        numbers = dict[str | None, int]()
        contexts = examples.columns(0, len(examples))[1]
        return np.array([numbers.setdefault(context, len(numbers)) for context in contexts])

    def gold(self) -> Objective:
        """Cross-entropy of the positions where the answer begins and ends."""
        return SpanCrossEntropy()

    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:
        """Cross-entropy of the two distributions over positions, both softened."""
        return SpanSoftCrossEntropy(temperature, scaled=scaled)

    def fitted(self, logits: Logits, rows: EncodedRows, wanted: Wanted | None = None) -> "QuestionAnswering":  # noqa: ARG002
        """With the threshold that gives the best F1 on some rows, where some of them have no answer."""
        examples = rows.needed_examples()
        asked = [
            one
            for one in zip(found_answers(logits, rows), examples, examples.gold_texts, strict=True)
            if one[0].candidates
        ]
        silent = np.array([not gold for _, _, gold in asked])
        if not silent.any():
            return self
        f1 = [answer_figures(_words(found.candidates[0], example), gold)[1] for found, example, gold in asked]
        return replace(
            self, threshold=no_answer_threshold(np.array([one.doubt for one, *_ in asked]), np.array(f1), silent)
        )

    def note_in(self, config: PretrainedConfig) -> None:
        """The threshold."""
        if self.threshold is not None:
            config.no_answer_threshold = self.threshold

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """Exact match and F1, see `answers.answer_figures`."""
        return dict(mean_figures(self._compared(logits, rows)[1]))

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """The same of questions with and without an answer, the threshold; and questions with a wrong answer."""
        said, figures = self._compared(logits, rows)
        examples = rows.needed_examples()
        parts = {
            name: [found for found, texts in zip(figures, examples.gold_texts, strict=True) if bool(texts) == has]
            for name, has in (("with an answer", True), ("without an answer", False))
        }
        told = {name: {**mean_figures(part), "rows": len(part)} for name, part in parts.items() if part}
        threshold = {} if self.threshold is None else {"no_answer_threshold": self.threshold}
        return {"questions": told, **threshold, "sentences": list(islice(_mistakes(said, figures, examples), SHOWN))}

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Has it a better F1 than always giving no answer, or always the whole context?"""
        examples = rows.needed_examples()
        known = [
            np.array([answer_figures(*pair)[1] for pair in zip(said, examples.gold_texts, strict=True)])
            for said in ([""] * len(examples), [example.pair or "" for example in examples])
        ]
        found = np.array([f1 for _, f1 in self._compared(logits, rows)[1]])
        return mean_strength(found, max(known, key=np.mean), rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """The answer to each question, its probability among the best ones, where it stands, and further answers."""
        examples = rows.needed_examples()
        for example, name, found in zip(examples, examples.ids, found_answers(logits, rows, N_BEST), strict=True):
            ranked, silent = self._ranked(found, example), self._silent(found)
            said = next(one for one in ranked if (one["answer"] == "") == silent)
            yield {"row": example.row, "id": name, **said, "n_best": ranked[:NAMED]}

    def values(self, logits: Logits, rows: EncodedRows) -> list[Answer | None]:
        """Where every answer stands; None where there is no answer."""
        return [said and Answer(said.start, said.end) for said in self._said(logits, rows)]

    def restored(self, value: Any) -> Answer | None:
        """See `Task`."""
        return None if value is None else Answer(*value)

    def answers(self, logits: Logits, rows: EncodedRows) -> list[str]:
        """The words of every answer; none where there is no answer."""
        said = zip(self._said(logits, rows), rows.needed_examples(), strict=True)
        return [_words(answer, example) for answer, example in said]

    def gold_answers(self, rows: EncodedRows) -> list[list[str]]:
        """The words of all gold answers to every question."""
        return rows.needed_examples().gold_texts

    def _said(self, logits: Logits, rows: EncodedRows) -> list[Candidate | None]:
        """What is said to be the answer to every question."""
        return [None if self._silent(found) else found.candidates[0] for found in found_answers(logits, rows)]

    def _silent(self, found: Found) -> bool:
        """Whether no answer is given."""
        return not found.candidates or (self.threshold is not None and found.doubt > self.threshold)

    def _ranked(self, found: Found, example: Example) -> list[dict[str, Any]]:
        """The best answers of different words, the likeliest first; none is one of them where there may be none."""
        best: dict[str, Candidate] = {}
        for candidate in found.candidates:
            best.setdefault(_words(candidate, example), candidate)
        ranked: list[tuple[str, float, list[int] | None]] = [
            (words, score, [start, end]) for words, (score, start, end) in islice(best.items(), N_BEST)
        ]
        if self.threshold is not None or not ranked:
            ranked = sorted([*ranked, ("", found.nothing, None)], key=lambda one: -one[1])
        shares = softmax([score for _, score, _ in ranked])
        return [
            {"answer": words, "score": float(share), "offsets": offsets}
            for (words, _, offsets), share in zip(ranked, shares, strict=True)
        ]

    def is_right(self, answer: str, gold: Sequence[str]) -> bool:
        """Whether it is exactly one of the gold answers, as the official script has it."""
        return answer_figures(answer, gold)[0] == 1

    def _compared(self, logits: Logits, rows: EncodedRows) -> tuple[list[Candidate | None], list[tuple[float, float]]]:
        """What is said to be the answer to every question; exact match and F1 of each."""
        if len(rows) == 0 or not rows.labelled:
            raise ValueError("metrics need rows, and their labels")
        said, examples = self._said(logits, rows), rows.needed_examples()
        every = zip(said, examples, examples.gold_texts, strict=True)
        return said, [answer_figures(_words(answer, example), gold) for answer, example, gold in every]


def _mistakes(
    said: Sequence[Candidate | None], figures: Sequence[tuple[float, float]], examples: Examples
) -> Iterator[dict[str, Any]]:
    """Questions with a wrong answer: the sentences with the gold answer and with what is said."""
    for answer, (exact, _), example in zip(said, figures, examples, strict=True):
        if exact == 0:
            gold = example.label if isinstance(example.label, Answer) else None
            yield {
                "row": example.row,
                "question": example.text,
                "parts": marked_sentences(example.pair or "", gold, answer),
            }


def _words(said: Candidate | None, example: Example) -> str:
    return "" if said is None else (example.pair or "")[said.start : said.end]

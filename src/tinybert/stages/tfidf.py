"""TF-IDF and a linear model of scikit-learn's, fitted on gold labels and put into a network of ours."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import PreTrainedTokenizerFast

from tinybert.config import MODEL
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.words_tokenizer import SPECIAL, words_tokenizer
from tinybert.engine.evaluate import metric_fn
from tinybert.errors import UserError
from tinybert.families.network import Network, Shape
from tinybert.families.tfidf import Tfidf, TfidfConfig
from tinybert.initialise.linear import Weights, linear_model
from tinybert.models.student import check_positive, is_shape, layers_and_width
from tinybert.run import Run
from tinybert.stages.initialisation import InitialStudent, StudentNetwork, initial_student
from tinybert.stages.job import Job

STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # of the labels against the squares of the weights
_ROWS = 256  # read at once


@dataclass(frozen=True)
class TfidfStudent(StudentNetwork):
    """A shape is the longest n-gram x the number of features, at most.

    Attributes:
        least: In how many texts an n-gram must occur to count.
    """

    path: Annotated[str, MODEL] = "2x50000"
    least: int = 2
    out_of_teacher: ClassVar[bool] = False
    transformer: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what has no words."""
        if self.least < 1:
            raise ValueError(f"least must be at least 1, got {self.least}")

    def shape(self, teacher: Shape | None = None) -> Shape:  # noqa: ARG002
        """Words of an n-gram and number of features, both at most."""
        if not is_shape(self.path):
            raise UserError(
                f"student: tfidf is fitted at once, not further; give a shape such as 2x50000, not {self.path}"
            )
        ngrams, features = layers_and_width(self.path)
        check_positive(layers=ngrams, width=features)
        if ngrams > 3:
            raise UserError(f"student: n-grams have 3 words at most, not {ngrams}; give a shape such as 2x50000")
        return Shape(ngrams, features, 0, 0)

    def tokenizer(self, train: Examples) -> PreTrainedTokenizerFast:
        """The words of the training texts."""
        texts = (text for example in train for text in (example.text, example.pair) if text is not None)
        return words_tokenizer(texts, self.least, self.shape().width)

    def unread(self) -> Iterator[tuple[str, str]]:
        """What only networks with layers have."""
        for name in ("init", "heads", "inner", "layer_map", "vocabulary"):
            yield name, "TF-IDF has nothing of the kind"


def fitted_tfidf(job: Job, settings: TfidfStudent, balanced: bool, run: Run) -> Network:
    """The student of a run: fitted once, found again by a resumed run.

    Args:
        job: The task; its train is learnt, its dev decides how strongly.
        settings: Which features count.
        balanced: Whether rare classes count more.
        run: Keeps the step `fit`.

    Raises:
        UserError: If no n-gram is frequent enough to count.
    """

    def make() -> InitialStudent:
        dry = run.plan is not None
        return InitialStudent(
            _network(job, settings, settings.shape().width) if dry else _fitted(job, settings, balanced, run)
        )

    known = {"train": job.train, "dev": job.dev, "figure": job.task.figure, "data.class_weights": balanced}
    return initial_student("fit", make, job.head, run, student=settings, **known).student


def _fitted(job: Job, settings: TfidfStudent, balanced: bool, run: Run) -> Tfidf:
    """Of the linear models of all strengths the one that is best on dev."""
    student, features = _counted(job, settings)
    labels, outputs = job.train.needed_labels(), job.head.outputs
    best, figure = (-math.inf, 0.0), metric_fn(student.to(run.device), job.dev, job.task, run)
    run.log.forget("fit")
    for number, strength in enumerate(STRENGTHS, 1):
        _put(model := linear_model(features, labels, outputs, strength, balanced), student)
        value = figure()
        run.log.record({"stage": "fit", "step": number, "dev": value, "strength": strength})
        if value > best[0]:
            best, kept = (value, strength), model
    _put(kept, student)
    said = f"{job.task.figure} {best[0]:.3f} on dev at strength {best[1]:g}"
    run.log.say(f"fit: {student.config.features:,} n-grams count; {said}")
    return student


def _counted(job: Job, settings: TfidfStudent) -> tuple[Tfidf, Any]:
    """A student that knows which n-grams count, and the features of train, a sparse matrix."""
    most, counter = settings.shape().width, _network(job, settings, 1)
    vectorizer = TfidfVectorizer(
        analyzer=np.ndarray.tolist, sublinear_tf=True, min_df=settings.least, max_features=most
    )
    try:
        features = vectorizer.fit_transform(_codes(counter, job.train))
    except ValueError as error:
        raise UserError(f"train: no word is in {settings.least} texts; give more texts, or student.least=1") from error
    if job.task.paired:
        features = _compared(features[: len(job.train)], features[len(job.train) :])
    student = _network(job, settings, len(vectorizer.vocabulary_))
    student.grams.copy_(torch.tensor(sorted(vectorizer.vocabulary_)))
    student.idf.data = torch.from_numpy(vectorizer.idf_).float()
    return student, features


def _network(job: Job, settings: TfidfStudent, features: int) -> Tfidf:
    """A network of the run's words, with initial weights."""
    sizes = {"first_word": len(SPECIAL), "ngrams": settings.shape().layers, "features": features}
    return Tfidf(job.config_of(TfidfConfig, **sizes)).eval()


def _codes(counter: Tfidf, rows: EncodedRows) -> Iterator[Int[np.ndarray, " gram"]]:
    """The n-grams of all texts; of pairs first those of all first texts."""
    for side in range(1 if counter.config.separator is None else 2):
        for start in range(0, len(rows), _ROWS):
            batch = rows.batch(np.arange(start, min(start + _ROWS, len(rows))))
            codes = counter.codes(counter.sides(batch.input_ids, batch.real.long())[side]).numpy()
            yield from (row[row >= 0] for row in codes)


def _compared(first: Any, second: Any) -> Any:
    """As `families.own.compared`, of sparse matrices."""
    return sparse.hstack([first, second, abs(first - second), first.multiply(second)], format="csr")


def _put(model: Weights, student: Tfidf) -> None:
    """Give a student the weights of a linear model."""
    for parameter, values in zip((student.classifier.weight, student.classifier.bias), model, strict=True):
        parameter.data = torch.from_numpy(values).to(parameter)

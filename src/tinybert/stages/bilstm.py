"""How a BiLSTM starts: as one that was trained before, or at random, from word vectors where they are given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tinybert.config import MODEL
from tinybert.data.encode import digest_of_tokenizer
from tinybert.data.vectors import open_vectors
from tinybert.errors import UserError
from tinybert.families.bilstm import BiLSTM, BiLSTMConfig
from tinybert.families.network import Network, Shape
from tinybert.families.own import random_network
from tinybert.initialise.bilstm import take_vectors
from tinybert.models.student import check_positive, is_shape, layers_and_width
from tinybert.models.vocabulary import Vocabulary
from tinybert.run import Run
from tinybert.stages.initialisation import InitialStudent, StudentNetwork, initial_student, initialise
from tinybert.stages.job import Job

WIDTH = 300  # of the paper's word vectors


@dataclass(frozen=True)
class BiLSTMStudent(StudentNetwork):
    """A bidirectional LSTM; its shape is layers x units of a direction, `inner` the neurons before the output.

    Attributes:
        embedding: Width of the table; None = that of `--vectors`, else 300.
        dropout: Of the neurons before the output.
    """

    path: Annotated[str, MODEL] = "1x200"
    embedding: int | None = None
    dropout: float = 0.1  # the authors' code
    reads: ClassVar[frozenset[str]] = frozenset({"vectors"})
    transformer: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a dropout that leaves nothing."""
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")

    def shape(self, teacher: Shape | None = None) -> Shape:  # noqa: ARG002
        """The sizes that a shape asks for; twice as many neurons as units where `inner` says nothing."""
        layers, width = layers_and_width(self.path)
        inner = 2 * width if self.inner is None else self.inner
        check_positive(
            layers=layers, width=width, inner=inner, embedding=WIDTH if self.embedding is None else self.embedding
        )
        return Shape(layers, width, 0, inner)

    def unread(self) -> Iterator[tuple[str, str]]:
        """What only Transformers have."""
        for name in ("init", "heads", "layer_map"):
            yield name, "a BiLSTM has nothing of the kind"


def initial_bilstm(job: Job, settings: BiLSTMStudent, vectors: str | None, run: Run) -> Network:
    """The student of a run, on its device: made once, found again by a resumed run.

    Args:
        job: The task; pairs are read siamese.
        settings: Which student.
        vectors: A file of word vectors for its table; None = all is random.
        run: Keeps the step `init`.

    Raises:
        UserError: If checkpoint and vectors do not go together.
    """
    if is_shape(settings.path):
        return _from_shape(job, settings, vectors, run)
    if vectors is not None:
        raise UserError(f"--vectors: {settings.path} has a table of its own; leave one of the two out")
    return initialise(job, None, settings, run).student


def _from_shape(job: Job, settings: BiLSTMStudent, vectors: str | None, run: Run) -> Network:
    dry = run.plan is not None  # vectors are not converted for one
    words = None if vectors is None or dry else open_vectors(Path(vectors), run.store)
    if words is not None and settings.embedding not in (None, words.width):
        raise UserError(f"student.embedding: --vectors are {words.width} wide, not {settings.embedding}; leave it out")
    shape, tokenizer = settings.shape(), job.tokenizer
    config = job.config_of(
        BiLSTMConfig,
        embedding_size=settings.embedding or (WIDTH if words is None else words.width),
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        hidden_dropout_prob=settings.dropout,
    )

    def make() -> InitialStudent:
        network = random_network(BiLSTM, config, run.seed_for("init"))
        if words is not None:
            count = take_vectors(network, words, Vocabulary(tokenizer))
            run.log.say(f"student: {count} of {config.vocab_size} pieces start as word vectors")
        return InitialStudent(network)

    about = {"student": settings.initial, "paired": job.task.paired, "seed": run.seed}
    about |= {"tokenizer": digest_of_tokenizer(tokenizer), "vectors": None if words is None else words.digest}
    return initial_student("init", make, job.head, run, **about).student

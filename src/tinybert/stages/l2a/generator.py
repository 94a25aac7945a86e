"""L2A's generator where it is trained: after each epoch it learns from the samples, and draws their words anew.

L_G = -sum_z w(z) sum_o log P(w_o | x with o masked), with w = exp(pi(z) / kappa) normalised over the batch. The paper
reads both ways: its algorithm has no line for it, its text speaks of a generator that is updated. Where it is, the
distance and the positions stay as the stationary distribution drew them.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from tinybert import files
from tinybert.artifacts import Artifact
from tinybert.augment.augmented_set import blocks, write_arrow
from tinybert.augment.copies import Streams
from tinybert.augment.stationary import Stationary
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.masking import FixedMasker
from tinybert.engine.fit import fit
from tinybert.engine.optimise import length_of, resolve_epochs
from tinybert.families.network import Network
from tinybert.models.embedded import EMBEDDED
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.models.vocabulary import Vocabulary
from tinybert.objectives.masked_lm import GeneratorLikelihood
from tinybert.run import Run, RunPlan
from tinybert.selectors.fixed import Weighted
from tinybert.selectors.reinforced import Reinforced
from tinybert.stages.job import Job
from tinybert.stages.l2a.pool import ROWS, Pool, encode_examples, read_examples, same_pieces, write_examples
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import Example, Sample, Stage


def generator_of(
    job: Job, pool: Pool, settings: L2ASettings, mlm: str | None, stage: Stage, run: Run
) -> "Generator | None":
    """The generator of a run; None where it is frozen, or there are no samples."""
    if not settings.train_generator or not (run.plan or any(example.sample for example in read_examples(pool.folder))):
        return None
    epochs = resolve_epochs(stage, len(pool.epoch)).epochs or 1
    artifact = run.begin("generator", l2a=settings, distill=stage, pool=pool.rows, seed=run.seed)
    generator = Generator(job, pool, settings, mlm, epochs, artifact, run)
    if run.plan is not None:
        generator.planned(run.plan)
    return generator


@dataclass(frozen=True)
class Generator:
    """The editions of a pool: the first as it was drawn, each other with the words of the generator after an epoch.

    Attributes:
        job: The texts.
        pool: The first edition.
        settings: How samples are weighed, and how the generator learns.
        mlm: What it is in the beginning; None = the embedded masked LM.
        epochs: Of the student; after the last there is nothing to draw for.
        artifact: Its work holds editions.
        run: Its device, streams and log.
    """

    job: Job
    pool: Pool
    settings: L2ASettings
    mlm: str | None
    epochs: int
    artifact: Artifact
    run: Run

    def planned(self, plan: RunPlan) -> None:
        """Note what learning from the pool and drawing it anew takes at most: after each epoch but the last."""
        times, rows = self.epochs - 1, self.pool.rows
        network = load_masked_lm(self._source, device=self.run.device)
        _, updates = length_of(self.settings.generator, len(rows))
        plan.add(times * (3 + 1) * network.flops_of(rows.lengths))
        plan.stage("generator", times * updates)

    def rows_of(self, epoch: int) -> EncodedRows:
        """What an epoch learns from."""
        rows = self.pool.rows if epoch == 0 else EncodedRows.open(self._folder(epoch) / ROWS)
        return rows.select(self.pool.epoch)

    def learn(self, selector: Reinforced) -> None:
        """After an epoch: learn from its samples, the more the likelier the policy was to keep them; draw anew."""
        epoch = len(selector.episodes)
        if epoch == self.epochs:
            return
        samples = [(row, known) for row, example in enumerate(self._examples(epoch - 1)) if (known := example.sample)]
        rows = torch.tensor([row for row, _ in samples])
        log_probabilities = torch.tensor([known.log_probability for _, known in samples])
        weights = sample_weights(selector.chances[rows], log_probabilities, self.settings)
        network = self._network(epoch - 1)
        trained = self.artifact.part(f"generator-{epoch}")
        self._train(network, [known for _, known in samples], weights, trained)
        self.run.finished(self.artifact.part(f"edition-{epoch}"), lambda folder: self._draw(network, epoch, folder))

    @property
    def _source(self) -> str:
        return self.mlm or EMBEDDED

    def _folder(self, epoch: int) -> Path:
        """Where the edition of an epoch lies."""
        return self.pool.folder if epoch == 0 else self.artifact.part(f"edition-{epoch}").result

    def _examples(self, epoch: int) -> Iterator[Example]:
        return read_examples(self._folder(epoch))

    def _network(self, epoch: int) -> Network:
        """The generator after so many epochs."""
        network = load_masked_lm(self._source).to(self.run.device)
        if epoch > 0:
            learnt = self.artifact.part(f"generator-{epoch}").result / "student.safetensors"
            network.load_state_dict(load_file(learnt))
        return network

    def _train(
        self, network: Network, samples: Sequence[Sample], weights: Float[Tensor, " sample"], artifact: Artifact
    ) -> None:
        """One epoch on what was drawn, as the generator reads it."""
        tokenizer = load_tokenizer(self._source)
        masker = FixedMasker(Vocabulary(tokenizer).mask, [sample.positions for sample in samples])
        with tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=self.run.folder) as folder:
            drawn = (Example("", sample=sample) for sample in samples)
            texts = write_arrow(drawn, Path(folder) / "samples.arrow", pieces=True)
            rows = encode(texts.examples, tokenizer, self.job.max_length, Path(folder) / ROWS)
            objective, stage, selector = GeneratorLikelihood(), self.settings.generator, Weighted(weights)
            fit(network, None, objective, rows, stage, artifact, self.run, selector=selector, masker=masker)

    def _draw(self, network: Network, epoch: int, folder: Path) -> None:
        """The next edition: the same positions, other words."""
        masked_lm = MaskedLM(network, load_tokenizer(self._source), self.run.device)
        redraw = {
            source: Stationary(masked_lm, self.settings.stationary(source=source), self.job.max_length)
            for source in (False, True)
        }
        examples = (
            example
            for block in blocks(zip(self.pool.facts.source.tolist(), self._examples(epoch - 1), strict=True))
            for example in self._redrawn(block, redraw, epoch)
        )
        write_examples(examples, folder)
        encode_examples(read_examples(folder), self.job, folder, as_drawn=same_pieces(self.job, self._source))

    def _redrawn(
        self, block: Sequence[tuple[bool, Example]], redraw: Mapping[bool, Stationary], epoch: int
    ) -> Iterator[Example]:
        """Some examples in order, samples with other words."""
        drawn: dict[bool, Iterator[Example]] = {}
        for source, stationary in redraw.items():
            samples = [example for of_source, example in block if of_source == source and example.sample is not None]
            originals = [self._original(example, source) for example in samples]
            streams = Streams(self.run.seed_for("augment", "source" if source else "target", epoch))
            drawn[source] = stationary.refilled(samples, originals, streams)
        for source, example in block:
            yield example if example.sample is None else replace(next(drawn[source]), label=None)

    def _original(self, sample: Example, source: bool) -> Example:
        texts = self.job.source.texts if source and self.job.source is not None else self.job.splits.train
        return texts[int(np.searchsorted(texts.rows, sample.row))]  # rows ascend, whichever were drawn


def sample_weights(
    chances: Float[Tensor, " sample"], log_probabilities: Float[Tensor, " sample"], settings: L2ASettings
) -> Float[Tensor, " sample"]:
    """Weights w = exp(r / kappa), but for a factor that a batch's normalisation takes away; at most 1.

    r = pi(z); with `reward=literal` r = log P_s + pi, Eq. 9 as it is printed, by which unlikely samples count nothing.

    Args:
        chances: pi(a = 1 | s) of the samples.
        log_probabilities: log P_s.
        settings: The reading of r, and kappa; alpha where there is none, as the paper says.

    Example:
        >>> sample_weights(torch.tensor([1.0, 0.4]), torch.zeros(2), L2ASettings(alpha=0.6)).log()
        tensor([ 0., -1.])
    """
    reward = chances + log_probabilities if settings.reward == "literal" else chances
    return ((reward - reward.max()) / (settings.kappa or settings.alpha)).exp().float()

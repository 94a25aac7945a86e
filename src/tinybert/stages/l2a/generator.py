"""L2A's generator where it is trained: after each epoch it learns from the samples, and draws their words anew.

L_G = -sum_z w(z) sum_o log P(w_o | x with o masked), with w = exp(pi(z) / kappa) normalised over the batch; x is as
the masked LM read it when w_o was drawn, with all o masked together only where they were filled together. The paper
reads both ways: its algorithm has no line for it, its text speaks of a generator that is updated. Where it is, the
distance and the positions stay as the stationary distribution drew them.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
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
from tinybert.augment.open_pieces import pieces_of
from tinybert.augment.stationary import Fill, Stationary
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
from tinybert.selectors.fixed import KeepAll, Weighted
from tinybert.selectors.reinforced import Reinforced
from tinybert.stages.job import Job
from tinybert.stages.l2a.pool import ROWS, Pool, encode_examples, read_examples, same_pieces, write_examples
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import Example, Sample, Stage


def generator_of(
    job: Job, pool: Pool, settings: L2ASettings, mlm: str | None, policy: Reinforced, stage: Stage, run: Run
) -> "Generator":
    """The generator of a run."""
    artifact = run.begin("generator", l2a=settings, distill=stage, pool=pool.rows, seed=run.seed)
    generator = Generator(job, pool, settings, mlm, policy, artifact, run)
    if run.plan is not None:
        generator.planned(resolve_epochs(stage, len(pool.epoch)).epochs or 1, run.plan)
    return generator


@dataclass(frozen=True)
class Generator:
    """The editions of a pool: the first as it was drawn, each other with the words of the generator after an epoch.

    Attributes:
        job: The texts.
        pool: The first edition.
        settings: How samples are weighed, and how the generator learns.
        mlm: What it is in the beginning; None = the embedded masked LM.
        policy: Weighs samples.
        artifact: Its work holds editions.
        run: Its device, streams and log.
    """

    job: Job
    pool: Pool
    settings: L2ASettings
    mlm: str | None
    policy: Reinforced
    artifact: Artifact
    run: Run

    def planned(self, epochs: int, plan: RunPlan) -> None:
        """Note what learning from the pool and drawing it anew takes: before each of so many epochs but the first."""
        times, rows = epochs - 1, self.pool.rows
        network = load_masked_lm(self._source, device=self.run.device)
        _, updates = length_of(self.settings.generator, len(rows))
        plan.add(times * (3 + 1) * network.flops_of(rows.lengths))
        plan.stage("generator", times * updates)

    def rows_of(self, epoch: int) -> EncodedRows:
        """What an epoch learns from; made when it begins, since the one before may have been the last."""
        if epoch == 0 or not any(example.sample for example in self._examples(0)):
            return self.pool.rows.select(self.pool.epoch)
        self._learn(epoch)
        return EncodedRows.open(self._folder(epoch) / ROWS).select(self.pool.epoch)

    def _learn(self, epoch: int) -> None:
        """Before an epoch: learn from the samples of the last, as much from each as it weighs; draw words anew."""
        last = zip(self.pool.facts.source.tolist(), self._examples(epoch - 1), strict=True)
        drawn = [(row, source, known) for row, (source, known) in enumerate(last) if known.sample is not None]
        log_probabilities = [known.sample.log_probability for *_, known in drawn if known.sample is not None]
        chances = self.policy.chances[torch.tensor([row for row, *_ in drawn])]
        weights = sample_weights(chances, torch.tensor(log_probabilities), self.settings)
        network = self._network(epoch - 1)
        samples = [(source, known) for _, source, known in drawn]
        self._train(network, samples, weights, self.artifact.part(f"generator-{epoch}"))
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
        self,
        network: Network,
        samples: Sequence[tuple[bool, Example]],
        weights: Float[Tensor, " sample"],
        artifact: Artifact,
    ) -> None:
        """One epoch on what was drawn, each piece as it was asked for."""
        tokenizer = load_tokenizer(self._source)
        vocabulary = Vocabulary(tokenizer)
        asked = [list(self._asked(example, source, vocabulary)) for source, example in samples]
        of_asked = weights.repeat_interleave(torch.tensor(list(map(len, asked)))).to(self.run.device)
        rows_asked = list(chain.from_iterable(asked))
        masker = FixedMasker(vocabulary.mask, [sample.positions for sample in rows_asked])
        with tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=self.run.folder) as folder:
            drawn = (Example("", sample=sample) for sample in rows_asked)
            texts = write_arrow(drawn, Path(folder) / "samples.arrow", pieces=True)
            rows = encode(texts.examples, tokenizer, self.job.max_length, Path(folder) / ROWS)
            literal = self.settings.generator_weights == "literal"
            objective = GeneratorLikelihood(of_asked if literal else None)
            selector, stage = KeepAll() if literal else Weighted(of_asked), self.settings.generator
            fit(network, None, objective, rows, stage, artifact, self.run, selector=selector, masker=masker)

    def _asked(self, example: Example, source: bool, vocabulary: Vocabulary) -> Iterator[Sample]:
        """What the masked LM was asked for a sample: all positions at once, or one by one."""
        assert example.sample is not None
        original = pieces_of(self._original(example, source), vocabulary, self.job.max_length)
        return as_asked(example.sample, original.pieces, self.settings.stationary(source=source).fill)

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


def as_asked(sample: Sample, original: Sequence[int], fill: Fill) -> Iterator[Sample]:
    """A sample as the masked LM was asked for it: its positions are those that were masked in one reading.

    Args:
        sample: Was drawn near the original.
        original: Its pieces.
        fill: What the masked LM saw of the other replaced positions.

    Example:
        >>> drawn = Sample((1, 8, 9), (0, 0, 0), (1, 2), 2, -3.0)
        >>> [(one.pieces, one.positions) for one in as_asked(drawn, (1, 2, 3), "independent")]
        [((1, 8, 3), (1,)), ((1, 2, 9), (2,))]
        >>> [(one.pieces, one.positions) for one in as_asked(drawn, (1, 2, 3), "sequential")]
        [((1, 8, 3), (1,)), ((1, 8, 9), (2,))]
    """
    if fill == "joint":
        yield sample
        return
    seen = list(original)
    for position in sample.positions:
        now = list(seen)
        now[position] = sample.pieces[position]
        yield replace(sample, pieces=tuple(now), positions=(position,))
        seen = now if fill == "sequential" else seen


def sample_weights(
    chances: Float[Tensor, " sample"], log_probabilities: Float[Tensor, " sample"], settings: L2ASettings
) -> Float[Tensor, " sample"]:
    """Weights w = exp(pi(z) / kappa), but for a factor that a batch's normalisation takes away; at most 1.

    With `generator_weights=literal` Eq. 9's R = log P_s + pi as it is printed, nearly always negative.

    Args:
        chances: pi(a = 1 | s) of the samples.
        log_probabilities: log P_s.
        settings: Which weights, and kappa; alpha where there is none, as the paper says.

    Example:
        >>> sample_weights(torch.tensor([1.0, 0.4]), torch.zeros(2), L2ASettings(alpha=0.6)).log()
        tensor([ 0., -1.])
    """
    if settings.generator_weights == "literal":
        return (log_probabilities + chances).float()
    return ((chances - chances.max()) / (settings.kappa or settings.alpha)).exp().float()

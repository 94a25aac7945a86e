"""What a student of L2A may learn from: the target's texts, samples near them, and the source's; drawn once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from tinybert import files
from tinybert.artifacts import Artifact, by_name
from tinybert.augment.augmented_set import AugmentedSet, blocks, write_arrow
from tinybert.augment.copies import COPY_SCHEMA, examples_of, table_of
from tinybert.augment.making import digest_of_rows, make_all_copies
from tinybert.augment.method import AugmentContext
from tinybert.augment.quality import quality
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.models.loading import load_tokenizer
from tinybert.run import Run, RunPlan
from tinybert.samplers.edit_distance import describe_distance
from tinybert.selectors.features import Facts
from tinybert.stages.augment import QUALITY, TEXTS, factory_of, planned_copies
from tinybert.stages.job import Job
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.stages.reading import encoded
from tinybert.types import Example

ROWS, FACTS, EXAMPLES = "rows.arrow", "facts.safetensors", "examples.parquet"
_SCHEMA = pa.schema(
    [
        ("text", pa.large_string()),
        ("pair", pa.large_string()),
        ("domain", pa.string()),
        ("origin", pa.int64()),
        ("copy", pa.int64()),
        ("distance", pa.int64()),
        ("open", pa.int64()),
        ("log_probability", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Pool:
    """The pool of a run.

    Attributes:
        rows: Encoded; all of it.
        facts: What is known of each row.
        folder: Where it lies: texts and figures too.
        epoch: Which rows are learnt from in an epoch, some perhaps several times.
    """

    rows: EncodedRows
    facts: Facts
    folder: Path
    epoch: Int[np.ndarray, " epoch"]

    def texts(self, rows: list[int]) -> list[dict[str, Any]]:
        """Some rows as people read them."""
        table = pq.read_table(self.folder / TEXTS)
        found: list[dict[str, Any]] = table.take(pa.array(rows, pa.int64())).to_pylist()
        return found


def pool_of(job: Job, settings: L2ASettings, mlm: str | None, run: Run) -> Pool:
    """Draw the pool, or find it.

    Args:
        job: The target's training rows, and the source's texts where there are any.
        settings: How many samples of what.
        mlm: The masked LM; None = the embedded one.
        run: Keeps the stage `pool`.
    """
    contexts = _contexts(job, settings, mlm)
    factories = {domain: factory_of(context, run) for domain, context in contexts.items()}
    for domain, context in contexts.items():
        run.log.say(f"l2a: {domain}: {_law(job, context, run)}")
    if run.plan is not None:
        return _planned(job, settings, contexts, run, run.plan)
    drawn = ("learn_from", "target_samples", "source_samples", "source_text")
    inputs: dict[str, Any] = {f"l2a.{name}": getattr(settings, name) for name in drawn}
    inputs |= {"train": job.train, "rows": digest_of_rows(job.splits.train)}
    if job.source is not None:
        inputs |= {"source": job.source.texts, "source rows": digest_of_rows(job.source.texts)}
    inputs |= by_name({"l2a": settings.stationary()})
    if contexts:
        inputs["mlm"] = next(iter(contexts.values())).digest_of_mlm()
    artifact = run.begin("pool", **inputs, seed=run.seed, **{"data.max_length": job.max_length})
    with run.making(artifact) as missing:
        if missing and run.is_main:
            made = {
                domain: make_all_copies(
                    context.originals, factories[domain], context.settings.copies or 1, artifact, run, domain
                )
                for domain, context in contexts.items()
            }
            as_drawn = all(same_pieces(job, context.needed_mlm) for context in contexts.values())
            artifact.make(lambda folder: _write(_PoolExamples(job, settings, made), as_drawn, folder))
    return _open_pool(artifact, job, settings, run)


def _contexts(job: Job, settings: L2ASettings, mlm: str | None) -> dict[str, AugmentContext[Any]]:
    """What has to be drawn: by domain, from what."""
    origins: dict[str, Examples] = {}
    if settings.learn_from != "source":
        origins["target"] = job.splits.train
    if job.source is not None and settings.samples_source:
        origins["source"] = job.source.texts
    return {
        domain: settings.augmenting(source=domain == "source").context(
            job.task, texts, None, mlm, None, str(job.tokenizer.mask_token), job.max_length
        )
        for domain, texts in origins.items()
    }


def _law(job: Job, context: AugmentContext[Any], run: Run) -> str:
    """What the law of distances means for the texts at hand, by their lengths without special pieces."""
    lengths = encoded(context.originals, job.encoder, run).lengths
    special = job.tokenizer.num_special_tokens_to_add(pair=job.task.paired)
    distance = context.settings.distance(len(load_tokenizer(context.needed_mlm).get_vocab()))
    return describe_distance(distance, np.maximum(lengths - special, 0))


def same_pieces(job: Job, mlm: str) -> bool:
    """Whether a masked LM's pieces are the student's, which then learns from samples as they were drawn."""
    return bool(load_tokenizer(mlm).get_vocab() == job.tokenizer.get_vocab())


@dataclass(frozen=True)
class _PoolExamples:
    """The rows of a pool in order: the target's texts with their samples, then the source's."""

    job: Job
    settings: L2ASettings
    made: dict[str, AugmentedSet]

    def __iter__(self) -> Iterator[tuple[str, Example]]:
        """Domain and example, without labels: nobody learns from them here."""
        if "target" in self.made:
            yield from (("target", replace(example, label=None)) for example in self.made["target"])
        if self.job.source is None or self.settings.learn_from == "target":
            return
        match self.settings.source_text:
            case "original":
                source: Any = self.job.source.texts
            case "sampled":
                source = self.made["source"].copies_only()
            case "both":
                source = self.made["source"]
        yield from (("source", replace(example, label=None)) for example in source)

    def examples(self) -> Iterator[Example]:
        """Without their domains."""
        return (example for _, example in self)


def _write(pooled: _PoolExamples, as_drawn: bool, folder: Path) -> None:
    """What the stage leaves."""
    encode_examples(pooled.examples(), pooled.job, folder, as_drawn=as_drawn)
    _write_texts(pooled, folder / TEXTS)
    write_examples(pooled.examples(), folder)
    table = pq.read_table(folder / TEXTS, columns=["domain", "origin", "copy", "distance", "open"])
    source = np.array(table.column("domain").to_pylist()) == "source"
    known = {name: table.column(name).to_numpy() for name in ("origin", "copy", "distance", "open")}
    save_file({name: torch.from_numpy(np.array(v)) for name, v in {"source": source, **known}.items()}, folder / FACTS)
    if "target" in pooled.made:
        files.write_json(folder / QUALITY, quality(pooled.made["target"], None))


def encode_examples(examples: Iterable[Example], job: Job, folder: Path, *, as_drawn: bool) -> None:
    """Write the rows of a pool as the student reads them.

    Args:
        examples: The rows.
        job: Has the student's tokenizer.
        folder: Where they are written.
        as_drawn: Whether samples are taken as the pieces they were drawn as; else their texts are read.
    """
    texts = write_arrow(examples, folder / "texts.arrow", pieces=as_drawn)
    encode(texts.examples, job.tokenizer, job.max_length, folder / ROWS)
    (folder / "texts.arrow").unlink()


def write_examples(examples: Iterable[Example], folder: Path) -> None:
    """Write the rows of a pool as they were drawn."""
    with pq.ParquetWriter(folder / EXAMPLES, COPY_SCHEMA) as writer:
        for block in blocks(examples):
            writer.write_table(table_of(block))


def read_examples(folder: Path) -> Iterator[Example]:
    """The rows that `write_examples` wrote; what was not drawn has no `Example.sample`."""
    for batch in pq.ParquetFile(folder / EXAMPLES).iter_batches(batch_size=1024):
        yield from examples_of(pa.Table.from_batches([batch]))


def _write_texts(pooled: _PoolExamples, target: Path) -> None:
    """Texts for people and other programs: where each comes from, how far from there, and how likely."""
    with pq.ParquetWriter(target, _SCHEMA) as writer:
        domains = (domain for domain, _ in pooled)
        for block in blocks(pooled.examples()):
            rows = [_row(next(domains), example) for example in block]
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))


def _row(domain: str, example: Example) -> tuple[Any, ...]:
    sample = example.sample
    drawn = (0, 0, None) if sample is None else (len(sample.positions), sample.open, sample.log_probability)
    return (example.text, example.pair, domain, example.row, example.copy, *drawn)


def _open_pool(artifact: Artifact, job: Job, settings: L2ASettings, run: Run) -> Pool:
    rows, known = EncodedRows.open(artifact.result / ROWS), load_file(artifact.result / FACTS)
    original = (known["copy"] == 0) & ~known["source"]
    facts = Facts(
        source=known["source"],
        fixed=torch.zeros_like(original) if settings.act_on_originals else original,
        distance=known["distance"],
        share=(known["distance"] / known["open"].clamp(min=1)).float(),
        gold=_gold(job, known["origin"], known["source"]),
    )
    return Pool(rows, facts.to(run.device), artifact.result, _epoch(known["source"].numpy(), settings, run))


def _epoch(source: np.ndarray, settings: L2ASettings, run: Run) -> Int[np.ndarray, " epoch"]:
    """Which rows of a pool are learnt from, by whether they are of the source."""
    return balanced(source, run.rng("balance")) if settings.balanced else np.arange(len(source))


def _gold(job: Job, origin: Int[Tensor, " row"], source: Bool[Tensor, " row"]) -> Float[Tensor, " row"]:
    """The label of each source text, or of that which a sample was drawn near; NaN where none is known."""
    gold = torch.full((len(origin),), torch.nan)
    if job.source is not None and (labelled := job.source.labelled) is not None:
        by_row = torch.full((int(max(origin.max(), labelled.rows.max())) + 1,), torch.nan)
        by_row[torch.from_numpy(np.asarray(labelled.rows))] = torch.from_numpy(np.asarray(labelled.labels)).float()
        gold = torch.where(source, by_row[origin], gold)
    return gold


def _planned(
    job: Job, settings: L2ASettings, contexts: Mapping[str, AugmentContext[Any]], run: Run, plan: RunPlan
) -> Pool:
    """Note what drawing would take; in place of the pool at most so many rows, each as long as its original."""
    times = {"original": 1, "sampled": settings.source_samples, "both": 1 + settings.source_samples}
    domains = {} if settings.learn_from == "source" else {"target": (job.splits.train, 1 + settings.target_samples)}
    if job.source is not None and settings.learn_from != "target":
        domains["source"] = (job.source.texts, times[settings.source_text])
    parts: dict[str, EncodedRows] = {}
    for domain, (texts, count) in domains.items():
        rows = encoded(texts, job.encoder, run)
        parts[domain] = reduce(EncodedRows.joined, [rows] * count)
        if domain in contexts:
            planned_copies(rows, contexts[domain], plan)
    plan.stage("pool")
    rows, lengths = reduce(EncodedRows.joined, parts.values()), [len(part) for part in parts.values()]
    source = np.repeat(np.array(list(parts)) == "source", lengths)
    nothing = torch.zeros(len(rows), dtype=torch.int64)
    facts = Facts(torch.from_numpy(source), torch.from_numpy(~source), nothing, nothing.float(), nothing * torch.nan)
    return Pool(rows, facts, run.folder, _epoch(source, settings, run))


def balanced(source: np.ndarray, rng: np.random.Generator) -> Int[np.ndarray, " epoch"]:
    """All rows, those of the smaller domain as often as it takes to be as many as the others.

    Example:
        >>> balanced(np.array([True, True, True, True, False, False]), np.random.default_rng(0)).tolist()
        [0, 1, 2, 3, 4, 5, 4, 5]
    """
    domains = [np.flatnonzero(source), np.flatnonzero(~source)]
    largest = max(map(len, domains))
    repeated = [
        np.concatenate([np.tile(rows, largest // len(rows)), rng.permutation(rows)[: largest % len(rows)]])
        for rows in domains
        if len(rows)
    ]
    return np.concatenate(repeated)

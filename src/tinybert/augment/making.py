"""From rows to originals and copies: shards by an executor, then without duplicates."""

import time
from functools import partial

import numpy as np

from tinybert.artifacts import Artifact
from tinybert.augment.augmented_set import AugmentedSet, parts_of
from tinybert.augment.copies import CopyMaker, Streams, Worker
from tinybert.augment.executors import EXECUTORS
from tinybert.augment.method import AugmenterFactory, MakeAugmenter
from tinybert.augment.shards import Shards
from tinybert.data.examples import Examples
from tinybert.files import sha256_json
from tinybert.run import Run


def make_copies(
    originals: Examples, factory: AugmenterFactory, copies: int, artifact: Artifact, run: Run
) -> AugmentedSet:
    """Originals with their copies, each text once; what a killed run has made of them is used.

    Args:
        originals: Their row numbers name their random streams, so each must be there once.
        factory: Makes the augmenter, in each process that works.
        copies: Of each original.
        artifact: The unfinished artifact; its work keeps the shards.
        run: Its streams, executor and log.

    Raises:
        ValueError: If two originals have the same row number.
    """
    augmented = make_all_copies(originals, factory, copies, artifact, run).without_duplicates()
    dropped = augmented.made - augmented.copies
    run.log.say(f"augment: {dropped:,} duplicates dropped, {augmented.copies:,} left")
    return augmented


def make_all_copies(
    originals: Examples, factory: AugmenterFactory, copies: int, artifact: Artifact, run: Run, domain: str = ""
) -> AugmentedSet:
    """Originals with all their copies, equal ones too; see `make_copies`.

    Args:
        originals: See `make_copies`.
        factory: See `make_copies`.
        copies: See `make_copies`.
        artifact: See `make_copies`.
        run: See `make_copies`.
        domain: Which of several files the originals are of: their shards and random streams are their own.
    """
    if len(np.unique(originals.rows)) < len(originals):
        raise ValueError("two originals have the same row number; their copies would have the same random stream")
    parts = parts_of(len(originals), copies)
    shards = Shards(artifact, domain or "copies", len(parts))
    missing, started = shards.missing(run.log), time.monotonic()
    rows = {number: originals[parts[number]] for number in missing}
    left = sum(map(len, rows.values()))
    worker = partial(copy_maker, factory.make, copies, run.seed_for("augment", *filter(None, [domain])))
    if missing:
        factory.before()
    with run.log.progress("augment", len(originals), len(originals) - left) as bar:
        execute = EXECUTORS[run.settings.executor]
        for number, content in execute(worker, list(rows.items()), bar.advance, run) if rows else ():
            shards.add(number, content)
    augmented, seconds = AugmentedSet.of_all(originals, parts, shards), time.monotonic() - started
    run.log.say(f"augment: {augmented.made:,} copies of {len(originals):,} rows in {seconds:.0f} s")
    return augmented


def copy_maker(make: MakeAugmenter, copies: int, seed: int) -> Worker:
    """What each process works with."""
    return CopyMaker(make(), copies, Streams(seed))


def digest_of_rows(originals: Examples) -> str:
    """What copies depend on besides texts and labels: the row numbers."""
    return sha256_json(originals.rows.tolist())

"""From rows to originals and copies: shards by an executor, then without duplicates."""

import time
from functools import partial

import numpy as np

from tinybert.data.examples import Examples
from tinybert.files import sha256_json
from tinybert.run import StageRun
from tinybert.stages.augmenting.copies import CopyMaker, Streams, Worker
from tinybert.stages.augmenting.executors import EXECUTORS
from tinybert.stages.augmenting.kit import Make, Ready
from tinybert.stages.augmenting.merged import Merged, parts_of
from tinybert.stages.augmenting.shards import Shards


def made(originals: Examples, ready: Ready, copies: int, place: StageRun) -> Merged:
    """Originals with their copies, each text once; what a killed run has made of them is used.

    Args:
        originals: Their row numbers name their random streams, so each must be there once.
        ready: Makes the augmenter, in each process that works.
        copies: Of each original.
        place: Keeps the shards among its checkpoints.

    Raises:
        ValueError: If two originals have the same row number.
    """
    merged = all_made(originals, ready, copies, place).without_duplicates()
    dropped = merged.made - merged.copies
    place.run.log.say(f"augment: {dropped:,} duplicates dropped, {merged.copies:,} left")
    return merged


def all_made(originals: Examples, ready: Ready, copies: int, place: StageRun, domain: str = "") -> Merged:
    """Originals with all their copies, equal ones too; see `made`.

    Args:
        originals: See `made`.
        ready: See `made`.
        copies: See `made`.
        place: See `made`.
        domain: Which of several files the originals are of: their shards and random streams are their own.
    """
    if len(np.unique(originals.rows)) < len(originals):
        raise ValueError("two originals have the same row number; their copies would have the same random stream")
    run, parts = place.run, parts_of(len(originals), copies)
    shards = Shards(place.checkpoints / (domain or "copies"), len(parts))
    missing, started = shards.missing(run.log), time.monotonic()
    rows = {number: originals[parts[number]] for number in missing}
    left = sum(map(len, rows.values()))
    worker = partial(copy_maker, ready.make, copies, run.seed_for("augment", *filter(None, [domain])))
    if missing:
        ready.before()
    with run.log.progress("augment", len(originals), len(originals) - left) as bar:
        execute = EXECUTORS[run.settings.executor]
        for number, content in execute(worker, list(rows.items()), bar.advance, run) if rows else ():
            shards.add(number, content)
    merged, seconds = Merged.of_all(originals, parts, shards), time.monotonic() - started
    run.log.say(f"augment: {merged.made:,} copies of {len(originals):,} rows in {seconds:.0f} s")
    return merged


def copy_maker(make: Make, copies: int, seed: int) -> Worker:
    """What each process works with."""
    return CopyMaker(make(), copies, Streams(seed))


def digest_of_rows(originals: Examples) -> str:
    """What copies depend on besides texts and labels: the row numbers."""
    return sha256_json(originals.rows.tolist())

"""What int8 is made from in a run, and what it changes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinybert.export.ranges import Ranges, measured_ranges, write_ranges
from tinybert.export.settings import ExportSettings
from tinybert.run import Run
from tinybert.stages.job import Job
from tinybert.stages.systems import System
from tinybert.types import Batch

SHOWN = 8  # rows whose answer int8 changes


def ranges_of(job: Job, run: Run, settings: ExportSettings) -> Callable[[Path], Ranges] | None:
    """Measures ranges on some rows of train, and keeps them beside the weights; None where int8 is dynamic."""
    if settings.quantisation == "dynamic":
        return None
    texts = calibration_texts(job, run, settings)

    def measure(fp32: Path) -> Ranges:
        ranges = measured_ranges(fp32, texts)
        write_ranges(ranges, run.folder / "student")
        return ranges

    return measure


def calibration_texts(job: Job, run: Run, settings: ExportSettings) -> Iterator[Batch]:
    """Some rows of train, each alone, so that nothing is padded."""
    drawn = run.rng("int8 ranges").permutation(len(job.train))[: settings.calibration_rows]
    return (job.train.batch(drawn[at : at + 1]) for at in range(len(drawn)))


def int8_figures(job: Job, fp32: System, int8: System) -> dict[str, Any]:
    """What int8 changes on dev, and what other batches change in int8: answers, and the largest moves of a logit."""
    task, rows, after = fp32.task, job.dev, int8.logits["dev"]
    before, said, *others = (task.answers(one, rows) for one in (fp32.logits["dev"], after, *int8.regrouped))
    by_batch = [task.flipped(said, other) for other in others]
    flips = None if None in by_batch else len({row for found in by_batch for row in found or ()}) / len(said)
    examples = rows.needed_examples()
    shown = [
        {
            "row": int(examples.rows[row]),
            "text": str(examples[row].text),
            "student": before[row],
            "student_int8": said[row],
        }
        for row in (task.flipped(before, said) or ())[:SHOWN]
    ]
    return {
        "int8_agreement": task.agreement(fp32.logits["dev"], after, rows),
        "int8_difference": float(np.abs(fp32.logits["dev"] - after).max()),
        "int8_batch_flips": flips,
        "int8_batch_difference": max(float(np.abs(other - after).max()) for other in int8.regrouped),
        "int8_flipped": shown,
    }

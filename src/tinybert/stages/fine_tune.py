"""Fine-tuning on gold labels, the best on dev kept: Devlin et al. 2019, section 4.1, with room for few labels."""

import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from tinybert import files
from tinybert.augment.augmented_set import write_arrow
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.source_domain import SourceDomain, TeacherData
from tinybert.engine.evaluate import metric_fn
from tinybert.engine.fit import StageReport, fit
from tinybert.engine.optimise import stretched
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.run import Run, StageRun
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.job import Job
from tinybert.stages.reading import encoded
from tinybert.types import Stage, flatten


def fine_tune_on(
    domains: TeacherData,
    student: Network,
    job: Job,
    stage: Stage,
    run: Run,
    *,
    name: str,
    inputs: Mapping[str, Any] | None = None,
) -> StageRun:
    """Train a network on the gold labels of target, of both domains at once, or of source and then of target.

    The best on the target's dev is kept in each stage; both stages have the same settings.

    Args:
        domains: See `TeacherData`.
        student: The network that learns.
        job: Its `source` is learnt as far as it has labels.
        stage: Of the group `fine_tune`.
        run: Where and how.
        name: Of the stage; what is learnt from source first is `<name>_source`.
        inputs: What else the result depends on, see `Run.stage`.

    Returns:
        The place of the last stage.

    Raises:
        UserError: If source is to be learnt and has no labels, or is not given.
    """
    labelled = labelled_source(job.source, domains)
    begun = {**(inputs or {}), **flatten("fine_tune", stage), **job.digests(), "seed": run.seed}
    rows = job.train
    if labelled is not None and domains == "joint":
        rows = _together(labelled, job, run)
        begun |= {"source": labelled.digest(), "data.max_length": job.max_length, "teacher_data": domains}
    elif labelled is not None:
        source = encoded(labelled, job.tokenizer, job.max_length, run)
        before = {key: value for key, value in begun.items() if key != "train"} | {"source": source.digest}
        fine_tune(student, job, stage, run.stage(f"{name}_source", before), source)
    place = run.stage(name, begun)
    fine_tune(student, job, stage, place, rows)
    return place


def fine_tune(student: Network, job: Job, stage: Stage, place: StageRun, rows: EncodedRows) -> StageReport:
    """Train a network on the gold labels of some rows; it ends as the best it was on `job.dev`."""
    metric = metric_fn(student, job.dev, job.task, place.run)
    decided = stretched(stage, len(rows))
    return fit(student, None, job.task.gold(), rows, decided, place, selector=KeepAll(), metric=metric)


def labelled_source(source: SourceDomain | None, domains: TeacherData) -> Examples | None:
    """The rows of source that are learnt; None where target alone is.

    Raises:
        UserError: If they are to be learnt and there are none.
    """
    if domains == "target":
        return None
    if source is None:
        raise UserError(f"--source is missing: teacher_data={domains} learns its labels; give it, or say target")
    if source.labelled is None:
        raise UserError(
            "--source: no row has a label of this task, so there is nothing to fine-tune on; name the column with "
            "data.label, or rename labels with data.label_map"
        )
    return source.labelled


def _together(source: Examples, job: Job, run: Run) -> EncodedRows:
    """The rows of both domains, encoded as one."""
    with tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=run.folder) as folder:
        texts = write_arrow(chain(job.splits.train, source), Path(folder) / "texts.arrow")
        return encoded(texts.examples, job.tokenizer, job.max_length, run)

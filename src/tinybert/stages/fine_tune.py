"""Fine-tuning on gold labels, the best on dev kept: Devlin et al. 2019, section 4.1, with room for few labels."""

import tempfile
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
from tinybert.engine.optimise import resolve_epochs
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.job import Job
from tinybert.stages.reading import encoded
from tinybert.types import Stage


def fine_tune_on(
    domains: TeacherData,
    student: Network,
    job: Job,
    stage: Stage,
    run: Run,
    *,
    name: str,
) -> None:
    """Train a network on the gold labels of target, of both domains at once, or of source and then of target.

    The best on the target's dev is kept in each stage; both stages have the same settings.

    Args:
        domains: See `TeacherData`.
        student: The network that learns.
        job: Its `source` is learnt as far as it has labels.
        stage: Of the group `fine_tune`.
        run: Where and how.
        name: Of the stage; what is learnt from source first is `<name>_source`.

    Raises:
        UserError: If source is to be learnt and has no labels, or is not given.
    """
    labelled = labelled_source(job.source, domains)
    inputs: dict[str, Any] = {"train": job.train}
    rows = job.train
    if labelled is not None and domains == "joint":
        rows, inputs = _together(labelled, job, run), inputs | {"source": labelled, "teacher_data": domains}
    elif labelled is not None:
        source = encoded(labelled, job.encoder, run)
        fine_tune(student, job, stage, run, f"{name}_source", source, source=source)
    fine_tune(student, job, stage, run, name, rows, **inputs)


def fine_tune(
    student: Network, job: Job, stage: Stage, run: Run, name: str, rows: EncodedRows, **inputs: Any
) -> StageReport:
    """Train a network on the gold labels of some rows, as the next step; it ends as the best it was on `job.dev`.

    Args:
        student: The network that learns.
        job: The task and its dev.
        stage: Of the group `fine_tune`.
        run: Where and how.
        name: Of the step.
        rows: What is learnt from.
        inputs: What the rows come from, see `Run.begin`.
    """
    network, objective = "teacher" if name.startswith("teacher") else "student", job.task.gold()
    known = {network: student, "objective": objective, "dev": job.dev, "head": job.head}
    artifact = run.begin(name, fine_tune=stage, **inputs, **known, figure=job.task.figure, seed=run.seed)
    how: dict[str, Any] = {"selector": KeepAll(), "metric": metric_fn(student, job.dev, job.task, run)}
    return fit(student, None, objective, rows, resolve_epochs(stage, len(rows)), artifact, run, **how)


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
        return encoded(texts.examples, job.encoder, run)

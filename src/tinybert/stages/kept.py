"""`run.keep: student`: a finished run that kept only what is shipped, and the same command again after it."""

import shutil
from typing import Any

from tinybert import files
from tinybert.errors import UserError
from tinybert.run import Run
from tinybert.stages.job import Read

KEPT = "kept.json"  # stands for the stages of a run that kept only its student


def keep_only_the_student(run: Run, job: Read) -> None:
    """Remove what only a resume needs, and note what the result was made from."""
    files.write_sealed(run.folder / KEPT, _made_from(run, job))
    for name in ("stages", "teacher", "augmented"):
        shutil.rmtree(run.folder / name, ignore_errors=True)


def kept_result(run: Run, job: Read) -> dict[str, Any] | None:
    """The metrics of a run that was finished and kept only its student; None where there is none.

    Raises:
        UserError: If it was made from something else.
    """
    before, now = files.found_sealed(run.folder / KEPT), _made_from(run, job)
    if before is None:
        return None
    if changed := sorted(key for key in {**before, **now} if before.get(key) != now.get(key)):
        way = f"tinybert evaluate {run.folder} --data ... measures other rows, " if changed == ["test"] else ""
        raise UserError(f"{', '.join(changed)}: changed since {run.folder} was finished; {way}--restart begins anew")
    shutil.rmtree(run.folder / "stages", ignore_errors=True)  # what was read again to compare
    run.log.say("found finished, nothing to do")
    return dict(files.read_json(run.folder / "metrics.json"))


def _made_from(run: Run, job: Read) -> dict[str, Any]:
    paths = ("train", "dev", "test", "source", "output", "device")
    return {key: value for key, value in run.config.items() if key not in paths} | job.contents()

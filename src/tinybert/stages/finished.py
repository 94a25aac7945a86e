"""What is noted of a finished run, which the same command then finds done; and what `run.keep: student` leaves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinybert import files
from tinybert.errors import UserError
from tinybert.run import Run
from tinybert.stages.common_settings import FILES
from tinybert.stages.job import Read

FINISHED, KEPT = "finished", "kept"  # notes in a run's record
_NAMED = ("teacher.path", "student.path", "mlm", "vectors")
_LEFT = ("teacher", "student", "export", "metrics.json", "predictions.jsonl", "README.md", "report.html")
_FOR_RESUME = ("stages", "teacher", "augmented")  # what nobody ships
_FOR_PEOPLE = (".md", ".html")  # who may add to them


def found_finished(run: Run, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `metrics.json` says of a run that ended with the same, if all it left is as it was; None otherwise."""
    noted = run.record.noted(FINISHED) or {}
    if noted.get("key") != key or _missing_or_changed(run):
        return None
    run.log.say("finish: found, nothing to do")
    return dict(files.read_json(run.folder / "metrics.json"))


def seal_finished(run: Run, key: Mapping[str, Any]) -> None:
    """Note what a run ended with, when everything it leaves is there."""
    run.record.note(FINISHED, {"key": key, "files": _digests(run.folder, _LEFT)})


def keep_only_the_student(run: Run, job: Read) -> None:
    """Remove what only a resume needs, and note what the result was made from."""
    noted = run.record.noted(FINISHED) or {}
    stay = {name: sha for name, sha in noted.get("files", {}).items() if Path(name).parts[0] not in _FOR_RESUME}
    run.record.note(FINISHED, {**noted, "files": stay})
    run.record.note(KEPT, _made_from(run, job))
    if not run.store.shared:
        for step in run.record.steps:
            for key in step.keys:
                run.store.recorded(step.name, key).forget(run.log.say)
    for name in _FOR_RESUME:
        files.remove(run.folder / name, ignore_errors=True)


def kept_result(run: Run, job: Read) -> dict[str, Any] | None:
    """The metrics of a run that was finished and kept only its student; None where there is none.

    Raises:
        UserError: If it was made from something else, or is not as it was.
    """
    before, now = run.record.noted(KEPT), _made_from(run, job)
    if before is None:
        return None
    if changed := sorted(key for key in {**before, **now} if before.get(key) != now.get(key)):
        way = f"tinybert evaluate {run.folder} --data ... measures other rows, " if changed == ["test"] else ""
        raise UserError(f"{', '.join(changed)}: changed since {run.folder} was finished; {way}--restart begins anew")
    if changed := _missing_or_changed(run):
        raise UserError(
            f"{run.folder / changed[0]}: missing, or changed since the run was finished; --restart begins anew"
        )
    run.log.say("found finished, nothing to do")
    return dict(files.read_json(run.folder / "metrics.json"))


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str | None]:
    """The sha256 of all files of these names, or in folders of these names; None of those that people may change."""
    named = (folder / name for name in names)
    paths = (path for one in named for path in (sorted(one.rglob("*")) if one.is_dir() else [one]) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): None if path.suffix in _FOR_PEOPLE else files.sha256_file(path)
        for path in paths
    }


def _missing_or_changed(run: Run) -> list[str]:
    """What is not as a finished run left it; nothing where no run was finished."""
    left = (run.record.noted(FINISHED) or {}).get("files", {})
    found = _digests(run.folder, list(left))
    return [name for name in left if name not in found or found[name] != left[name]]


def _made_from(run: Run, job: Read) -> dict[str, Any]:
    """Settings, and the contents of what they name: where that lies may change."""
    left_out = (*FILES, "output", "device", "max_minutes", *_NAMED)
    settings = {key: value for key, value in run.config.items() if key not in left_out}
    return {**settings, **{key: _content(run.config.get(key), run.folder) for key in _NAMED}, **job.contents()}


def _content(name: str | None, folder: Path) -> str | None:
    """The digest of weights or of a file, named as seen from a folder; the name of anything else: a shape, the hub."""
    if name is None or not (path := folder / name).exists():
        return name
    if path.is_file():
        return files.sha256_file(path)
    return files.sha256_json({file.name: files.sha256_file(file) for file in sorted(path.glob("model*.safetensors"))})

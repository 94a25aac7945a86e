"""What a run would do, and whether it could: everything that `--dry-run` checks. Nothing is trained or written.

The recipe's own function walks through its steps, in a temporary folder and with networks that have sizes and no
weights; see `run.RunPlan`.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tinybert.augment.validation import doubts
from tinybert.data.hub import PREFIX
from tinybert.errors import UserError, collecting
from tinybert.families.network import Network, Shape
from tinybert.folders import check_run_folder
from tinybert.launch import check_networks, distilled, read
from tinybert.log import Log
from tinybert.machine import choose_device, training_speed
from tinybert.models.loading import META
from tinybert.report.measure import count_parameters
from tinybert.request import Request, with_student
from tinybert.run import Run, RunPlan
from tinybert.stages.budget import BUDGET
from tinybert.stages.common_settings import FILES
from tinybert.stages.job import Job

MANY_PIECES = 60_000  # BERT has 30,522, RoBERTa 50,265, XLM-RoBERTa 250,002
BYTES_PER_PIECE = 4  # of a packed corpus, at most
BYTES_PER_PIECE_OF_A_COPY = 12  # encoded, and as text
BYTES_LEFT_PER_WEIGHT = 24  # results of stages, teacher, student and exports
BYTES_PER_WEIGHT = 16  # weight, gradient and two moments of AdamW, fp32


def plan(request: Request) -> dict[str, Any]:
    """Check data, labels, lengths, vocabulary, heads, layers, disk and memory; estimate the time.

    Raises:
        UserError: One line per problem.
    """
    problems: list[str] = []
    result: dict[str, Any] = {"recipe": request.recipe.name, "preset": request.preset}
    with collecting(problems):
        device = choose_device(request.settings.device)
    with collecting(problems):
        check_run_folder(request.folder)
    with collecting(problems):
        teacher, student = check_networks(request)
        result |= {"teacher": _sizes(teacher), "student": _sizes(student)}
    with collecting(problems):
        _check_given(request)
        with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
            result |= _walked(request, Path(folder), as_far_as_the_data=bool(problems))
    if problems:
        raise UserError(*dict.fromkeys(problems))
    result["stages"] = list(_timed(result["stages"], training_speed(device)))
    result["runs"] = request.settings.seeds or 1
    result["seconds"] = result["runs"] * round(sum(stage["seconds"] for stage in result["stages"]))
    return result | _room(request, result)


def _walked(request: Request, folder: Path, *, as_far_as_the_data: bool) -> dict[str, Any]:
    """What data and steps say."""
    noted = RunPlan()
    run = Run(folder, request.settings.seed, request.settings.run, META, Log(silent=True), plan=noted)
    job = read(request, run)
    found = _of_data(job, request) if isinstance(job, Job) else {}
    if as_far_as_the_data:
        return found
    request = with_student(request, job, run)
    if request.choice is not None:
        found |= {
            "student": _sizes(check_networks(request)[1]),
            BUDGET: {key: value for key, value in request.choice.items() if key != "key"},
        }
    outcome = distilled(request, job, run)
    networks = {"teacher": outcome.teacher, "student": outcome.student}
    weights = {name: count_parameters(network) for name, network in networks.items() if network is not None}
    whole = getattr(request.settings.student, "vocabulary", "all") == "all"
    if whole and outcome.student is not None and (note := _long_vocabulary(outcome.student)):
        found["notes"] = [*found.get("notes", ()), note]
    return {**found, **noted.facts, "weights": weights, "stages": noted.stages}


def _long_vocabulary(student: Network) -> str | None:
    """What the vectors of many pieces weigh, which the shape of a student does not show."""
    if student.library != "transformers" or len(student.piece_vectors) <= MANY_PIECES:
        return None
    pieces, width = student.piece_vectors.shape
    vectors, whole = (4 * weights / 1e6 for weights in (pieces * width, count_parameters(student)))
    return (
        f"student: the vectors of {pieces:,} pieces are {vectors:.0f} of its {whole:.0f} MB; student.vocabulary=train "
        "leaves out what its texts do not have"
    )


def _of_data(job: Job, request: Request) -> dict[str, Any]:
    """Numbers of rows, and what is worth a note."""
    splits, encoded = job.splits, {"train": job.train, "dev": job.dev, "test": job.test}
    parts = {"train": splits.train, "dev": splits.dev, "test": splits.test, "source": job.source}
    parts |= {"unlabeled": job.unlabeled}
    groups = request.settings.augmenting()
    return {
        "rows": {name: len(part) for name, part in parts.items() if part is not None},
        "truncated": {name: part.truncated for name, part in encoded.items() if part is not None},
        "unknown_pieces": {name: part.unknown for name, part in encoded.items() if part is not None},
        "notes": [*splits.notes, *([] if groups is None else doubts(groups, splits.train))],
    }


def _check_given(request: Request) -> None:
    """All missing files at once; what is wrong inside of one is found later."""
    named = [
        source for role in FILES if isinstance(source := request.data[role], str) and not source.startswith(PREFIX)
    ]
    if missing := [source for source in named if not Path(source).exists()]:
        raise UserError(*(f"{source}: no such file" for source in missing))


def _timed(stages: list[dict[str, Any]], speed: float) -> Iterator[dict[str, Any]]:
    """Stages with their time, estimated by operations over the speed of this machine just now."""
    for stage in stages:
        seconds = round(stage["flops"] / speed + stage["seconds"])
        yield {"name": stage["name"], "updates": stage["updates"], "seconds": seconds}


def _room(request: Request, result: Mapping[str, Any]) -> dict[str, Any]:
    """Memory and disk: what is needed at most, and what there is; stored teacher outputs never fill the disk."""
    weights = sum(result["weights"].values())
    folder = next(path for path in (request.folder, *request.folder.absolute().parents) if path.exists())
    needed, free = BYTES_PER_WEIGHT * weights, shutil.disk_usage(folder).free
    memory = psutil.virtual_memory().available
    left = result["runs"] * (BYTES_LEFT_PER_WEIGHT * weights + _bytes_of_copies(result))
    disk = 3 * needed + left + _bytes_of_text(request, result)  # two checkpoints and the one being written
    problems = []
    if free < disk:
        problems.append(f"--output {request.folder}: {disk / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if memory < 2 * needed:
        problems.append(f"memory: about {2 * needed / 1e9:.1f} GB needed, {memory / 1e9:.1f} GB free")
    if problems:
        raise UserError(*problems)
    return {"disk_mb": round(disk / 1e6), "memory_mb": round(2 * needed / 1e6)}


def _bytes_of_copies(result: Mapping[str, Any]) -> int:
    """Of augmented rows, which each run makes for itself."""
    return result["augmentation"]["pieces_at_most"] * BYTES_PER_PIECE_OF_A_COPY if "augmentation" in result else 0


def _bytes_of_text(request: Request, result: Mapping[str, Any]) -> int:
    """Of a packed corpus, which all runs share."""
    return result["text"]["blocks"] * request.settings.general.block_length * BYTES_PER_PIECE if "text" in result else 0


def _sizes(shape: Shape | None) -> dict[str, int] | None:
    if shape is None:
        return None
    return {"layers": shape.layers, "width": shape.width, "heads": shape.heads, "inner": shape.inner}

"""Which student fits a budget of size and time: shapes are exported untrained, as the run would, and measured.

An export takes seconds and there are hundreds of shapes, so few are measured: three say roughly what layers and width
cost here, then always the largest that should fit by all that is known so far.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from jaxtyping import Int

from tinybert import files
from tinybert.errors import UserError
from tinybert.export.onnx import to_onnx
from tinybert.export.parity import random_batch
from tinybert.export.quantise import quantise_dynamic, quantise_static
from tinybert.export.ranges import measured_ranges
from tinybert.export.runtime import OnnxModel
from tinybert.families import shape_of
from tinybert.families.network import Network, Shape
from tinybert.folders import Record
from tinybert.initialise import start
from tinybert.models.heads import has_task_head
from tinybert.models.loading import META, load_classifier
from tinybert.report import measure
from tinybert.run import Run
from tinybert.stages.job import Job
from tinybert.stages.shapes import possible_shapes
from tinybert.stages.trimming import pieces_to_keep

BUDGET = "budget"  # the artifact, and the note in a run's record
MOST = 12  # shapes that are measured
SLACK = 1.03  # estimates may be wrong by that much
SECONDS = 1.0  # of forward passes of each


class Cost(NamedTuple):
    """Of an int8 file: its size, and the median time of one text on one thread."""

    mb: float
    ms: float


@dataclass(frozen=True)
class Limits:
    """What a student may cost; None = anything."""

    max_mb: float | None
    max_ms: float | None

    def excess(self, cost: Cost) -> float:
        """The largest share of a limit that is used; 1 = just fits."""
        pairs = ((cost.mb, self.max_mb), (cost.ms, self.max_ms))
        return max(value / limit for value, limit in pairs if limit is not None)


class Candidate(NamedTuple):
    """A shape: its multiply-adds for one text, and its number of weights."""

    shape: Shape
    work: int
    weights: int


def choose(job: Job, settings: Any, run: Run, folder: Path, *, needs_teacher: bool, anew: bool) -> dict[str, Any]:
    """The shape with the most multiply-adds that fits: chosen once, then found in the run's record, or in its store.

    Args:
        job: Its head is part of the file.
        settings: Of the recipe, flags included; they have a budget.
        run: Whose store keeps the choice for other seeds; says what was measured.
        folder: Of the run, whose record may have a choice.
        needs_teacher: Whether the student learns from the teacher.
        anew: Whether the record does not count.

    Returns:
        `student`, the budget, what was `measured`, and of other widths what should just fit (`estimated`), the largest
        first; `key`: of what all this was made.

    Raises:
        UserError: If nothing fits; it names the nearest.
    """
    path = settings.teacher.path
    origin = load_classifier(path, None if has_task_head(path) else job.head, device=META).model
    if settings.at > origin.longest:
        raise UserError(f"--at {settings.at}: {path} reads at most {origin.longest} pieces")
    shapes = possible_shapes(settings, shape_of(origin.config), needs_teacher=needs_teacher)
    limits, how = Limits(settings.max_mb, settings.max_ms), settings.export.quantisation

    # Texts that are augmented later may have further pieces; those of train are what there is to count.
    wanted = settings.student.vocabulary
    kept = None if wanted == "all" else pieces_to_keep(job.train, job, wanted, origin)

    def untrained(shape: Shape) -> Network:
        network = start.random(start.Plan(shape, job.head, 0), origin)
        if kept is not None:
            network.keep_pieces(kept)
        return network

    def make(target: Path) -> None:
        run.log.say(f"student: the largest that fits is looked for among {len(shapes)} shapes")
        candidates = _candidates(shapes, untrained, settings.at)
        measured = search(candidates, limits, lambda shape: cost(untrained(shape), how, settings.at))
        files.write_json(target / f"{BUDGET}.json", _told(candidates, measured, limits))

    sizes = [(shape.layers, shape.width, shape.heads, shape.inner) for shape in shapes]
    inputs = {**asdict(limits), "at": settings.at, "teacher": origin, "head": job.head, "shapes": sizes, "export": how}
    inputs |= {} if kept is None else {"pieces": len(kept)}
    key = run.store.entry(BUDGET, **inputs).key
    noted = None if anew else Record(folder).noted(BUDGET)
    if noted is None or noted["key"] != key:
        noted = {"key": key, "at": settings.at, **asdict(limits)}
        noted |= files.read_json(run.stored(BUDGET, make, **inputs).result / f"{BUDGET}.json")
        for one in noted["measured"]:
            run.log.say(f"student: {one['student']} has {one['mb']:.2f} MB as int8 and takes {one['ms']:.2f} ms")
    run.log.say(f"student: {noted['student']} is the largest that fits")
    return noted


def search(candidates: Sequence[Candidate], limits: Limits, price: Callable[[Shape], Cost]) -> dict[Candidate, Cost]:
    """What was measured on the way to the largest that fits.

    Args:
        candidates: All that there are, the narrowest first, and of a width the shallowest.
        limits: The budget.
        price: Measures one.
    """
    shallow = [candidate for candidate in candidates if candidate.shape.layers == candidates[0].shape.layers]
    middle = shallow[len(shallow) // 2].shape.width
    deeper = [candidate for candidate in candidates if candidate.shape.width == middle][:2][-1]
    found = {one: price(one.shape) for one in dict.fromkeys((shallow[0], deeper, shallow[-1]))}
    while len(found) < MOST:
        best = max((one.work for one, cost in found.items() if limits.excess(cost) <= 1), default=0)
        larger = [one for one in candidates if one.work > best and one not in found]
        estimates = _estimated(found, larger)
        likely = [one for one, cost in zip(larger, estimates, strict=True) if limits.excess(cost) <= SLACK]
        if not likely:
            break
        largest = max(likely, key=lambda one: one.work)
        found[largest] = price(largest.shape)
    return found


def cost(network: Network, quantisation: str, pieces: int) -> Cost:
    """Export a network as a run would, and measure its int8 file on a text of so many pieces."""
    with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
        fp32, int8 = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(to_onnx(network), fp32)
        if quantisation == "dynamic":
            quantise_dynamic(fp32, int8)
        else:
            text = random_batch(network, (1, pieces), np.random.default_rng(0))
            quantise_static(fp32, int8, measured_ranges(fp32, [text]))
        forward = measure.onnx_forward(OnnxModel(int8, threads=1).session)
        known = {"vocabulary": network.config.vocab_size, "lengths": [pieces], "budget": SECONDS}
        return Cost(int8.stat().st_size / 1e6, measure.latency(forward, **known)[str(pieces)]["p50"])


def _candidates(shapes: Sequence[Shape], untrained: Callable[[Shape], Network], pieces: int) -> list[Candidate]:
    """Shapes with what they have to compute and to keep; of a width two are looked at: all layers are the same."""

    def sizes(shape: Shape) -> Int[np.ndarray, "2"]:
        with META:
            network = untrained(shape)
        work = network.flops(pieces, int(network.config.num_labels)) // 2
        return np.array([work, measure.count_parameters(network)])

    found: list[Candidate] = []
    for _, group in groupby(shapes, key=lambda shape: shape.width):
        same = list(group)
        first, *second = map(sizes, same[:2])
        layer = (second[0] - first) // (same[1].layers - same[0].layers) if second else 0 * first
        found += [Candidate(shape, *map(int, first + (shape.layers - same[0].layers) * layer)) for shape in same]
    return found


def _estimated(found: Mapping[Candidate, Cost], wanted: Sequence[Candidate]) -> list[Cost]:
    """What candidates should cost: so much in any case, for each layer, and for each weight or multiply-add.

    Fitted by least squares of the relative error to what was measured.
    """
    columns = []
    for costs, sizes in ((0, 2), (1, 1)):  # MB by weights, milliseconds by multiply-adds
        rows = np.array([[1, one.shape.layers, one[sizes]] for one in found], float)
        values = np.array([cost[costs] for cost in found.values()])
        scale = np.abs(rows).max(axis=0)
        fit = np.linalg.lstsq(rows / scale / values[:, None], np.ones(len(values)), rcond=None)[0] / scale
        columns.append([float(fit @ np.array([1, one.shape.layers, one[sizes]], float)) for one in wanted])
    return [Cost(*pair) for pair in zip(*columns, strict=True)]


def _told(candidates: Sequence[Candidate], measured: Mapping[Candidate, Cost], limits: Limits) -> dict[str, Any]:
    """The choice and its frontier as a report shows them; an error where nothing fits."""
    known = _rows(measured)
    fitting = [row["student"] for row in known if limits.excess(Cost(row["mb"], row["ms"])) <= 1]
    if not fitting:
        nearest, least = min(measured.items(), key=lambda pair: limits.excess(pair[1]))
        wanted = {"MB": limits.max_mb, "ms": limits.max_ms}
        asked = ", ".join(f"--max-{unit.lower()} {limit:g}" for unit, limit in wanted.items() if limit is not None)
        raise UserError(
            f"{asked}: no student fits; the nearest is {_named(nearest)}, with {least.mb:.2f} MB as int8 and "
            f"{least.ms:.2f} ms"
        )
    others = [one for one in candidates if one not in measured]
    estimated = zip(others, _estimated(measured, others), strict=True)
    deepest = {one.shape.width: (one, cost) for one, cost in estimated if limits.excess(cost) <= 1}
    return {"student": fitting[0], "measured": known, "estimated": _rows(dict(deepest.values()))}


def _rows(costs: Mapping[Candidate, Cost]) -> list[dict[str, Any]]:
    """The largest first."""
    return [
        {"student": _named(one), "multiply_adds": one.work, "mb": round(cost.mb, 3), "ms": round(cost.ms, 3)}
        for one, cost in sorted(costs.items(), key=lambda pair: -pair[0].work)
    ]


def _named(candidate: Candidate) -> str:
    return f"{candidate.shape.layers}x{candidate.shape.width}"

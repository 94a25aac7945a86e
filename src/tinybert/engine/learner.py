"""Everything that changes while a stage is trained: weights, optimizer, selector, counters; and how it is kept.

A checkpoint holds all of it. Order of batches, dropout and selector draws are no state: they are functions of
(seed, stage, epoch, step).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from math import ceil, inf, isfinite
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from tinybert.artifacts import Artifact
from tinybert.engine import checkpoint, optimise
from tinybert.engine.graphs import Recorder, Recordings
from tinybert.errors import Interrupted
from tinybert.families.network import Network
from tinybert.run import Run
from tinybert.types import Masker, Objective, Rows, Selector, Stage

SETTLED = 10  # updates from which on their speed says something
BAD_STEPS = 10  # updates in a row without a finite gradient before the run gives up
RECORDS = 200  # lines per stage in metrics.jsonl, about
READ_EVERY = 16  # sums are read after so many updates, or after a second
SAVING = 0.1  # of the time may go into checkpoints at the ends of epochs: those of eighty rows are three updates long

RowsOf = Callable[[int], Rows]  # from the number of an epoch, counted from 0, to what is learnt from in it


@dataclass
class Counters:
    """The numbers of a checkpoint.

    Attributes:
        step: Updates made.
        seconds: Spent in updates.
        best: Best figure on dev; None before the first evaluation.
        best_step: When it was reached.
        evaluations_since_best: What patience counts.
        splits: Into how many parts a micro-batch is cut because it did not fit the GPU.
        bad_steps: Updates in a row without a finite gradient.
        hurried: Whether fewer updates than wanted were planned, for want of time, and rates fell accordingly.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None
    evaluations_since_best: int = 0
    splits: int = 1
    bad_steps: int = 0
    hurried: bool = False


class Unread(NamedTuple):
    """What an update of some rows leaves on the device: sums over what was kept, by name, and the gradient's norm."""

    step: int
    rate: float
    indices: Int[np.ndarray, " batch"]
    sums: dict[str, Tensor]


@dataclass
class Learner:
    """A student in the middle of a stage.

    Attributes:
        student: The network that learns.
        objective: What it learns; its projections learn with it.
        selector: Chooses examples; may learn too.
        stage: Settings.
        artifact: The unfinished artifact, where checkpoints and the result go.
        run: Its machine, its random streams, its log.
        examples: Rows of the data set.
        masker: What both networks read of a batch; None = all of it.
        allowed: Seconds that it may take from now on; None = as many as it takes.
        now: Counters.
        best_weights: The student as it was at `now.best`.
        stopping: The signal that all ranks have agreed to stop for; 0 = none.
        sums: How many figures ranks add up after an update; 0 = not known yet.
        unread: What the last updates have left on the device.
        loss: Of the last update that was read: the mean of the objective over the kept examples.
        recordings: Of updates that are replayed; None = each is made anew.
    """

    student: Network
    objective: Objective
    selector: Selector
    stage: Stage
    artifact: Artifact
    run: Run
    examples: int
    masker: Masker | None = None
    allowed: float | None = None
    now: Counters = field(default_factory=Counters)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stopping: int = 0
    sums: int = 0
    unread: list[Unread] = field(default_factory=list)
    loss: float = 0.0
    recordings: Recordings | None = None

    def __post_init__(self) -> None:
        """Name what is trained, make the optimizer, count the updates; have the student attend as is fastest here."""
        self._attend_in(self.run.student_dtype)
        modules: dict[str, nn.Module] = {"student": self.student, "objective": self.objective}
        self.trained: dict[str, nn.Parameter] = {
            f"{owner}.{name}": parameter
            for owner, module in modules.items()
            for name, parameter in module.named_parameters()
        }
        self.optimizer = optimise.adamw(self.trained, self.stage)
        self.epoch_steps, self.wanted = optimise.length_of(self.stage, self.examples)
        self.steps = self.wanted
        self._began = self._saved_at = time.monotonic()
        self._first, self._evaluation, self._saving = 0, 0.0, 0.0
        self._read = -inf, 0.0  # the clock, and `now.seconds`, when sums were last read

    @property
    def at_end_of_epoch(self) -> bool:
        """Whether the last update ended an epoch, or the stage."""
        return self.now.step % self.epoch_steps == 0 or self.now.step == self.steps

    @property
    def evaluation_due(self) -> bool:
        """Whether the student is to be evaluated after the last update."""
        every = self.stage.evaluate_every
        return self.at_end_of_epoch if every is None else self.now.step % every == 0 or self.now.step == self.steps

    @property
    def out_of_patience(self) -> bool:
        """Whether too many evaluations brought no new best."""
        return self.stage.patience is not None and self.now.evaluations_since_best >= self.stage.patience

    def record_updates(self, recorder: Recorder) -> None:
        """Record updates, and replay them from then on; see `graphs`."""
        optimise.make_recordable(self.optimizer, self.run.device)
        self.recordings = Recordings(recorder)

    def remaining_batches(self, rows_of: RowsOf) -> Iterator[tuple[Rows, Int[np.ndarray, " batch"]]]:
        """The global batches from here to the last update; their order is a function of (seed, stage, epoch)."""
        while self.now.step < self.steps and not self.out_of_patience:
            epoch, done = divmod(self.now.step, self.epoch_steps)
            rows = rows_of(epoch)
            order = rows.order(self.stage.batch_size, self.run.rng(self.artifact.name, "order", epoch))
            stop = min(len(order), done + self.steps - self.now.step)
            yield from ((rows, order[number]) for number in range(done, stop))

    @property
    def over(self) -> bool:
        """Whether the last update was the last one of the stage."""
        return self.now.step >= self.steps or self.out_of_patience

    def read_if_due(self) -> None:
        """Read what the last updates left: often enough for people, and before others note what follows from it."""
        due = self.at_end_of_epoch or self.evaluation_due or self.now.step % READ_EVERY == 0
        if due or self.run.world > 1 or time.monotonic() - self._read[0] > 1:
            self.read()

    def read(self) -> None:
        """Fetch what the last updates left, all at once, and note it.

        Raises:
            FloatingPointError: If gradients were not finite in `BAD_STEPS` updates in a row.
        """
        if not self.unread:
            return
        started = time.monotonic()
        fetched = iter(torch.cat([torch.stack(list(made.sums.values())) for made in self.unread]).tolist())
        self.now.seconds += time.monotonic() - started
        speed = sum(len(made.indices) for made in self.unread) / max(self.now.seconds - self._read[1], 1e-9)
        unread, self.unread, self._read = self.unread, [], (time.monotonic(), self.now.seconds)
        for made in unread:
            self._note(made, {name: next(fetched) for name in made.sums}, speed)

    def _note(self, made: Unread, sums: dict[str, float], speed: float) -> None:
        """Take in what an update says; about `RECORDS` of a stage go into `metrics.jsonl`."""
        kept, norm = sums.pop("kept"), sums.pop("norm")
        terms = {name: value / max(kept, 1e-12) for name, value in sums.items()}
        self.loss = terms.pop("loss")
        if kept > 0:
            self._count_bad(made, isfinite(norm))
        if made.step % max(self.steps // RECORDS, 1) and made.step != self.steps:
            return
        self.run.log.record(
            {
                "stage": self.artifact.name,
                "step": made.step,
                "epoch": (made.step - 1) // self.epoch_steps,
                "loss": self.loss,
                "terms": terms,
                "kept": kept,
                "lr": made.rate,
                "seconds": round(self.now.seconds, 3),
                "examples_per_second": round(speed, 1),
            }
        )

    def _count_bad(self, made: Unread, good: bool) -> None:
        """A gradient that is not finite was skipped, but not for ever."""
        self.now.bad_steps = 0 if good else self.now.bad_steps + 1
        if good:
            return
        where = f"{self.artifact.name}, update {made.step - 1}"
        self.run.log.say(f"{where}: the gradient is not finite; the update is skipped")
        if self.now.bad_steps >= BAD_STEPS:
            rows = ", ".join(str(row) for row in made.indices[:8])
            raise FloatingPointError(
                f"{where}: no finite gradient {BAD_STEPS} times in a row; encoded rows here: {rows}"
            )

    def plan_for_time(self) -> None:
        """Want as many updates as the time allows at the speed so far, so that the rate falls to 0 as the time ends.

        The last evaluation has its time too; where that is all that is left, there is no further update.
        """
        if self.allowed is None:
            return
        made, spent = self.now.step - self._first, time.monotonic() - self._began
        room = self.allowed - self._evaluation
        if spent >= room:
            reachable = self.now.step
        else:
            reachable = self.wanted if made < SETTLED else self._first + ceil(made * room / spent)
        self.steps = min(self.wanted, int(self.run.agreed(float(reachable))))
        self.now.hurried |= self.steps < self.wanted

    def keep_best(self, metric: Callable[[], float]) -> None:
        """Evaluate the student on dev; keep a copy of its weights if it was never better."""
        started = time.monotonic()
        self._attend_in(torch.float32)  # as it answers
        value = self.run.agreed(metric())
        self._attend_in(self.run.student_dtype)
        self._evaluation = time.monotonic() - started
        self.run.log.record({"stage": self.artifact.name, "step": self.now.step, "dev": value})
        self.now.evaluations_since_best += 1
        if self.now.best is None or value > self.now.best:
            self.now.best, self.now.best_step, self.now.evaluations_since_best = value, self.now.step, 0
            weights = self.student.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    def _attend_in(self, dtype: torch.dtype) -> None:
        self.student.use_fastest_attention(dtype, self.run.device)

    def save_if_due(self) -> None:
        """Checkpoint at the end of an epoch, every so many seconds, and before giving way to a signal."""
        since = time.monotonic() - self._saved_at
        late = since > self.run.settings.checkpoint_every
        if self.run.world == 1:
            self.stopping = self.run.stop_signal
        due = self.now.step < self.steps and (late or (self.at_end_of_epoch and SAVING * since >= self._saving))
        if (due or self.stopping) and self.run.is_main:
            self.save()
        if self.stopping:
            self.run.wait()
            raise Interrupted(self.stopping)

    def save(self) -> None:
        """Write a checkpoint of the last update."""
        self.read()
        started = time.monotonic()
        tensors = {
            "student": self.student.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": optimise.optimizer_tensors(self.optimizer, self.trained),
            "selector": self.selector.state_dict(),
            "best": self.best_weights,
        }
        checkpoint.save(self.artifact, self.run, self.now.step, tensors, asdict(self.now))
        self._saved_at = time.monotonic()
        self._saving = self._saved_at - started

    def resume(self) -> None:
        """Continue from the newest whole checkpoint, where there is one."""
        found = checkpoint.newest(self.artifact, self.run)
        if self.run.is_main:
            self.run.log.forget(self.artifact.name, after=0 if found is None else int(found.counters["step"]))
        if found is None:
            return
        self.student.load_state_dict(found.tensors["student"])
        self.objective.load_state_dict(found.tensors["objective"])
        optimise.load_optimizer(self.optimizer, self.trained, found.tensors["optimizer"])
        self.selector.load_state_dict(dict(found.tensors["selector"]))
        self.best_weights = dict(found.tensors["best"])
        self.now = Counters(**found.counters)
        self._first, self._read = self.now.step, (self._read[0], self.now.seconds)
        self.run.log.say(f"{self.artifact.name}: continues after update {self.now.step} of {self.steps}")

"""L2A's distillation: the last layer's attention scores, the last hidden state and the prediction, in one stage."""

from dataclasses import dataclass

from tinybert.data.task import Task
from tinybert.layer_maps import layer_map
from tinybert.models.teacher import Teacher
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.prediction import ScoreMSE, SoftCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.run import Run
from tinybert.stages.initialisation import InitialStudent
from tinybert.types import Objective, Stage


@dataclass(frozen=True)
class LastLayerSettings:
    """Settings of the group `objective`: what the student learns; the paper's ablation leaves out one at a time.

    Attributes:
        attention: The teacher's attention scores of the last layer.
        hidden: Its last hidden state, which the student's is projected to.
        prediction: Its soft targets, of a regression its score.
    """

    attention: bool = True
    hidden: bool = True
    prediction: bool = True

    def __post_init__(self) -> None:
        """Refuse to learn nothing."""
        if not (self.attention or self.hidden or self.prediction):
            raise ValueError("attention, hidden and prediction are all off; nothing would be learnt")


def last_layer_objective(
    initial: InitialStudent, teacher: Teacher, settings: LastLayerSettings, stage: Stage, task: Task, run: Run
) -> Objective:
    """The plain sum of L_att, L_hidden and L_dark (Feng et al. 2021).

    Args:
        initial: The student, and the directions it was initialised from, which its projection starts with.
        teacher: What it learns from.
        settings: Which terms.
        stage: Has the temperature of the soft targets.
        task: Whether the teacher gives classes or scores.
        run: Its streams draw the projection, where the student was initialised without directions.
    """
    sizes, known = initial.student.shape, teacher.shape
    last = layer_map("last", sizes.layers, known.layers)
    soft = ScoreMSE() if task.kind == "regression" else SoftCrossEntropy(stage.temperature)
    seed, start = run.seed_for("projection"), initial.directions
    hidden = HiddenMSE(last, sizes.width, known.width, initial=start, embedding=False, seed=seed)
    terms: dict[str, Objective] = {"attention": AttentionScoreMSE(last), "hidden": hidden, "prediction": soft}
    return Sum(*(term for name, term in terms.items() if getattr(settings, name)))

"""Every objective with its slow twin: what the conformance suite runs over. A new objective adds a line to `CASES`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.worlds import CLASSES, HEADS, STUDENT_WIDTH, TEACHER_WIDTH, World
from references.attention import attention_score_mse, mean_score_mse
from references.binary import binary_cross_entropy, soft_binary_cross_entropy
from references.cosine import cosine_distance
from references.hidden import projected_hidden_mse
from references.patience import patience_distance
from references.pieces import piece_cross_entropy, piece_soft_cross_entropy
from references.prediction import cross_entropy, logits_squared_error, soft_cross_entropy, squared_error
from references.relation import attention_relation, self_relation
from references.spans import span_cross_entropy, span_soft_cross_entropy
from tinybert.layer_maps import layer_map, patience_map
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.binary import GoldBinaryCrossEntropy, SoftBinaryCrossEntropy
from tinybert.objectives.cosine import CosineDistance
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.patience import PatienceMSE
from tinybert.objectives.pieces import PieceCrossEntropy, PieceSoftCrossEntropy
from tinybert.objectives.prediction import GoldCrossEntropy, GoldMSE, LogitsMSE, ScoreMSE, SoftCrossEntropy
from tinybert.objectives.relation import RelationKL, SelfRelationKL
from tinybert.objectives.spans import SpanCrossEntropy, SpanSoftCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.types import LOGITS, PIECE_LOGITS, Objective, Signal

MAP = layer_map("uniform", 2, 5)  # 1 -> 3, 2 -> 5
PATIENT = patience_map("skip", 3, 5)  # 1 -> 2, 2 -> 4
GOLD_CLASSES = torch.tensor([1, 0, 1])
GOLD_SETS = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=torch.uint8)
GOLD_TAGS = torch.tensor(  # of pieces
    [[-1, 2, -1, 0, -1, -1, -1], [-1, 0, 1, -1, 1, 2, -1], [1, -1, -1, -1, -1, -1, -1]]
)
GOLD_SPANS = torch.tensor(  # of positions: 1 where an answer begins, 2 where it ends
    [[0, -1, 1, 2, -1, -1, -1], [3, -1, 0, 0, 0, 0, -1], [0, 3, -1, -1, -1, -1, -1]]
)
GOLD_SCORES = torch.tensor([0.5, -2.0, 3.25], dtype=torch.float64)


def shown(world: World, kind: str, m: int, g: int) -> tuple[Tensor, Tensor]:
    """What both networks show of a kind, the student at layer m and the teacher at layer g."""
    return world.student[Signal(kind, m)], world.teacher[Signal(kind, g)]


def twin_soft(objective: Objective, world: World) -> Sequence[float]:
    return soft_cross_entropy(world.student[LOGITS], world.teacher[LOGITS], objective.temperature)


def twin_soft_scaled(objective: Objective, world: World) -> Sequence[float]:
    return [objective.temperature**2 * loss for loss in twin_soft(objective, world)]


def twin_logits(objective: Objective, world: World) -> Sequence[float]:
    return logits_squared_error(world.student[LOGITS], world.teacher[LOGITS])


def twin_gold(objective: Objective, world: World) -> Sequence[float]:
    return cross_entropy(world.student[LOGITS], world.batch.labels)


def twin_gold_weighted(objective: Objective, world: World) -> Sequence[float]:
    pairs = zip(twin_gold(objective, world), world.batch.labels, strict=True)
    return [float(objective.weights[label]) * loss for loss, label in pairs]


def twin_soft_weighted(objective: Objective, world: World) -> Sequence[float]:
    given = world.student[LOGITS], world.teacher[LOGITS], objective.temperature
    return soft_cross_entropy(*given, objective.weights.tolist())


def twin_gold_binary(objective: Objective, world: World) -> Sequence[float]:
    return binary_cross_entropy(world.student[LOGITS], world.batch.labels)


def twin_soft_binary(objective: Objective, world: World) -> Sequence[float]:
    return soft_binary_cross_entropy(world.student[LOGITS], world.teacher[LOGITS], objective.temperature)


def twin_tags(objective: Objective, world: World) -> Sequence[float]:
    return piece_cross_entropy(world.student[PIECE_LOGITS], world.batch.labels)


def twin_soft_tags(objective: Objective, world: World) -> Sequence[float]:
    logits = world.student[PIECE_LOGITS], world.teacher[PIECE_LOGITS]
    return piece_soft_cross_entropy(*logits, world.batch.labels, objective.temperature)


def twin_spans(objective: Objective, world: World) -> Sequence[float]:
    return span_cross_entropy(world.student[PIECE_LOGITS], world.batch.labels)


def twin_soft_spans(objective: Objective, world: World) -> Sequence[float]:
    logits = world.student[PIECE_LOGITS], world.teacher[PIECE_LOGITS]
    return span_soft_cross_entropy(*logits, world.batch.labels, objective.temperature)


def twin_gold_score(objective: Objective, world: World) -> Sequence[float]:
    return squared_error(world.student[LOGITS][:, 0], world.batch.labels)


def twin_score(objective: Objective, world: World) -> Sequence[float]:
    return squared_error(world.student[LOGITS][:, 0], world.teacher[LOGITS][:, 0])


def twin_attention(objective: Objective, world: World, function: Callable = attention_score_mse) -> Sequence[float]:
    layers = [function(*shown(world, "attention_scores", m, g), world.batch.real) for m, g in ((1, 3), (2, 5))]
    return [sum(values) for values in zip(*layers, strict=True)]


def twin_means(objective: Objective, world: World) -> Sequence[float]:
    return twin_attention(objective, world, mean_score_mse)


def twin_hidden(*names: str) -> Callable[[Objective, World], Sequence[float]]:
    """Twin of three layers (embedding, 1 -> 3, 2 -> 5) that go through the projections of these names."""

    def twin(objective: Objective, world: World) -> Sequence[float]:
        weights = {name: objective.state_dict()[f"projections.{name}"].T.tolist() for name in names}
        layers = [
            projected_hidden_mse(*shown(world, "hidden_states", m, g), world.batch.real, weights[name])
            for name, (m, g) in zip(names, ((0, 0), (1, 3), (2, 5)), strict=True)
        ]
        return [sum(values) for values in zip(*layers, strict=True)]

    return twin


def twin_last_hidden(objective: Objective, world: World) -> Sequence[float]:
    weight = objective.state_dict()["projections.hidden"]
    return projected_hidden_mse(*shown(world, "hidden_states", 2, 5), world.batch.real, weight.T.tolist())


def twin_cosine(objective: Objective, world: World) -> Sequence[float]:
    return cosine_distance(*shown(world, "hidden_states", 2, 5), world.batch.real)


def twin_patience(*, normalised: bool, divisor: int = 1) -> Callable[[Objective, World], Sequence[float]]:
    def twin(objective: Objective, world: World) -> Sequence[float]:
        layers = [patience_distance(*shown(world, "first_state", m, g), normalised) for m, g in ((1, 2), (2, 4))]
        return [sum(values) / divisor for values in zip(*layers, strict=True)]

    return twin


def twin_relation(objective: Objective, world: World) -> Sequence[float]:
    attention = attention_relation(*shown(world, "attention_scores", 2, 5), world.batch.real)
    values = self_relation(*shown(world, "values", 2, 5), world.batch.real, HEADS)
    return [sum(terms) for terms in zip(attention, values, strict=True)]


def twin_self_relation(objective: Objective, world: World) -> Sequence[float]:
    kinds = ("queries", "keys", "values")
    terms = [self_relation(*shown(world, kind, 2, 5), world.batch.real, objective.relation_heads) for kind in kinds]
    return [sum(values) for values in zip(*terms, strict=True)]


def twin_sum(objective: Objective, world: World) -> Sequence[float]:
    soft, gold = twin_soft(SoftCrossEntropy(2.0), world), twin_gold(objective, world)
    attention = twin_attention(objective, world)
    return [0.25 * s + 3.0 * g + 7.0 * a for s, g, a in zip(soft, gold, attention, strict=True)]


def hidden(projection: str = "embedding_and_hidden") -> HiddenMSE:
    return HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, projection, seed=5)


def last_hidden() -> HiddenMSE:
    return HiddenMSE(layer_map("last", 2, 5), STUDENT_WIDTH, TEACHER_WIDTH, embedding=False, seed=5)


def weighted() -> Sum:
    return Sum((0.25, SoftCrossEntropy(2.0)), (3.0, GoldCrossEntropy()), (7.0, AttentionScoreMSE(MAP)))


@dataclass(frozen=True)
class Case:
    """An objective, its slow twin, how many outputs the head has, and the gold labels where it learns from those.

    `student_width` and `teacher_heads` are for objectives that want widths equal, or take other heads.
    """

    make: Callable[[], Objective]
    twin: Callable[[Objective, World], Sequence[float]]
    outputs: int = CLASSES
    labels: Tensor | None = None
    student_width: int = STUDENT_WIDTH
    teacher_heads: int = HEADS


CASES = {
    "soft": Case(SoftCrossEntropy, twin_soft),
    "soft, warm": Case(lambda: SoftCrossEntropy(2.5), twin_soft, outputs=17),
    "soft, scaled": Case(lambda: SoftCrossEntropy(2.5, scaled=True), twin_soft_scaled),
    "soft, weighted": Case(lambda: SoftCrossEntropy(2.5, weights=(0.25, 1.75)), twin_soft_weighted),
    "gold, weighted": Case(lambda: GoldCrossEntropy((0.25, 1.75)), twin_gold_weighted, labels=GOLD_CLASSES),
    "logits": Case(LogitsMSE, twin_logits),
    "score": Case(ScoreMSE, twin_score, outputs=1),
    "gold": Case(GoldCrossEntropy, twin_gold, labels=GOLD_CLASSES),
    "gold score": Case(GoldMSE, twin_gold_score, outputs=1, labels=GOLD_SCORES),
    "gold, several": Case(GoldBinaryCrossEntropy, twin_gold_binary, outputs=3, labels=GOLD_SETS),
    "soft, several": Case(lambda: SoftBinaryCrossEntropy(2.5), twin_soft_binary, outputs=3),
    "gold, tags": Case(PieceCrossEntropy, twin_tags, outputs=3, labels=GOLD_TAGS),
    "soft, tags": Case(lambda: PieceSoftCrossEntropy(2.5), twin_soft_tags, outputs=3, labels=GOLD_TAGS),
    "gold, spans": Case(SpanCrossEntropy, twin_spans, labels=GOLD_SPANS),
    "soft, spans": Case(lambda: SpanSoftCrossEntropy(2.5), twin_soft_spans, labels=GOLD_SPANS),
    "hidden": Case(hidden, twin_hidden("embedding", "hidden", "hidden")),
    "hidden, shared": Case(lambda: hidden("shared"), twin_hidden("shared", "shared", "shared")),
    "hidden, per layer": Case(lambda: hidden("per_layer"), twin_hidden("embedding", "layer_1", "layer_2")),
    "hidden, last": Case(last_hidden, twin_last_hidden),
    "attention": Case(lambda: AttentionScoreMSE(MAP), twin_attention),
    "cosine": Case(lambda: CosineDistance(2, 5), twin_cosine, student_width=TEACHER_WIDTH),
    "patience": Case(lambda: PatienceMSE(PATIENT), twin_patience(normalised=True), student_width=TEACHER_WIDTH),
    "patience, averaged": Case(
        lambda: PatienceMSE(PATIENT, normalised=False, averaged=True),
        twin_patience(normalised=False, divisor=2 * TEACHER_WIDTH),
        student_width=TEACHER_WIDTH,
    ),
    "attention, means": Case(lambda: AttentionScoreMSE(MAP, heads="means"), twin_means, teacher_heads=3),
    "relation": Case(lambda: RelationKL(2, 5, HEADS), twin_relation),
    "self-relation": Case(lambda: SelfRelationKL(2, 5, HEADS), twin_self_relation),
    "sum": Case(weighted, twin_sum, labels=GOLD_CLASSES),
}

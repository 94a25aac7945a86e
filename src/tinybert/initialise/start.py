"""A student's first weights, without looking at text: drawn at random, or copied from layers of its teacher."""

from dataclasses import dataclass

from transformers import PretrainedConfig

from tinybert.errors import UserError
from tinybert.families import FAMILIES, family_of
from tinybert.families.bert import bert_config
from tinybert.families.network import MASKED_LM, Family, Network, Shape
from tinybert.layer_maps import LayerMap, layer_map
from tinybert.models.heads import Head
from tinybert.models.student import check_depth
from tinybert.run import seeded


@dataclass(frozen=True)
class Plan:
    """What student to make.

    Attributes:
        shape: Sizes of the student.
        head: What the task asks for; None = no task: the head is a masked LM's.
        seed: Of everything that is random: all weights of `random`, the head of `layers` and `project`.
        layer_map: Which teacher layer each student layer is made from; None = uniform.
    """

    shape: Shape
    head: Head | None
    seed: int
    layer_map: LayerMap | None = None


def random(plan: Plan, teacher: Network) -> Network:
    """A student with the initial weights of its family, drawn from the plan's seed alone; eval mode.

    Vocabulary, positions, dropout and the like are the teacher's; a student of another family has its own dropout, and
    no more positions than the teacher.
    """
    family = FAMILIES[plan.shape.family or teacher.family]
    same = family.name == teacher.family
    pattern = teacher.config if same else bert_config(teacher.config, teacher.longest)
    return _created(plan, family, family.resized(pattern, plan.shape))


def _created(plan: Plan, family: Family, config: PretrainedConfig) -> Network:
    config.name_or_path = ""  # where the teacher lay is no business of the student's config.json
    if plan.head is not None:
        plan.head.describe_in(config)
    with seeded(plan.seed):
        return family.create(config, MASKED_LM if plan.head is None else plan.head.auto)


def layers(plan: Plan, teacher: Network) -> Network:
    """A student of the teacher's own sizes but fewer layers: its embeddings and chosen layers; the head is random.

    Raises:
        UserError: If any other size differs, or the student is deeper than the teacher.
    """
    pairs = copied_layers(plan, teacher)
    check_same_sizes(plan.shape, teacher.shape)
    family = family_of(teacher.config)
    config = family.resized(teacher.config, plan.shape)
    family.take_layers(config, teacher.config, [copied for _, copied in pairs])
    student = _created(plan, family, config)
    ours, theirs = student.parts, teacher.parts
    for new, old in zip(ours.below_layers, theirs.below_layers, strict=True):
        new.load_state_dict(old.state_dict())
    for number, copied in pairs:
        new, weights = ours.layers[number - 1], theirs.layers[copied - 1].state_dict()
        # ModernBERT's first layer lacks a norm that others have; the embeddings' own stands before it.
        new.load_state_dict({name: weights[name] for name in new.state_dict()})
    return student


def check_same_sizes(student: Shape, teacher: Shape) -> None:
    """Refuse layers that cannot be copied; errors as of `layers`."""
    for name in ("width", "heads", "inner"):
        if (wanted := getattr(student, name)) != (has := getattr(teacher, name)):
            raise UserError(f"student.init=layers copies layers, so {name} must be the teacher's {has}, not {wanted}")


def copied_layers(plan: Plan, teacher: Network) -> tuple[tuple[int, int], ...]:
    """Which teacher layer each student layer is made from, bottom first."""
    check_depth(plan.shape, teacher.shape)
    pairs = (plan.layer_map or layer_map("uniform", plan.shape.layers, len(teacher.parts.layers))).pairs
    if [number for number, _ in pairs] != list(range(1, plan.shape.layers + 1)):
        raise ValueError(
            f"an initialisation needs a teacher layer for each of {plan.shape.layers} layers, the map has {pairs}"
        )
    return pairs

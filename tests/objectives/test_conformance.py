"""What holds for every objective, written once. A new objective is covered by one more line in `cases.py`."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

import tinybert.objectives
from objectives.cases import CASES, MAP, Case
from objectives.worlds import (
    BATCH,
    CLASSES,
    HEADS,
    TEACHER_WIDTH,
    World,
    make_batch,
    make_trace,
    mapped,
    padded,
    rows,
)
from references.prediction import entropy
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.masked_lm import GeneratorLikelihood, MaskedCrossEntropy, MaskedSoftCrossEntropy
from tinybert.objectives.patience import PatienceMSE
from tinybert.objectives.prediction import GoldCrossEntropy, GoldMSE, LogitsMSE, ScoreMSE, SoftCrossEntropy
from tinybert.objectives.relation import RelationKL, SelfRelationKL
from tinybert.types import LOGITS, NO_TRACE, Objective, Trace

every_objective = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


def build(case: Case, dtype: torch.dtype = torch.float64) -> tuple[Objective, World]:
    """The objective, and traces that hold what it asks for and nothing else."""
    objective = case.make().double() if dtype is torch.float64 else case.make()
    student = make_trace(objective.needs_student, case.student_width, case.outputs, 1, dtype)
    teacher = make_trace(objective.needs_teacher, TEACHER_WIDTH, case.outputs, 2, dtype, case.teacher_heads)
    return objective, World(student, teacher, make_batch(case.labels))


def value(objective: Objective, world: World) -> Tensor:
    return objective(world.student, world.teacher, world.batch)


def gradients(objective: Objective, world: World) -> list[Tensor]:
    """Gradients of the sum over examples with respect to all that the student showed, and to the objective's own."""
    leaves = mapped(world.student, lambda _, tensor: tensor.detach().clone().requires_grad_())
    value(objective, replace(world, student=leaves)).sum().backward()
    found = [*leaves.values(), *objective.parameters()]
    collected = [tensor.grad.clone() for tensor in found]
    objective.zero_grad()
    return collected


@every_objective
def test__equals_its_slow_twin(case: Case) -> None:
    objective, world = build(case)
    expected = torch.tensor(case.twin(objective, world), dtype=torch.float64)
    torch.testing.assert_close(value(objective, world), expected, rtol=1e-10, atol=1e-10)
    assert expected.min() > 0
    assert len(set(expected.tolist())) == BATCH


@every_objective
def test__is_the_sum_of_its_terms(case: Case) -> None:
    objective, world = build(case)
    terms = objective.terms(world.student, world.teacher, world.batch)
    assert all(values.shape == (BATCH,) for values in terms.values())
    torch.testing.assert_close(value(objective, world), sum(terms.values()))


@every_objective
def test__gradient_is_that_of_finite_differences(case: Case) -> None:
    objective, world = build(case)
    shown, own = world.student, dict(objective.named_parameters())

    def compute(*tensors: Tensor) -> Tensor:
        student = Trace(dict(zip(shown, tensors[: len(shown)], strict=True)))
        parameters = dict(zip(own, tensors[len(shown) :], strict=True))
        return functional_call(objective, parameters, (student, world.teacher, world.batch))

    leaves = [tensor.detach().clone().requires_grad_() for tensor in (*shown.values(), *own.values())]
    assert torch.autograd.gradcheck(compute, leaves, fast_mode=True)


@every_objective
def test__everything_it_owns_and_needs_gets_a_gradient_and_the_teacher_none(case: Case) -> None:
    objective, world = build(case)
    assert all(gradient.abs().sum() > 0 for gradient in gradients(objective, world))
    assert all(tensor.grad is None and not tensor.requires_grad for tensor in world.teacher.values())


@every_objective
@pytest.mark.parametrize("fill", [0.0, -1e4, float("nan"), float("inf")])
def test__padding_changes_nothing(case: Case, fill: float) -> None:
    objective, world = build(case)
    more = padded(world, extra=4, fill=fill)
    torch.testing.assert_close(value(objective, more), value(objective, world))
    before, after = gradients(objective, world), gradients(objective, more)
    for narrow, wide in zip(before, after, strict=True):
        inside = wide[tuple(slice(size) for size in narrow.shape)]
        torch.testing.assert_close(inside, narrow)
        torch.testing.assert_close(wide.abs().sum(), narrow.abs().sum())


@every_objective
def test__permuting_the_batch_permutes_the_values(case: Case) -> None:
    objective, world = build(case)
    order = [2, 0, 1]
    torch.testing.assert_close(value(objective, rows(world, order)), value(objective, world)[order])


@every_objective
def test__an_example_has_the_same_value_in_any_company(case: Case) -> None:
    objective, world = build(case)
    order = [1, 1, 0, 1]
    torch.testing.assert_close(value(objective, rows(world, order)), value(objective, world)[order])
    torch.testing.assert_close(value(objective, rows(world, [2])), value(objective, world)[[2]])


@every_objective
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test__half_precision_is_compared_in_float32(case: Case, dtype: torch.dtype) -> None:
    objective, world = build(case, dtype)
    exact, same_numbers = case.make().double(), mapped(world.student, lambda _, tensor: tensor.double())
    teacher = mapped(world.teacher, lambda _, tensor: tensor.double())
    found = value(objective, world)
    assert found.dtype is torch.float32
    expected = value(exact, World(same_numbers, teacher, world.batch)).float()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@every_objective
def test__under_autocast_the_values_are_float32_and_nearly_the_same(case: Case) -> None:
    objective, world = build(case, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = value(objective, world)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, value(objective, world), rtol=0.02, atol=0.02)


@every_objective
def test__asks_for_exactly_what_it_uses(case: Case) -> None:
    objective, world = build(case)
    for side in ("student", "teacher"):
        shown = getattr(world, side)
        for missing in shown:
            fewer = Trace({signal: tensor for signal, tensor in shown.items() if signal != missing})
            with pytest.raises(ValueError, match=f"not {missing}; name it in"):
                objective.terms(*replace(world, **{side: fewer}).given)
            with pytest.raises(ValueError, match=f"not {missing}; name it in"):
                value(objective, replace(world, **{side: fewer}))


@every_objective
def test__traces_of_another_batch_are_refused(case: Case) -> None:
    objective, world = build(case)
    for side in ("student", "teacher"):
        for signal, tensor in getattr(world, side).items():
            shorter = [tensor.narrow(1 + signal.axes.index("piece"), 0, 1)] if "piece" in signal.axes else []
            for wrong in (tensor[:-1], tensor[..., None], tensor.long(), *shorter):
                changed = Trace({**getattr(world, side), signal: wrong})
                with pytest.raises(ValueError, match=rf"{signal}: torch.* do not belong to a batch of 3 examples"):
                    value(objective, replace(world, **{side: changed}))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.tensor([0.5, 1.0, 0.0]), "these labels are scores, not classes; a score learns by GoldMSE"),
        (torch.tensor([0, 1, 2]), "labels run from 0 to 2, and the head has 2 classes, counted from 0"),
        (torch.tensor([-100, 1, 0]), "labels run from -100 to 1"),
        (torch.ones(3, 2), r"labels are \(3, 2\) for 3 examples: one for each; several learn by GoldBinary"),
    ],
)
def test__labels_of_the_wrong_kind_are_refused(labels: Tensor, said: str) -> None:
    student = make_trace({LOGITS}, 0, 2, 1, torch.float32)
    with pytest.raises(ValueError, match=said):
        GoldCrossEntropy()(student, NO_TRACE, make_batch(labels))


def test__states_of_another_width_are_refused() -> None:
    objective = HiddenMSE(MAP, TEACHER_WIDTH + 1, TEACHER_WIDTH)
    traces = [
        make_trace(needs, TEACHER_WIDTH, 0, 1, torch.float32)
        for needs in (objective.needs_student, objective.needs_teacher)
    ]
    with pytest.raises(ValueError, match="states are 13 wide, this objective was made for 14"):
        objective(*traces, make_batch(None))


@every_objective
def test__creating_it_leaves_the_global_random_state_alone(case: Case) -> None:
    before = torch.get_rng_state()
    first, second = case.make().state_dict(), case.make().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


IDENTITY = torch.eye(TEACHER_WIDTH)
AGREEING = {
    "score": (ScoreMSE, 1),
    "hidden": (lambda: HiddenMSE(MAP, TEACHER_WIDTH, TEACHER_WIDTH, initial=IDENTITY), CLASSES),
    "attention": (lambda: AttentionScoreMSE(MAP), CLASSES),
    "logits": (LogitsMSE, CLASSES),
    "patience": (lambda: PatienceMSE(MAP), CLASSES),
    "relation": (lambda: RelationKL(2, 5, HEADS), CLASSES),
    "self-relation": (lambda: SelfRelationKL(2, 5, HEADS), CLASSES),
}


@pytest.mark.parametrize(("make", "outputs"), AGREEING.values(), ids=AGREEING)
def test__is_zero_when_the_student_shows_what_the_teacher_shows(make: Callable[[], Objective], outputs: int) -> None:
    objective = make()
    teacher = make_trace(objective.needs_teacher, TEACHER_WIDTH, outputs, 2, torch.float32)
    by_layer = dict(((0, 0), *MAP.pairs))
    student = Trace({s: teacher[replace(s, layer=by_layer[s.layer])] for s in objective.needs_student})
    assert torch.equal(value(objective, World(student, teacher, make_batch(None))), torch.zeros(BATCH))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test__soft_cross_entropy_is_the_teachers_entropy_when_they_agree_and_never_less(temperature: float) -> None:
    objective = SoftCrossEntropy(temperature)
    teacher = make_trace({LOGITS}, 0, 17, 2, torch.float64)
    floor = torch.tensor(entropy(teacher[LOGITS], temperature), dtype=torch.float64)
    torch.testing.assert_close(objective(teacher, teacher, make_batch(None)), floor)
    other = make_trace({LOGITS}, 0, 17, 3, torch.float64)
    assert (objective(other, teacher, make_batch(None)) > floor).all()


@pytest.mark.parametrize("make", [GoldCrossEntropy, GoldMSE])
def test__gold_objectives_need_labels_and_no_teacher(make: Callable[[], Objective]) -> None:
    objective = make()
    assert objective.needs_teacher == frozenset()
    student = make_trace(objective.needs_student, 0, 2 if make is GoldCrossEntropy else 1, 1, torch.float32)
    with pytest.raises(ValueError, match="no gold labels"):
        objective(student, NO_TRACE, make_batch(None))


def modules() -> list[str]:
    return [f"tinybert.objectives.{found.name}" for found in pkgutil.iter_modules(tinybert.objectives.__path__)]


def test__every_objective_has_a_case() -> None:
    defined = {
        member
        for name in modules()
        for _, member in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if issubclass(member, Objective) and not inspect.isabstract(member)
    }
    # They are given one row per masked position, not per example; see test_masked_lm.py.
    by_place = {GeneratorLikelihood, MaskedCrossEntropy, MaskedSoftCrossEntropy}
    assert defined - by_place == {type(case.make()) for case in CASES.values()}


@pytest.mark.parametrize("name", modules())
def test__docstring_examples_say_what_happens(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.failed == 0
    assert result.attempted == inspect.getsource(module).count(">>> ")

from dataclasses import replace

import pytest
import torch

from conftest import families_that_start
from tinybert.errors import UserError
from tinybert.families import shape_of
from tinybert.families.network import Shape
from tinybert.initialise import project, start
from tinybert.initialise.start import Plan
from tinybert.layer_maps import LayerMap
from tinybert.models.heads import SCORE, Head
from tinybert.types import LOGITS, Signal

NARROW = Shape(layers=2, width=12, heads=3, inner=29)
ANSWERS = Head(("no", "yes"))


def plan(shape=NARROW, head=ANSWERS, seed=0, **others):
    return Plan(shape, head, seed, **others)


def text(make_batch, model, batches=6):
    pad = model.config.pad_token_id
    return [make_batch([11, 5, 17, 8, 13, 9, 16], pad=pad, seed=seed) for seed in range(batches)]


def hidden(model, batch, layers):
    trace = model.observe(batch, frozenset(Signal("hidden_states", layer) for layer in layers))
    return {layer: trace[Signal("hidden_states", layer)][batch.real].detach() for layer in layers}


# --- random


@pytest.mark.parametrize("model_type", families_that_start("random"))
def test__a_random_student_has_the_shape_and_classes_of_the_plan(tiny_model, make_batch, model_type):
    teacher = tiny_model(model_type, layers=3)
    teacher.config.hidden_dropout_prob = 0.17
    student = start.random(plan(replace(NARROW, family=model_type), Head(("a", "b", "c"))), teacher)
    assert shape_of(student.config) == replace(NARROW, family=model_type)
    assert student.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert student.config.hidden_dropout_prob == 0.17
    assert not student.training
    batch = text(make_batch, student)[0]
    assert student.observe(batch, frozenset({LOGITS}))[LOGITS].shape == (7, 3)


def test__a_random_student_depends_on_its_seed_alone_and_disturbs_no_other_randomness(tiny_bert):
    teacher = tiny_bert(layers=3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    digest = start.random(plan(), teacher).digest()
    assert torch.equal(torch.rand(3), expected)
    assert digest == start.random(plan(), teacher).digest()
    assert digest != start.random(plan(seed=1), teacher).digest()


def test__no_classes_mean_one_score(tiny_bert):
    student = start.random(plan(head=SCORE), tiny_bert(layers=3, outputs=3))
    assert (student.config.num_labels, student.config.problem_type) == (1, "regression")


# --- layers


@pytest.mark.parametrize("model_type", families_that_start("layers"))
def test__copied_layers_work_as_in_the_teacher(tiny_model, make_batch, model_type):
    teacher = tiny_model(model_type, layers=4)
    lowest = LayerMap(((1, 1), (2, 2)))
    student = start.layers(plan(Shape(2, 24, 3, 41, model_type), layer_map=lowest), teacher)
    batch = text(make_batch, teacher)[0]
    kept = (0, 1) if student.layout.final_norm else (0, 1, 2)  # the teacher's second layer is followed by no norm
    for layer, states in hidden(student, batch, kept).items():
        torch.testing.assert_close(states, hidden(teacher, batch, (layer,))[layer])
    scores = frozenset({Signal("attention_scores", 2)})
    torch.testing.assert_close(student.observe(batch, scores), teacher.observe(batch, scores))


def test__layers_are_chosen_by_the_map_and_uniform_by_default(tiny_bert):
    teacher = tiny_bert(layers=4)
    student = start.layers(plan(Shape(2, 24, 3, 41)), teacher)
    for m, g in ((1, 2), (2, 4)):
        copied, original = student.model.bert.encoder.layer[m - 1], teacher.model.bert.encoder.layer[g - 1]
        for name, value in original.state_dict().items():
            assert torch.equal(copied.state_dict()[name], value)
    assert not torch.equal(student.model.bert.pooler.dense.weight, teacher.model.bert.pooler.dense.weight)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape(2, 12, 3, 41), "width must be the teacher's 24, not 12"),
        (Shape(2, 24, 4, 41), "heads must be the teacher's 3, not 4"),
        (Shape(2, 24, 3, 96), "inner must be the teacher's 41, not 96"),
        (Shape(4, 24, 3, 41), "4 layers cannot learn layer by layer from a teacher of 3"),
    ],
)
def test__other_sizes_cannot_be_copied(tiny_bert, shape, message):
    with pytest.raises(UserError, match=message):
        start.layers(plan(shape), tiny_bert(layers=3))


def test__a_map_that_leaves_layers_out_makes_no_student(tiny_bert):
    with pytest.raises(ValueError, match="a teacher layer for each of 2 layers"):
        start.layers(plan(Shape(2, 24, 3, 41), layer_map=LayerMap(((2, 3),))), tiny_bert(layers=3))


# --- project


@pytest.mark.parametrize("model_type", families_that_start("project"))
def test__projected_to_the_teachers_own_sizes_a_student_is_the_teacher(tiny_model, make_batch, model_type):
    teacher = tiny_model(model_type, layers=2)
    batches = text(make_batch, teacher)
    made = project.project(plan(Shape(2, 24, 3, 41, model_type)), teacher, batches)
    for layer, states in hidden(made.model, batches[0], (0, 1, 2)).items():
        torch.testing.assert_close(states, hidden(teacher, batches[0], (layer,))[layer], atol=1e-3, rtol=1e-3)
    scores = frozenset({Signal("attention_scores", 2)})
    same, original = (
        model.observe(batches[0], scores)[Signal("attention_scores", 2)] for model in (made.model, teacher)
    )
    torch.testing.assert_close(same, original, atol=5e-3, rtol=1e-3)
    assert min(made.r2.values()) > 0.9999
    assert made.energy == pytest.approx({0: 1, 1: 1, 2: 1})


@pytest.mark.parametrize("model_type", families_that_start("project"))
def test__a_projected_student_shows_what_the_report_says(tiny_model, make_batch, model_type):
    teacher = tiny_model(model_type, layers=4)
    batches = text(make_batch, teacher)
    made = project.project(plan(replace(NARROW, family=model_type)), teacher, batches)
    assert shape_of(made.model.config) == replace(NARROW, family=model_type)
    torch.testing.assert_close(made.directions.T @ made.directions, torch.eye(12))
    for layer, copied in ((0, 0), (1, 2), (2, 4)):
        student = torch.cat([hidden(made.model, batch, (layer,))[layer] for batch in batches])
        wanted = torch.cat([hidden(teacher, batch, (copied,))[copied] for batch in batches]) @ made.directions
        error = (student - wanted).square().sum() / (wanted - wanted.mean(dim=0)).square().sum()
        assert made.r2[layer] == pytest.approx(1 - float(error), abs=1e-3)
    assert made.r2[0] > 0.3
    assert set(made.energy) == {0, 1, 2, 3, 4}
    assert all(0.5 < share < 1 for share in made.energy.values())


def test__a_projected_student_is_nearer_to_its_teacher_than_a_random_one(tiny_bert, make_batch):
    teacher = tiny_bert(layers=4)
    batches, unseen = text(make_batch, teacher, 30), make_batch([15, 12], seed=99)
    made = project.project(plan(), teacher, batches)
    wanted = hidden(teacher, unseen, (4,))[4] @ made.directions
    errors = [
        float((hidden(student, unseen, (2,))[2] - wanted).square().mean())
        for student in (made.model, start.random(plan(), teacher))
    ]
    assert errors[0] < 0.6 * errors[1]


def test__projecting_twice_gives_the_same_bits_and_leaves_the_teacher_alone(tiny_bert, make_batch):
    teacher = tiny_bert(layers=4).train()
    batches, before = text(make_batch, teacher), teacher.digest()
    first, second = (project.project(plan(), teacher, iter(batches)) for _ in range(2))
    assert first.model.digest() == second.model.digest()
    assert torch.equal(first.directions, second.directions)
    assert teacher.digest() == before
    assert teacher.training
    assert all(parameter.requires_grad for parameter in first.model.parameters())


def test__padding_changes_nothing(tiny_bert, make_batch):
    teacher = tiny_bert(layers=4)
    batches = [make_batch([9], seed=seed) for seed in range(20)]
    padded = [
        type(batch)(
            torch.nn.functional.pad(batch.input_ids, (0, 4), value=7),
            torch.nn.functional.pad(batch.token_type_ids, (0, 4)),
            torch.nn.functional.pad(batch.real, (0, 4)),
            batch.labels,
            batch.rows,
        )
        for batch in batches
    ]
    plain, other = (project.project(plan(), teacher, some) for some in (batches, padded))
    assert plain.r2 == pytest.approx(other.r2, abs=1e-3)
    torch.testing.assert_close(plain.directions, other.directions, atol=1e-4, rtol=1e-3)


def test__more_inner_neurons_than_the_teacher_has_are_kept_random(tiny_bert, make_batch):
    teacher = tiny_bert(layers=4)
    batches, shape = text(make_batch, teacher), Shape(2, 12, 3, 60)
    made = project.project(plan(shape), teacher, batches).model
    initial = start.random(plan(shape), teacher)
    rows = [model.model.bert.encoder.layer[0].intermediate.dense.weight[41:] for model in (made, initial)]
    assert torch.equal(*rows)


def test__text_is_read_until_there_is_enough(tiny_bert, make_batch, monkeypatch):
    monkeypatch.setattr(project, "_PIECES", 100)
    teacher = tiny_bert(layers=4)
    batches = iter(text(make_batch, teacher))  # 79 pieces each
    project.project(plan(), teacher, batches)
    assert len(list(batches)) == 4


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape(2, 12, 4, 29), "keeps the teacher's 3 heads"),
        (Shape(2, 27, 3, 29), r"at most as wide as its teacher \(24\), not 27"),
        (Shape(5, 12, 3, 29), "5 layers cannot learn layer by layer"),
    ],
)
def test__students_that_cannot_be_projected_are_refused(tiny_bert, make_batch, shape, message):
    teacher = tiny_bert(layers=4)
    with pytest.raises(UserError, match=message):
        project.project(plan(shape), teacher, text(make_batch, teacher))


def test__projecting_without_text_is_refused(tiny_bert):
    with pytest.raises(UserError, match="needs text"):
        project.project(plan(), tiny_bert(layers=4), [])

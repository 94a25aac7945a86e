import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import BATCH, HEADS, SEQ, STUDENT_WIDTH, TEACHER_WIDTH, local, make_batch
from references import relation as reference
from tinybert.objectives.relation import RelationKL, SelfRelationKL, attention_relation, self_relation
from tinybert.types import Signal, Trace

EVERYTHING_REAL = torch.ones(BATCH, SEQ, dtype=torch.bool)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scores(seed: int, heads: int = HEADS) -> torch.Tensor:
    return normal(BATCH, heads, SEQ, SEQ, seed=seed)


def values(seed: int, width: int) -> torch.Tensor:
    return normal(BATCH, SEQ, HEADS * width, seed=seed)


def test_attention_relation__without_padding_it_is_torchs_divergence() -> None:
    student, teacher = scores(1), scores(2)
    expected = F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean") * BATCH
    found = attention_relation(student, teacher, EVERYTHING_REAL)
    torch.testing.assert_close(found.sum(), expected / (HEADS * SEQ))


def test_attention_relation__padding_has_no_share() -> None:
    teacher = torch.tensor([0.0, 0.0, 99.0]).expand(1, 1, 3, 3)
    student = torch.tensor([0.0, 99.0, 0.0]).expand(1, 1, 3, 3)
    even = torch.zeros(1, 1, 3, 3)
    real = torch.tensor([[True, True, False]])
    assert torch.equal(attention_relation(even, teacher, real), torch.zeros(1))  # of two pieces, both have a half
    torch.testing.assert_close(attention_relation(even, student, real).exp(), torch.tensor([2.0]))


def test_attention_relation__a_constant_added_to_the_scores_of_a_piece_changes_nothing() -> None:
    student, teacher = scores(1), scores(2)
    moved = attention_relation(student + normal(BATCH, HEADS, SEQ, 1, seed=3), teacher, EVERYTHING_REAL)
    torch.testing.assert_close(moved, attention_relation(student, teacher, EVERYTHING_REAL))


def test_attention_relation__student_and_teacher_are_not_exchangeable() -> None:
    forth = attention_relation(scores(1), scores(2), EVERYTHING_REAL)
    assert ((forth - attention_relation(scores(2), scores(1), EVERYTHING_REAL)).abs() > 1e-3).all()


@pytest.mark.parametrize("both", [False, True])
def test_attention_relation__local_attention_is_learnt_inside_its_window(both: bool) -> None:
    batch = make_batch(None)
    student, teacher = local(scores(1)) if both else scores(1), local(scores(2))
    leaf = student.clone().requires_grad_(True)
    found = attention_relation(leaf, teacher, batch.real)
    twin = reference.attention_relation(student, teacher, batch.real)
    torch.testing.assert_close(found, torch.tensor(twin, dtype=torch.float64))
    found.sum().backward()
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[local(torch.zeros_like(student)).isneginf()].any()


def test_self_relation__turning_the_space_of_a_head_changes_nothing() -> None:
    student, teacher = values(1, STUDENT_WIDTH), values(2, TEACHER_WIDTH)
    turns = [torch.linalg.qr(normal(STUDENT_WIDTH, STUDENT_WIDTH, seed=head))[0] for head in range(HEADS)]
    turned = student @ torch.block_diag(*turns)
    found = self_relation(turned, teacher, EVERYTHING_REAL, HEADS)
    torch.testing.assert_close(found, self_relation(student, teacher, EVERYTHING_REAL, HEADS))


@pytest.mark.parametrize(
    ("batch", "heads", "seq", "ours", "theirs"), [(1, 1, 1, 1, 3), (2, 3, 5, 7, 2), (3, 2, 11, 1, 1)]
)
def test__in_any_size_the_twins_agree_and_nothing_is_negative(
    batch: int, heads: int, seq: int, ours: int, theirs: int
) -> None:
    lengths = torch.arange(batch) * (seq - 1) // max(batch - 1, 1) + 1
    real = torch.arange(seq) < lengths[:, None]
    attention = normal(batch, heads, seq, seq, seed=1), normal(batch, heads, seq, seq, seed=2), real
    projected = normal(batch, seq, heads * ours, seed=3), normal(batch, seq, heads * theirs, seed=4), real, heads
    for found, expected in (
        (attention_relation(*attention), reference.attention_relation(*attention)),
        (self_relation(*projected), reference.self_relation(*projected)),
    ):
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)
        assert (found >= -1e-12).all()


@pytest.mark.parametrize("teacher_heads", [1, 3])
def test__numbers_of_heads_that_differ_are_refused_with_both_named(teacher_heads: int) -> None:
    with pytest.raises(ValueError, match=f"student has 5 heads, the teacher {teacher_heads}"):
        attention_relation(scores(1), scores(2, teacher_heads), EVERYTHING_REAL)


def test__heads_that_do_not_divide_the_values_are_refused() -> None:
    with pytest.raises(ValueError, match="4 heads do not divide widths 55 and 65; these do: 1, 5"):
        self_relation(values(1, STUDENT_WIDTH), values(2, TEACHER_WIDTH), EVERYTHING_REAL, 4)


def test__an_objective_made_for_other_heads_is_refused() -> None:
    student = Trace({Signal("attention_scores", 2): scores(1), Signal("values", 2): values(1, STUDENT_WIDTH)})
    teacher = Trace({Signal("attention_scores", 5): scores(2), Signal("values", 5): values(2, TEACHER_WIDTH)})
    with pytest.raises(ValueError, match="have 5 heads, this objective was made for 1"):
        RelationKL(2, 5, heads=1).terms(student, teacher, make_batch(None))


@pytest.mark.parametrize("kind", [RelationKL, SelfRelationKL])
@pytest.mark.parametrize("made", [(0, 5, 3), (2, 0, 3), (2, 5, 0)])
def test__layers_and_heads_are_counted_from_one(kind: type, made: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        kind(*made)


def test__relation_heads_need_be_the_heads_of_neither_network() -> None:
    """12 heads of 4 learn from 16 heads of 4, as 8 relation heads of 6 and of 8."""
    objective = SelfRelationKL(2, 5, relation_heads=8)
    kinds = ("queries", "keys", "values")
    student = Trace({Signal(kind, 2): normal(BATCH, SEQ, 48, seed=seed) for seed, kind in enumerate(kinds)})
    teacher = Trace({Signal(kind, 5): normal(BATCH, SEQ, 64, seed=9 + seed) for seed, kind in enumerate(kinds)})
    terms = objective.terms(student, teacher, make_batch(None))
    assert list(terms) == ["query_relation", "key_relation", "value_relation"]
    for term, kind in zip(terms, kinds, strict=True):
        arguments = student[Signal(kind, 2)], teacher[Signal(kind, 5)], make_batch(None).real, 8
        expected = torch.tensor(reference.self_relation(*arguments), dtype=torch.float64)
        torch.testing.assert_close(terms[term], expected)


def test__more_relation_heads_are_other_relations() -> None:
    few, many = (self_relation(values(1, 4), values(2, 4), EVERYTHING_REAL, heads) for heads in (5, 10))
    assert ((few - many).abs() > 1e-3).all()


def test__needs_two_signals_of_one_layer() -> None:
    objective = RelationKL(2, 5, HEADS)
    assert objective.needs_student == {Signal("attention_scores", 2), Signal("values", 2)}
    assert objective.needs_teacher == {Signal("attention_scores", 5), Signal("values", 5)}


def test__terms_are_named() -> None:
    student = Trace({Signal("attention_scores", 2): scores(1), Signal("values", 2): values(1, STUDENT_WIDTH)})
    teacher = Trace({Signal("attention_scores", 5): scores(2), Signal("values", 5): values(2, TEACHER_WIDTH)})
    terms = RelationKL(2, 5, HEADS).terms(student, teacher, make_batch(None))
    assert list(terms) == ["attention_relation", "value_relation"]

import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import BATCH, HEADS, SEQ, local, make_batch
from references import attention as reference
from tinybert.layer_maps import layer_map
from tinybert.objectives.attention import AttentionScoreMSE, attention_score_mse
from tinybert.types import Signal, Trace

EVERYTHING_REAL = torch.ones(BATCH, SEQ, dtype=torch.bool)


def scores(seed: int, heads: int = HEADS) -> torch.Tensor:
    return torch.randn(BATCH, heads, SEQ, SEQ, generator=torch.Generator().manual_seed(seed))


def scores_as_they_are(scores: torch.Tensor) -> torch.Tensor:
    return scores


def test__without_padding_the_mean_over_the_batch_is_the_official_loss() -> None:
    student, teacher = scores(1), scores(2)
    ours = attention_score_mse(student, teacher, EVERYTHING_REAL)
    torch.testing.assert_close(ours.mean(), F.mse_loss(student, teacher))


def test__rows_and_columns_of_padding_do_not_count() -> None:
    teacher = torch.tensor([[[[1.0, 2.0, 50.0], [3.0, 4.0, 50.0], [50.0, 50.0, 50.0]]]])
    real = torch.tensor([[True, True, False]])
    found = attention_score_mse(torch.zeros(1, 1, 3, 3), teacher, real)
    assert torch.equal(found, torch.tensor([(1 + 4 + 9 + 16) / 4]))


def test__a_gap_in_one_head_is_shared_out_over_all_heads() -> None:
    student, teacher = torch.zeros(2, HEADS, SEQ, SEQ), torch.zeros(2, HEADS, SEQ, SEQ)
    teacher[0, 3] = 2.0
    found = attention_score_mse(student, teacher, torch.ones(2, SEQ, dtype=torch.bool))
    torch.testing.assert_close(found, torch.tensor([4 / HEADS, 0.0]))


@pytest.mark.parametrize("whose", [(local, scores_as_they_are), (scores_as_they_are, local), (local, local)])
def test__local_attention_is_learnt_inside_its_window(whose) -> None:
    batch = make_batch(None)
    student, teacher = (change(scores(seed)) for seed, change in enumerate(whose))
    leaf = student.clone().requires_grad_(True)
    found = attention_score_mse(leaf, teacher, batch.real)
    twin = reference.attention_score_mse(student, teacher, batch.real)
    torch.testing.assert_close(found, torch.tensor(twin), atol=1e-5, rtol=1e-5)
    found.sum().backward()
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[local(torch.zeros_like(student)).isneginf()].any()


@pytest.mark.parametrize("teacher_heads", [1, 3])
def test__numbers_of_heads_that_differ_are_refused_with_both_named(teacher_heads: int) -> None:
    with pytest.raises(ValueError, match=f"student has 5 heads, the teacher {teacher_heads}"):
        attention_score_mse(scores(1), scores(2, teacher_heads), EVERYTHING_REAL)


def test__numbers_of_heads_that_differ_are_refused_unless_means_are_asked_for() -> None:
    student = Trace({Signal("attention_scores", 4): scores(1, 3)})
    teacher = Trace({Signal("attention_scores", 12): scores(2, 4)})
    batch, last = make_batch(None), layer_map("last", 4, 12)
    with pytest.raises(ValueError, match=r"student has 3 heads, the teacher 4; .*means over heads.*relation heads"):
        AttentionScoreMSE(last)(student, teacher, batch)
    torch.testing.assert_close(
        AttentionScoreMSE(last, heads="means")(student, teacher, batch),
        attention_score_mse(scores(1, 3).mean(1, keepdim=True), scores(2, 4).mean(1, keepdim=True), batch.real),
    )


def test__needs_the_layers_of_the_map_and_no_other() -> None:
    objective = AttentionScoreMSE(layer_map("last", 4, 12))
    assert objective.needs_student == {Signal("attention_scores", 4)}
    assert objective.needs_teacher == {Signal("attention_scores", 12)}


def test__layers_are_summed() -> None:
    objective = AttentionScoreMSE(layer_map("bottom", 2, 3))
    first, second = scores(1), scores(2)
    layers = [Signal("attention_scores", layer) for layer in (1, 2)]
    student = Trace(zip(layers, (first, second), strict=True))
    teacher = Trace(zip(layers, (first + 1, second + 2), strict=True))
    terms = objective.terms(student, teacher, make_batch(None))
    torch.testing.assert_close(terms, {"attention": torch.full((BATCH,), 5.0)})

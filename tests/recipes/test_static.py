"""The static floor: where its table comes from, pairs, and what is refused before anything is trained."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipes.workshop import on_one_processor, pairs, quick_finish, read, stage
from tinybert import predict
from tinybert.errors import UserError
from tinybert.initialise.static import piece_states
from tinybert.models.loading import load_classifier

pytestmark = pytest.mark.usefixtures("processor")


@on_one_processor
def test__the_table_begins_with_what_the_teacher_says_of_each_piece(headed):
    """By transformers alone and numpy's singular values, but for the signs of directions."""
    teacher, tokenizer = load_classifier(headed.path("teacher")).model, headed.tokenizer
    size = max(tokenizer.get_vocab().values()) + 1
    ids = torch.tensor([[tokenizer.cls_token_id, piece, tokenizer.sep_token_id] for piece in range(size)])
    with torch.no_grad():
        states = teacher.parts.base(input_ids=ids)[0][:, 1]
    torch.testing.assert_close(piece_states(teacher, tokenizer, size), states, atol=1e-5, rtol=1e-4)
    with quick_finish():
        headed.distill("static")
    started = load_file(stage(headed.path("run"), "init") / "result" / "model" / "model.safetensors")
    table = started["embeddings.weight"].numpy()
    centred = (states - states.mean(dim=0)).double().numpy()
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(table), np.abs(centred @ directions[:12].T), atol=1e-3)


def test__pairs_are_compared_and_answered_by_the_saved_student(headed):
    with quick_finish():
        headed.distill("static", **headed.splits(pairs))
    run = headed.path("run")
    assert load_classifier(run / "student").model.config.separator == headed.tokenizer.sep_token_id
    said = [answer["label"] for answer in read(run / "predictions.jsonl")]
    assert [one["label"] for one in predict(run, data=headed.path("test.tsv"))] == said


@on_one_processor
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"student": "0x0"}, "student: width must be at least 1"),
        ({"student": "0x25"}, "student: the teacher's vectors have 24 numbers; take 0x24 at most"),
        ({"also": ("student.inner=2",)}, "student.inner=2: a static table has nothing of the kind"),
    ],
)
def test__what_cannot_be_is_refused_in_one_line(headed, changes, problem):
    with pytest.raises(UserError, match=rf"(?m)^[^\n]*{problem}[^\n]*$"):
        headed.distill("static", dry_run=True, **changes)

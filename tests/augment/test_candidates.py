"""The K best whole words at hidden positions, against the network's own logits."""

import pytest
import torch

from conftest import VOCABULARY
from references import filling as slow
from tinybert.augment.candidates import Candidates, Context
from tinybert.models.masked_lm import MaskedLM

MASK = VOCABULARY.index("[MASK]")
LAST = {piece: number for number, piece in enumerate(VOCABULARY)}  # some stand there twice; the last one counts
WHOLE = [
    LAST[piece] == number and (piece == "[" or not piece.startswith(("[", "##")))
    for number, piece in enumerate(VOCABULARY)
]
TEXT = (2, *(VOCABULARY.index(word) for word in ("the", "film", "was", "good")), 3)


def logits_of(model, context, position):
    pieces = [MASK if number in context.hidden else piece for number, piece in enumerate(context.pieces)]
    with torch.no_grad():
        return model.model(torch.tensor([pieces])).logits[0, position].tolist()


@pytest.mark.parametrize("keep_original", [True, False])
@pytest.mark.parametrize("marks", [True, False])
def test_of__the_best_allowed_pieces(keep_original, marks, model, tiny_tokenizer):
    mlm = MaskedLM(model, tiny_tokenizer, torch.device("cpu"), "fp32")
    candidates = Candidates(mlm, 4, keep_original=keep_original, marks_are_words=marks)
    contexts = [Context(TEXT, (2,)), Context(TEXT, (1, 4))]
    candidates.learn(contexts)
    for context in contexts:
        for position in context.hidden:
            allowed = [
                is_whole and (marks or VOCABULARY[number].isalnum()) and (keep_original or number != TEXT[position])
                for number, is_whole in enumerate(WHOLE)
            ]
            assert candidates.of(context, position) == slow.top_candidates(
                logits_of(model, context, position), allowed, 4
            )


def test_of__there_may_be_fewer_than_wanted(mlm):
    candidates = Candidates(mlm, 1000, keep_original=False, marks_are_words=True)
    candidates.learn([Context(TEXT, (2,))])
    assert candidates.of(Context(TEXT, (2,)), 2) == [n for n, whole in enumerate(WHOLE) if whole and n != TEXT[2]]


def test_learn__asks_for_each_context_once(mlm, monkeypatch):
    rows, fill = [], MaskedLM.fill
    monkeypatch.setattr(MaskedLM, "fill", lambda self, some, reduce: rows.extend(some) or fill(self, some, reduce))
    candidates = Candidates(mlm, 2, keep_original=True)
    candidates.learn([Context(TEXT, (2,)), Context(TEXT, (3,)), Context(TEXT, (2,))])
    candidates.learn([Context(TEXT, (3,))])
    candidates.learn([])
    assert [row.positions for row in rows] == [(2,), (3,)]


def test_of__a_candidate_begins_as_the_hidden_piece_does(mlm):
    """Where words are marked by the space before them, one without stays one without."""
    inside = VOCABULARY.index("##ing")
    text = (2, VOCABULARY.index("film"), inside, 3)
    candidates = Candidates(mlm, 9, keep_original=True)
    candidates.learn([Context(text, (2,))])
    assert all(VOCABULARY[piece].startswith("##") for piece in candidates.of(Context(text, (2,)), 2))

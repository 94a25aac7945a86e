"""One update: what the networks read."""

import torch

from tinybert.engine.fit import fit
from tinybert.layer_maps import layer_map
from tinybert.models.student import Student
from tinybert.models.teacher import Teacher
from tinybert.models.vocabulary import Vocabulary
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hiding import Hiding, PieceHider
from tinybert.objectives.masked_lm import MaskedSoftCrossEntropy
from tinybert.objectives.weighted_sum import WeightedSum
from tinybert.selectors.keep_all import KeepAll
from tinybert.types import Stage


def test__where_a_part_hides_pieces_both_networks_read_what_is_left(
    make_world, tiny_model, tiny_tokenizer, monkeypatch
):
    world, read = make_world(), {Student: [], Teacher: []}
    for kind, batches in read.items():

        def spied(self, batch, needs, batches=batches, observe=kind.observe):
            batches.append(batch)
            return observe(self, batch, needs)

        monkeypatch.setattr(kind, "observe", spied)
    student = Student(tiny_model("bert", 2, 12, 3, head="masked_lm"))
    teacher = Teacher(tiny_model("bert", 4, 24, 3, head="masked_lm"), "fp32", torch.device("cpu"))
    pieces = Vocabulary(tiny_tokenizer)
    hider = PieceHider(pieces.mask, *map(torch.from_numpy, (pieces.special, pieces.starts_word)), Hiding(share=0.5))
    masked = MaskedSoftCrossEntropy(hider)
    attention = AttentionScoreMSE(layer_map("uniform", 2, 4))
    objective = WeightedSum({"attention": (attention, 1.0), "masked": (masked, 1.0)})
    stage, place = Stage(epochs=1, batch_size=8, max_steps=2), world.run().stage("lesson", {})
    fit(student, teacher, objective, world.rows, stage, place, selector=KeepAll())
    assert len(read[Student]) == 2
    for ours, theirs in zip(read[Student], read[Teacher], strict=True):
        assert torch.equal(ours.input_ids, theirs.input_ids)
        assert torch.equal(ours.needed_targets(), theirs.needed_targets())
        assert (theirs.input_ids == tiny_tokenizer.mask_token_id).any(dim=1).all()

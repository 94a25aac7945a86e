"""One update: what the networks and the objective see of a batch."""

import json
from copy import deepcopy

import pytest
import torch

from tinybert.data.masking import Masking
from tinybert.engine.fit import fit
from tinybert.families.transformer import Transformer
from tinybert.layer_maps import layer_map
from tinybert.models.teacher import Teacher
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.masked_lm import MaskedCrossEntropy, MaskedSoftCrossEntropy
from tinybert.objectives.prediction import GoldCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.masked_lm import piece_masker
from tinybert.types import Stage

STAGE = Stage(epochs=1, batch_size=8, max_steps=2)


@pytest.fixture
def networks(tiny_model):
    """A student without dropout, and its teacher."""
    student = tiny_model("bert", 2, 12, 3, head="masked_lm")
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return student, Teacher(tiny_model("bert", 4, 24, 3, head="masked_lm"), "fp32", torch.device("cpu"))


def test__gold_and_distilled_masked_lm_and_hidden_states_are_learnt_from_the_same_masked_pieces(
    make_world, networks, tiny_tokenizer, monkeypatch
):
    world, (student, teacher), read = make_world(), networks, {Transformer: [], Teacher: []}
    for kind, batches in read.items():

        def spied(self, batch, needs, kind=kind, batches=batches, observe=kind.observe):
            if kind is Teacher or torch.is_grad_enabled():  # a teacher asks a network of its own
                batches.append(batch)
            return observe(self, batch, needs)

        monkeypatch.setattr(kind, "observe", spied)
    hidden = HiddenMSE(layer_map("uniform", 2, 4), 12, 24, seed=1)
    objective = Sum(MaskedCrossEntropy(), MaskedSoftCrossEntropy(), hidden)
    masker, run = piece_masker(tiny_tokenizer, Masking(share=0.5)), world.run()
    before, start = deepcopy(student), deepcopy(objective)
    fit(student, teacher, objective, world.rows, STAGE, run.begin("training"), run, selector=KeepAll(), masker=masker)
    assert len(read[Transformer]) == 2
    for ours, theirs in zip(read[Transformer], read[Teacher], strict=True):
        assert torch.equal(ours.input_ids, theirs.input_ids)
        assert torch.equal(ours.needed_targets(), theirs.needed_targets())
        assert (theirs.needed_targets() >= 0).any(dim=1).all()  # a masked piece may show as itself, or as another
    batch, line = read[Transformer][0], json.loads((world.folder / "run/metrics.jsonl").read_text().splitlines()[0])
    with torch.no_grad():
        shown = (before.observe(batch, start.needs_student), teacher.observe(batch, start.needs_teacher))
        expected = {name: values.mean().item() for name, values in start.terms(*shown, batch).items()}
    assert set(expected) == {"masked_lm", "masked_prediction", "embedding", "hidden"}
    assert line["terms"] == pytest.approx(expected, rel=1e-5)


def test__without_a_masker_the_batch_is_read_as_it_is(make_world, networks):
    world, (student, _) = make_world(), networks
    run = world.run()
    with pytest.raises(ValueError, match="no masked positions; a masked-LM objective needs a masker"):
        fit(student, None, MaskedCrossEntropy(), world.rows, STAGE, run.begin("training"), run, selector=KeepAll())


def test__every_micro_batch_of_every_update_draws_its_own_dropout(make_world, monkeypatch):
    world, drawn, seeded = make_world(), [], torch.manual_seed
    student = world.make_student()
    monkeypatch.setattr(torch, "manual_seed", lambda seed: (drawn.append(seed), seeded(seed))[1])
    run, stage = world.run(), Stage(epochs=2, batch_size=8, accumulate=2)
    training = run.begin("training")
    fit(student, None, GoldCrossEntropy(), world.rows, stage, training, run, selector=KeepAll())
    assert len(drawn) == len(set(drawn)) == 2 * 2 * 2  # epochs, updates, micro-batches

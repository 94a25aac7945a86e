"""Task heads: when a checkpoint has one, and what its outputs are called."""

import json

import pytest
from transformers import AutoConfig

from tinybert.errors import UserError
from tinybert.families import TRANSFORMERS
from tinybert.models.heads import SCORE, Head, gives_score, has_task_head, head_classes
from tinybert.models.loading import quietly


def saved(model, folder, architecture):
    with quietly():
        model.save(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": architecture}))
    return folder


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
@pytest.mark.parametrize(
    ("head", "architecture", "expected"),
    [
        ("classifier", ["XForSequenceClassification"], True),
        ("classifier", ["XModel"], False),
        ("classifier", None, False),
        ("classifier", [], False),
        ("none", ["XForSequenceClassification"], False),
        ("masked_lm", ["XForMaskedLM"], False),
    ],
)
def test_has_task_head__needs_the_name_and_the_weights(model_type, head, architecture, expected, tiny_model, tmp_path):
    folder = saved(tiny_model(model_type, head=head), tmp_path / "m", architecture)
    assert has_task_head(folder) is expected


def test_has_task_head__weights_with_another_number_of_outputs_than_the_configuration_are_refused(tiny_bert, tmp_path):
    folder = saved(tiny_bert(outputs=3), tmp_path / "m", ["BertForSequenceClassification"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "no", "1": "yes"}}))
    with pytest.raises(UserError, match=r"/m: config.json names 2 outputs of the head, model.safetensors holds 3; cor"):
        has_task_head(folder)


def config_with(**entries):
    return AutoConfig.for_model("bert", **entries)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (config_with(id2label={"1": "b", "0": "a"}), ("a", "b")),
        (config_with(num_labels=3), None),
        (config_with(id2label={0: "LABEL_1", 1: "LABEL_0"}), ("LABEL_1", "LABEL_0")),
        (config_with(id2label={0: "a", 2: "b"}), None),
        (config_with(id2label={0: "score"}), None),
        (config_with(id2label={0: "a", 1: "b"}, problem_type="regression"), None),
    ],
)
def test_head_classes__names_in_order_or_none(config, expected):
    assert head_classes(config) == expected


def test_head__describes_classes_and_a_score():
    config = config_with(num_labels=2)
    Head(("no", "maybe", "yes")).describe_in(config)
    assert (config.num_labels, head_classes(config), gives_score(config)) == (3, ("no", "maybe", "yes"), False)
    assert config.label2id == {"no": 0, "maybe": 1, "yes": 2}
    SCORE.describe_in(config)
    assert (config.num_labels, head_classes(config), gives_score(config)) == (1, None, True)

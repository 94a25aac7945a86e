"""What is refused before transformers opens a model, and where models are looked for."""

import json

import pytest
from huggingface_hub import constants

from tinybert.errors import UserError
from tinybert.models import source
from tinybert.models.source import folder_of, read_config, stored_bytes, weight_names, weight_shape


@pytest.fixture
def saved(tmp_path, tiny_bert):
    from tinybert.models.loading import quietly

    with quietly():
        tiny_bert().save(tmp_path / "model")
    return tmp_path / "model"


def change(folder, **entries):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | entries))


def refusal(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert len(caught.value.problems) == 1
    assert "\n" not in caught.value.problems[0]
    return caught.value.problems[0]


def test_folder_of__a_local_folder_is_itself(saved):
    assert folder_of(str(saved)) == saved


def test_folder_of__a_missing_path_is_named(tmp_path):
    assert refusal(folder_of, str(tmp_path / "nope")) == f"{tmp_path / 'nope'}: no such folder"


def test_folder_of__a_name_that_is_neither_here_nor_in_the_cache_names_the_path_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    text = refusal(folder_of, "acme/tiny")
    assert text == f"{tmp_path}/acme/tiny: no such folder, and the hub's local cache does not hold it and " + (
        "HF_HUB_OFFLINE is set"
    )


def test_folder_of__a_name_the_hub_cannot_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(folder_of, "a/b/c d").endswith(
        "a/b/c d: no such folder, and it cannot be the name of a hub model either"
    )


@pytest.mark.parametrize("name", ["runs/teacher", "runs/a/teacher"])
def test_folder_of__a_folder_missing_in_one_that_is_here_is_told_without_asking_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # whoever asks the hub all the same meets `no_network`
    (tmp_path / "runs").mkdir()
    expected = f"{tmp_path}/{name}: no such folder, and the hub is not asked, since runs is a folder here"
    assert refusal(folder_of, name) == expected


def test_folder_of__a_hub_model_in_the_cache_is_found_although_a_folder_has_its_owners_name(
    saved, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    source._from_hub.cache_clear()
    (tmp_path / "acme").mkdir()
    snapshot = in_hub_cache(saved, tmp_path / "cache")
    assert folder_of("acme/tiny") == snapshot


def test_folder_of__a_file_is_refused(saved):
    assert "is a file; give the folder" in refusal(folder_of, str(saved / "config.json"))


def in_hub_cache(saved, cache):
    snapshot = cache / "models--acme--tiny" / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.parent.mkdir(parents=True)
    saved.rename(snapshot)
    (cache / "models--acme--tiny" / "refs").mkdir()
    (cache / "models--acme--tiny" / "refs" / "main").write_text(snapshot.name)
    return snapshot


def test_folder_of__a_hub_name_is_found_in_the_cache_without_network(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    source._from_hub.cache_clear()
    snapshot = in_hub_cache(saved, tmp_path / "cache")
    assert folder_of("acme/tiny") == snapshot


def test_folder_of__a_hub_model_with_code_is_refused_before_its_weights_are_fetched(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "snapshot_download", lambda *_, **__: pytest.fail("fetched"))
    source._from_hub.cache_clear()
    change(saved, auto_map={"AutoModel": "evil.Evil"})
    in_hub_cache(saved, tmp_path / "cache")
    assert "asks to run code" in refusal(folder_of, "acme/tiny")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"auto_map": {"AutoModel": "evil.Evil"}}, "asks to run code that comes with the model (auto_map)"),
        ({"model_type": "gpt2"}, "'gpt2' is not supported; use one of bert, roberta, "),
        ({"model_type": ["bert"]}, "['bert'] is not supported"),
        ({"quantization_config": {"quant_method": "x"}}, "quantised"),
        ({"is_decoder": True}, "decoder"),
    ],
)
def test_read_config__what_cannot_be_used_is_refused(saved, entries, words):
    change(saved, **entries)
    text = refusal(read_config, saved)
    assert text.startswith(f"{saved / 'config.json'}: ")
    assert words in text


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_read_config__what_is_no_json_object_is_refused(saved, content):
    (saved / "config.json").write_bytes(content)
    assert refusal(read_config, saved).startswith(f"{saved / 'config.json'}: ")


def test_read_config__missing(tmp_path):
    assert refusal(read_config, tmp_path).startswith(f"{tmp_path / 'config.json'}: no such file")


def test_weight_names__whole_and_in_shards(saved, tiny_bert):
    from tinybert.models.loading import quietly

    names = weight_names(saved)
    assert "bert.embeddings.word_embeddings.weight" in names
    with quietly():
        tiny_bert().model.save_pretrained(saved.parent / "shards", max_shard_size="10KB")
    assert not (saved.parent / "shards" / "model.safetensors").exists()
    assert weight_names(saved.parent / "shards") == names
    files = list((saved.parent / "shards").glob("*.safetensors"))
    assert len(files) > 1
    for folder in (saved, saved.parent / "shards"):
        assert weight_shape(folder, "classifier.weight") == (2, 24)
        with pytest.raises(KeyError):
            weight_shape(folder, "classifier.wait")
    assert stored_bytes(saved.parent / "shards") == sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_weight_names__a_truncated_file_is_refused(saved, share):
    path = saved / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert refusal(weight_names, saved).startswith(f"{path}: damaged or not readable")


def test_weight_names__a_pickle_is_never_opened_and_the_command_to_convert_it_is_named(saved):
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"\x80\x04not to be opened")
    text = refusal(weight_names, saved)
    assert "holds only pytorch_model.bin, a pickle" in text
    assert f"from transformers import BertForSequenceClassification as M; M.from_pretrained('{saved}')" in text


def test_weight_names__no_weights_at_all(saved):
    (saved / "model.safetensors").unlink()
    assert refusal(weight_names, saved).startswith(f"{saved / 'model.safetensors'}: no such file")


@pytest.mark.parametrize(
    "weight_map", [{}, {"a": "../other.safetensors"}, ["model.safetensors"], {"a": "missing.safetensors"}]
)
def test_weight_names__an_index_that_points_elsewhere_is_refused(saved, weight_map):
    (saved / "model.safetensors").unlink()
    (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert refusal(weight_names, saved)

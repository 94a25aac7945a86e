"""What the pieces of a tokenizer are: special, reserved, whole words, or parts inside a word."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedTokenizerFast

from tinybert.errors import UserError

SPELT_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # of a letter that the vocabulary does not know
# BERT's, others', RoBERTa's, CamemBERT's; and bytes.
RESERVED = re.compile(rf"\[unused\d+\]|<unused\d+>|madeupword\d+|<[^<>]+>NOTUSED|{SPELT_BYTE.pattern}")
_SENTENCEPIECE, _BYTE_LEVEL = "▁", "Ġ"  # how they write the space before a word


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
        special = np.array([not piece or bool(RESERVED.fullmatch(piece)) for piece in self.pieces])
        special[self.tokenizer.all_special_ids] = True
        return special

    @cached_property
    def starts_word(self) -> Bool[np.ndarray, " vocabulary"]:
        """True for pieces a word may begin with; false for those that continue one, and for special pieces."""
        if inside := self._inside_prefix:
            starts = np.array([not piece.startswith(inside) for piece in self.pieces])
        else:
            written = any(piece.startswith(_SENTENCEPIECE) for piece in self.pieces)
            space = _SENTENCEPIECE if written else _BYTE_LEVEL
            starts = np.array([piece.startswith(space) for piece in self.pieces])
        starts[self.special] = False
        return starts

    @cached_property
    def _inside_prefix(self) -> str:
        """What WordPiece writes before a piece inside a word; "" where spaces are written instead.

        It is asked of the tokenizer: RoBERTa and XLM-RoBERTa have pieces that begin with two number signs, as text.
        """
        return getattr(self.tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None) or ""

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

        Example: `film` for the piece `film` of BERT, for `##film`, for `Ġfilm` of RoBERTa and `▁film` of XLM-RoBERTa.
        """
        if self._inside_prefix and self.pieces[piece].startswith(self._inside_prefix):
            return self.pieces[piece].removeprefix(self._inside_prefix)
        return str(self.tokenizer.backend_tokenizer.decode([piece], skip_special_tokens=False)).strip()

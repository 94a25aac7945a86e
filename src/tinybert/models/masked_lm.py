"""A frozen masked language model at work: many hidden positions of many texts in few forward passes."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.models.vocabulary import Vocabulary
from tinybert.precision import DType, compute_dtype
from tinybert.types import MASKED_LOGITS, Batch
from tinybert.types.words import word_splitter

# Pieces of one forward pass, padding included. One thread of a processor gains nothing above 500 (benchmarks/
# augmentation.py --pieces); an accelerator wants tens of thousands; its memory holds the logits of 16,384 positions.
PIECES_ON_CPU, PIECES_ELSEWHERE = 1024, 16384


class MaskedInput(NamedTuple):
    """A text as a masked language model reads it.

    Attributes:
        pieces: With masks where pieces are hidden, and with the special pieces at both ends.
        positions: Where logits are wanted, in ascending order.
        types: A token type for each piece; None = 0 throughout.
    """

    pieces: Sequence[int]
    positions: Sequence[int]
    types: Sequence[int] | None = None


# From the logits of some positions, and which these are (counted over all rows), to what is kept of each of them.
Reduce = Callable[[Float[Tensor, "position vocabulary"], Int[Tensor, " position"]], tuple[Tensor, ...]]


@final
class MaskedLM:
    """A frozen copy of a masked language model: no dropout, no gradient, its own dtype.

    Attributes:
        vocabulary: What its pieces are.
        dtype: What it computes in.
        device: Where it computes.
        digest: Sha256 over weights and configuration, before any change of dtype.
        longest: How many pieces a row may have.
    """

    def __init__(
        self,
        model: Network,
        tokenizer: PreTrainedTokenizerFast,
        device: torch.device,
        dtype: DType = "auto",
        pieces_at_once: int | None = None,
    ) -> None:
        """Take a copy of the network; the one handed in stays as it is.

        Args:
            model: With a masked-LM head.
            tokenizer: Its tokenizer.
            device: Where to compute.
            dtype: `auto` is bfloat16 where the device multiplies it in hardware, else float32.
            pieces_at_once: Of one forward pass, padding included; changes speed and memory.

        Raises:
            UserError: If the tokenizer has no mask piece.
        """
        self.vocabulary = Vocabulary(tokenizer)
        self.device, self.dtype = device, compute_dtype(dtype, device)
        self.digest = model.digest()
        self.longest = model.longest
        self._budget = pieces_at_once or (PIECES_ON_CPU if device.type == "cpu" else PIECES_ELSEWHERE)
        self._pad = int(tokenizer.pad_token_id)
        self._model = copy.deepcopy(model).to(device, self.dtype).requires_grad_(False)
        self._model.use_fastest_attention(self.dtype, device)

    @property
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """The input embeddings of all pieces, in float32 on the CPU."""
        return self._model.piece_vectors.float().cpu()

    def alike(
        self, hidden: Int[Tensor, " position"], *, marks_are_words: bool = False
    ) -> Bool[Tensor, "position vocabulary"]:
        """Which pieces may stand where each hidden one stood: of its kind, and one word each.

        Where a word began another begins, what continued a word is continued, and a mark (without a letter or digit)
        becomes a mark; an unknown piece counts as a word. Pieces of several marks, or of letters and marks, as
        BPE and SentencePiece have, come nowhere.

        Args:
            hidden: The pieces that stood there.
            marks_are_words: Words may come for marks, and marks for words.
        """
        allowed, inside, marks = (table.to(hidden.device) for table in self._kinds)
        alike: Tensor = allowed & (inside == inside[hidden][:, None])
        if not marks_are_words:
            alike &= marks == marks[hidden][:, None]
        return alike

    @cached_property
    def _kinds(self) -> Bool[Tensor, "3 vocabulary"]:
        """Pieces that are one word, those that do not begin it (BPE: no space before it), and those that are marks."""
        known, words = self.vocabulary, word_splitter()
        texts = [known.text_of(piece) for piece in range(len(known.pieces))]
        one_word = np.array([[word for word, _ in words.pre_tokenize_str(text)] == [text] for text in texts])
        one_word &= ~known.special
        kinds = np.zeros((3, len(self.piece_vectors)), np.bool_)  # a network may have more than its tokenizer
        kinds[:, : len(texts)] = one_word, one_word & ~known.starts_word, known.marks
        return torch.from_numpy(kinds)

    def fill(self, rows: Sequence[MaskedInput], reduce: Reduce) -> tuple[Tensor, ...]:
        """What `reduce` keeps of the logits at each hidden position of all rows.

        Rows of about the same length share a forward pass, and the vocabulary head runs only at these positions.
        `reduce` sees the logits of one pass at a time, so that those of all positions never exist at once.

        Args:
            rows: What to read; at least one, none longer than `longest`.
            reduce: Called with the float32 logits of some positions on the device, and which these are: numbers
                that count all rows' positions in the order given. It returns tensors with one entry per position.

        Returns:
            The tensors of `reduce` for all positions, in the order of the rows and their positions, on the CPU.

        Raises:
            ValueError: If there is no row, or one is too long, or its positions are not in ascending order.
        """
        self._check(rows)
        ends = np.cumsum([len(row.positions) for row in rows])
        found, numbers = [], []
        # The caller may be training something else under autocast, which must not choose this model's dtype.
        with evaluation_mode(self._model), torch.autocast(self.device.type, enabled=False):
            for indices in self._passes(rows):
                positions = [np.arange(ends[i] - len(rows[i].positions), ends[i]) for i in indices]
                which = torch.from_numpy(np.concatenate(positions))
                found.append(self._reduced([rows[i] for i in indices], which, reduce))
                numbers.append(which)
        order = torch.cat(numbers).argsort()
        return tuple(torch.cat(column)[order] for column in zip(*found, strict=True))

    def _check(self, rows: Sequence[MaskedInput]) -> None:
        if not rows:
            raise ValueError("there is no row to fill")
        for row in rows:
            if len(row.pieces) > self.longest:
                raise ValueError(f"a row of {len(row.pieces)} pieces; this model reads up to {self.longest}")
            if any(first >= second for first, second in zip(row.positions, row.positions[1:], strict=False)):
                raise ValueError(f"the positions of a row must ascend, got {list(row.positions)}")

    def _passes(self, rows: Sequence[MaskedInput]) -> Iterator[list[int]]:
        """Which rows go through the model together: the longest first, so that what does not fit fails at once."""
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].pieces))
        start = 0
        while start < len(order):
            together = max(self._budget // len(rows[order[start]].pieces), 1)
            yield order[start : start + together]
            start += together

    def _reduced(
        self, rows: Sequence[MaskedInput], which: Int[Tensor, " position"], reduce: Reduce
    ) -> tuple[Tensor, ...]:
        trace = self._model.observe(self._batch(rows).to(self.device), frozenset({MASKED_LOGITS}))
        logits = trace[MASKED_LOGITS].float()
        if self.device.type == "mps":  # knows no float64, which drawing needs
            logits = logits.cpu()
        return tuple(tensor.cpu() for tensor in reduce(logits, which.to(logits.device)))

    def _batch(self, rows: Sequence[MaskedInput]) -> Batch:
        """The rows side by side, padded to the longest."""
        shape = len(rows), max(len(row.pieces) for row in rows)
        pieces, types, targets = np.full(shape, self._pad), np.zeros(shape, int), np.full(shape, -1)
        lengths = np.array([len(row.pieces) for row in rows])
        for i, row in enumerate(rows):
            pieces[i, : lengths[i]] = row.pieces
            targets[i, list(row.positions)] = self.vocabulary.mask
            if row.types is not None:
                types[i, : lengths[i]] = row.types
        real = np.arange(shape[1]) < lengths[:, None]
        ids, kinds, shown, wanted = map(torch.from_numpy, (pieces, types, real, targets))
        return Batch(ids, kinds, shown, labels=None, rows=torch.arange(shape[0]), targets=wanted)

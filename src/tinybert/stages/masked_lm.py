"""Masked-LM training of any checkpoint: domain adaptation, CBERT's conditional form, and heads for encoders without."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from transformers import PreTrainedTokenizerFast

from tinybert.artifacts import Artifact
from tinybert.augment.method import MaskedLMSettings
from tinybert.data.encode import Encoder
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.masking import Masking, PieceMasker
from tinybert.engine.evaluate import held_out_loss
from tinybert.engine.fit import StageReport, fit
from tinybert.engine.optimise import resolve_epochs
from tinybert.export.hub import save_network
from tinybert.families import give_token_types
from tinybert.families.network import Network
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.vocabulary import Vocabulary
from tinybert.objectives.masked_lm import MaskedCrossEntropy
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.reading import encoded


def train_masked_lm(
    model: Network,
    tokenizer: PreTrainedTokenizerFast,
    rows: EncodedRows,
    settings: MaskedLMSettings,
    artifact: Artifact,
    run: Run,
    *,
    held_out: EncodedRows | None = None,
    labels_as_types: bool = False,
) -> StageReport:
    """Train a network with a masked-LM head, in place.

    Args:
        model: On the run's device.
        tokenizer: Its tokenizer.
        rows: Encoded text; labelled where labels are read as token types.
        settings: Epochs, batch size, rates, and what is masked.
        artifact: The artifact; see `fit`.
        run: See `fit`.
        held_out: Text that decides which weights are kept; None keeps the last.
        labels_as_types: The network reads each example's class in its token types (CBERT).
    """
    objective = MaskedCrossEntropy()
    masker = piece_masker(tokenizer, settings.masking, labels_as_types=labels_as_types)

    def metric() -> float:
        assert held_out is not None
        return -held_out_loss(model, objective, held_out, masker=masker)

    chosen = None if held_out is None else metric
    return fit(model, None, objective, rows, settings, artifact, run, selector=KeepAll(), metric=chosen, masker=masker)


def adapted(source: str, texts: Examples, settings: MaskedLMSettings, run: Run) -> Path:
    """A masked LM that has gone on learning on the texts of a domain (Gururangan et al. 2020, arXiv:2004.10964).

    Args:
        source: A checkpoint, with a masked-LM head or without: a new head is learnt along.
        texts: What it learns from; labels are not looked at.
        settings: Of its training; `epochs: null` goes by the number of texts.
        run: Where the stage `masked_lm` is kept.

    Returns:
        A folder that loads as a masked LM.
    """
    model = load_masked_lm(source, new_head=run.seed_for("masked_lm", "head"), device=run.device)
    return _trained("masked_lm", model, source, texts, settings, run)


def conditional(
    source: str, texts: Examples, classes: Int[np.ndarray, " text"], settings: MaskedLMSettings, run: Run
) -> Path:
    """CBERT's masked LM: it reads the class of a text as the token type of all its pieces (Wu et al. 2019, section 3).

    Args:
        source: A checkpoint with a masked-LM head.
        texts: What it learns from.
        classes: The class of each, from 0.
        settings: Of its training.
        run: Where the stage `cbert` is kept.

    Returns:
        A folder that loads as a masked LM.

    Raises:
        UserError: If the network reads no token types.
    """
    model = load_masked_lm(source, device=run.device)
    # Two classes take over the table of first and second texts; more need a new one, as in the authors' code.
    give_token_types(model, int(classes.max()) + 1, run.seed_for("cbert", "types"))
    labelled = texts.with_labels(classes)
    return _trained("cbert", model, source, labelled, settings, run, labels_as_types=True)


def _trained(
    name: str,
    model: Network,
    source: str,
    texts: Examples,
    settings: MaskedLMSettings,
    run: Run,
    *,
    labels_as_types: bool = False,
) -> Path:
    """The folder of a masked LM that was trained on some texts, now or before."""
    tokenizer = load_tokenizer(source)
    rows = encoded(texts, Encoder(tokenizer, settings.max_length), run)
    artifact = run.begin(name, **{name: settings}, mlm=model, examples=rows, seed=run.seed)
    saved = run.store.entry(f"{name}_network", trained=artifact)
    with run.making(saved) as missing:
        if missing:
            decided = resolve_epochs(settings, len(rows))
            train_masked_lm(model, tokenizer, rows, decided, artifact, run, labels_as_types=labels_as_types)
            if run.is_main and run.plan is None:
                saved.make(lambda folder: save_network(model, tokenizer, folder))
    return saved.result if run.plan is None else Path(source)


def piece_masker(tokenizer: PreTrainedTokenizerFast, masking: Masking, *, labels_as_types: bool = False) -> PieceMasker:
    """What masks pieces of a tokenizer's vocabulary."""
    vocabulary = Vocabulary(tokenizer)
    special, starts = (torch.from_numpy(known) for known in (vocabulary.special, vocabulary.starts_word))
    return PieceMasker(vocabulary.mask, special, starts, masking, labels_as_types=labels_as_types)

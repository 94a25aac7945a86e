"""The methods of augmentation: what the copies of each depend on, and how its augmenter is made."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tinybert import files
from tinybert.augment.bert_glove import BertGlove, BertGloveSettings
from tinybert.augment.cbert import Cbert, CbertGeneration
from tinybert.augment.eda import Eda, EdaSettings, usual_alpha
from tinybert.augment.method import AugmentContext, AugmenterFactory, ConditionalTraining, Method
from tinybert.augment.neighbours import PieceNeighbours
from tinybert.augment.settings import AugmentGroups
from tinybert.augment.stationary import Stationary, StationarySettings
from tinybert.augment.tang import Tang
from tinybert.data.vectors import open_vectors
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.run import Run
from tinybert.types import Augmenter, Example, flatten, subset

USUAL_COPIES = 20  # of TinyBERT's paper; the same for all methods, so that they can be compared
BINS = 5  # of a score's quantiles, which CBERT takes for classes (methods: 3.6)


def copies_of(groups: AugmentGroups, rows: int) -> int:
    """How many copies of each row are made, whichever the method.

    Example:
        >>> from tinybert.augment.settings import AugmentSettings
        >>> few, many = (AugmentGroups(augment=AugmentSettings(method="eda", at_most=most)) for most in (16_000, None))
        >>> copies_of(few, 80), copies_of(few, 8635), copies_of(many, 8635)
        (20, 2, 20)
    """
    settings = groups.augment
    if settings.copies is not None:
        return settings.copies
    return USUAL_COPIES if settings.at_most is None else min(USUAL_COPIES, -(-settings.at_most // rows))


def _bert_glove_inputs(context: AugmentContext) -> dict[str, Any]:
    settings = flatten("augment", subset(BertGloveSettings, context.groups.augment))
    vectors = None if context.vectors is None else files.sha256_file(Path(context.vectors))
    return {**settings, **_adaptation_inputs(context), "vectors": vectors, "data.max_length": context.max_length}


def _adaptation_inputs(context: AugmentContext) -> dict[str, Any]:
    """What the masked LM depends on; the texts of train are known anyway."""
    found: dict[str, Any] = {"mlm": context.digest_of_mlm(), "augment.adapt": context.groups.augment.adapt}
    if context.groups.augment.adapt:
        found |= flatten("masked_lm", context.groups.masked_lm)
        found["unlabeled"] = None if context.unlabeled is None else context.unlabeled.digest()
    return found


def _bert_glove(context: AugmentContext, mlm: str, run: Run) -> AugmenterFactory:
    stores = run.cache or run.folder / "cache"  # which the seeds of one command share
    settings = subset(BertGloveSettings, context.groups.augment)
    vectors = None if context.vectors is None else Path(context.vectors)
    if vectors is None:
        note = "augment: no --vectors; the masked LM's own embeddings say which words are near"
        before: Callable[[], object] = partial(run.log.say, note)
    else:
        before = partial(open_vectors, vectors, stores)  # converted once, and found by all who make copies
    made = partial(_make_bert_glove, settings, mlm, vectors, stores)
    return AugmenterFactory(partial(made, run.device.type, context.max_length), before)


def _make_bert_glove(
    settings: BertGloveSettings, mlm: str, vectors: Path | None, stores: Path, device: str, max_length: int
) -> Augmenter:
    network = _masked_lm(mlm, device)
    neighbours = PieceNeighbours(network) if vectors is None else open_vectors(vectors, stores)
    return BertGlove(settings, network, neighbours, max_length)


def _masked_lm(source: str, device: str) -> MaskedLM:
    return MaskedLM(load_masked_lm(source), load_tokenizer(source), torch.device(device))


def _cbert_inputs(context: AugmentContext) -> dict[str, Any]:
    return {**flatten("cbert", context.groups.cbert), **_adaptation_inputs(context)}


def _cbert(context: AugmentContext, mlm: str, run: Run) -> AugmenterFactory:
    return AugmenterFactory(
        partial(_make_cbert, context.groups.cbert.generation(), mlm, _edges_of(context), run.device.type)
    )


def _cbert_classes(context: AugmentContext) -> ConditionalTraining:
    edges, labels = _edges_of(context), context.originals.labels
    assert labels is not None  # see `check_possible`
    classes = labels if edges is None else np.searchsorted(edges, labels, side="right")
    return ConditionalTraining(classes, context.groups.cbert.training())


def _edges_of(context: AugmentContext) -> Float[np.ndarray, " edge"] | None:
    labels = context.originals.labels
    return _edges(labels) if labels is not None and labels.dtype.kind == "f" else None


def _edges(scores: Float[np.ndarray, " row"]) -> Float[np.ndarray, " edge"]:
    """Where one quantile ends and the next begins; fewer where many scores are equal."""
    edges: Float[np.ndarray, " edge"] = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    return edges


def _make_cbert(
    settings: CbertGeneration, mlm: str, edges: Float[np.ndarray, " edge"] | None, device: str
) -> Augmenter:
    return Cbert(_masked_lm(mlm, device), partial(_class_of, edges), settings)


def _class_of(edges: Float[np.ndarray, " edge"] | None, example: Example) -> int:
    assert isinstance(example.label, int | float)
    return int(example.label if edges is None else np.searchsorted(edges, example.label, side="right"))


def _stationary_inputs(context: AugmentContext) -> dict[str, Any]:
    settings = flatten("l2a", subset(StationarySettings, context.groups.l2a))
    return {**settings, **_adaptation_inputs(context), "data.max_length": context.max_length}


def _stationary(context: AugmentContext, mlm: str, run: Run) -> AugmenterFactory:
    settings = subset(StationarySettings, context.groups.l2a)
    return AugmenterFactory(partial(_make_stationary, settings, mlm, run.device.type, context.max_length))


def _make_stationary(settings: StationarySettings, mlm: str, device: str, max_length: int) -> Augmenter:
    return Stationary(_masked_lm(mlm, device), settings, max_length)


def _eda_inputs(context: AugmentContext) -> dict[str, Any]:
    return flatten("eda", _eda_settings(context))


def _eda(context: AugmentContext, mlm: str, run: Run) -> AugmenterFactory:  # noqa: ARG001
    return AugmenterFactory(partial(Eda, _eda_settings(context), context.task.outside))


def _eda_settings(context: AugmentContext) -> EdaSettings:
    """As the user has them; what is open goes by the number of rows."""
    known = context.groups.eda
    return known if known.alpha is not None else replace(known, alpha=usual_alpha(len(context.originals)))


def _tang_inputs(context: AugmentContext) -> dict[str, Any]:
    return {**flatten("tang", context.groups.tang), "mask": context.mask}


def _tang(context: AugmentContext, mlm: str, run: Run) -> AugmenterFactory:  # noqa: ARG001
    return AugmenterFactory(partial(Tang, context.originals, context.groups.tang, context.mask, context.task.outside))


METHODS: Mapping[str, Method] = {
    "bert_glove": Method(
        "a masked LM and word vectors replace words (TinyBERT)",
        "Jiao et al. 2020, arXiv:1909.10351",
        _bert_glove_inputs,
        _bert_glove,
        uses=frozenset({"mlm", "vectors"}),
    ),
    "eda": Method(
        "synonyms, insertions, swaps, deletions",
        "Wei and Zou 2019, arXiv:1901.11196",
        _eda_inputs,
        _eda,
    ),
    "cbert": Method(
        "a masked LM that knows the class fills hidden pieces",
        "Wu et al. 2019, arXiv:1812.06705",
        _cbert_inputs,
        _cbert,
        uses=frozenset({"mlm"}),
        conditional=_cbert_classes,
    ),
    "tang": Method(
        "masks, words of the same part of speech, n-grams (BiLSTM_SOFT)",
        "Tang et al. 2019, arXiv:1903.12136",
        _tang_inputs,
        _tang,
    ),
    "stationary": Method(
        "a number of pieces, drawn near the text, is filled by a masked LM (L2A)",
        "Feng et al. 2021, arXiv:2101.08106",
        _stationary_inputs,
        _stationary,
        uses=frozenset({"mlm"}),
    ),
}

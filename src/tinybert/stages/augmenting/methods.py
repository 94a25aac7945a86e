"""The methods of augmentation: what the copies of each depend on, and how it is made ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tinybert import files
from tinybert.augmenters.bert_glove import BertGlove, BertGloveSettings
from tinybert.augmenters.cbert import Cbert, CbertGeneration
from tinybert.augmenters.eda import Eda, EdaSettings, usual_alpha
from tinybert.augmenters.neighbours import PieceNeighbours
from tinybert.augmenters.stationary import Stationary, StationarySettings
from tinybert.augmenters.tang import Tang
from tinybert.data.vectors import open_vectors
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.run import Run
from tinybert.stages import masked_lm
from tinybert.stages.augmenting.kit import Kit, Method, Ready
from tinybert.stages.augmenting.merged import written
from tinybert.stages.augmenting.settings import AugmentGroups
from tinybert.types import Augmenter, Example, flatten, subset

USUAL_COPIES = 20  # of TinyBERT's paper; the same for all methods, so that they can be compared
BINS = 5  # of a score's quantiles, which CBERT takes for classes (methods: 3.6)


def copies_of(groups: AugmentGroups, rows: int) -> int:
    """How many copies of each row are made, whichever the method.

    Example:
        >>> from tinybert.stages.augmenting.settings import AugmentSettings
        >>> few, many = (AugmentGroups(augment=AugmentSettings(method="eda", at_most=most)) for most in (16_000, None))
        >>> copies_of(few, 80), copies_of(few, 8635), copies_of(many, 8635)
        (20, 2, 20)
    """
    settings = groups.augment
    if settings.copies is not None:
        return settings.copies
    return USUAL_COPIES if settings.at_most is None else min(USUAL_COPIES, -(-settings.at_most // rows))


def _bert_glove_inputs(kit: Kit) -> dict[str, Any]:
    settings = flatten("augment", subset(BertGloveSettings, kit.groups.augment))
    vectors = None if kit.vectors is None else files.sha256_file(Path(kit.vectors))
    return {**settings, **_adaptation_inputs(kit), "vectors": vectors, "data.max_length": kit.max_length}


def _adaptation_inputs(kit: Kit) -> dict[str, Any]:
    """What the masked LM depends on; the texts of train are known anyway."""
    found: dict[str, Any] = {"mlm": kit.digest_of_mlm(), "augment.adapt": kit.groups.augment.adapt}
    if kit.groups.augment.adapt:
        found |= flatten("masked_lm", kit.groups.masked_lm)
        found["unlabeled"] = None if kit.unlabeled is None else kit.unlabeled.digest()
    return found


def _adapted(kit: Kit, run: Run) -> str:
    """The masked LM, trained on the domain's texts first where that was asked for."""
    if not kit.groups.augment.adapt:
        return kit.needed_mlm
    settings = kit.groups.masked_lm
    texts = kit.originals
    if kit.unlabeled is not None:  # single texts: pairs and single ones cannot be encoded together
        target = run.stored(f"domain-{run.rank}.arrow")
        target.parent.mkdir(parents=True, exist_ok=True)
        texts = written(_sides(chain(kit.originals, kit.unlabeled)), target).examples
    return str(masked_lm.adapted(kit.needed_mlm, texts, settings, run))


def _sides(examples: Iterable[Example]) -> Iterator[Example]:
    for example in examples:
        yield Example(example.text)
        if example.pair is not None:
            yield Example(example.pair)


def _bert_glove(kit: Kit, run: Run) -> Ready:
    mlm, stores = _adapted(kit, run), run.cache or run.folder / "cache"  # which the seeds of one command share
    settings = subset(BertGloveSettings, kit.groups.augment)
    vectors = None if kit.vectors is None else Path(kit.vectors)
    if vectors is None:
        note = "augment: no --vectors; the masked LM's own embeddings say which words are near"
        before: Callable[[], object] = partial(run.log.say, note)
    else:
        before = partial(open_vectors, vectors, stores)  # converted once, and found by all who make copies
    made = partial(_make_bert_glove, settings, mlm, vectors, stores)
    return Ready(partial(made, run.device.type, kit.max_length), before)


def _make_bert_glove(
    settings: BertGloveSettings, mlm: str, vectors: Path | None, stores: Path, device: str, max_length: int
) -> Augmenter:
    network = _masked_lm(mlm, device)
    neighbours = PieceNeighbours(network) if vectors is None else open_vectors(vectors, stores)
    return BertGlove(settings, network, neighbours, max_length)


def _masked_lm(source: str, device: str) -> MaskedLM:
    return MaskedLM(load_masked_lm(source), load_tokenizer(source), torch.device(device))


def _cbert_inputs(kit: Kit) -> dict[str, Any]:
    return {**flatten("cbert", kit.groups.cbert), **_adaptation_inputs(kit)}


def _cbert(kit: Kit, run: Run) -> Ready:
    settings = kit.groups.cbert
    labels = kit.originals.labels
    assert labels is not None  # see `refuse_impossible`
    edges = _edges(labels) if labels.dtype.kind == "f" else None
    classes = labels if edges is None else np.searchsorted(edges, labels, side="right")
    trained = masked_lm.conditional(_adapted(kit, run), kit.originals, classes, settings.training(), run)
    return Ready(partial(_make_cbert, settings.generation(), str(trained), edges, run.device.type))


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


def _stationary_inputs(kit: Kit) -> dict[str, Any]:
    settings = flatten("l2a", subset(StationarySettings, kit.groups.l2a))
    return {**settings, **_adaptation_inputs(kit), "data.max_length": kit.max_length}


def _stationary(kit: Kit, run: Run) -> Ready:
    settings = subset(StationarySettings, kit.groups.l2a)
    return Ready(partial(_make_stationary, settings, _adapted(kit, run), run.device.type, kit.max_length))


def _make_stationary(settings: StationarySettings, mlm: str, device: str, max_length: int) -> Augmenter:
    return Stationary(_masked_lm(mlm, device), settings, max_length)


def _eda_inputs(kit: Kit) -> dict[str, Any]:
    return flatten("eda", _eda_settings(kit))


def _eda(kit: Kit, run: Run) -> Ready:  # noqa: ARG001  # as the others
    return Ready(partial(Eda, _eda_settings(kit), kit.task.outside))


def _eda_settings(kit: Kit) -> EdaSettings:
    """As the user has them; what is open goes by the number of rows."""
    known = kit.groups.eda
    return known if known.alpha is not None else replace(known, alpha=usual_alpha(len(kit.originals)))


def _tang_inputs(kit: Kit) -> dict[str, Any]:
    return {**flatten("tang", kit.groups.tang), "mask": kit.mask}


def _tang(kit: Kit, run: Run) -> Ready:  # noqa: ARG001  # as the others
    return Ready(partial(Tang, kit.originals, kit.groups.tang, kit.mask, kit.task.outside))


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

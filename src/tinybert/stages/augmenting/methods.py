"""The methods of augmentation: what each needs, what its copies depend on, and how it is made ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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
from tinybert.augmenters.eda import Eda
from tinybert.augmenters.neighbours import PieceNeighbours
from tinybert.augmenters.stationary import Stationary, StationarySettings
from tinybert.augmenters.tang import Tang
from tinybert.data.examples import Examples
from tinybert.data.task import Task
from tinybert.data.vectors import open_vectors
from tinybert.errors import UserError
from tinybert.models.embedded import EMBEDDED, is_available
from tinybert.models.heads import has_masked_lm_head
from tinybert.models.hf import longest_input
from tinybert.models.loading import digest_of, load_config, load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.run import Run
from tinybert.stages import masked_lm
from tinybert.stages.augmenting.merged import written
from tinybert.stages.augmenting.settings import AugmentGroups
from tinybert.types import Augmenter, Example, keyed, narrowed

BINS = 5  # of a score's quantiles, which CBERT takes for classes (methods: 3.6)
Make = Callable[[], Augmenter]  # called once in each process that makes copies


@dataclass(frozen=True)
class Kit:
    """What a method is made ready from.

    Attributes:
        groups: All settings of augmentation.
        task: What the labels mean.
        originals: The rows to rewrite.
        unlabeled: Further texts of the domain; None = there are none.
        mlm: The masked LM that was named; None = none was.
        vectors: The file of word vectors; None = there is none.
        mask: The mask as it stands in a text.
        max_length: Pieces of a text that a model reads.
    """

    groups: AugmentGroups
    task: Task
    originals: Examples
    unlabeled: Examples | None
    mlm: str | None
    vectors: str | None
    mask: str
    max_length: int

    @property
    def needed_mlm(self) -> str:
        """The masked LM that was named, else the embedded one."""
        return self.mlm or EMBEDDED

    def digest_of_mlm(self) -> str:
        """Sha256 over the masked LM's weights, configuration and vocabulary."""
        vocabulary = files.sha256_json(load_tokenizer(self.needed_mlm).get_vocab())
        network = load_masked_lm(self.needed_mlm, new_head=0 if self.groups.augment.adapt else None)
        return files.sha256_json([digest_of(network), vocabulary])


@dataclass(frozen=True)
class Ready:
    """An augmenter that can be made.

    Attributes:
        make: Makes it; can be sent to other processes.
        before: What has to be done once before, if any copy is to be made at all.
    """

    make: Make
    before: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Method:
    """A method of augmentation.

    Attributes:
        summary: What it does, in a line.
        citation: Its paper.
        inputs: What its copies depend on, by the names that users know, without the rows and the number of copies.
        prepare: Makes it ready: trains what has to be trained, in stages of their own.
        usual_copies: By the number of rows, how many copies of each its paper makes.
        uses: Optional flags it looks at.
    """

    summary: str
    citation: str
    inputs: Callable[[Kit], Mapping[str, Any]]
    prepare: Callable[[Kit, Run], Ready]
    usual_copies: Callable[[int], int] = lambda _: 20
    uses: frozenset[str] = frozenset()


def copies_of(groups: AugmentGroups, rows: int) -> int:
    """How many copies of each row are made.

    Example:
        >>> from tinybert.stages.augmenting.settings import AugmentSettings
        >>> few, many = (AugmentGroups(augment=AugmentSettings(at_most=most)) for most in (16_000, None))
        >>> copies_of(few, 80), copies_of(few, 8635), copies_of(many, 8635)
        (20, 2, 20)
    """
    settings = groups.augment
    if settings.copies is not None:
        return settings.copies
    usual = METHODS[settings.method].usual_copies(rows)
    return usual if settings.at_most is None else min(usual, -(-settings.at_most // rows))


def unsuitable(groups: AugmentGroups, given: Mapping[str, Any]) -> list[str]:
    """What does not go together: files and models that the method would not look at, a method without its masked LM.

    Args:
        groups: All settings of augmentation.
        given: By flag: `mlm`, `vectors`, `unlabeled`; None where it was not given.

    Returns:
        One line per problem.
    """
    name = groups.augment.method
    uses = frozenset[str]() if name == "none" else METHODS[name].uses
    problems = [
        f"--{flag}: the method {name} does not use it; leave it out"
        for flag in ("mlm", "vectors")
        if given.get(flag) is not None and flag not in uses
    ]
    if groups.augment.adapt and "mlm" not in uses:
        problems.append(f"augment.adapt: the method {name} has no masked LM to adapt; leave it out")
    if given.get("unlabeled") is not None and not groups.augment.adapt:
        problems.append(
            "--unlabeled: its texts are only read with augment.adapt=true, or general.tokens in the recipe tinybert"
        )
    if "mlm" in uses and given.get("mlm") is None and not is_available():
        problems.append(
            f"--mlm is missing: the method {name} needs a masked language model; name one, or pip install "
            f"'tinybert[demo]' for {EMBEDDED}, or do without: augment.method=eda or none"
        )
    return problems


def refuse_impossible(groups: AugmentGroups, task: Task, mlm: str | None, vectors: str | None) -> None:
    """Ask before anything is trained whether copies can be made and judged.

    Raises:
        UserError: One line per problem.
    """
    settings, problems = groups.augment, []
    if settings.method == "none":
        return
    if settings.method == "cbert" and task.kind not in ("classification", "regression"):
        problems.append(f"augment.method=cbert: needs one class or score for each text; {task.kind} has none")
    if settings.method == "stationary" and task.kind not in ("classification", "regression"):
        problems.append(
            f"augment.method=stationary: tags and answers forbid some replacements, so that its probabilities would be "
            f"wrong for {task.kind}; take bert_glove"
        )
    if not settings.keep_flipped and task.kind != "classification":
        problems.append(f"augment.keep_flipped=false: only a class can flip; this is {task.kind}")
    if vectors is not None and not Path(vectors).is_file():
        problems.append(f"--vectors {vectors}: no such file")
    if "mlm" in METHODS[settings.method].uses:
        problems += _problems_of_mlm(groups, mlm or EMBEDDED)
    if problems:
        raise UserError(*problems)


def _problems_of_mlm(groups: AugmentGroups, mlm: str) -> Iterator[str]:
    try:
        load_tokenizer(mlm)
        room = longest_input(load_config(mlm))
        if not groups.augment.adapt and not has_masked_lm_head(mlm):
            yield f"--mlm {mlm}: has no masked-LM head; give a checkpoint that was saved with one"
    except UserError as error:
        yield from error.problems
        return
    trained = {"masked_lm": groups.augment.adapt, "cbert": groups.augment.method == "cbert"}
    for name in (name for name, used in trained.items() if used):
        if (longest := getattr(groups, name).max_length) > room:
            yield f"{name}.max_length: {longest} pieces, but {mlm} reads at most {room}"


def _bert_glove_inputs(kit: Kit) -> dict[str, Any]:
    settings = keyed("augment", narrowed(BertGloveSettings, kit.groups.augment))
    vectors = None if kit.vectors is None else files.sha256_file(Path(kit.vectors))
    return {**settings, **_adaptation_inputs(kit), "vectors": vectors, "data.max_length": kit.max_length}


def _adaptation_inputs(kit: Kit) -> dict[str, Any]:
    """What the masked LM depends on; the texts of train are known anyway."""
    found: dict[str, Any] = {"mlm": kit.digest_of_mlm(), "augment.adapt": kit.groups.augment.adapt}
    if kit.groups.augment.adapt:
        found |= keyed("masked_lm", kit.groups.masked_lm)
        found["unlabeled"] = None if kit.unlabeled is None else kit.unlabeled.digest()
    return found


def _adapted(kit: Kit, run: Run) -> str:
    """The masked LM, trained on the domain's texts first where that was asked for."""
    if not kit.groups.augment.adapt:
        return kit.needed_mlm
    settings = kit.groups.masked_lm
    texts = kit.originals
    if kit.unlabeled is not None:  # single texts: pairs and single ones cannot be encoded together
        target = run.folder / "stages" / "data" / f"domain-{run.rank}.arrow"
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
    settings = narrowed(BertGloveSettings, kit.groups.augment)
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
    return {**keyed("cbert", kit.groups.cbert), **_adaptation_inputs(kit)}


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
    settings = keyed("l2a", narrowed(StationarySettings, kit.groups.l2a))
    return {**settings, **_adaptation_inputs(kit), "data.max_length": kit.max_length}


def _stationary(kit: Kit, run: Run) -> Ready:
    settings = narrowed(StationarySettings, kit.groups.l2a)
    return Ready(partial(_make_stationary, settings, _adapted(kit, run), run.device.type, kit.max_length))


def _make_stationary(settings: StationarySettings, mlm: str, device: str, max_length: int) -> Augmenter:
    return Stationary(_masked_lm(mlm, device), settings, max_length)


def _eda_inputs(kit: Kit) -> dict[str, Any]:
    return keyed("eda", kit.groups.eda)


def _eda(kit: Kit, run: Run) -> Ready:  # noqa: ARG001  # as the others
    return Ready(partial(Eda, kit.groups.eda, kit.task.outside))


def _eda_copies(rows: int) -> int:
    """Table 3 of the paper, by the number of rows."""
    return 16 if rows <= 500 else 8 if rows <= 2000 else 4


def _tang_inputs(kit: Kit) -> dict[str, Any]:
    return {**keyed("tang", kit.groups.tang), "mask": kit.mask}


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
        _eda_copies,
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

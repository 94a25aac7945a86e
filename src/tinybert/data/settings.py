"""What a user may say about the data: which columns, which dialect, how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tinybert.data.spelling import clean

Scale = Literal["probabilities", "log_probabilities", "logits"]


@dataclass(frozen=True)
class DataSettings:
    """Settings of the group `data`.

    Attributes:
        text: Column of the text; None = `text`, unless the data has `text_a` and `text_b`.
        text_a: Column of the first text of a pair; None = `text_a`.
        text_b: Column of the second text of a pair; None = `text_b`.
        label: Column of the label; None = `label`.
        labels: Columns of 0 and 1, one for each label of which several may hold; None = `label` holds lists of them.
        header: Whether the first line of a TSV or CSV file names its columns; otherwise they go by number from 0.
        quoting: Of TSV files: `csv` (quotes enclose), `none` (quotes are letters), `auto` (whichever every row fits).
            Of CSV files, `csv` takes all lines that quotes enclose for one cell.
        skip_bad: Share of bad rows of a file that is tolerated; they go to `rejected.jsonl`.
        max_length: Pieces per row, special ones included; longer rows are cut.
        windows: Reads texts that are longer as several rows, and takes the mean or the largest of their logits.
        stride: Pieces that a window shares with the next one; None = a quarter.
        per_class: Draw so many rows of each class from train; None = all.
        share: Draw this share of the rows of train, of each class its own, at least one; None = all.
        metric: The figure on dev by which weights are chosen; None = accuracy, Pearson's correlation, micro-F1 of
            labels, F1 of entities and answers.
        label_map: Renames labels, applied before anything else looks at them; null leaves out the rows of a label.
        class_weights: `balanced`: in gold and soft losses a class counts by how rare it is in what is learnt from, on
            average by 1.
        positive: The class that F1 and MCC call positive; None = 1, else the first of positive, pos,
            entailment, entails, duplicate, paraphrase, yes, true, else the last.
        drop_overlap: Which rows of train, source and unlabelled texts to drop because dev or test shows them.
        confidence: Of the texts of `--unlabeled`, learn only those to whose likeliest class the teacher gives such a
            probability or more; None = all.
        scores: What the numbers of `--teacher-scores` are.
    """

    text: str | None = None
    text_a: str | None = None
    text_b: str | None = None
    label: str | None = None
    labels: tuple[str, ...] | None = None
    header: bool = True
    quoting: Literal["auto", "csv", "none"] = "auto"
    skip_bad: float = 0.0
    max_length: int = 128
    windows: Literal["off", "mean", "max"] = "off"
    stride: int | None = None
    per_class: int | None = None
    share: float | None = None
    metric: str | None = None
    label_map: Mapping[str, str | None] = field(default_factory=dict)
    class_weights: Literal["none", "balanced"] = "none"
    positive: str | None = None
    drop_overlap: Literal["none", "exact", "contained"] = "none"
    confidence: float | None = None
    scores: Scale = "probabilities"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself or would leave nothing to learn from."""
        self._check_columns()
        if not 0 <= self.skip_bad < 1:
            raise ValueError(f"skip_bad is a share of the rows, at least 0 and below 1, got {self.skip_bad}")
        if self.max_length < 5:  # a pair has three special pieces and needs one piece a side
            raise ValueError(f"max_length must be at least 5 pieces, got {self.max_length}")
        if self.stride is not None and not 0 <= self.stride <= self.max_length // 2:
            raise ValueError(f"stride must be at least 0 and at most half of max_length, got {self.stride}")
        if self.per_class is not None and self.per_class < 1:
            raise ValueError(f"per_class must be at least 1, got {self.per_class}")
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(f"share is one of the rows of train, between 0 and 1, got {self.share}")
        if self.share is not None and self.per_class is not None:
            raise ValueError("share and per_class both draw rows of train; give one of them")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise ValueError(f"confidence is a probability, between 0 and 1, got {self.confidence}")
        self._clean_labels()

    def _clean_labels(self) -> None:
        renamed = {clean(label): name if name is None else clean(name) for label, name in self.label_map.items()}
        if (label := next((label for label, name in renamed.items() if name == ""), None)) is not None:
            raise ValueError(f"label_map: '{label}' gets an empty name; say {{{label}: null}} to leave its rows out")
        object.__setattr__(self, "label_map", renamed)

    def _check_columns(self) -> None:
        pair = self.text_a is not None or self.text_b is not None
        if self.text is not None and pair:
            raise ValueError("text (single texts) and text_a, text_b (pairs) exclude each other; give one or the other")
        given = {n: v for n in ("text", "text_a", "text_b", "label") if (v := getattr(self, n)) is not None}
        if len(set(given.values())) < len(given):
            raise ValueError(f"{', '.join(f'{n}={v}' for n, v in given.items())}: the same column serves twice")
        if self.labels is not None:
            self._check_labels(given, self.labels)
        if not self.header:
            self._check_numbers(given)

    def _check_labels(self, given: Mapping[str, str], labels: tuple[str, ...]) -> None:
        if self.label is not None:
            raise ValueError("label (lists, or one label a text) and labels (columns of 0 and 1) exclude each other")
        if not labels or len({*labels, *given.values()}) < len(labels) + len(given):
            raise ValueError(f"labels={list(labels)}: names one column or more, each once, and none of the texts")

    def _check_numbers(self, given: Mapping[str, str]) -> None:
        for name, value in given.items():
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"{name}={value}: with header=false columns go by number from 0")
        if "text" not in given and not {"text_a", "text_b"} <= set(given):
            raise ValueError("header=false needs the columns by number from 0, for example text=0 label=1")

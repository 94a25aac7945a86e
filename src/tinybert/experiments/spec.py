"""What an experiment is: rows (systems) x data sets x seeds, in a budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

BudgetName = Literal["small", "paper"]
BUDGETS: Final = get_args(BudgetName)


@dataclass(frozen=True)
class DataSet:
    """A column: what is learnt and measured.

    Attributes:
        title: As tables name it; None = its name.
        prepare: Which of our recipes makes its files out of the data folder.
        train: File below the data folder; `hf:` names stay as they are. So are the next four.
        dev: Chooses the weights; a tenth of train without it.
        test: Labelled; what all figures are of.
        source: Labelled text of another domain, for rows that use it.
        unlabeled: Plain text, for rows that use it.
        source_rows: Draw so many lines of source for each seed; None = all.
        kind: Of the task; None = by its labels.
        metrics: Those shown, as in `metrics.json`; the first decides in the grid.
        x: Where a chart of lines over data sets draws it.
        settings: Of every run on it.
    """

    title: str | None = None
    prepare: str | None = None
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    source: str | None = None
    unlabeled: str | None = None
    source_rows: int | None = None
    kind: str | None = None
    metrics: tuple[str, ...] = ("accuracy",)
    x: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A system.

    Attributes:
        recipe: That makes it.
        shows: Which of the run's systems the row is about.
        student: A checkpoint or a shape; a share of the teacher's layers at its width, such as 1/3; `teacher`, which is
            then fine-tuned itself; None = the budget's, of no Transformer the recipe's own.
        source: Whether it is given the second domain.
        unlabeled: Whether it is given plain text.
        mlm: Whether it is given the budget's masked language model.
        config: A preset; None = the budget's, else the recipe's own.
        settings: Of its runs.
        grid: Values of settings of which the best on dev is taken, seed by seed; all combinations are run.
        without: Data sets that it has no cell for.
        size: In the paper.
        printed: The paper's figures by data set, in the order of its metrics: of another teacher and other data.
    """

    recipe: str
    shows: Literal["teacher", "student", "student_int8"] = "student"
    student: str | None = None
    source: bool = False
    unlabeled: bool = False
    mlm: bool = False
    config: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    size: str | None = None
    printed: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """What all rows have in common.

    Attributes:
        teacher: A folder or hub name; None = the small encoder of the extra `demo`.
        student: A checkpoint or a shape, where a row names none.
        mlm: A masked language model for augmentation; None = the recipes' own.
        config: A preset of every recipe; None = each recipe's own.
        device: Where networks run.
        seeds: Seeds 1 to so many.
        settings: Of every run, below those of its data set and row.
    """

    teacher: str | None = None
    student: str | None = None
    mlm: str | None = None
    config: str | None = None
    device: str | None = None
    seeds: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse nothing at all."""
        if self.seeds < 1:
            raise ValueError(f"seeds is the number of runs, at least 1, got {self.seeds}")


@dataclass(frozen=True)
class Layout:
    """What a table shows, of a file's rows and data sets.

    Attributes:
        title: What it is.
        rows: Names of rows in order.
        data: Names of data sets in order; None = all.
        chart: How a figure is drawn: a bar with its interval for every row, or a line over data sets for every row.
    """

    title: str
    rows: tuple[str, ...]
    data: tuple[str, ...] | None = None
    chart: Literal["bars", "lines"] = "bars"


@dataclass(frozen=True)
class Experiment:
    """One table in one budget.

    Attributes:
        name: As `reproduce` calls it.
        paper: Whose it is; None = nobody's.
        layout: What it shows.
        budget: What its runs have in common.
        budget_name: Which budget that is.
        rows: Systems by label.
        data: Data sets by name.
        called: As `reproduce` is asked for it: by its name, or its file.
    """

    name: str
    paper: str | None
    layout: Layout
    budget: Budget
    budget_name: BudgetName
    rows: Mapping[str, Row]
    data: Mapping[str, DataSet]
    called: str

    def title_of(self, data: str) -> str:
        """A data set as tables name it."""
        return self.data[data].title or data

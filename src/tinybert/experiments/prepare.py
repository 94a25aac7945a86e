"""The files of a data set, made out of a folder of public data: cut, relabelled, drawn; everywhere the same.

Which rows of train a run learns from (`data.per_class`, `data.share`) is drawn by the run, from its seed: the same for
every method within a seed, others for each seed.
"""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.model_selection import train_test_split

from tinybert import files
from tinybert.errors import UserError
from tinybert.experiments.spec import DataSet

ROLES: Final = ("train", "dev", "test", "source", "unlabeled")
Rows = Sequence[Mapping[str, Any]]
_SEED = 0  # of the cuts: every run is measured on the same test rows
_TAGS = ("helpful", "title", "review_text")


def files_of(name: str, data: DataSet, folder: Path, work: Path, seed: int) -> dict[str, str]:
    """By role, the file of a data set that a run of some seed reads.

    Args:
        name: Of the data set.
        data: What it is.
        folder: Of public data.
        work: Where files are made that are not there.
        seed: Of the run; draws the lines of source where only some are wanted.

    Raises:
        UserError: If a file is missing, or the recipe for it.
    """
    found = _prepared(name, data.prepare, folder, work) if data.prepare else {}
    found |= {role: _below(folder, given) for role in ROLES if (given := getattr(data, role)) is not None}
    if missing := [path for path in found.values() if not path.startswith("hf:") and not Path(path).exists()]:
        raise UserError(*(f"{path}: no such file; --data is the folder that holds it" for path in missing))
    if data.source_rows is not None and "source" in found:
        found["source"] = str(_drawn(Path(found["source"]), data.source_rows, work, seed))
    return found


def _below(folder: Path, name: str) -> str:
    return name if name.startswith("hf:") else str(folder / name)


def _prepared(name: str, recipe: str, folder: Path, work: Path) -> dict[str, str]:
    if recipe not in RECIPES:
        raise UserError(f"data.{name}.prepare: there is no {recipe!r}; there are {', '.join(RECIPES)}")
    target = work / recipe
    if not target.exists():
        with files.atomic_folder(target) as temporary:
            for role, rows in RECIPES[recipe](folder).items():
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                (temporary / f"{role}.jsonl").write_text("".join(lines), encoding="utf-8")
    return {role: str(path) for role in ROLES if (path := target / f"{role}.jsonl").exists()}


def _drawn(source: Path, rows: int, work: Path, seed: int) -> Path:
    """So many lines of a file; the header of a table stays."""
    header = source.suffix in (".tsv", ".csv")
    target = work / f"{source.parent.name}-{source.stem}-{rows}-{seed}{source.suffix}"
    if not target.exists():
        first, *lines = [*([] if header else [""]), *source.read_text(encoding="utf-8").split("\n")]
        lines = [line for line in lines if line]
        chosen = np.random.default_rng(seed).permutation(len(lines))[:rows]
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(target, "\n".join([*([first] if header else []), *(lines[row] for row in chosen)]) + "\n")
    return target


def natural_language_inference(folder: Path) -> dict[str, Rows]:
    """MultiNLI's and SNLI's dev sets, without contradictions, to SciTail: as Feng et al. 2021, with the data there are.

    Of SciTail only the published test set is expected; its 2,126 pairs are cut into 426, 500 and 1,200.
    """
    mnli = _table(folder / "mnli/dev_matched_gold.txt", "\t", "premise", "hypothesis", "gold_label")
    snli = _table(folder / "snli/dev.csv", ",", "premise", "hypothesis", "label")
    renamed = {"entailment": "entailment", "neutral": "not_entailment"}  # Qu et al. 2019 drop contradictions too
    source = [_pair(a, b, renamed[label]) for a, b, label in (*mnli, *snli) if label in renamed]
    target = [_pair(*row) for row in _table(folder / "scitail/dev.csv", ",", "premise", "hypothesis", "label")]
    return _cut(target, 500, 1200) | {"source": source}


def paraphrase(folder: Path) -> dict[str, Rows]:
    """Quora's pairs (the BiMPM partition's dev and test) to the English ones of CIKM AnalytiCup 2018.

    Of its 20,000 pairs 13,332 are cut into 6,668, 3,334 and 3,330, the numbers of Qu et al. 2019.
    """
    parts = [_table(folder / f"qqp/bimpm_{part}.tsv", "\t", 1, 2, 0) for part in ("dev", "test")]
    source = [_pair(*row) for part in parts for row in part]
    target = [_pair(*row) for row in _table(folder / "cikm2018/cikm_english_train_20180516.txt", "\t", 0, 2, 4)]
    kept, _ = train_test_split(target, train_size=13_332, stratify=_labels(target), random_state=_SEED)
    return _cut(kept, 3334, 3330) | {"source": source}


def helpfulness(folder: Path, domain: str = "electronics") -> dict[str, Rows]:
    """Which share of voters found a review helpful, at least two votes: another domain, to kitchen.

    Of the kitchen two fifths are for training, one for dev, two for test: 80, 10 and 10 % would test on 144 reviews.
    """
    source, target = (_reviews(folder / "amazon_blitzer" / name) for name in (domain, "kitchen"))
    return _cut(target, 0.2, 0.4, stratified=False) | {"source": source}


RECIPES: Final[Mapping[str, Callable[[Path], dict[str, Rows]]]] = {
    "natural_language_inference": natural_language_inference,
    "paraphrase": paraphrase,
    "helpfulness": helpfulness,
    "helpfulness_from_books": partial(helpfulness, domain="books"),
}


def _cut(rows: Rows, dev: int | float, test: int | float, *, stratified: bool = True) -> dict[str, Rows]:
    """Train is what is left; `dev` and `test` are numbers of rows, or shares of all."""
    sizes = [round(size * len(rows)) if isinstance(size, float) else size for size in (dev, test)]
    train, parts = rows, []
    for size in sizes:
        labels = _labels(train) if stratified else None
        train, part = train_test_split(train, test_size=size, stratify=labels, random_state=_SEED)
        parts.append(part)
    held, tested = parts
    return {"train": train, "dev": held, "test": tested}


def _labels(rows: Rows) -> list[Any]:
    return [row["label"] for row in rows]


def _pair(first: str, second: str, label: str) -> dict[str, str]:
    return {"text_a": first, "text_b": second, "label": label}


def _table(path: Path, delimiter: str, *columns: str | int) -> Iterator[list[str]]:
    """Some columns of a table, by name or, where it has no header, by number; quotes are letters in TSV."""
    how: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if delimiter == "\t" else {}
    with _opened(path) as stream:
        rows = csv.reader(stream, delimiter=delimiter, **how)
        header = next(rows) if isinstance(columns[0], str) else []
        places = [header.index(column) if isinstance(column, str) else column for column in columns]
        yield from ([row[place] for place in places] for row in rows if len(row) > max(places))


def _reviews(folder: Path) -> list[dict[str, Any]]:
    """The records are no XML: a bare & is in most of them."""
    found: list[dict[str, Any]] = []
    for part in ("positive", "negative"):
        with _opened(folder / f"{part}.review.gz") as stream:
            records = stream.read().split("</review>")
        for record in records:
            votes, title, text = (_inside(tag, record) for tag in _TAGS)
            if (said := re.fullmatch(r"(\d+) of (\d+)", votes)) and int(said[2]) >= 2:
                words = " ".join(f"{title}. {text}".split())
                found.append({"text": words, "label": int(said[1]) / int(said[2])})
    return found


def _inside(tag: str, record: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", record, re.DOTALL)
    return found[1].strip() if found else ""


def _opened(path: Path) -> Any:
    if not path.exists():
        raise UserError(f"{path}: no such file; --data is the folder that holds it")
    opened = gzip.open if path.suffix == ".gz" else open
    return opened(path, "rt", encoding="utf-8", newline="", errors="replace")

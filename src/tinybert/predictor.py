"""A finished model at work: evaluate it on labelled text, or predict with it; torch folders and ONNX files alike."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from tinybert.config import parse
from tinybert.data.columns import Labels
from tinybert.data.encode import Encoder
from tinybert.data.encoded import EncodedRows, told_of_long, unknown_notes
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.data.windows import Windows
from tinybert.engine.evaluate import LogitsFn, logits_fn, logits_of
from tinybert.errors import UserError
from tinybert.export.layout import MODEL, model_folder
from tinybert.export.runtime import OnnxModel
from tinybert.families import longest_input
from tinybert.log import Log
from tinybert.machine import choose_device
from tinybert.models.heads import check_form, learnt_pairs, learnt_windows
from tinybert.models.loading import load_classifier, load_config, load_tokenizer
from tinybert.models.source import folder_of
from tinybert.run import RunSettings
from tinybert.tasks.base import Task
from tinybert.tasks.read import load_for, task_of
from tinybert.types import Kind


@dataclass(frozen=True)
class Settings:
    """What `--set` may say to a finished model."""

    data: DataSettings = field(default_factory=DataSettings)
    run: RunSettings = field(default_factory=RunSettings)


class Answers(NamedTuple):
    """What a model says of some rows.

    Attributes:
        examples: The rows.
        answers: As people read them.
        gold: The true ones; None where there are no labels.
        figures: The metrics; none without labels.
    """

    examples: Examples
    answers: list[Any]
    gold: list[Any] | None
    figures: dict[str, float]


@dataclass(frozen=True)
class Predictor:
    """A model that is ready to use.

    Attributes:
        model: What the user calls it.
        logits_fn: Computes the logits of a batch.
        task: What it was made for.
        paired: Whether it learnt pairs of texts; None = nobody knows.
        tokenizer: Its own.
        settings: How to read the data.
    """

    model: str
    logits_fn: LogitsFn
    task: Task
    paired: bool | None
    tokenizer: PreTrainedTokenizerFast
    settings: Settings

    @staticmethod
    def load(model: str | PathLike[str], kind: Kind | None, overrides: Sequence[str]) -> "Predictor":
        """Load a run folder's student, a classifier's folder, an export folder, or one ONNX file.

        Raises:
            UserError: If it cannot be loaded, or is not of this kind.
        """
        path = folder_of_student(model)
        folder = model_folder(path)
        config, tokenizer = load_config(folder), load_tokenizer(folder)
        longest = min(int(tokenizer.model_max_length), longest_input(config))
        settings = parse(Settings, {"data": {"max_length": longest, **learnt_windows(config)}}, overrides)
        if settings.data.max_length > longest_input(config):
            raise UserError(f"data.max_length: {model} reads at most {longest_input(config)} pieces")
        if settings.run.threads is not None:
            torch.set_num_threads(settings.run.threads)
        task = task_of(config, str(model), kind, settings.data)
        return Predictor(str(model), _logits_fn_of(path), task, learnt_pairs(config), tokenizer, settings)

    def evaluate(self, data: Any) -> dict[str, Any]:
        """The metrics of the model on labelled data, and how many rows they rest on."""
        with self._encoded(data, labels="needed") as rows:
            figures = self.task.metrics(logits_of(self.logits_fn, rows), rows)
            return {
                **figures,
                "rows": len(rows.needed_examples()),
                "truncated": rows.truncated,
                "windowed": rows.windowed,
            }

    def answers(self, data: Any) -> Answers:
        """The bare answers, beside the gold ones and with the metrics where the data are labelled."""
        with self._encoded(data, labels="optional") as rows:
            logits, examples = logits_of(self.logits_fn, rows), rows.needed_examples()
            answers = self.task.answers(logits, rows)
            if not rows.labelled:
                return Answers(examples, answers, None, {})
            return Answers(examples, answers, self.task.gold_answers(rows), self.task.metrics(logits, rows))

    def predict(self, data: Any) -> Iterator[dict[str, Any]]:
        """The model's predictions, one per row, in order."""
        with self._encoded(data, labels="none") as rows:
            logits = logits_of(self.logits_fn, rows)
            if rows.truncated or rows.windowed:
                told = told_of_long(rows, len(rows.needed_examples()), self.settings.data.max_length)
                Log().say(f"data: {told}")
            yield from self.task.predictions(logits, rows)

    @contextmanager
    def _encoded(self, data: Any, *, labels: Labels) -> Iterator[EncodedRows]:
        """Encoded rows, which exist as long as the block."""
        examples = load_for(data, self.settings.data, self.task, labels=labels)
        name = str(data) if isinstance(data, str | PathLike) else "data"
        check_form(name, examples.paired, self.model, self.paired)
        for note in examples.notes:
            Log().say(f"data: {note}")
        with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
            target = Path(folder) / "rows.arrow"
            windows = Windows(self.settings.data.windows, self.settings.data.stride)
            rows = Encoder(self.tokenizer, self.settings.data.max_length, windows).encode(examples, target)
            for note in unknown_notes({"data": rows.unknown}):
                Log().say(note)
            yield rows


def folder_of_student(model: str | PathLike[str]) -> Path:
    """The student of a run folder; another folder or an ONNX file stays as it is; else a hub model of that name."""
    path = Path(model)
    if (path / "student" / "config.json").exists():
        return path / "student"
    return path if path.exists() or path.suffix == ".onnx" else folder_of(model if isinstance(model, str) else path)


def _logits_fn_of(path: Path) -> LogitsFn:
    """Torch weights where there are some, else ONNX."""
    if path.suffix == ".onnx" or (path / MODEL).exists():
        return OnnxModel(path if path.suffix == ".onnx" else path / MODEL, torch.get_num_threads()).batch_logits
    device = choose_device(None)
    return logits_fn(load_classifier(path).model.to(device), device)

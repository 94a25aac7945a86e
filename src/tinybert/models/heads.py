"""Task heads: whether a checkpoint has one, what its outputs mean, and whether that is what the data asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from tinybert.errors import UserError
from tinybert.families import FAMILIES
from tinybert.families.network import OF_ANSWERS, OF_PIECES, OF_TAGS
from tinybert.models import embedded
from tinybert.models.source import folder_of, read_config, saved_as, weight_names, weight_shape


@dataclass(frozen=True)
class Head:
    """What a task asks of the head of a network.

    Attributes:
        classes: Names of its outputs, in order; none where it gives a score.
        problem_type: What transformers calls the task; None where it has no name for it.
        auto: The class of transformers that has such a head.
        scheme: Of tags: what `tag_scheme` in config.json says, for whoever asks the saved model.
    """

    classes: tuple[str, ...] = ()
    problem_type: str | None = "single_label_classification"
    auto: str = "AutoModelForSequenceClassification"
    scheme: str | None = None

    @property
    def outputs(self) -> int:
        """How many there are."""
        return len(self.classes) or 1

    @property
    def of_texts(self) -> bool:
        """Whether its outputs are of whole texts, not of pieces."""
        return self.auto.endswith(OF_SEQUENCES)

    def describe_in(self, config: PretrainedConfig) -> None:
        """Set number, names and kind of a network's outputs."""
        config.num_labels = self.outputs
        config.problem_type = self.problem_type
        if self.scheme is not None:
            config.tag_scheme = self.scheme
        if self.classes:
            config.id2label = dict(enumerate(self.classes))
            config.label2id = {name: number for number, name in enumerate(self.classes)}


SCORE = Head(problem_type="regression")
OF_SEQUENCES = "ForSequenceClassification"
_DOES = {
    OF_SEQUENCES: "says something of a whole text",
    OF_TAGS: "says something of every word",
    OF_ANSWERS: "finds answers to questions",
}
SEVERAL = "multi_label_classification"  # the problem type of a head whose outputs have a sigmoid each


def has_task_head(source: str | Path) -> bool:
    """Whether a checkpoint was saved as a classifier, of sequences or of tokens, and its weights hold the classifier.

    Raises:
        UserError: If it was, and gives another number of outputs than its configuration says.
    """
    folder = folder_of(source)
    config = read_config(folder)
    output = _output_of(config)
    if output is None or output not in weight_names(folder):
        return False
    said = config.get("num_labels") or len(output_names(folder, config))
    if said != (stored := weight_shape(folder, output)[0]):
        raise UserError(
            f"{folder}: config.json names {said} outputs of the head, model.safetensors holds {stored}; "
            "correct id2label, or give another model"
        )
    return True


def _output_of(config: dict[str, Any]) -> str | None:
    """The stored matrix that gives the logits, by what a config.json says; None where no classifier was saved."""
    family, name = FAMILIES[config["model_type"]], saved_as(config)
    heads = {OF_SEQUENCES: family.task_head, OF_TAGS: family.piece_head, OF_ANSWERS: family.answer_head}
    module = next((module for ending, module in heads.items() if name.endswith(ending)), None)
    return None if module is None else f"{module}.weight"


def head_of(config: PretrainedConfig) -> Head:
    """A head as a model with one was saved."""
    return Head(auto=f"AutoModel{_ending(config)}")


def gives_tags(config: PretrainedConfig) -> bool:
    """Whether a head tags every piece."""
    return _ending(config) == OF_TAGS


def finds_answers(config: PretrainedConfig) -> bool:
    """Whether a head says where answers begin and end."""
    return _ending(config) == OF_ANSWERS


def _ending(config: PretrainedConfig) -> str:
    """How the class ends that a classifier was saved as."""
    names = config.architectures or ()
    return next((ending for ending in OF_PIECES for name in names if name.endswith(ending)), OF_SEQUENCES)


def has_masked_lm_head(source: str | Path) -> bool:
    """Whether a checkpoint can fill masks: its weights hold the head, or it is the embedded masked LM."""
    if embedded.is_named(source):
        return True
    folder = folder_of(source)
    last = FAMILIES[read_config(folder)["model_type"]].masked_lm_head
    return last is not None and any(name.startswith(f"{last}.") for name in weight_names(folder))


def output_names(folder: Path, config: Mapping[str, Any]) -> dict[int, str]:
    """What a config.json names the outputs of a head, from 0 on; numbers are names too.

    Raises:
        UserError: If an output has no name.
    """
    if (names := config.get("id2label")) is None:
        return {number: f"LABEL_{number}" for number in range(config.get("num_labels", 2))}
    numbers = range(len(names) if isinstance(names, dict) else 0)
    if not numbers or any(not isinstance(names.get(str(number)), str | int | float) for number in numbers):
        raise UserError(f"{folder / 'config.json'}: id2label must name the outputs of the head, 0, 1, ...; correct it")
    return {number: str(names[str(number)]) for number in numbers}


def head_classes(config: PretrainedConfig) -> tuple[str, ...] | None:
    """The names of a head's classes in order; None for regression and for the placeholders LABEL_0, LABEL_1, ..."""
    names = [config.id2label.get(number) for number in range(config.num_labels)]
    placeholders = [f"LABEL_{number}" for number in range(config.num_labels)]
    if gives_score(config) or names == placeholders or None in names:
        return None
    return tuple(str(name) for name in names)


def names_of(config: PretrainedConfig) -> tuple[str, ...]:
    """The names of a head's outputs in order, placeholders too."""
    return tuple(str(config.id2label[number]) for number in range(config.num_labels))


def gives_score(config: PretrainedConfig) -> bool:
    """Whether a head gives one score instead of classes."""
    one = config.num_labels == 1 or config.problem_type == SCORE.problem_type
    return bool(one and not gives_several(config))


def gives_several(config: PretrainedConfig) -> bool:
    """Whether a head decides about each of its labels alone, so that several may hold."""
    return bool(config.problem_type == SEVERAL)


def noted_thresholds(config: PretrainedConfig, count: int) -> dict[str, float]:
    """The thresholds of labels that a saved model was given: `thresholds` in config.json; none where it has none.

    Args:
        config: Names its outputs.
        count: How many labels have one.

    Raises:
        UserError: If one is missing, or is no probability.
    """
    noted = getattr(config, "thresholds", None)
    if noted is None:
        return {}
    found = noted if isinstance(noted, dict) else {}
    known = {
        name: float(limit)
        for name in names_of(config)
        if isinstance(limit := found.get(name), int | float) and 0 <= limit <= 1
    }
    if not len(known) == len(found) == count:
        labels = "a label" if count == 1 else "each label"
        raise UserError(f"config.json: thresholds must name a probability for {labels}; correct or remove them")
    return known


def note_temperature(config: PretrainedConfig, temperature: float) -> None:
    """Note what the logits of a finished student were divided by: `calibration_temperature` in config.json."""
    config.calibration_temperature = temperature


def take_temperature(config: PretrainedConfig) -> float:
    """What `note_temperature` noted, which is forgotten; 1 where nothing was.

    Raises:
        UserError: If it is no positive number.
    """
    noted = config.__dict__.pop("calibration_temperature", 1.0)
    if not isinstance(noted, int | float) or not 0 < noted < float("inf"):
        raise UserError("config.json: calibration_temperature must be a positive number; correct or remove it")
    return float(noted)


def note_reading(config: PretrainedConfig, *, paired: bool, pooling: str, stride: int | None) -> None:
    """Note for whoever asks the saved model what it learnt to read: `text_pairs` and `text_windows` in config.json.

    Args:
        config: Of the model.
        paired: Whether it learnt pairs of texts.
        pooling: How logits of a long text's windows become one; `off` = it was cut.
        stride: Pieces that windows share; None = a quarter.
    """
    config.text_pairs = paired
    if pooling != "off" or stride is not None or hasattr(config, "text_windows"):  # which a student has of its teacher
        config.text_windows = {"windows": pooling, "stride": stride}


def learnt_windows(config: PretrainedConfig) -> dict[str, Any]:
    """How a model reads long texts, as settings of the group `data`; none where nobody noted it."""
    noted = getattr(config, "text_windows", None)
    return {name: noted[name] for name in ("windows", "stride") if name in noted} if isinstance(noted, dict) else {}


def learnt_pairs(config: PretrainedConfig) -> bool | None:
    """Whether a model learnt pairs of texts; None where nobody noted it, as in models from elsewhere."""
    noted = getattr(config, "text_pairs", None)
    return noted if isinstance(noted, bool) else None


def check_form(data: str, paired: bool, model: str | Path, learnt: bool | None) -> None:
    """Refuse single texts where a model learnt pairs, and the reverse: it would answer, but not this question.

    Args:
        data: What messages call the texts.
        paired: Whether they are pairs.
        model: What messages call the model.
        learnt: What it learnt, see `learnt_pairs`.

    Raises:
        UserError: If the two differ.
    """
    if learnt in (None, paired):
        return
    form, found, columns = ("single texts", "pairs", "the one to read (data.text)")
    if learnt:
        form, found, columns = ("pairs of texts", "single texts", "both (data.text_a, data.text_b)")
    raise UserError(f"{data}: has {found}, but {model} learnt {form}; name {columns}, or take another model")


def check_task(folder: Path, config: PretrainedConfig, wanted: Head | None) -> None:
    """Refuse a head that gives something else than the task asks for; None = whatever it gives is right."""
    if wanted is None:
        return
    if not wanted.auto.endswith(_ending(config)):
        does = _DOES[_ending(config)]
        raise UserError(f"{folder}: the head {does}, which is not what the data asks for; see --kind")
    several, asked = (kind == SEVERAL for kind in (config.problem_type, wanted.problem_type))
    if several != asked:
        gives, has = ("several labels", "one") if several else ("one class or score", "several labels")
        raise UserError(
            f"{folder}: the head gives {gives} to a text, the data has {has} (problem_type in config.json); give "
            "another model, or --kind"
        )
    stored = head_classes(config)
    if config.num_labels != wanted.outputs or (stored and stored != wanted.classes):
        has = ", ".join(stored) if stored else f"{config.num_labels} output(s)"
        wants = ", ".join(wanted.classes) or "one score"
        raise UserError(
            f"{folder}: the head has {has}; the data has {wants}; see data.label_map, or give another model"
        )

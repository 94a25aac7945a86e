"""Write the tables that come from the code: all settings into docs/settings.md, all families into docs/families.md.

python docs/make_tables.py          writes them
python docs/make_tables.py --check  ends with 1 where one is not up to date

Keys, kinds, meanings and values come from the code and the packaged presets; only their origin is said here.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from tinybert.artifacts import by_name
from tinybert.config import Key, preset_names, resolve, schema_keys
from tinybert.engine.optimise import LEAST_STEPS
from tinybert.families import TRANSFORMERS
from tinybert.families.attention import Rotary
from tinybert.recipes import RECIPES
from tinybert.types import Stage

BEGIN, END = "<!-- table: docs/make_tables.py -->", "<!-- end of table -->"
PRESETS: Final = ("small", "paper")  # those that every recipe has; the small of l2a is its practical

_FENG = "Feng et al. 2021"
_DEVLIN = "Devlin et al. 2019"
_JIAO = "Jiao et al. 2020"
_CODE = "the authors' code"
_CLIP = f"ours: the whole gradient; {_CODE} clips each parameter by itself and has an Adam without bias correction"
_LEAST, _MOST = LEAST_STEPS, Stage().most_epochs
_BY_ROWS = f"`null`: the usual epochs, but at least {_LEAST} updates and at most {_MOST} epochs (ours)"

_MASKED_LM: Final = {
    "epochs": _BY_ROWS,
    "usual_epochs": "ours",
    "most_epochs": "ours",
    "batch_size": "ours",
    "lr": _DEVLIN,
    "weight_decay": _DEVLIN,
    "warmup": _DEVLIN,
    "schedule": _DEVLIN,
    "max_steps": "ours",
    "accumulate": "ours",
    "temperature": "not used",
    "clip": "BERT's published code",
    "evaluate_every": "not used: this stage has no evaluation",
    "patience": "not used: this stage has no evaluation",
    "max_length": "ours",
    "masking.share": _DEVLIN,
    "masking.at_most": "ours",
    "masking.whole_words": _DEVLIN,
    "masking.from_the_same_text": _DEVLIN,
}

_STATIONARY: Final = {
    "word_temperature": _FENG,
    "law": "ours; see [stationary](augmenters/stationary.md)",
    "min_edits": f"ours: no exact copies; {_FENG}, Eq. 11",
    "fill": "ours, for speed; the code of ARAML has `independent`",
    "word": f"the code of ARAML; `probabilities` is {_FENG}, Eq. 12",
}
_DISTILL: Final = {
    **dict.fromkeys(("batch_size", "lr"), f"ours; {_FENG} by dev; pkd: Sun et al. 2019"),
    **dict.fromkeys(("epochs", "temperature"), f"ours; {_FENG} do not say; pkd: Sun et al. 2019"),
    **dict.fromkeys(("weight_decay", "warmup", "schedule"), f"ours; {_FENG} do not say"),
    "usual_epochs": "ours",
    "most_epochs": "ours",
    "clip": "BERT's published code",
    **dict.fromkeys(("max_steps", "accumulate", "evaluate_every", "patience"), "ours"),
}
_WU = "the code of Wu et al. 2019"
_CBERT: Final = {
    **dict.fromkeys(("epochs", "batch_size", "lr", "schedule", "max_length"), _WU),
    **dict.fromkeys(("masking.share", "masking.at_most", "masking.from_the_same_text"), _WU),
    "usual_epochs": "not used",
    "most_epochs": "ours",
    "warmup": f"{_WU}; a constant rate has none",
}
_SUN = "Sun et al. 2019"
_TANG = "Tang et al. 2019"
_GENERAL: Final = {
    **dict.fromkeys(("epochs", "batch_size"), f"ours; {_JIAO} and {_CODE}"),
    "block_length": f"{_JIAO} and {_CODE}",
    "lr": f"ours; {_CODE}",
    "warmup": _CODE,
    **dict.fromkeys(("tokens", "held_out", "max_steps", "accumulate", "patience"), "ours"),
    **dict.fromkeys(("usual_epochs", "most_epochs", "weight_decay", "schedule", "clip"), "ours"),
    "evaluate_every": "ours: `null` is some twenty times in this stage",
    "temperature": "not used: no prediction is softened",
    "dropout": f"ours, for speed; {_CODE}",
}

# Where the values come from: "small" first where the presets differ. A key that is missing here stops the script.
SOURCES: Final = {
    "train": "ours",
    "dev": "ours",
    "test": "ours",
    "source": "ours",
    "unlabeled": "ours",
    "teacher_scores": "ours",
    "output": "ours",
    "kind": "ours",
    "mlm": "ours",
    "vectors": "ours",
    "seed": "ours",
    "seeds": "ours",
    "device": "ours",
    **dict.fromkeys(("max_mb", "max_ms", "at", "max_minutes"), "ours"),
    "data.text": "ours",
    "data.text_a": "ours",
    "data.text_b": "ours",
    "data.label": "ours",
    "data.labels": "ours",
    "data.header": "ours",
    "data.quoting": "ours",
    "data.skip_bad": "ours",
    "data.max_length": f"{_CODE} of TinyBERT (64 for CoLA and SST-2)",
    "data.windows": "ours",
    "data.stride": "ours",
    "data.per_class": "ours",
    "data.share": "ours",
    "data.metric": "ours",
    "data.label_map": "ours",
    "data.class_weights": "ours",
    "data.positive": "ours",
    "data.drop_overlap": "ours",
    "data.confidence": "ours",
    "data.scores": "ours",
    "teacher.path": "ours",
    "teacher.dtype": "ours, for speed",
    "teacher.cache": "ours, for speed; `auto`: 4 GB, at most a quarter of the free disk",
    "teacher.accept_weak": "ours",
    "student.path": f"{_JIAO}: the 4-layer student",
    "student.init": f"ours, see [initialisation](initialisation.md); `random` is {_JIAO}",
    "student.heads": f"{_JIAO}: head i learns from head i",
    "student.vocabulary": "ours",
    "student.inner": f"{_JIAO}: 1200 at width 312; otherwise {_DEVLIN}",
    "student.embedding": f"{_TANG}: as wide as their word vectors",
    "student.least": "ours",
    "student.dropout": "the code of Tang et al. 2019",
    "student.projection": f"{_JIAO}, Eq. 8 and 9; `shared` is {_CODE}",
    "student.attention_weight": f"{_JIAO}, Eq. 11; see [tinybert](recipes/tinybert.md)",
    "student.attention_heads": f"{_JIAO}, Eq. 7; `means` is ours",
    "student.layer_map": f"{_JIAO}; `spread` is Sanh et al. 2019",
    "fine_tune.epochs": f"{_BY_ROWS}; {_DEVLIN}",
    "fine_tune.usual_epochs": _DEVLIN,
    "fine_tune.most_epochs": "ours",
    "fine_tune.batch_size": _DEVLIN,
    "fine_tune.lr": _DEVLIN,
    "fine_tune.weight_decay": _DEVLIN,
    "fine_tune.warmup": _DEVLIN,
    "fine_tune.schedule": _DEVLIN,
    "fine_tune.max_steps": "ours",
    "fine_tune.accumulate": "ours",
    "fine_tune.temperature": "not used",
    "fine_tune.clip": "BERT's published code",
    "fine_tune.evaluate_every": "ours",
    "fine_tune.patience": "ours",
    "augment.probability": _JIAO,
    "augment.candidates": _JIAO,
    "augment.context": f"{_CODE}; {_JIAO}, Algorithm 1",
    "augment.group_positions": "ours, for speed",
    "augment.skip_stopwords": f"{_JIAO}; {_CODE} skips them",
    "augment.skip_nonletters": f"{_JIAO}; {_CODE} skips them",
    "augment.punctuation": f"{_CODE}; {_JIAO}, Algorithm 1",
    "augment.keep_original": _JIAO,
    "augment.method": _JIAO,
    "augment.copies": _JIAO,
    "augment.at_most": "ours",
    "augment.adapt": "ours",
    "augment.keep_flipped": "ours",
    **{f"masked_lm.{key}": origin for key, origin in _MASKED_LM.items()},
    **{f"cbert.{key}": origin for key, origin in (_MASKED_LM | _CBERT).items()},
    "augment.alpha": "eda: Wei and Zou 2019; stationary: Feng et al. 2021",
    "augment.clean": "ours",
    "augment.one_in": _WU,
    "augment.temperature": _WU,
    "augment.p_mask": _TANG,
    "augment.p_pos": _TANG,
    "augment.p_ngram": _TANG,
    "augment.tagger": "ours",
    **{f"augment.{key}": origin for key, origin in _STATIONARY.items()},
    "l2a.alpha": "Feng et al. 2021",
    **{f"l2a.{key}": origin for key, origin in _STATIONARY.items()},
    "l2a.selector": f"{_FENG}; `agreement` is ours",
    "l2a.restart": "ours",
    "l2a.learn_from": f"{_FENG}, the ablation",
    "l2a.target_samples": _FENG,
    "l2a.source_samples": _FENG,
    "l2a.source_text": f"ours, for speed; {_FENG}",
    "l2a.source_limit": "ours, for speed",
    "l2a.balanced": "ours",
    "l2a.act_on_originals": "ours",
    "l2a.reward": f"ours; {_FENG} have `metric`",
    "l2a.reward_over": f"ours; {_FENG} have `before`",
    "l2a.reward_every": f"ours, for speed; {_FENG}",
    "l2a.reward_eval_size": f"ours, for speed; {_FENG}",
    "l2a.teacher_data": f"ours; {_FENG}",
    "l2a.train_generator": f"{_FENG} can be read both ways",
    "l2a.generator_weights": f"{_FENG}; `literal` is Eq. 9",
    "l2a.kappa": f"{_FENG}: alpha",
    "l2a.policy.state": f"Qu et al. 2019; {_FENG}",
    "l2a.policy.agreement": "ours, as Yoon et al. 2020 (DVRL)",
    "l2a.policy.first_states": "Qu et al. 2019",
    "l2a.policy.hidden": _FENG,
    "l2a.policy.init_keep": "ours",
    "l2a.policy.init_keep_disputed": "ours",
    "l2a.policy.selection": "ours",
    "l2a.policy.lr": f"ours; {_FENG}",
    "l2a.policy.gamma": "Qu et al. 2019",
    "l2a.policy.entropy_bonus": f"ours; {_FENG} have none",
    "l2a.policy.value_baseline": "Qu et al. 2019",
    "l2a.policy.one_step": "ours",
    "l2a.policy.significance": "ours",
    **{f"l2a.generator.{key}": "ours" for key in _DISTILL},
    **dict.fromkeys(("objective.attention", "objective.hidden", "objective.prediction"), f"{_FENG}; {_JIAO}"),
    "objective.embedding": _JIAO,
    "objective.attention_heads": f"{_FENG}; `means` is ours",
    **dict.fromkeys(("objective.soft", "objective.gold", "objective.cosine"), "ours; Sanh et al. 2019 fine-tune"),
    "objective.relation_heads": "Wang et al. 2021",
    "objective.assistant": "Wang et al. 2020",
    "objective.targets": "Wang et al. 2020; `soft` is ours",
    "objective.gold_weight": _TANG,
    "objective.alpha": f"{_SUN} by dev",
    "objective.beta": f"{_SUN} by dev",
    "objective.layers": _SUN,
    "objective.normalised": f"{_SUN} by dev",
    **{f"distill.{key}": origin for key, origin in _DISTILL.items()},
    **{f"general.{key}": origin for key, origin in _GENERAL.items()},
    "intermediate.epochs": f"{_BY_ROWS}; {_JIAO}",
    "intermediate.usual_epochs": "ours",
    "intermediate.most_epochs": "ours",
    "intermediate.batch_size": _JIAO,
    "intermediate.lr": f"ours; {_JIAO}",
    "intermediate.weight_decay": _CODE,
    "intermediate.warmup": f"{_CODE}; a constant rate has none",
    "intermediate.schedule": f"ours; {_CODE}",
    "intermediate.max_steps": "ours",
    "intermediate.accumulate": "ours",
    "intermediate.temperature": "not used",
    "intermediate.clip": _CLIP,
    "intermediate.evaluate_every": "not used: this stage has no evaluation",
    "intermediate.patience": "not used: this stage has no evaluation",
    "prediction.epochs": f"{_BY_ROWS}; {_JIAO}",
    "prediction.usual_epochs": _JIAO,
    "prediction.most_epochs": "ours",
    "prediction.batch_size": _JIAO,
    "prediction.lr": f"ours; {_JIAO}",
    "prediction.weight_decay": _CODE,
    "prediction.warmup": _CODE,
    "prediction.schedule": _CODE,
    "prediction.max_steps": "ours",
    "prediction.accumulate": "ours",
    "prediction.temperature": _JIAO,
    "prediction.clip": _CLIP,
    "prediction.evaluate_every": f"ours: once an epoch; {_CODE}",
    "prediction.patience": "ours",
    "run.dtype": "ours, for speed",
    "run.threads": "ours",
    "run.graphs": "ours, for speed",
    "run.deterministic": "ours",
    "run.checkpoint_every": "ours",
    "run.keep": "ours",
    "run.store": "ours",
    "run.tensorboard": "ours",
    "run.executor": "ours",
    "run.address": "ours",
    "run.workers": "ours",
    "export.quantisation": "ours; see [decisions](decisions.md#what-is-shipped)",
    "export.qat": "ours",
    "export.threshold": "ours",
    "export.calibration_rows": "ours",
}


def settings_table() -> str:
    """Every setting with its values, as Markdown."""
    head = ["key", *(f"`{preset}`" for preset in PRESETS), "takes", "meaning", "from"]
    lines = [_line(head), _line(["---"] * len(head))]
    for key in _keys():
        values = [_value(key, preset) for preset in PRESETS]
        only = f"{', '.join(key.only)}: " if key.only else ""
        lines.append(_line([f"`{key.name}`", *values, key.kind, f"{only}{key.help}", SOURCES[key.name]]))
    return "\n".join(lines)


def families_table() -> str:
    """Every family of transformers with what works, as Markdown; tests/families checks each cell."""
    head = ["`model_type`", "students of its own, `student.init`", "words", "questions", "attention"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, family in TRANSFORMERS.items():
        layout = family.layout
        cut = ", ".join(how for how in ("project", "layers", "random") if how in family.starts)
        heads = ("yes" if path else "no" for path in (family.piece_head, family.answer_head))
        attention = "fused" if layout.fused else "eager"
        turned = ", rotary positions" if isinstance(layout.attention, Rotary) else ""
        lines.append(_line([f"`{name}`", cut or "none", *heads, attention + turned]))
    return "\n".join(lines)


TABLES: Final = {
    Path(__file__).with_name("settings.md"): settings_table,
    Path(__file__).with_name("families.md"): families_table,
}


def page(path: Path) -> str:
    """A page with its table as it should be."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n{TABLES[path]()}\n{END}{rest.split(END)[1]}"


def _keys() -> list[Key]:
    """The keys of all recipes, groups together, each key once."""
    found = {(key.name, key.only): key for recipe in RECIPES.values() for key in schema_keys(recipe.config)}
    groups = list(dict.fromkeys(name.rpartition(".")[0] for name, _ in found))
    return [key for group in groups for (name, _), key in found.items() if name.rpartition(".")[0] == group]


def _value(key: Key, preset: str) -> str:
    """A key's value in a preset, by recipe where they differ; the default where no preset has such a method."""
    by_recipe = {}
    for name in RECIPES:
        settings = _settings(name, preset)
        if key.name in settings and (not key.only or settings["augment.method"] in key.only):
            by_recipe[name] = f"`{_shown(settings[key.name])}`"
    if not by_recipe:
        return f"`{_shown(key.default)}`"
    if len(set(by_recipe.values())) == 1:
        return next(iter(by_recipe.values()))
    return "; ".join(f"{name} {value}" for name, value in by_recipe.items())


@cache
def _settings(recipe: str, preset: str) -> dict[str, Any]:
    """All values of a preset by key; none where the recipe has no such preset."""
    if preset not in preset_names(recipe):
        return {}
    return by_name(resolve(RECIPES[recipe].config, recipe, config=preset).settings)


def _shown(value: Any) -> str:
    """A value as it is written in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(any(path.read_text(encoding="utf-8") != page(path) for path in TABLES))
    for path in TABLES:
        path.write_text(page(path), encoding="utf-8")

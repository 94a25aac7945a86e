"""From layers of settings to one checked dataclass: types, places, wording."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.config import FILE, MODEL, Origin, dump_yaml, parse, read_yaml, schema_keys, without_unread
from tinybert.errors import UserError
from tinybert.types import Stage


@dataclass(frozen=True)
class Data:
    """What the columns are.

    Attributes:
        text: Column of the text,
            by name or by number.
        label_map: From the file's labels to the teacher's.
    """

    text: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    drop: Literal["none", "exact"] = "none"
    skip_bad: float = 0.0


@dataclass(frozen=True)
class Teacher:
    path: Annotated[str | None, MODEL] = None
    cache: str = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    seed: int = 0
    train: Annotated[str, FILE] | None = None
    threads: int | Literal["auto"] = "auto"
    verbose: bool = False
    layers: tuple[int, ...] = ()
    layer_map: Literal["uniform", "top"] | tuple[int, ...] = "uniform"
    data: Data = field(default_factory=Data)
    teacher: Teacher = field(default_factory=Teacher)
    prediction: Stage = field(default_factory=Stage)


@dataclass(frozen=True)
class Needy:
    train: str
    stage: Stage
    source: str | None = None


def problems(mapping=None, overrides=(), origin=None, schema=Settings) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        parse(schema, mapping or {}, overrides, origin)
    return caught.value.problems


def from_file(folder: Path, text: str, overrides=()) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    mapping, origin = read_yaml(path)
    return parse(Settings, mapping, overrides, origin)


def test__nothing_set_gives_the_defaults():
    assert parse(Settings, {}) == Settings()


def test__a_file_sets_numbers_words_lists_and_groups(tmp_path):
    got = from_file(
        tmp_path,
        "seed: 7\nthreads: 2\nverbose: true\nlayers: [3, 6]\nprediction:\n  lr: 5e-5\n  max_steps: null\n"
        "data:\n  text: 3\n  drop: none\n  label_map: {no: off, 1: 2}\nteacher: {path: hub/name, cache: off}\n",
    )

    assert (got.seed, got.threads, got.verbose, got.layers) == (7, 2, True, (3, 6))
    assert (got.prediction.lr, got.prediction.max_steps) == (5e-5, None)
    assert (got.data.text, got.data.drop, got.data.label_map) == ("3", "none", {"no": "off", "1": "2"})
    assert (got.teacher.path, got.teacher.cache) == ("hub/name", "off")


@pytest.mark.parametrize(
    ("written", "meant"), [("[1, 3]", (1, 3)), ("[1,3]", (1, 3)), ("top", "top"), ("'top'", "top"), ("[]", ())]
)
def test__a_word_or_a_list(tmp_path, written, meant):
    assert from_file(tmp_path, f"layer_map: {written}\n").layer_map == meant
    assert from_file(tmp_path, "layer_map: [7]\n", [f"layer_map={written}"]).layer_map == meant
    assert parse(Settings, {"layer_map": list(meant) if isinstance(meant, tuple) else meant}).layer_map == meant


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("bottom", "a list such as [a, b], got 'bottom'"),
        ("3", "a list such as [a, b], got 3"),
        ("[a]", "a whole number in a list, got ['a']"),
        ("[1.5, b]", "a whole number in a list, got [1.5, 'b']"),
    ],
)
def test__neither_a_word_nor_a_list_is_one_problem(written, wanted):
    (problem,) = problems(overrides=[f"layer_map={written}"])
    assert problem == f"--set layer_map={written}: must be uniform or top or {wanted}"


def test__overrides_have_the_last_word_key_by_key(tmp_path):
    text = "prediction: {lr: 1, epochs: 2}\ndata: {label_map: {a: b}}\n"
    got = from_file(tmp_path, text, ["prediction.lr=3e-5", "data.label_map.c=off", "data.label_map.d.e=x"])

    assert (got.prediction.lr, got.prediction.epochs) == (3e-5, 2)
    assert got.data.label_map == {"a": "b", "c": "off", "d.e": "x"}


def test__a_plain_value_for_a_group_means_its_path():
    assert parse(Settings, {"teacher": "some/folder"}, ["teacher.cache=off"]).teacher == Teacher("some/folder", "off")
    assert parse(Settings, {"teacher": {"cache": "4GB"}}, ["teacher=x"]).teacher == Teacher("x", "4GB")


def test__an_empty_group_and_an_empty_value_mean_nothing_set(tmp_path):
    assert from_file(tmp_path, "prediction:\ntrain:\n", ["data.text="]) == Settings()
    assert parse(Settings, {"prediction": None}) == Settings()


def test__dotted_keys_reach_into_groups_everywhere(tmp_path):
    assert from_file(tmp_path, "data.text: s\nprediction.lr: 1\n").prediction.lr == 1
    assert parse(Settings, {"prediction.lr": 2, "data": {"label_map.a": "b"}}).data.label_map == {"a": "b"}


def test__python_values_become_what_the_field_takes():
    got = parse(Settings, {"data": {"text": 3}, "train": Path("a/b.tsv"), "teacher": Path("t"), "layers": (1, 2)})

    assert (got.data.text, got.train, got.teacher.path, got.layers) == ("3", "a/b.tsv", "t", (1, 2))
    assert parse(Settings, {"teacher.cache": False}).teacher.cache == "false"


def test__paths_in_a_file_are_relative_to_it_and_others_are_not(tmp_path):
    (tmp_path / "bert").mkdir()
    got = from_file(tmp_path, "train: data/t.tsv\nteacher: bert\n")
    hub = from_file(tmp_path, "train: hf:glue:rte\nteacher: org/bert\n", ["teacher.cache=off"])

    assert (got.train, got.teacher.path) == (str(tmp_path / "data/t.tsv"), str(tmp_path / "bert"))
    assert (hub.train, hub.teacher.path) == ("hf:glue:rte", "org/bert")
    assert from_file(tmp_path, "train: /x\nteacher: ./org\n").teacher.path == str(tmp_path / "org")
    assert from_file(tmp_path, "train: x\n", ["train=y"]).train == "y"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("prediction.lr=abc", "must be a number, got 'abc'"),
        ("prediction.lr=", "must be a number, got null"),
        ("prediction.lr=nan", "must be a finite number, got nan"),
        ("prediction.lr=-1", "must be positive and finite, got -1.0"),
        ("prediction.epochs=1.5", "must be a whole number, got 1.5"),
        ("prediction.epochs=[1]", "must be a whole number, got [1]"),
        ("prediction.epoch=1", "unknown key (did you mean epochs?)"),
        ("predictions=1", "unknown key (did you mean prediction?)"),
        ("lr=1", "unknown key (did you mean prediction.lr?)"),
        (
            "xyz=1",
            "unknown key (there are seed, train, threads, verbose, layers, layer_map, data, teacher, prediction)",
        ),
        ("prediction=1", "is a group; set its keys, such as prediction.epochs"),
        ("seed.deep=1", "has no keys of its own, got seed.deep"),
        ("seed={a: 1}", "must be a whole number, got {'a': 1}"),
        ("threads=few", "must be a whole number or auto, got 'few'"),
        ("verbose=perhaps", "must be true or false, got 'perhaps'"),
        ("layers=3", "must be a list such as [a, b], got 3"),
        ("layers=[3, x]", "must be a whole number, got 'x'"),
        ("data.drop=all", "must be none or exact, got 'all'"),
        ("data.label_map=x", "must be a mapping such as {a: b}, got 'x'"),
        ("data.text=[a]", "must be text, got ['a']"),
        ("data.skip_bad=" + "x" * 70, f"must be a number, got '{'x' * 56}..."),
    ],
)
def test__a_problem_is_one_plain_line_that_quotes_the_override(override, problem):
    assert problems(overrides=[override]) == (f"--set {override}: {problem}",)


def test__a_problem_in_a_file_names_line_and_key(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: x\nprediction:\n  epoch: 3\n  batch_size: 0\ndata:\n  label_map:\n    a: [1]\n")
    mapping, origin = read_yaml(path, "c.yaml")

    assert problems(mapping, origin=origin) == (
        "c.yaml:3: prediction.epoch: unknown key (did you mean epochs?)",
        "c.yaml:1: seed: must be a whole number, got 'x'",
        "c.yaml:7: data.label_map.a: must be text, got [1]",
        "c.yaml:4: prediction.batch_size: must be at least 1, got 0",
    )


def test__a_problem_of_a_flag_names_the_flag_and_one_of_python_the_key():
    assert problems({"seed": "x"}, origin=Origin("--")) == ("--seed: must be a whole number, got 'x'",)
    assert problems({"prediction": {"lr": "x"}}) == ("prediction.lr: must be a number, got 'x'",)


def test__a_meaning_check_that_names_no_set_key_names_the_group():
    (problem,) = problems({"prediction": {"batch_size": 1, "accumulate": 1, "warmup": 0}}, ["prediction.accumulate=2"])
    assert problem == "--set prediction.accumulate=2: (2) splits a batch of 1; it cannot be larger"

    @dataclass(frozen=True)
    class Pair:
        low: int = 0
        high: int = 0

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("turn low and high round")

    assert problems({"low": 3}, schema=Pair) == ("turn low and high round",)


def test__what_is_needed_and_missing_says_how_to_give_it():
    assert problems(schema=Needy) == (
        "train: is needed; give it by --train or in the file of --config",
        "stage: is needed; give it by --stage or in the file of --config",
    )


def test__keys_are_listed_with_types_defaults_and_meanings():
    keys = {key.name: key for key in schema_keys(Settings)}

    assert list(keys)[:7] == ["seed", "train", "threads", "verbose", "layers", "layer_map", "data.text"]
    assert keys["threads"].kind == "whole number | auto"
    assert (keys["layers"].kind, keys["data.label_map"].kind) == ("list", "mapping")
    assert keys["data.text"].help == "Column of the text, by name or by number."
    assert (keys["data.drop"].kind, keys["data.drop"].default) == ("none | exact", "none")
    assert keys["prediction.lr"].default == 5e-5
    assert "Peak learning rate" in keys["prediction.lr"].help


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
drawn = st.builds(
    Settings,
    seed=st.integers(-(10**20), 10**20),
    threads=st.integers(0, 64) | st.just("auto"),
    verbose=st.booleans(),
    layers=st.lists(st.integers(0, 24), max_size=4).map(tuple),
    data=st.builds(
        Data,
        text=st.none() | texts,
        label_map=st.dictionaries(texts, texts, max_size=3),
        skip_bad=st.floats(allow_nan=False, allow_infinity=False),
    ),
    prediction=st.builds(Stage, lr=st.floats(1e-300, 1e300), max_steps=st.none() | st.integers(1, 10**9)),
)


@settings(max_examples=50, deadline=None)
@given(drawn)
def test__settings_written_and_read_are_the_same(tmp_path_factory, original):
    path = tmp_path_factory.mktemp("round") / "config.yaml"
    path.write_text(dump_yaml(without_unread(original, original)), encoding="utf-8")
    mapping, origin = read_yaml(path)

    assert parse(Settings, mapping, (), origin) == original


def test__a_key_of_a_group_leaves_the_other_defaults_that_the_schema_gave_the_group():
    @dataclass(frozen=True)
    class Recipe:
        teacher: Teacher = field(default_factory=lambda: Teacher(path="given"))
        stage: Stage = field(default_factory=lambda: Stage(epochs=None, patience=5))

    got = parse(Recipe, {"stage": {"lr": 1}}, ["stage.patience=6"])

    assert got == Recipe(stage=Stage(epochs=None, patience=6, lr=1.0))

"""Settings as text: words stay words, lines are known, cleverness is refused."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.config.source import Plain, dump_yaml, read_override, read_yaml
from tinybert.errors import UserError


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problem_of(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    return problem.replace(str(path), "config.yaml")


def test__a_word_stays_what_the_user_wrote(tmp_path):
    mapping, _ = read_yaml(written(tmp_path, "a: off\nb: no\nc: 5e-5\nd: 007\nno: 'yes'\n"))

    assert mapping == {"a": "off", "b": "no", "c": "5e-5", "d": "007", "no": "yes"}
    assert isinstance(mapping["a"], Plain)
    assert not isinstance(mapping["no"], Plain)


def test__every_key_knows_its_line(tmp_path):
    path = written(tmp_path, "seed: 1\nprediction:\n  # a comment\n  lr: 1\ndata.text: sentence\n")
    _, origin = read_yaml(path)

    assert origin.where(("prediction", "lr")) == f"{path}:4: prediction.lr"
    assert origin.where(("data", "text")) == f"{path}:5: data.text"
    assert origin.where(("prediction", "epochs")) == f"{path}:2: prediction.epochs"


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "\ufeffseed: 1\n"])
def test__an_empty_file_and_a_byte_order_mark_are_fine(tmp_path, text):
    mapping, _ = read_yaml(written(tmp_path, text))

    assert mapping in ({}, {"seed": "1"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "config.yaml:3: a: given twice, first in line 1"),
        ("g:\n  a: 1\n  a: 3\n", "config.yaml:3: g.a: given twice, first in line 2"),
        ("a: &x 1\n", "config.yaml:1: anchors (&) and aliases (*) are not read; write the value out"),
        ("a: 1\nb: *x\n", "config.yaml:2: anchors (&) and aliases (*) are not read; write the value out"),
        ("a: !!python/name:os.system x\n", "config.yaml:1: tags such as tag:yaml.org,2002:python/name:os.system"),
        ("- a\n- b\n", "config.yaml:1: must be a mapping"),
        ("just words\n", "config.yaml:1: must be a mapping"),
        ("[a, b]: 1\n", "config.yaml:1: a key must be a word"),
        ("a: [1\nb: 2\n", "config.yaml:2: cannot be read as YAML"),
        ("a: 1\n---\nb: 2\n", "config.yaml:2: cannot be read as YAML"),
        ("a: \x00\n", "config.yaml: cannot be read as YAML"),
        ("a: " + "[" * 3000 + "]" * 3000, "config.yaml:1: nested too deeply"),
    ],
)
def test__what_is_no_plain_mapping_is_refused_with_its_line(tmp_path, text, problem):
    assert problem_of(tmp_path, text).startswith(problem)


def test__a_billion_laughs_are_refused_at_the_first(tmp_path):
    laughs = 'a: &a ["lol", "lol"]\n' + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefg"))

    assert "anchors" in problem_of(tmp_path, laughs)


@pytest.mark.parametrize("content", [b"\xff\xfea\x00:\x00", b"a: 1\nb: \xe9\n"])
def test__a_file_that_is_not_utf8_is_named(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)

    with pytest.raises(UserError, match=r"config.yaml:\d: not UTF-8"):
        read_yaml(path)


def test__a_file_that_cannot_be_read_is_named_with_the_path_tried(tmp_path):
    with pytest.raises(UserError, match=r"No such file or directory.*; tried /"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="directory"):
        read_yaml(tmp_path)


def test__a_file_too_large_for_settings_is_not_parsed(tmp_path):
    assert "hardly a file of settings" in problem_of(tmp_path, "a: 1 #" + "x" * 1_000_000)


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("seed=3", {"seed": "3"}),
        ("data.label_map={a: b, no: 'yes'}", {"data.label_map": {"a": "b", "no": "yes"}}),
        ("data.text=a: b", {"data.text": "a: b"}),
        ("data.label=#label", {"data.label": "#label"}),
        ("a.b=", {"a.b": ""}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test__an_override_is_a_key_and_a_value(text, mapping):
    assert read_override(text)[0] == mapping


@pytest.mark.parametrize("text", ["seed", "=3", "a..b=3", "a=[1", "a={b: &x 1}"])
def test__an_override_that_is_none_is_quoted_back(text):
    with pytest.raises(UserError) as caught:
        read_override(text)
    assert str(caught.value).startswith(f"--set {text}: ")


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
values = st.recursive(words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(words, values, max_size=4))
def test__text_written_is_read_back_whatever_it_looks_like(tmp_path_factory, mapping):
    path = written(tmp_path_factory.mktemp("yaml"), dump_yaml(mapping))

    assert read_yaml(path)[0] == mapping


def test__words_that_yaml_1_1_would_bend_survive_being_written(tmp_path):
    mapping = {
        "cache": "off",
        "positive": "1",
        "label": "no",
        "none": "null",
        "path": Path("a/b"),
        "list": ("x", "1e3"),
    }
    read, _ = read_yaml(written(tmp_path, dump_yaml(mapping)))

    assert read == {**mapping, "path": "a/b", "list": ["x", "1e3"]}
    assert not isinstance(read["none"], Plain)

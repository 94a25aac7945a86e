import sys
from typing import Any

import datasets
import pytest

from tinybert.data.hub import HubName, load_hub, parsed
from tinybert.errors import UserError


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf:imdb", HubName("imdb", None, None)),
        ("hf:imdb:test", HubName("imdb", None, "test")),
        ("hf:imdb:train[:10%]", HubName("imdb", None, "train[:10%]")),
        ("hf:imdb:train[10:20]", HubName("imdb", None, "train[10:20]")),
        ("hf:glue:sst2", HubName("glue", "sst2", None)),
        ("hf:glue:sst2:validation", HubName("glue", "sst2", "validation")),
        ("hf:glue:mnli:validation_matched", HubName("glue", "mnli", "validation_matched")),
        ("hf:user/name:config:train[10:20]", HubName("user/name", "config", "train[10:20]")),
    ],
)
def test_parsed__takes_names_apart(source: str, expected: HubName) -> None:
    assert parsed(source) == expected


@pytest.mark.parametrize("source", ["hf:", "hf::train", "hf:imdb:", "hf:glue::train"])
def test_parsed__refuses_other_forms(source: str) -> None:
    with pytest.raises(UserError, match=r"a hub data set is written hf:NAME\[:CONFIG\]\[:SPLIT\]$"):
        parsed(source)


def test_load_hub__passes_name_config_and_split_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, **more: asked.append((*names, more)))
    load_hub("hf:glue:sst2", "validation")
    load_hub("hf:imdb:test", "train")
    assert asked == [("glue", "sst2", {"split": "validation"}), ("imdb", None, {"split": "test"})]


def test_load_hub__turns_any_error_into_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("offline\nand more")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UserError, match=r"^hf:imdb: cannot be loaded \(ConnectionError: offline\)$"):
        load_hub("hf:imdb", "train")


def test_load_hub__says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'tinybert\[hub\]'$"):
        load_hub("hf:imdb", "train")

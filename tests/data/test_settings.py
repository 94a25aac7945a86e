from typing import Any

import pytest

from tinybert.config import parse
from tinybert.data.settings import DataSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "a", "text_a": "b"}, "exclude each other"),
        ({"text": "a", "text_b": "b"}, "exclude each other"),
        ({"text": "a", "label": "a"}, "text=a, label=a: the same column serves twice"),
        ({"text_a": "a", "text_b": "a"}, "serves twice"),
        ({"skip_bad": 1.0}, "skip_bad"),
        ({"skip_bad": -0.1}, "skip_bad"),
        ({"max_length": 4}, "max_length"),
        ({"per_class": 0}, "per_class"),
        ({"label_map": {"-": ""}}, r"^label_map: '-' gets an empty name; say \{-: null\} to leave its rows out$"),
        ({"label_map": {"-": "\u200b"}}, "label_map: '-' gets an empty name"),
        ({"header": False}, "text=0 label=1"),
        ({"header": False, "text_a": "0"}, "text=0 label=1"),
        ({"header": False, "text": "sentence"}, "by number from 0"),
        ({"header": False, "text": "-1"}, "by number from 0"),
    ],
)
def test_settings__refuse_what_contradicts_itself(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataSettings(**values)


def test_settings__take_labels_as_they_are_spelled_in_data() -> None:
    label_map = {"ne\u0301g ": "n\u00e9gatif", "01": "001", "-": None}
    assert DataSettings(label_map=label_map).label_map == {"n\u00e9g": "n\u00e9gatif", "01": "001", "-": None}


def test_settings__leave_labels_out_by_null_from_text_and_from_python() -> None:
    wanted = {"-": None, "null": "none", "01": "1"}
    for values, override in (
        ({}, ["label_map={-: null, 'null': none, 01: 1}"]),
        ({"label_map": wanted}, []),
    ):
        assert parse(DataSettings, values, override).label_map == wanted


def test_settings__take_columns_by_number_for_singles_and_pairs() -> None:
    assert DataSettings(header=False, text="3", label="1").text == "3"
    assert DataSettings(header=False, text_a="1", text_b="2", label="0").label == "0"

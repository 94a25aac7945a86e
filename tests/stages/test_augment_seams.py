"""The seams of augmentation: a new method is one page and one line, and every setting of a method is read."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

import reads
import tinybert
from recipes.workshop import Workshop, on_one_processor, reviews
from tinybert.augment.method import AugmenterFactory, AugmentSettings, Method
from tinybert.augment.methods import METHODS
from tinybert.augment.settings import SETTINGS
from tinybert.config import resolve, schema_keys
from tinybert.errors import UserError
from tinybert.recipes import RECIPES
from tinybert.stages import augment_file

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
KNOWN = tuple(METHODS)


@dataclass(frozen=True)
class ShoutSettings(AugmentSettings):
    """Settings of the toy.

    Attributes:
        marks: So many marks at the end, at most.
    """

    method: Literal["shout"] = field(default="shout", kw_only=True)
    marks: int = 3


@dataclass(frozen=True)
class Shout:
    marks: int

    def __call__(self, examples, copies, stream) -> Iterator:
        for example in examples:
            for copy in range(1, copies + 1):
                marks = int(stream(example.row, copy).integers(1, self.marks + 1))
                yield replace(example, text=f"{example.text.upper()}{'!' * marks}", copy=copy)


@pytest.fixture
def toy(monkeypatch):
    """The line in the dictionary, from which that of settings is made."""
    method = Method(
        summary="capitals and marks",
        citation="nobody",
        settings=ShoutSettings,
        factory=lambda context, _mlm, _run: AugmenterFactory(lambda: Shout(context.settings.marks)),
    )
    monkeypatch.setitem(METHODS, "shout", method)
    monkeypatch.setitem(SETTINGS, "shout", method.settings)


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path, tiny_tokenizer)


@pytest.mark.usefixtures("toy")
def test__a_toy_method_is_a_page_and_a_line(workshop):
    found = tinybert.augment("shout", train=reviews(6), output="out.jsonl", copies=2, augment={"marks": 9})
    assert found["rows"]["made"] == 12
    assert '!"' in workshop.path("out.jsonl").read_text()
    (key,) = (key for key in schema_keys(RECIPES["tinybert"].config) if key.name == "augment.marks")
    assert (key.only, key.default) == (("shout",), 3)
    with pytest.raises(UserError, match=r"augment.marks=2: method eda does not read it; shout does"):
        tinybert.augment("eda", train=reviews(6), output="other.jsonl", set=("augment.marks=2",))
    with pytest.raises(UserError, match="--mlm: the method shout does not use it"):
        tinybert.augment("shout", train=reviews(6), output="other.jsonl", mlm=workshop.masked_lm())


@pytest.mark.parametrize("method", KNOWN)
def test__every_setting_of_a_method_is_read_or_refused(workshop, method):
    uses = METHODS[method].uses
    flags = {"train": "train.tsv", "output": "out.tsv", "mlm": workshop.masked_lm() if "mlm" in uses else None}
    workshop.data("train.tsv", reviews(6))
    quick = {"max_steps": 1, "max_length": 32}
    settings = {"augment": {"method": method, **({"adapt": True} if "mlm" in uses else {})}}
    settings |= {"masked_lm": quick} if "mlm" in uses else {}
    settings |= {"cbert": quick} if method == "cbert" else {}
    whole = resolve(augment_file.Config, "augment", flags=flags, settings=settings).settings
    with reads.noted(*reads.classes_in(whole)) as found:
        tinybert.augment(method, **{name: value for name, value in flags.items() if value}, **settings)
    of_augmentation = ("augment.", "masked_lm.", "cbert.")
    assert [key for key in reads.unread_in(whole, found) if key.startswith(of_augmentation)] == []

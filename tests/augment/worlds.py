"""Small rows, an augmenter that needs no model, and a folder to work in.

Nothing of tinybert is imported at the top: test modules read this before the import hook that checks shapes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any


class Shuffler:
    """Copies with the words in another order; every third copy is the text itself, and so a duplicate."""

    def __call__(self, examples, copies, stream):
        for example in examples:
            for copy in range(1, copies + 1):
                words = example.text.split()
                if copy % 3:
                    stream(example.row, copy).shuffle(words)
                yield replace(example, text=" ".join(words), copy=copy)


def rows(count: int = 10) -> Any:
    """Examples with two classes; the words of each have its number."""
    from tinybert.data.examples import Examples
    from tinybert.types import Example

    return Examples.of(Example(f"a{n} b{n} c{n} d{n}", None, n % 2, row=n) for n in range(1, count + 1))


def french(count: int = 12) -> list[dict[str, str]]:
    """Reviews in a language that WordNet does not know, with two classes."""
    parts = ("la poignée est tombée après deux semaines", "très déçue, elle fait un bruit terrible")
    return [{"text": f"Modèle {n}: {parts[n % 2]} !", "label": ("pos", "neg")[n % 2]} for n in range(count)]


def groups(method: str, **augment: Any) -> Any:
    """Settings of a method; what it trains is trained quickly."""
    from tinybert.augment.method import MaskedLMSettings
    from tinybert.augment.settings import SETTINGS, AugmentGroups

    quick = {"epochs": 1, "batch_size": 8, "max_length": 16}
    return AugmentGroups(
        augment=SETTINGS[method](**augment),
        cbert=MaskedLMSettings(**quick),
        masked_lm=MaskedLMSettings(**quick),
    )


def run_in(folder: Path, seed: int = 0, **settings: Any) -> Any:
    """A run in a folder."""
    import torch

    from tinybert.log import Log
    from tinybert.run import Run, RunSettings

    return Run(folder, seed, RunSettings(**settings), torch.device("cpu"), Log(silent=True))


def augmented(folder: Path, copies: int = 4, originals: Any = None, **how: Any) -> Any:
    """Originals and copies."""
    from tinybert.augment.making import make_copies
    from tinybert.augment.method import AugmenterFactory

    run = run_in(folder, **how)
    return make_copies(originals or rows(), AugmenterFactory(Shuffler), copies, run.begin("augment"), run)

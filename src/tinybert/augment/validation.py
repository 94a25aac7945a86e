"""What cannot be augmented as asked, or hardly as it is meant, said before anything is trained."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from tinybert.augment.methods import METHODS
from tinybert.augment.settings import AugmentGroups
from tinybert.data.examples import Examples
from tinybert.data.lexicon import knows
from tinybert.data.words import spaced_words_of
from tinybert.errors import UserError
from tinybert.families import longest_input
from tinybert.models.embedded import EMBEDDED, is_available
from tinybert.models.heads import has_masked_lm_head
from tinybert.models.loading import load_config, load_tokenizer
from tinybert.tasks.base import Task
from tinybert.types import Example

LOOKED_AT = 100  # rows
ENGLISH = 0.75  # share of words in the lexicon: English reviews and news have .97 to 1, other languages .3 to .55


def unsuitable(groups: AugmentGroups, given: Mapping[str, Any]) -> list[str]:
    """What does not go together: files and models that the method would not look at, a method without its masked LM.

    Args:
        groups: All settings of augmentation.
        given: By flag: `mlm`, `vectors`, `unlabeled`; None where it was not given.

    Returns:
        One line per problem.
    """
    name = groups.augment.method
    uses = frozenset[str]() if name == "none" else METHODS[name].uses
    problems = [
        f"--{flag}: the method {name} does not use it; leave it out"
        for flag in ("mlm", "vectors")
        if given.get(flag) is not None and flag not in uses
    ]
    if given.get("unlabeled") is not None and not groups.augment.adapts:
        problems.append(
            "--unlabeled: its texts are only read with augment.adapt=true, or general.tokens in the recipe tinybert"
        )
    if "mlm" in uses and given.get("mlm") is None and not is_available():
        problems.append(
            f"--mlm is missing: the method {name} needs a masked language model; name one, or pip install "
            f"'tinybert[demo]' for {EMBEDDED}, or do without: augment.method=eda or none"
        )
    return problems


def check_possible(groups: AugmentGroups, task: Task, mlm: str | None, vectors: str | None) -> None:
    """Check before anything is trained that copies can be made and classified.

    Raises:
        UserError: One line per problem.
    """
    settings, problems = groups.augment, []
    if settings.method == "none":
        return
    problems += [f"augment.method={settings.method}: {why}" for why in METHODS[settings.method].refuses(task)]
    if not settings.keep_flipped and not task.can_flip:
        problems.append(f"augment.keep_flipped=false: only a class can flip; this is {task.kind}")
    if vectors is not None and not Path(vectors).is_file():
        problems.append(f"--vectors {vectors}: no such file")
    if "mlm" in METHODS[settings.method].uses:
        problems += _problems_of_mlm(groups, mlm or EMBEDDED)
    if problems:
        raise UserError(*problems)


def doubts(groups: AugmentGroups, originals: Examples) -> list[str]:
    """What will be made, but is hardly meant: texts that are not English, by a method that knows English only.

    Args:
        groups: All settings of augmentation.
        originals: The rows to rewrite; the first of them are looked at.

    Returns:
        One line per doubt.
    """
    name = groups.augment.method
    if name not in METHODS or not METHODS[name].for_english(groups.augment):
        return []
    share = _share_of_english(islice(originals, LOOKED_AT))
    if share >= ENGLISH:
        return []
    return [
        f"augment: {name} is for English, and only {100 * share:.0f} % of the words of the first rows are in its "
        f"English lexicon; for another language take bert_glove with an --mlm of that language"
    ]


def _share_of_english(examples: Iterable[Example]) -> float:
    """Of the words that are letters only; 1 where there are none."""
    texts = (text for example in examples for text in (example.text, example.pair or ""))
    known = [knows(word.text) for text in texts for word in spaced_words_of(text) if word.text.isalpha()]
    return sum(known) / len(known) if known else 1.0


def _problems_of_mlm(groups: AugmentGroups, mlm: str) -> Iterator[str]:
    try:
        load_tokenizer(mlm)
        room = longest_input(load_config(mlm))
        if not groups.augment.adapts and not has_masked_lm_head(mlm):
            yield f"--mlm {mlm}: has no masked-LM head; give a checkpoint that was saved with one"
    except UserError as error:
        yield from error.problems
        return
    trained = {"masked_lm": groups.augment.adapts, "cbert": groups.conditional}
    for name in (name for name, used in trained.items() if used):
        if (longest := getattr(groups, name).max_length) > room:
            yield f"{name}.max_length: {longest} pieces, but {mlm} reads at most {room}"

"""Write the packaged table of synonyms and parts of speech out of the files of Princeton WordNet 3.0.

python tools/make_wordnet_table.py WORDNET src/tinybert/assets/wordnet

WORDNET is the folder with index.noun, data.noun, noun.exc, ..., cntlist.rev, each plain or with .gz behind its name.
`table.txt.gz` gets a line for each word without a space, in the order of their bytes: the word in lower case, then
fields behind tabs, as `data/lexicon/table.py` reads them. `n7:movie,picture;shot` is a noun seen 7 times in the tagged
texts, with two senses, the frequent one first, and the words that share each; `v>see` is an irregular form of a verb,
and `a>` (of `offer`) is no form of any adjective, though it looks like one (of `off`).
`LICENSE` gets the notice out of those files, which has to go wherever the table goes.
"""

import argparse
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

PARTS: Final = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_PART_OF_KEY: Final = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}  # 5: an adjective beside another
_PLACE: Final = re.compile(r"\((a|p|ip)\)$")  # where in a sentence an adjective may stand


class Lemma(NamedTuple):
    """A word as one part of speech."""

    word: str
    part: str


def table(wordnet: Path) -> str:
    """The whole table as text."""
    fields: dict[str, list[str]] = defaultdict(list)
    counts = _counts(wordnet)
    for part in PARTS:
        for word, senses in _senses(wordnet, part):
            listed = ";".join(",".join(synonyms) for synonyms in senses)
            fields[word].append(f"{part}{counts[Lemma(word, part)]}:{listed}")
    for part in PARTS:
        for form, bases in _irregular(wordnet, part):
            fields[form].append(f"{part}>{','.join(bases)}")
    return "".join("\t".join([word, *fields[word]]) + "\n" for word in sorted(fields, key=str.encode))


def notice(wordnet: Path) -> str:
    """The licence: the numbered lines at the top of each file."""
    head = (line for line in _lines(wordnet, "index.noun") if line.startswith("  "))
    return "".join(re.sub(r"^ *\d+ ?", "", line).rstrip() + "\n" for line in head)


def _senses(wordnet: Path, part: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each word of a part of speech with the other words of each of its senses, the most frequent sense first."""
    synsets = dict(_synsets(wordnet, part))
    for line in _entries(wordnet, f"index.{PARTS[part]}"):
        word, _, count, *others = line.split()
        if "_" not in word:
            members = (synsets[offset] for offset in others[-int(count) :])
            yield word, [[other for other in synset if other.lower() != word] for synset in members]


def _synsets(wordnet: Path, part: str) -> Iterator[tuple[str, list[str]]]:
    """The words of each sense, as they are written, by the offset that stands for it."""
    for line in _entries(wordnet, f"data.{PARTS[part]}"):
        offset, _, _, size, *others = line.split(" ")
        words = others[: 2 * int(size, 16) : 2]
        yield offset, [_PLACE.sub("", word).replace("_", " ") for word in words]


def _counts(wordnet: Path) -> Counter[Lemma]:
    """How often each word was seen as each part of speech: the sum over its senses."""
    counts: Counter[Lemma] = Counter()
    for line in _lines(wordnet, "cntlist.rev"):
        key, _, seen = line.split()
        word, sense = key.rsplit("%", 1)
        counts[Lemma(word, _PART_OF_KEY[sense[0]])] += int(seen)
    return counts


def _irregular(wordnet: Path, part: str) -> Iterator[tuple[str, list[str]]]:
    """Irregular forms of a part of speech and what they are forms of; words with spaces are left out.

    Where a word is listed as its own base, it is no form of others: `offer offer` takes back `offer off`.
    """
    listed: dict[str, list[str]] = defaultdict(list)
    for line in _lines(wordnet, f"{PARTS[part]}.exc"):
        form, *bases = line.split()
        listed[form] += bases
    for form, bases in listed.items():
        usable = [] if form in bases else [base for base in bases if "_" not in base]
        if "_" not in form and (usable or form in bases):
            yield form, usable


def _entries(wordnet: Path, name: str) -> Iterator[str]:
    return (line for line in _lines(wordnet, name) if not line.startswith("  "))


def _lines(wordnet: Path, name: str) -> Iterator[str]:
    plain = wordnet / name
    packed = plain.with_name(f"{name}.gz")
    with gzip.open(packed, "rt", encoding="ascii") if packed.exists() else plain.open(encoding="ascii") as file:
        yield from file


def write(wordnet: Path, folder: Path) -> None:
    """Write the table and its licence; the same files give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(table(wordnet).encode(), mtime=0)
    (folder / "table.txt.gz").write_bytes(packed)
    (folder / "LICENSE").write_text(notice(wordnet), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    write(asked.wordnet, asked.folder)

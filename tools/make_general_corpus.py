"""Make a corpus for general distillation that shows no text of the data sets it will be evaluated on.

A line that is the same as a held-out text, inside of one, or around one (five words or more) is left out.

    python tools/make_general_corpus.py --texts A.txt.gz B.txt.gz ... --held-out dev.tsv test.tsv ... --output F
"""

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tinybert.data.corpus.texts import texts_of
from tinybert.data.examples import Examples
from tinybert.data.overlap import contained
from tinybert.files import atomic_file
from tinybert.types import Example

AT_ONCE = 20_000  # lines


def main() -> None:
    """Read the held-out texts, then write every line of the others that shows none of them."""
    arguments = parsed()
    held_out = Examples.of([Example(text, row=row) for row, text in enumerate(held_out_texts(arguments.held_out), 1)])
    kept, seen = 0, 0
    with atomic_file(arguments.output) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for lines in some_at_once(line for path in arguments.texts for line in texts_of(path, None)):
            meets = contained(Examples.of([Example(line, row=row) for row, line in enumerate(lines, 1)]), held_out)
            for line in (line for line, met in zip(lines, meets, strict=True) if not met):
                stream.write(f"{' '.join(line.split())}\n")
            seen, kept = seen + len(lines), kept + int((~meets).sum())
    print(f"{len(held_out):,} held-out texts; {kept:,} of {seen:,} lines are kept")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="plain or gz, one paragraph a line")
    parser.add_argument(
        "--held-out", type=Path, nargs="+", required=True, help="TSV files; every column of words counts"
    )
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def held_out_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Every cell of at least two words of some TSV files, whatever their columns."""
    for path in paths:
        with path.open(encoding="utf-8-sig") as stream:
            yield from (cell for line in stream for cell in line.rstrip("\n").split("\t") if " " in cell.strip())


def some_at_once(lines: Iterator[str]) -> Iterator[list[str]]:
    """Lists of lines that fit into memory."""
    while some := list(islice(lines, AT_ONCE)):
        yield some


if __name__ == "__main__":
    main()

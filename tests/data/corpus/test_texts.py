import gzip
import json
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.corpus import texts
from tinybert.data.corpus.texts import LONGEST, cut, digest_of, files_of, is_stream, size_of, texts_of
from tinybert.errors import UserError

LINES = ["The first.", "  a second, très long", "third"]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(path: Path, rows: list[str | None], column: str = "text", **more: Any) -> Path:
    pandas.DataFrame({"id": range(len(rows)), column: rows}).to_parquet(path, **more)
    return path


def in_parts(text: str, size: int) -> Iterator[str]:
    yield from (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_texts_of__a_file_gives_its_lines(end: str, mark: str, tmp_path: Path) -> None:
    content = (mark + f"{end}{end}".join(LINES) + f"{end}  \t{end}").encode()
    plain = write(tmp_path / "a.txt", content)
    packed = write(tmp_path / "a.txt.gz", gzip.compress(content))
    bare = write(tmp_path / "B.GZ", gzip.compress(content))
    for path in (plain, str(packed), bare):
        assert list(texts_of(path)) == LINES


def test_texts_of__a_last_line_without_an_end_counts(tmp_path: Path) -> None:
    assert list(texts_of(write(tmp_path / "a.txt", "one\ntwo"))) == ["one", "two"]
    assert list(texts_of(write(tmp_path / "b.txt", ""))) == []


def test_texts_of__tables_give_a_column(tmp_path: Path) -> None:
    rows = [{"id": number, "body": text} for number, text in enumerate(LINES)]
    jsonl = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    packed = write(tmp_path / "a.jsonl.gz", gzip.compress(jsonl.read_bytes()))
    frame = pandas.DataFrame(rows)
    table = datasets.Dataset.from_list(rows)
    sources = (jsonl, packed, parquet(tmp_path / "a.parquet", LINES, "body"), rows, frame, table)
    for source in sources:
        assert list(texts_of(source, "body")) == [text.rstrip() for text in LINES]
        with pytest.raises(UserError, match=r"no column 'text'; there are: id, body; name .* or say data.text=NAME"):
            list(texts_of(source))
    streamed = table.to_iterable_dataset()
    assert list(texts_of(streamed, "body")) == [text.rstrip() for text in LINES]


def test_texts_of__what_is_no_text_is_refused_by_its_type() -> None:
    for source in (iter(LINES), pandas.Series(LINES), 5):
        with pytest.raises(UserError, match=r"^train: a path, a list of texts or of dictionaries, .* is wanted, not "):
            list(texts_of(source))


def test_texts_of__an_empty_file_is_an_empty_text_unless_it_was_packed(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl"):
        assert list(texts_of(write(tmp_path / name, ""))) == []
    with pytest.raises(UserError, match=r"a\.txt\.gz: is damaged \(it has no bytes\); download it again$"):
        list(texts_of(write(tmp_path / "a.txt.gz", "")))


def test_digest_of__of_a_stream_no_more_is_read_than_is_wanted() -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield from ({"text": text} for text in ("one", "two"))
        raise AssertionError("read on")

    stream = datasets.IterableDataset.from_generator(rows)
    assert is_stream(stream)
    assert not is_stream(datasets.Dataset.from_dict({"text": LINES}))
    assert digest_of(stream, limit_bytes=4) == digest_of(["one", "two"])
    assert digest_of(stream, limit_bytes=3) == digest_of(["one"]) != digest_of(["one", "two"])


def test_texts_of__a_list_of_texts() -> None:
    assert list(texts_of([*LINES, " ", ""])) == LINES
    assert list(texts_of(LINES, "body")) == LINES
    with pytest.raises(UserError, match=r"^train: no rows$"):
        list(texts_of([]))
    with pytest.raises(UserError, match=r"^dev:2: 'text' is not text but 5; correct or remove the row$"):
        list(texts_of([{"text": "a"}, {"text": 5}], name="dev"))


def test_texts_of__missing_texts_are_passed_over(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", ["one", None, "", " \n", "two"])
    assert list(texts_of(path)) == ["one", "two"]
    assert list(texts_of(pandas.read_parquet(path))) == ["one", "two"]


def test_texts_of__a_splits_dictionary_is_refused() -> None:
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": LINES})})
    with pytest.raises(UserError, match="has the splits train; hand in one of them"):
        list(texts_of(splits))


def test_texts_of__the_hub_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    table = datasets.Dataset.from_dict({"text": LINES, "id": [0, 1, 2]}).to_iterable_dataset()
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, **more: asked.append((*names, more)) or table)
    assert list(texts_of("hf:wikitext:raw")) == [text.rstrip() for text in LINES]
    assert list(texts_of("hf:wikitext", name="dev")) == [text.rstrip() for text in LINES]
    assert asked == [
        ("wikitext", "raw", {"split": "train", "streaming": True}),
        ("wikitext", None, {"split": "validation", "streaming": True}),
    ]
    with pytest.raises(UserError, match=r"^hf:wikitext:1: no column 'body'; there are: "):
        list(texts_of("hf:wikitext", "body"))


def test_texts_of__a_hub_that_fails_later_fails_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield {"text": "one"}
        raise ConnectionError("gone\nand more")

    table = datasets.IterableDataset.from_generator(rows)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: table)
    with pytest.raises(UserError, match=r"^hf:wiki: cannot be loaded \(\w+: [^\n]*\)$"):
        list(texts_of("hf:wiki"))


def test_files_of__a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    for name in ("b.txt", "a/z.txt", "a/c/y.txt.gz", "a.txt", "A.JSONL", "c.parquet"):
        write(folder / name, "")
    for name in (".hidden.txt", ".cache/a.txt", "a/.b/c.txt", "README.md", "d.csv"):
        write(folder / name, "no")
    names = [path.relative_to(folder).as_posix() for path in files_of(folder)]
    assert names == ["A.JSONL", "a.txt", "a/c/y.txt.gz", "a/z.txt", "b.txt", "c.parquet"]


def test_files_of__links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    write(tmp_path / "secret.txt", "secret")
    write(tmp_path / "other" / "secret.txt", "secret")
    folder.mkdir()
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "other").symlink_to(tmp_path / "other")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.txt").symlink_to(folder / "nowhere.txt")
    with pytest.raises(UserError, match=r"corpus: nothing to read; .* \.txt, \.gz, \.jsonl or \.parquet \(no links\)$"):
        files_of(folder)
    write(folder / "b.txt", "one")
    (folder / "c.txt").symlink_to(folder / "b.txt")
    assert list(texts_of(folder)) == ["one", "one"]


def test_files_of__other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.csv: unknown ending '.csv'; text is read from .txt, .gz, .jsonl or .parq"):
        files_of(write(tmp_path / "a.csv", "a"))
    with pytest.raises(UserError, match=r"a.txt: no such file$"):
        list(texts_of(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"one\n\ntw\xe9 and more\n", "a.txt:3: not UTF-8 (byte 0xe9); save the file as UTF-8"),
        (b"one\ntwo\xc3", "a.txt:2: not UTF-8 (byte 0xc3); save the file as UTF-8"),
        (b"one\ntwo\xc3\nthree", "a.txt:2: not UTF-8 (byte 0xc3); save the file as UTF-8"),
        (b"\n" + b"a" * 70_000 + b"\xff\nb", "a.txt:2: not UTF-8 (byte 0xff); save the file as UTF-8"),
        ("one".encode("utf-16"), "a.txt:1: UTF-16, not UTF-8; save the file as UTF-8"),
        ("one\ntwo".encode("utf-16-le"), "a.txt:1: contains a NUL byte; remove it"),
    ],
)
def test_texts_of__other_encodings_are_refused_by_line(content: bytes, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(UserError) as caught:
        list(texts_of(path))
    assert str(caught.value).startswith(f"{tmp_path}/{problem}")


def test_texts_of__damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"a line of text, number {number} {rng.random()}\n" for number in range(2_000)]
    packed = gzip.compress("".join(lines).encode())
    table = parquet(tmp_path / "whole.parquet", lines, write_page_checksum=True).read_bytes()
    jsonl = "".join(json.dumps({"text": line}) + "\n" for line in lines).encode()
    damaged = {
        "a.gz": packed[: len(packed) // 2],
        "b.gz": packed[:100] + b"xxxxxxxx" + packed[108:],
        "c.gz": b"".join(line.encode() for line in lines),
        "d.parquet": table[: len(table) // 2],
        "e.parquet": table[: len(table) // 2] + bytes(60) + table[len(table) // 2 + 60 :],
        "f.parquet": b"",
        "g.jsonl": jsonl[:-20],
        "h.jsonl.gz": gzip.compress(jsonl)[:-20],
        "i.gz": gzip.compress((b"0 " * 500 + b"\n") * 4_000),
    }
    for name, content in damaged.items():
        path = write(tmp_path / name, content)
        with pytest.raises(UserError, match=rf"^{path}") as caught:
            list(texts_of(path))
        assert "\n" not in str(caught.value)


def test_texts_of__archives_may_be_larger_than_those_of_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinybert.data.packed.LARGEST", 5)
    assert list(texts_of(write(tmp_path / "a.gz", gzip.compress(b"one\ntwo\n")))) == ["one", "two"]


@given(st.text(st.sampled_from("ab \n\té𐍈"), max_size=60), st.integers(1, 7), st.integers(3, 9))
def test_cut__keeps_everything_and_cuts_at_spaces(text: str, size: int, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "LONGEST", longest)
        parts = list(cut(text))
        assert "".join(parts) == text
        assert all(len(part) <= longest for part in parts)
        for part, after in pairwise(parts):
            assert after[0] in " \n\t" or not set(part[1:]) & set(" \n\t")
        flat = text.replace("\n", " ").rstrip()
        whole = [part for part in cut(flat) if part.strip()]
        assert list(texts._of_lines([*in_parts(flat, size), "\n"])) == [part.rstrip() for part in whole]


def test_texts_of__a_line_of_megabytes_is_never_held(tmp_path: Path) -> None:
    words = "wörter aus été 𐍈𐍈 " * 200_000
    path = write(tmp_path / "a.txt", f"{words}\n{'é' * 250_001}\nend\n")
    tracemalloc.start()
    found, longest, characters = [], 0, 0
    for text in texts_of(path):
        longest, characters = max(longest, len(text)), characters + len(text)
        found.append(text[-12:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert longest <= LONGEST
    assert characters == len(words.rstrip()) + 250_001 + 3
    assert found[-4:] == ["é" * 12, "é" * 12, "é" * 12, "end"]
    assert all(text.endswith(("wörter", "aus", "été", "𐍈𐍈")) for text in found[:-4])
    assert peak < 3_000_000


def test_texts_of__a_line_of_json_or_a_row_may_be_long(tmp_path: Path) -> None:
    long = "word " * 50_000
    jsonl = write(tmp_path / "a.jsonl", json.dumps({"text": long}) + "\n")
    for source in (jsonl, parquet(tmp_path / "a.parquet", [long]), [long]):
        found = list(texts_of(source))
        assert "".join(found) == long.rstrip()
        assert len(found) == 3


def test_texts_of__a_line_of_json_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_LONGEST_ROW", 50)
    path = write(tmp_path / "a.jsonl", json.dumps({"text": "a"}) + "\n" + json.dumps({"text": "b" * 50}) + "\n")
    with pytest.raises(UserError, match=r"a.jsonl:2: is over 50 bytes long; is this a text file\?$"):
        list(texts_of(path))


def test_digest_of__is_of_contents_not_of_names(tmp_path: Path) -> None:
    one = write(tmp_path / "a.txt", "one\ntwo\n")
    same = write(tmp_path / "b" / "c.txt", "one\ntwo\n")
    other = write(tmp_path / "d.txt", "one\ntwo")
    assert digest_of(one) == digest_of(str(same)) == digest_of(same.parent) != digest_of(other)
    write(tmp_path / "b" / "d.txt", "three")
    assert digest_of(tmp_path / "b") != digest_of(one)
    assert digest_of("hf:wikitext") == digest_of("hf:wikitext") != digest_of("hf:wikitext:test")
    assert digest_of("hf:wikitext") != digest_of("hf:wikitext", name="dev")
    assert digest_of(["one", "two"]) == digest_of([{"b": "one"}, {"b": "two"}], "b") != digest_of(["onetwo"])


def test_size_of__is_known_for_files(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "x" * 100)
    write(tmp_path / "b.gz", b"x" * 10)
    assert (size_of(tmp_path / "a.txt"), size_of(str(tmp_path)), size_of("hf:wiki"), size_of(["a"])) == (
        100,
        130,
        None,
        None,
    )

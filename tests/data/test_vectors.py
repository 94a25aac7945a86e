"""Word vectors: every form they come in, bad rows by their number, neighbours against a loop."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from references import vectors as slow
from tinybert import files
from tinybert.artifacts import Store
from tinybert.data import vectors
from tinybert.data.vectors import nearest_rows, open_vectors, unit_rows
from tinybert.errors import UserError

GLOVE = Path(__file__).parents[3] / "shared" / "data" / "glove" / "glove.6B.50d.top9163.txt.gz"
WIDTH = 5


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    words = [
        "the",
        "film",
        "movie",
        ". . .",
        "New York",
        "naïve",
        "\u00a0",
        "Film",
        "zero",
        *(f"w{i}" for i in range(40)),
    ]
    table = {word: rng.normal(size=WIDTH).round(4).tolist() for word in words}
    table["zero"] = [0.0] * WIDTH
    return table


def text_of(known):
    return "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in known.items())


@pytest.fixture
def write(tmp_path):
    def write(content, name="v.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("block", [8192, 7])
def test_nearest__the_words_of_a_loop(block, known, write, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "BLOCK", block)
    monkeypatch.setattr(vectors, "_QUERIES", 10)
    found = open_vectors(write(text_of(known)), Store(tmp_path))
    assert len(found) == len(known)
    order = list(known)
    for word, near in zip(known, found.nearest(list(known), 6), strict=True):
        assert near == tuple(sorted(slow.nearest(known, word, 6), key=order.index))


def test_nearest__unknown_words_are_looked_up_in_lower_case(known, write, tmp_path):
    found = open_vectors(write(text_of(known)), Store(tmp_path))
    upper, lower, film, other = found.nearest(["MOVIE", "movie", "Film", "unheard"], 3)
    assert upper == lower != film
    assert other == ()
    assert found.nearest(["MOVIE"], 2)[0] != upper


def test_nearest__no_more_than_there_are(write, tmp_path):
    found = open_vectors(write("one 1 0\ntwo 0 1\n"), Store(tmp_path))
    assert found.nearest(["one"], 15) == [("two",)]
    assert found.nearest([], 15) == []


@pytest.mark.parametrize("form", ["glove", "word2vec", "tabs", "crlf", "gz", "zip"])
def test_open_vectors__all_forms_are_the_same_words(form, known, write, tmp_path):
    text = text_of(known)
    if form == "word2vec":
        path = write(f"{len(known)} {WIDTH}\n" + text.replace("\n", " \n"))
    elif form == "tabs":
        path = write("".join(f"{word}\t" + "\t".join(map(str, v)) + "\n" for word, v in known.items()))
    elif form == "crlf":
        path = write(text.replace("\n", "\r\n"))
    elif form == "gz":
        path = write(gzip.compress(text.encode()), "v.txt.gz")
    elif form == "zip":
        path = zipped(tmp_path / "v.zip", ("folder/", ""), ("folder/v.txt", text))
    else:
        path = write(text)
    found = open_vectors(path, Store(tmp_path / "stores"))
    assert found._words.to_pylist() == list(known)
    rows = np.concatenate(found._blocks)
    np.testing.assert_allclose(rows, unit_rows(np.array(list(known.values()))), atol=1e-6)


def test_open_vectors__the_first_row_of_a_word_counts_and_a_limit_counts_rows(write, tmp_path):
    path = write("one 1 0\ntwo 0 1\none 5 5\nthree 1 1\n")
    assert open_vectors(path, Store(tmp_path))._words.to_pylist() == ["one", "two", "three"]
    limited = open_vectors(path, Store(tmp_path), limit=3)
    assert limited._words.to_pylist() == ["one", "two"]
    assert limited.digest != open_vectors(path, Store(tmp_path)).digest


def test_open_vectors__converts_once_and_again_where_the_store_is_damaged(known, write, tmp_path, monkeypatch):
    path, conversions, convert = write(text_of(known)), [], vectors._convert
    monkeypatch.setattr(vectors, "_convert", lambda *given: conversions.append(1) or convert(*given))
    for _ in range(2):
        open_vectors(path, Store(tmp_path / "stores"))
    assert len(conversions) == 1
    (stored,) = (tmp_path / "stores").glob("vectors-*/result/vectors.arrow")
    stored.write_bytes(b"cut")
    assert len(open_vectors(path, Store(tmp_path / "stores"))) == len(known)
    assert len(conversions) == 2


def test_open_vectors__a_failed_conversion_leaves_nothing(write, tmp_path):
    with pytest.raises(UserError):
        open_vectors(write("one 1 0\ntwo 0 1\nthree 1\n"), Store(tmp_path / "stores"))
    assert not list((tmp_path / "stores").glob("*/result"))


def test_open_vectors__a_full_disk_is_said_to_be_one(known, write, tmp_path, monkeypatch):
    def full(path, target, limit):
        with vectors.open_text(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(vectors, "_convert", full)
    with pytest.raises(files.ResourceError, match="no space left"):
        open_vectors(write(text_of(known)), Store(tmp_path / "stores"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("two 1", "v.txt:3: is not a word and 2 numbers"),
        ("1 2", "v.txt:3: is not a word and 2 numbers"),
        ("two 1 x", "v.txt:3: has something else than a number"),
        ("two 1 nan", "v.txt:3: has a number that is not finite"),
        ("two 1 inf", "v.txt:3: has a number that is not finite"),
        ("two 1 -1e30", "v.txt:3: has a number that is not finite, or too large"),
        (b"\xff 1 2", "v.txt:3: is not UTF-8"),
    ],
)
def test_open_vectors__a_bad_row_is_named(row, said, write, tmp_path):
    row = row if isinstance(row, bytes) else row.encode()
    content = b"the 1 0\n\n" + row + b"\nof 0 1\nto 1 1\n"
    with pytest.raises(UserError, match=said):
        open_vectors(write(content), Store(tmp_path / "stores"))


@pytest.mark.parametrize("content", ["", "\n\n", "words\nalone\n", "3 2\n", "3 0\na 1 2\n", f"3 {9**9}\na 1 2\n"])
def test_open_vectors__a_file_without_vectors_is_refused(content, write, tmp_path):
    with pytest.raises(UserError, match="holds no word vectors"):
        open_vectors(write(content), Store(tmp_path / "stores"))


def test_nearest_rows__barred_rows_and_rows_of_zeros_are_left_out():
    rows = unit_rows(np.array([[1, 0], [1, 1], [0, 0], [1, -1], [-1, 0]], dtype=np.float32))
    queries = np.concatenate([rows[:1], rows[2:3]])
    for blocks in ([rows], [rows[:2], rows[2:]]):
        found = nearest_rows(blocks, queries, [np.array([0, 3]), np.array([2])], count=9)
        assert [some.tolist() for some in found] == [[1, 4], []]


@pytest.mark.skipif(not GLOVE.exists(), reason="needs ../shared/data/glove")
def test_nearest__of_glove(tmp_path):
    found = open_vectors(GLOVE, Store(tmp_path), limit=3000)
    assert len(found) == 3000
    film, paris = found.nearest(["film", "Paris"], 8)
    assert {"movie", "films"} <= set(film)
    assert {"france", "french"} <= set(paris)

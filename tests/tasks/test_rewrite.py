import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinybert.data.carried import carried
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.data.words import Edit
from tinybert.errors import UserError
from tinybert.tasks.read import load_labelled
from tinybert.tasks.rewrite import check_target, rewrite
from tinybert.types import Example, Kind

PLAIN = DataSettings()
SQUAD = {
    "version": "2.0",
    "data": [
        {
            "title": "x",
            "paragraphs": [
                {
                    "context": "By EU, in “1999”.",
                    "qas": [
                        {"id": "a", "question": "Who?", "answers": [{"text": "EU", "answer_start": 3}], "level": 1},
                        {"id": "b", "question": "Why?", "answers": [], "is_impossible": True},
                    ],
                },
                {"context": "Or not.", "qas": []},
            ],
        },
        {"title": "y", "paragraphs": []},
    ],
}
CONLL = "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n# id = 2\nPeter NNP B-PER\n"


def copies_of(examples: Examples, outside: int | None = None) -> Iterator[Example]:
    """Two copies of every row but the second: the last word doubled, the first in other letters."""
    for example in examples:
        side = "text" if example.pair is None or example.row % 2 else "pair"
        text = example.text if side == "text" else example.pair or ""
        for copy, edit in enumerate([Edit(len(text), len(text), " too"), Edit(0, 1, "Z")], start=1):
            made = carried(example, side, [edit], copy, outside)
            if made is not None and example.row != 2:
                yield made


def round_trip(source: Any, target: Path, data: DataSettings = PLAIN, kind: Kind | None = None) -> list[Example]:
    """Rewrite, read again: the same examples, each followed by its copies, whatever the row; a marker of each."""
    task, examples = load_labelled(source, data, kind=kind)
    copies = list(copies_of(examples, task.outside))
    assert rewrite(source, data, kind, iter(copies), target) == len(examples) + len(copies)
    task_again, again = load_labelled(str(target), data, kind=kind)
    assert task_again == task
    expected = sorted([*examples, *copies], key=lambda e: (e.row, e.copy))
    assert contents(again) == contents(expected)
    return expected


def contents(examples: Any) -> list[Any]:
    return [(e.text, e.pair, e.label, e.words) for e in examples]


FORMS = ("a.tsv", "a.csv", "a.jsonl", "a.parquet", "list", "frame", "dataset")
ENDINGS = (".tsv", ".csv", ".jsonl", ".parquet")


@pytest.mark.parametrize(
    ("name", "ending"),  # every form read as text and with types, every form written, and each file's own
    sorted(
        {
            *((name, end) for name in FORMS for end in (".tsv", ".parquet")),
            *((f"a{end}", end) for end in ENDINGS),
            *(("a.tsv", end) for end in ENDINGS),
        }
    ),
)
def test_rewrite__keeps_all_columns_in_any_form(
    write: Callable[..., str], tmp_path: Path, name: str, ending: str
) -> None:
    rows = [
        {"id": f"{n}0", "text": f'a "fine" film, {n}', "label": "np"[n % 2] + "os", "note": "x\ty\n"} for n in range(5)
    ]
    target = tmp_path / f"out{ending}"
    expected = round_trip(source_of(write, rows, name), target, DataSettings(quoting="csv"))
    found = rows_of(target)
    assert list(found[0]) == ["id", "text", "label", "note", "origin", "copy"]
    assert [(int(row["origin"]), int(row["copy"])) for row in found] == [(e.row, e.copy) for e in expected]
    for row in found:
        original = rows[int(row["origin"]) - 1]
        assert (row["id"], row["label"], row["note"]) == (original["id"], original["label"], original["note"])


def source_of(write: Callable[..., str], rows: list[dict[str, Any]], name: str) -> Any:
    if name == "list":
        return rows
    if name == "frame":
        return pandas.DataFrame(rows)
    if name == "dataset":
        return pytest.importorskip("datasets").Dataset.from_list(rows)
    if name == "a.jsonl":
        return write(name, "".join(json.dumps(row) + "\n" for row in rows))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if name == "a.tsv" else ",", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = write(name, stream.getvalue())
    if name == "a.parquet":
        pandas.DataFrame(rows).to_parquet(path)
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""), delimiter=delimiter, strict=True))


def test_rewrite__keeps_quotes_that_are_letters_line_ends_and_numbered_columns(
    write: Callable[..., str], tmp_path: Path
) -> None:
    path = write("a.tsv", b'\xef\xbb\xbf7\t"good\t1\r\n8\tbad\t0\r\n')
    target = tmp_path / "b.tsv"
    round_trip(path, target, DataSettings(header=False, text="1", label="2"))
    assert target.read_bytes().decode().splitlines(keepends=True) == [
        '7\t"good\t1\t1\t0\r\n',
        '7\t"good too\t1\t1\t1\r\n',
        "7\tZgood\t1\t1\t2\r\n",
        "8\tbad\t0\t2\t0\r\n",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rewrite__ends_lines_as_the_file_does(write: Callable[..., str], tmp_path: Path, end: str) -> None:
    path, target = write("a.tsv", end.join(("text\tlabel", "good\t1", "bad\t0", "")).encode()), tmp_path / "b.tsv"
    round_trip(path, target)
    found = target.read_bytes().decode()
    assert found.count(end) == len(found.splitlines()) == 5
    assert not set(found.replace(end, "")) & {"\r", "\n"}


def test_rewrite__keeps_a_delimiter_that_the_ending_does_not_say(write: Callable[..., str], tmp_path: Path) -> None:
    path, target = write("a.csv", "sep=;\ntext;label;\ngood, very;1;\nbad;0;\n"), tmp_path / "b.csv"
    round_trip(path, target)
    assert target.read_text().splitlines()[:2] == ["text;label;origin;copy", "good, very;1;1;0"]
    round_trip(path, tmp_path / "b.tsv")
    assert (tmp_path / "b.tsv").read_text().startswith("text\tlabel\t")


def test_rewrite__lets_no_copy_break_a_row(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.tsv", 'text\tlabel\n"good\t1\nbad\t0\n')
    copy = Example("\ta\r\nb", label=1, row=1, copy=1)
    assert rewrite(path, PLAIN, None, [copy], tmp_path / "b.tsv") == 3
    assert (tmp_path / "b.tsv").read_text().splitlines()[2] == " a  b\t1\t1\t1"


def test_rewrite__writes_pairs(tmp_path: Path) -> None:
    rows = [{"q": f"a {n}", "r": f"b {n}", "label": n % 2} for n in range(4)]
    round_trip(rows, tmp_path / "b.csv", DataSettings(text_a="q", text_b="r"))


def test_rewrite__keeps_types_of_parquet(write: Callable[..., str], tmp_path: Path) -> None:
    types = pa.schema(
        [
            ("text", pa.dictionary(pa.int8(), pa.string())),
            ("label", pa.int16()),
            ("when", pa.date32()),
            ("vector", pa.list_(pa.float32())),
        ]
    )
    rows = [{"text": f"a {n}", "label": n % 2, "when": None, "vector": [0.5, float("nan")]} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows, types), tmp_path / "a.parquet")
    round_trip(str(tmp_path / "a.parquet"), tmp_path / "b.parquet")
    kept = pq.read_schema(tmp_path / "b.parquet")
    assert kept.names == [*types.names, "origin", "copy"]
    assert kept.types[1:4] == types.types[1:]
    assert kept.field("text").type == pa.string()


def test_rewrite__takes_json_lines_whose_rows_differ(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.jsonl", '{"text": "a", "label": 1.50}\n{"label": 2, "text": "b", "more": {"x": [1]}}\n')
    rewrite(path, PLAIN, None, [], tmp_path / "b.jsonl")
    assert rows_of(tmp_path / "b.jsonl")[1] == {"label": 2, "text": "b", "more": {"x": [1]}, "origin": 2, "copy": 0}
    rewrite(path, PLAIN, None, [], tmp_path / "b.csv")
    assert rows_of(tmp_path / "b.csv")[0] == {"text": "a", "label": "1.5", "more": "", "origin": "1", "copy": "0"}


def test_rewrite__leaves_out_rows_that_were_put_aside(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.tsv", "text\tlabel\na\t1\n\t1\nb\nc\t0\n")
    data = DataSettings(skip_bad=0.5)
    _, examples = load_labelled(path, data, kind=None)
    for rows in (None, examples.rows):
        assert rewrite(path, data, None, [Example("d", label=0, row=4, copy=1)], tmp_path / "b.tsv", rows) == 3
        assert (tmp_path / "b.tsv").read_text() == "text\tlabel\torigin\tcopy\na\t1\t1\t0\nc\t0\t4\t0\nd\t0\t4\t1\n"


@pytest.mark.parametrize("row", [0, 3])
def test_rewrite__notices_copies_of_other_rows_and_leaves_no_file(tmp_path: Path, row: int) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    with pytest.raises(ValueError, match="out of order"):
        rewrite(rows, PLAIN, None, [Example("c", row=row, copy=1)], tmp_path / "b.tsv")
    assert list(tmp_path.iterdir()) == []


def test_rewrite__keeps_the_layout_of_conll(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.conll", CONLL)
    expected = round_trip(path, tmp_path / "b.conll")
    assert [(e.row, e.copy) for e in expected] == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert (tmp_path / "b.conll").read_text() == (
        "-DOCSTART- -X- O\n\n# origin=1 copy=0\nEU NNP B-ORG\nrejects VBZ O\n\n"
        "# origin=1 copy=1\nEU NNP B-ORG\nrejects VBZ O\ntoo _ O\n\n"
        "# origin=1 copy=2\nZU NNP B-ORG\nrejects VBZ O\n\n"
        "# id = 2\n# origin=2 copy=0\nPeter NNP B-PER\n\n"
    )


def test_rewrite__keeps_the_line_ends_of_conll(write: Callable[..., str], tmp_path: Path) -> None:
    round_trip(write("a.conll", CONLL.replace("\n", "\r\n")), tmp_path / "b.conll")
    assert (tmp_path / "b.conll").read_bytes().startswith(b"-DOCSTART- -X- O\r\n\r\n# origin=1 copy=0\r\n")
    assert b"\r\r" not in (tmp_path / "b.conll").read_bytes()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_rewrite__lets_lists_follow_their_words(tmp_path: Path, ending: str) -> None:
    rows = [
        {"id": "x", "tokens": ["EU", "says"], "pos": [3, 4], "tags": ["B-ORG", "out"], "both": [[1]]},
        {"id": "y", "tokens": ["Peter"], "pos": [3], "tags": ["B-PER"], "both": [[2]]},
    ]
    data = DataSettings(label_map={"out": "O"})
    round_trip(rows, tmp_path / f"b{ending}", data)
    found = rows_of(tmp_path / f"b{ending}")
    assert found[1] == {
        "id": "x",
        "tokens": ["EU", "says", "too"],
        "pos": [3, 4, None],
        "tags": ["B-ORG", "out", "out"],
        "both": [[1]],
        "origin": 1,
        "copy": 1,
    }


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
@pytest.mark.parametrize("in_lists", [True, False])
def test_rewrite__adds_rows_to_a_table_of_questions(tmp_path: Path, ending: str, in_lists: bool) -> None:
    answers: Any = {"text": ["EU"], "answer_start": [3]} if in_lists else [{"text": "EU", "answer_start": 3}]
    rows = [{"id": "a", "question": "Who?", "context": "By EU.", "answers": answers, "level": 1}]
    _, examples = load_labelled(rows, PLAIN, kind=None)
    copies = [carried(examples[0], "pair", [Edit(0, 2, "From")], 1)]
    assert rewrite(rows, PLAIN, None, copies, tmp_path / f"b{ending}") == 2
    _, again = load_labelled(str(tmp_path / f"b{ending}"), PLAIN, kind=None)
    assert contents(again) == contents([*examples, *copies])
    assert (again.ids, again.gold_texts) == (["a", "a-copy-1"], [["EU"], ["EU"]])
    with pytest.raises(UserError, match="has a column 'origin' already"):
        check_target(str(tmp_path / f"b{ending}"), PLAIN, None, tmp_path / "c.jsonl")
    named = DataSettings(text_a="q", text_b="passage", label="gold")
    renamed = [{"q": "Who?", "passage": "By EU.", "gold": answers, "answers": 1}]
    assert rewrite(renamed, named, "question-answering", copies, tmp_path / f"c{ending}") == 2
    assert contents(load_labelled(str(tmp_path / f"c{ending}"), named, kind="question-answering")[1]) == contents(again)


def test_rewrite__adds_paragraphs_to_squad(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.json", json.dumps(SQUAD))
    _, examples = load_labelled(path, PLAIN, kind=None)
    copies = [made for n, e in enumerate(examples) if (made := carried(e, "pair", [Edit(0, 2, "From")], n + 1))]
    assert rewrite(path, PLAIN, None, copies, tmp_path / "b.json") == 4
    _, again = load_labelled(str(tmp_path / "b.json"), PLAIN, kind=None)
    assert contents(again) == contents([*examples, *copies])
    written = json.loads((tmp_path / "b.json").read_text())
    first, copied, _, unasked = written["data"][0]["paragraphs"]
    assert [(q["id"], q["origin"], q["copy"]) for q in first["qas"]] == [("a", 1, 0), ("b", 2, 0)]
    assert copied["qas"] == [
        {
            "id": "a-copy-1",
            "question": "Who?",
            "answers": [{"text": "EU", "answer_start": 5}],
            "level": 1,
            "origin": 1,
            "copy": 1,
        }
    ]
    assert unasked == SQUAD["data"][0]["paragraphs"][1]  # type: ignore[index]
    assert written["data"][1] == SQUAD["data"][1]
    assert written["version"] == "2.0"
    with pytest.raises(UserError, match="has 'origin' and 'copy' already"):
        check_target(str(tmp_path / "b.json"), PLAIN, None, tmp_path / "c.json")


@pytest.mark.parametrize(
    ("name", "text", "target", "message"),
    [
        ("a.tsv", "text\tlabel\tcopy\na\t1\tx\n", "b.tsv", r"a.tsv:1: has a column 'copy' already"),
        ("a.jsonl", '{"text": "a", "origin": 1}\n', "b.tsv", r"a.jsonl:1: has a column 'origin' already"),
        ("a.iob", "# origin=1 copy=0\na O\n", "b.iob", "has 'origin' and 'copy' already"),
        ("a.tsv", "text\tlabel\na\t1\n", "b.txt", r"unknown ending '.txt'; such data is written to .tsv, .csv, "),
        ("a.tsv", "text\tlabel\na\t1\n", "a.tsv", "is the data that is augmented"),
        ("a.iob", "a O\n", "b.csv", "CoNLL columns are written as such"),
        ("a.json", "{}", "b.jsonl", r"such data is written to .json$"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O"]}', "b.csv", r"such data is written to .jsonl, .parquet$"),
    ],
)
def test_check_target__refuses_in_one_line(
    write: Callable[..., str], tmp_path: Path, name: str, text: str, target: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_target(write(name, text), PLAIN, None, tmp_path / target)
    assert "\n" not in str(caught.value)


def test_check_target__refuses_what_can_be_read_only_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only once"):
        check_target("-", PLAIN, None, tmp_path / "a.tsv")


def test_rewrite__names_a_later_row_with_such_a_column(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 0, "copy": 2}\n')
    with pytest.raises(UserError, match=r"a.jsonl:2: has a column 'copy' already"):
        rewrite(path, PLAIN, None, [], tmp_path / "b.jsonl")


def test_rewrite__says_that_half_a_character_cannot_be_written(write: Callable[..., str], tmp_path: Path) -> None:
    path = write("a.jsonl", '{"text": "a", "label": 1, "x": "\\ud800"}\n')
    for ending in (".tsv", ".parquet"):
        with pytest.raises(UserError, match="half of a surrogate pair"):
            rewrite(path, PLAIN, None, [], tmp_path / f"b{ending}")
    rewrite(path, PLAIN, None, [], tmp_path / "b.jsonl")


NASTY = st.text(st.sampled_from("ab\"',;\t\r\n\\#= \u00a0\u2028\ufeffé\U0001f600"), min_size=1, max_size=8).filter(
    str.strip
)
SLOW = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(st.lists(NASTY, min_size=1, max_size=4), st.sampled_from(ENDINGS), st.booleans())
def test_rewrite__brings_back_any_text(tmp_path: Path, texts: list[str], ending: str, again: bool) -> None:
    rows = [{"text": text, "note": text[::-1], "label": str(n % 2)} for n, text in enumerate(texts)]
    quoted = DataSettings(quoting="csv")
    source: Any = rows
    if again:  # read from a file of its own
        rewrite(rows, PLAIN, None, [], tmp_path / "first.csv")
        (tmp_path / "a.csv").write_text(without_marks((tmp_path / "first.csv").read_bytes().decode()), newline="")
        source = str(tmp_path / "a.csv")
    round_trip(source, tmp_path / f"b{ending}", quoted)


def without_marks(text: str) -> str:
    stream = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(row[:3] for row in rows)
    return stream.getvalue()


@SLOW
@given(st.lists(NASTY.filter(lambda text: not set("\t\n") & set(text)), min_size=1, max_size=4))
def test_rewrite__brings_back_any_text_where_quotes_are_letters(tmp_path: Path, texts: list[str]) -> None:
    lines = "".join(f"{text}\t{n % 2}\n" for n, text in enumerate(texts))
    (tmp_path / "a.tsv").write_text(f"text\tlabel\n{lines}", encoding="utf-8", newline="")
    data = DataSettings(quoting="none")
    _, examples = load_labelled(str(tmp_path / "a.tsv"), data, kind=None)
    rewrite(str(tmp_path / "a.tsv"), data, None, [], tmp_path / "b.tsv")
    assert contents(load_labelled(str(tmp_path / "b.tsv"), data, kind=None)[1]) == contents(examples)


WORD = st.text(st.sampled_from('ab"#=,_-é\u00a0\U0001f600'), min_size=1, max_size=4).filter(
    lambda word: word.strip() == word
)


@SLOW
@given(st.lists(st.lists(st.tuples(WORD, st.sampled_from(["O", "B-X", "I-X"])), min_size=1, max_size=4), min_size=1))
def test_rewrite__brings_back_any_words(tmp_path: Path, found: list[list[tuple[str, str]]]) -> None:
    # The tag S-X says BIOES, whatever copies that cut entities in two make of the others.
    text = "a\tN\tO\nb\tN\tS-X\n\n" + "".join(
        "".join(f"{word}\tN\t{tag}\n" for word, tag in sentence) + "\n" for sentence in found
    )
    (tmp_path / "a.conll").write_text(text, encoding="utf-8", newline="")
    round_trip(str(tmp_path / "a.conll"), tmp_path / "b.conll")


@pytest.mark.parametrize("ending", [".tsv", ".jsonl"])
def test_rewrite__holds_neither_originals_nor_copies(tmp_path: Path, ending: str) -> None:
    count, film = 1000, "a fine film " * 200
    with (tmp_path / "a.tsv").open("w") as stream:
        stream.write("text\tlabel\n")
        stream.writelines(f"{film}{n}\t{n % 2}\n" for n in range(count))
    copies = (Example(f"{film}{n}", label=n % 2, row=n + 1, copy=1) for n in range(count))
    rows = load_labelled(str(tmp_path / "a.tsv"), PLAIN, kind=None)[1].rows
    tracemalloc.start()
    try:
        assert rewrite(str(tmp_path / "a.tsv"), PLAIN, None, copies, tmp_path / f"b{ending}", rows) == 2 * count
        assert tracemalloc.get_traced_memory()[1] < count * len(film) / 4
    finally:
        tracemalloc.stop()

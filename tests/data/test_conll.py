import pytest

from tinybert.data.conll import TaggedSentence, copied_lines, documents, marked_lines, sentences
from tinybert.data.problems import BadRow

NEWS = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

-DOCSTART- -X- O O

Peter NNP I-NP I-PER
"""


def read(text: str) -> list[tuple[int, TaggedSentence | BadRow]]:
    return list(sentences(text.splitlines(keepends=True)))


def good(text: str) -> list[TaggedSentence]:
    found = [sentence for _, sentence in read(text)]
    return [sentence for sentence in found if isinstance(sentence, TaggedSentence)]


def test_sentences__are_read_with_their_lines_and_what_stands_before() -> None:
    assert [line for line, _ in read(NEWS)] == [3, 8]
    first, second = good(NEWS)
    assert (first.words, first.tags) == (["EU", "rejects"], ["I-ORG", "O"])
    assert (second.words, second.tags) == (["Peter"], ["I-PER"])
    assert first.before == second.before == ["-DOCSTART- -X- O O", ""]


@pytest.mark.parametrize(
    "text",
    [
        "a O\nb O\n\nc O\n",
        "a O\r\nb O\r\n\r\nc O\r\n",
        "\n\na  X O\nb X   O \n \t\nc X O",
        "a\tX\tO\nb\tX\tO\n\nc\tX\tO",
        "# sent_id = 1\n# a longer comment\na X O\nb X O\n\n# id 3 domain=en\nc X O\n",
        "# origin=1 copy=0\na X O\nb X O\n\n# origin=2 copy=0\nc X O\n",
    ],
)
def test_sentences__take_any_separator_line_end_and_comment(text: str) -> None:
    assert [(s.words, s.tags) for s in good(text)] == [(["a", "b"], ["O", "O"]), (["c"], ["O"])]


def test_sentences__keep_words_that_look_like_comments() -> None:
    assert [s.words for s in good("a O\n# O\n\n# O\nb O\n")] == [["a", "#"], ["#", "b"]]
    assert [s.words for s in good("New York\tO\nis\u00a0big\tO\n")] == [["New York", "is\u00a0big"]]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a O\n\nb O\nc X O\n", 4, "3 columns instead of 2"),
        ("a\nb\n", 1, "one column"),
        ("a\tO\nb\t\n", 2, "the tag is empty"),
        ("a\tO\n\tO\n", 2, "the token is empty"),
        ("a O\nb\0 O\n", 2, "NUL"),
    ],
)
def test_sentences__name_the_line_that_is_wrong(text: str, line: int, reason: str) -> None:
    bad = [(number, found) for number, found in read(text) if isinstance(found, BadRow)]
    assert len(bad) == 1
    assert bad[0][0] == line
    assert reason in bad[0][1].reason


def test_sentences__keep_the_beginning_of_a_document_whose_first_sentence_is_bad() -> None:
    (found,) = good("a O\n\n-DOCSTART- O\n\n# note = 1\nb\n\nc O\n")[1:]
    assert found.before == ["-DOCSTART- O", ""]
    assert documents(["# x = 1", "-DOCSTART- O", ""]) == ["-DOCSTART- O", ""]


def test_marked_lines__add_nothing_but_the_mark() -> None:
    lines = [line for row, sentence in enumerate(good(NEWS), 1) for line in marked_lines(sentence, row)]
    assert [line for line in lines if not line.startswith("# origin=")] == [*NEWS.splitlines(), ""]
    assert [s.marked for s in good("\n".join(lines))] == [True, True]
    assert not any(sentence.marked for sentence in good(NEWS))


def test_copied_lines__keep_the_columns_of_words() -> None:
    (sentence,) = good("EU  NNP I-ORG\nsays VBZ O\n")
    copy = list(copied_lines(sentence, 3, 2, ["EU", "now", "tells"], ["I-ORG", "O", "O"], [0, None, 1]))
    assert copy == ["# origin=3 copy=2", "EU  NNP I-ORG", "now _ O", "tells VBZ O", ""]
    (tabbed,) = good("a\tO\n")
    assert list(copied_lines(tabbed, 1, 1, ["b", "c"], ["O", "O"], [0, None]))[1:] == ["b\tO", "c\tO", ""]

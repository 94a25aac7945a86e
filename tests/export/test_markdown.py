import pytest

from tinybert.export.markdown import bullets, last_part, plain, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("good", "good"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a | b", r"a \| b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("`code` *bold* _it_", r"\`code\` \*bold\* \_it\_"),
        ("two\nlines\u2028three", "two lines three"),
        ("&lt; \\", r"&amp;lt; \\"),
    ],
)
def test__words_of_a_user_stay_words(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/me/models/teacher", "teacher"),
        ("C:\\models\\teacher", "teacher"),
        ("../teacher", "teacher"),
        ("~/teacher", "teacher"),
        ("org/name", "org/name"),
        ("bert-base", "bert-base"),
    ],
)
def test__paths_lose_their_folders_and_hub_names_stay(name: str, shown: str) -> None:
    assert last_part(name) == shown


def test__a_table_has_a_rule_below_its_head() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test__one_line_per_bullet() -> None:
    assert bullets(["a", "b"]) == "- a\n- b"

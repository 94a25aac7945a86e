import pytest

from tinybert.data.rewrite_table import Waiting
from tinybert.types import Example


def test_waiting__gives_the_copies_of_one_row_after_the_other() -> None:
    waiting = Waiting([Example("a", row=1, copy=1), Example("b", row=1, copy=2), Example("c", row=3, copy=1)])
    assert [[copy.text for copy in waiting.of(row)] for row in (1, 2, 3)] == [["a", "b"], [], ["c"]]
    waiting.finish()


def test_waiting__notices_what_is_left() -> None:
    waiting = Waiting([Example("a", row=2, copy=1), Example("b", row=1, copy=1)])
    assert [[copy.text for copy in waiting.of(row)] for row in (1, 2)] == [[], ["a"]]
    with pytest.raises(ValueError, match="copy 1 of row 1 is out of order"):
        waiting.finish()

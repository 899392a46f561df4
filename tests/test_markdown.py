"""Tables in Markdown."""

import pytest

from pixel_edu import markdown


def test_each_column_is_aligned_as_asked():
    assert markdown.table(["a", "b"], [(1, "x")], "rl") == ["| a | b |", "| ---: | :--- |", "| 1 | x |"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 heads and 1 cells"):
        markdown.table(["a", "b"], [["x"]])

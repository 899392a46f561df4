"""The class that `grade --demo` makes up."""

from pathlib import Path

import pytest

from pixel_edu import notebooks
from pixel_edu.grading import demo
from pixel_edu.notebooks import handouts

SOLUTIONS = Path(__file__).parents[2] / "solutions"


@pytest.mark.parametrize("id", demo.COMMON)
def test_a_common_mistake_is_made_in_a_line_that_the_solution_has(id):
    path = next(SOLUTIONS.glob(f"{id[3:5]}_*.ipynb"))
    found = {each.id: each.solution for each in handouts.exercises_of(notebooks.read(path), path.name)}
    written, _ = demo.COMMON[id]
    assert written in found[id], "the solution was rewritten: nobody would make this mistake"

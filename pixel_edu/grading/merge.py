"""Put a student's answers into the instructor's own notebook: whatever happened to the other cells does not matter."""

from __future__ import annotations

from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.grading.assignment import Assignment
from pixel_edu.notebooks.answers import Together, is_blank, together, without_stubs
from pixel_edu.notebooks.handouts import checksum, grade_id
from pixel_edu.notebooks.magics import DEFINES, as_python, defined, tree
from pixel_edu.notebooks.reading import Unreadable, parse


class NothingOfIt(Unreadable):
    """A notebook without an answer of the assignment, such as a chapter's lesson."""


class Merged(NamedTuple):
    """A notebook that is ready to run.

    Attributes:
        notebook: the instructor's, with the student's answers and own cells; each cell's metadata has `part`: the
            grade_id it answers, "own", or "given".
        notes: a sentence for each repair.
        answers: the source of each answer, by grade_id; missing ones are absent.
        places: how many of its cells stand above the tests of each exercise.
        files: what stands beside it, see `Assignment`.
    """

    notebook: NotebookNode
    notes: list[str]
    answers: dict[str, str]
    places: dict[str, int]
    files: tuple[tuple[str, bytes], ...] = ()


def merge(content: bytes, assignment: Assignment) -> Merged:
    """Put what a student wrote into the assignment.

    Args:
        content: of the file that was handed in.
        assignment: the instructor's.

    Raises:
        NothingOfIt: there is no answer of this assignment in it.
        Unreadable: it is not a notebook.
    """
    theirs, notes = parse(content)
    known = {grade_id(cell) or cell.id: cell for cell in assignment.hand_out.cells}
    answers_wanted = {
        id: cell for id, cell in known.items() if cell.metadata.get("nbgrader", {}).get("solution")
    }
    answers, own, changed = _sort(theirs, known, answers_wanted, notes)
    if not answers and not own:
        raise NothingOfIt(f"it has no exercise of {assignment.name} in it: is it another notebook?")
    if not answers and any(cell.metadata.get("nbgrader") for cell in theirs.cells):
        raise NothingOfIt(f"its exercises are not those of {assignment.name}: is it another notebook?")
    if not answers and answers_wanted:
        raise NothingOfIt(f"none of its cells is an answer of {assignment.name}: is it another notebook?")
    kernel = theirs.metadata.get("kernelspec", {}).get("language", "python")
    if str(kernel).lower() != "python":
        notes.append(f"its kernel {kernel!r} was replaced")
    if changed:
        notes.append(f"changed by the student and put back: {', '.join(sorted(changed))}")
    kept = sum(map(len, own.values()))
    if kept:
        notes.append(f"{kept} cell{'s' * (kept > 1)} of their own kept")
    cells, places = list(own.get("", [])), {}
    for id, cell in known.items():
        facts = cell.metadata.get("nbgrader", {})
        if facts.get("grade"):
            places[id.removesuffix("-marks")] = len(cells)
        if id in answers and cell.cell_type == "code":
            cells.append(_cell(answers[id], id))
        elif id in answers_wanted:
            if cell.cell_type == "code":
                notes.append(f"{id}: there is no cell for it")
        elif cell.cell_type == "code" and not facts.get("grade") and not id.endswith("-check"):
            cells.append(_cell(cell.source, "given"))
        cells += own.get(id, [])
    notebook = new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNEL})
    return Merged(notebook, notes, answers, places, assignment.files)


def _cell(source: str, part: str) -> NotebookNode:
    return new_code_cell(as_python(source), metadata={"part": part})


def _sort(
    theirs: NotebookNode, known: dict[str, NotebookNode], wanted: dict[str, NotebookNode], notes: list[str]
) -> tuple[dict[str, str], dict[str, list], set[str]]:
    """Their answers by name, their own cells by the known cell before them, and names of given cells they changed."""
    written: dict[str, list[str]] = {}
    places: dict[str, str] = {}  # the known cell before an answer
    own: dict[str, list[NotebookNode]] = {}
    changed, before = set(), ""
    named = {
        id
        for id, given in wanted.items()
        if without_stubs([cell.source for cell in theirs.cells if grade_id(cell) == id], given.source)
    }
    functions = {name: id for id, cell in wanted.items() if id not in named for name in defined(cell.source)}
    for cell in theirs.cells:
        if cell.get("id") in ("generated", "install"):  # what `exercises build` puts before the first task
            continue
        id = grade_id(cell) or (cell.get("id", "") if cell.get("id", "") in known else "")
        if id not in wanted and not (id in known and cell.source.strip() == known[id].source.strip()):
            names = defined(cell.source) if cell.cell_type == "code" or tree(cell.source) else []
            homes = [functions[name] for name in names if name in functions]
            if homes:
                id = homes[0]
                notes.append(f"{id}: found by the name of its function")
        if id in wanted:
            if cell.cell_type != wanted[id].cell_type and wanted[id].cell_type == "code":
                notes.append(f"{id}: its cell had become {cell.cell_type}, and was run as code")
            plain = wanted[id].cell_type != "code" or is_blank(cell.source, wanted[id].source)
            written.setdefault(id, []).append(cell.source if plain else as_python(cell.source, dedent=False))
            places.setdefault(id, before)
            before = id
        elif id in known:
            before = id
            if cell.source.strip() == known[id].source.strip():
                continue
            if known[id].metadata.get("nbgrader"):
                changed.add(id)
            elif cell.cell_type == "code":
                own.setdefault(id, []).append(_cell(cell.source, "own"))
        elif grade_id(cell):
            changed.add(grade_id(cell))
        elif cell.cell_type == "code" and cell.source.strip():
            own.setdefault(before, []).append(_cell(cell.source, "own"))
    answers = {}
    for id, sources in written.items():
        answers[id], above, below = _together(id, sources, wanted[id], notes)
        own[places[id]] = [*own.get(places[id], []), *(_cell(each, "own") for each in above)]
        own[id] = [*(_cell(each, "own") for each in below), *own.get(id, [])]
    _fill_stubs(answers, wanted, notes)
    return answers, {key: cells for key, cells in own.items() if cells}, changed


def _fill_stubs(answers: dict[str, str], wanted: dict[str, NotebookNode], notes: list[str]) -> None:
    """Where only a stub stands in an answer's cell, take what the cell of another answer defines under its name."""
    codes = {id: answer for id, answer in answers.items() if wanted[id].cell_type == "code"}
    stubs = {
        id
        for id, answer in codes.items()
        if defined(wanted[id].source) and is_blank(answer, wanted[id].source)
    }
    for id in stubs:
        asked = defined(wanted[id].source)
        for home in codes.keys() - stubs:
            found = _sources(codes[home])
            if all(name in found for name in asked):
                answers[id] = "\n\n".join(found[name] for name in asked)
                notes.append(f"{id}: found in the cell of {home}")


def _sources(source: str) -> dict[str, str]:
    """The sources of what a cell defines, with their decorators, by name."""
    parsed, lines = tree(source), source.split("\n")
    made = [each for each in parsed.body if isinstance(each, DEFINES)] if parsed else []
    first = [min([each.lineno, *(above.lineno for above in each.decorator_list)]) for each in made]
    return {
        each.name: "\n".join(lines[begin - 1 : each.end_lineno])
        for each, begin in zip(made, first, strict=True)
    }


def _together(
    id: str, sources: list[str], given: NotebookNode, notes: list[str]
) -> tuple[str, list[str], list[str]]:
    """The answer that the cells of one name make, and what of them runs in cells of its own, above and below it."""
    is_code = given.cell_type == "code"
    if len(sources) == 1:
        return (as_python(sources[0]) if is_code else sources[0]), [], []
    answered = without_stubs(sources, given.source) or sources[-1:]
    several = f"{id}: there are several cells for it, and"
    if not is_code and len(answered) > 1:
        notes.append(f"{several} they were put together")
        return "\n\n".join(answered), [], []
    asked = set(defined(given.source))
    made = together(answered, asked) if is_code else Together(answered[-1], [], [], False)
    if made.joined:
        notes.append(f"{several} they were run in order")
    else:
        which = "the last counts" if answered[-1] == sources[-1] else "the last that is not the stub counts"
        notes.append(f"{several} {which}")
    return made.answer, made.above, made.below


def untouched(given: NotebookNode, answer: str) -> bool:
    """Whether an answer is still what its cell held when it was handed out."""
    return answer.strip() == given.source.strip() and given.metadata.nbgrader.get("checksum") == checksum(
        given
    )

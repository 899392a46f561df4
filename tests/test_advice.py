"""What messages recommend can be done: the commands, options, make targets and modules that they name are there."""

import importlib.util
import re
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from pixel_edu.cli import app
from pixel_edu.config import not_installed
from tests.calls import CallGraph

ROOT = Path(__file__).parents[1]
COMMANDS = typer.main.get_command(app)

PROGRAM = re.compile(r"(?:pixel-edu|python -m pixel_edu\.cli)(?P<rest> (?:[a-z]|--)[^`;:()\n]*)")
OTHERS = re.compile(r"(?:mlflow|docker|curl|accelerate launch|git|jupyter|pip)(?= )[^`;:()\n]*")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
TARGET = re.compile(r"(?:`|; run: |or )make ([a-z][a-z-]*)")
MODULE = re.compile(r"python -m ([a-z_.]+)")
NO_MESSAGES = ("course/checks/", "grading/sandbox/", "tracking/server.py", "widgets/js/")
"""Where strings with options are command lines of other programs, or answers to exercises."""


class Message(NamedTuple):
    """A sentence in the source; what is put into it stands there as X."""

    text: str
    where: str
    owner: str
    """The function or constant that it stands in, such as "pixel_edu.data.pictures:read_pictures"."""

    def __str__(self) -> str:
        return self.where


class Recommended(NamedTuple):
    """A command of ours as a sentence names it: the words after `pixel-edu`, and those of them that are options."""

    words: list[str]
    options: list[str]


@cache
def graph() -> CallGraph:
    return CallGraph(ROOT / "pixel_edu", "pixel_edu")


@cache
def messages() -> list[Message]:
    """Every string of the package with a space in it that names an option, a command or a target."""
    telling = [PROGRAM, OPTION, TARGET, MODULE]
    return [
        Message(text, f"{file.relative_to(ROOT)}:{line}", owner)
        for owner, file, line, text in graph().strings()
        if " " in text
        and not file.relative_to(ROOT / "pixel_edu").as_posix().startswith(NO_MESSAGES)
        and any(each.search(text) for each in telling)
    ]


def recommended(text: str) -> list[Recommended]:
    """The commands of ours in a text."""
    found = []
    for match in PROGRAM.finditer(text):
        words = [word.rstrip(".,") for word in match["rest"].split(",")[0].split()]
        found.append(Recommended(words, OPTION.findall(match["rest"])))
    return found


def bare_options(text: str) -> list[str]:
    """Options in a text that no command stands before: they belong to whatever the user typed."""
    return OPTION.findall(OTHERS.sub("", PROGRAM.sub("", text)))


def command_of(words: list[str]):
    """The command that some words begin with.

    Raises:
        LookupError: there is none.
    """
    command = COMMANDS
    for word in words:
        if not hasattr(command, "commands"):
            break
        if word.startswith("-"):
            break
        if word not in command.commands:
            raise LookupError(f"no command {word!r} in {sorted(command.commands)}")
        command = command.commands[word]
    return command


def options_of(command) -> set[str]:
    names = [[*parameter.opts, *parameter.secondary_opts] for parameter in command.params]
    return {name for each in names for name in each} | {"--help"}


def wrong_with(text: str) -> list[str]:
    """What a text recommends that is not there."""
    wrong = []
    for words, options in recommended(text):
        try:
            there = options_of(command_of(words))
        except LookupError as error:
            wrong.append(f"pixel-edu {' '.join(words)}: {error}")
            continue
        wrong += [f"pixel-edu {' '.join(words)}: no {option}" for option in options if option not in there]
    wrong += [f"make {target}" for target in TARGET.findall(text) if target not in targets()]
    wrong += [f"python -m {name}" for name in MODULE.findall(text) if not importlib.util.find_spec(name)]
    return wrong


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def users() -> dict[str, set[str]]:
    """The commands from which each function of the package can be reached, such as "data check"."""
    found = defaultdict(set)
    for name, command in leaves(COMMANDS):
        callback = command.callback
        for owner in graph().reached(f"{callback.__module__}:{callback.__name__}"):
            found[owner].add(name)
    return found


def leaves(command, name: str = ""):
    """All commands that do something, by name."""
    if not hasattr(command, "commands"):
        yield name, command
    for word, each in getattr(command, "commands", {}).items():
        yield from leaves(each, f"{name} {word}".strip())


@pytest.mark.slow
def test_many_messages_were_found():
    """If the search found nothing, the tests below could not fail."""
    assert len(messages()) > 60
    assert sum(bool(recommended(each.text)) for each in messages()) > 25
    assert sum(bool(bare_options(each.text)) for each in messages()) > 12
    assert {"data check", "train", "evaluate"} <= users()["pixel_edu.data.pictures:read_pictures"]
    assert users()["pixel_edu.data.writing:write_kaggle"] == {"data make"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("run pixel-edu data chek FOLDER", "pixel-edu data chek FOLDER: no command"),
        ("run pixel-edu train --skip-bad", "pixel-edu train --skip-bad: no --skip-bad"),
        ("out of date; run: make dinner", "make dinner"),
        ("run python -m pixel_edu.nothing", "python -m pixel_edu.nothing"),
    ],
)
def test_advice_that_leads_nowhere_is_seen(text, wrong):
    assert wrong_with(text)[0].startswith(wrong)


def test_every_command_target_and_module_that_a_message_names_is_there():
    wrong = [f"{each}: {fault}" for each in messages() for fault in wrong_with(each.text)]
    assert not wrong, "\n".join(wrong)


def test_an_option_that_a_message_names_is_one_of_each_command_that_may_say_so():
    known, wrong = dict(leaves(COMMANDS)), []
    for each in messages():
        for option in bare_options(each.text):
            lack = [name for name in users()[each.owner] if option not in options_of(known[name])]
            if lack or not any(option in options_of(command) for command in known.values()):
                wrong.append(f"{each}: {option}, which {', '.join(sorted(lack)) or 'no command'} lacks")
    assert not wrong, "\n".join(wrong)


def test_what_a_missing_package_asks_for_brings_it():
    """The extra is in pyproject.toml, it needs the package, and make has the target."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in requires("pixel-edu") or []:
        name = re.split(r"[^\w.-]", line)[0]
        said = not_installed(ModuleNotFoundError(name=name.replace("-", "_")))
        extra = re.search(r"pixel-edu\[(\w+)\]", said)
        needed = extras["optional-dependencies"][extra[1]] if extra else extras["dependencies"]
        named = {re.split(r"[^\w.-]", each)[0] for each in needed}
        assert name in named or (extra and extra[1] == "all"), said
        assert re.search(r"make (\w+)", said)[1] in targets(), said


PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"book/{p.name}" for p in ROOT.glob("book/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_a_block_of_a_page_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", text, re.DOTALL)
    lines = [line.partition("#")[0] for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert not [fault for line in lines for fault in wrong_with(f"`{line.strip()}")]

"""Sprites on a terminal: in a real one, of a certain size, and on what is none."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest
from rich.console import Console

from pixel_edu.cli.pixels import in_terminal, show

ROW = 8
"""Lines of a sprite of 16 pixels."""
TERMINAL = {"force_terminal": True, "color_system": "truecolor", "no_color": False, "width": 80}
SMALL = ("--sprites", "60", "--batch-size", "4", "--steps", "2", "--sample-every", "2")


def in_a_terminal(folder, *words, columns=80, lines=24, **environment):
    """What a command prints on a terminal of this size."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    environment = {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
    printed = []

    def read():
        while True:
            try:
                printed.append(os.read(parent, 65536))
            except OSError:  # the last program that held it has ended
                return

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "pixel_edu.cli", *words]
    done = subprocess.run(command, stdin=child, stdout=child, stderr=child, cwd=folder, env=environment)
    os.close(child)
    reader.join()
    os.close(parent)
    said = b"".join(printed).decode()
    assert done.returncode == 0, said
    return said


def rows(said):
    """How many half blocks each line that has some has."""
    return [line.count("▀") for line in said.splitlines() if "▀" in line]


def drawn(image, **options):
    """What is printed of an image on a terminal with these properties."""
    file = io.StringIO()
    show(image, Console(file=file, **{**TERMINAL, **options}))
    return file.getvalue()


def test_a_sprite_in_the_terminal_has_every_pixel():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    shown = in_terminal(image)
    assert shown.count("▀") == 8
    assert "38;2;0;1;2;48;2;12;13;14m" in shown


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_without_half_blocks_gets_two_spaces_for_every_pixel(encoding):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show(image[None], Console(file=file, **TERMINAL))
    file.seek(0)
    lines = file.read().splitlines()
    assert [line.count("m  ") for line in lines] == [4] * 4
    assert lines[0].startswith("\x1b[48;2;0;1;2m  \x1b[")


def test_as_many_are_shown_as_fit_side_by_side():
    nine = np.full((9, 16, 16, 3), 200, np.uint8)
    for width, fit in ((80, 4), (67, 4), (66, 3), (16, 1), (15, 0), (400, 9)):
        assert rows(drawn(nine, width=width)) == [17 * fit - 1] * ROW * (fit > 0), width


def test_what_is_transparent_is_a_checkerboard():
    nothing = np.zeros((1, 16, 16, 4), np.uint8)
    assert set(re.findall(r"48;2;(\d+);", drawn(nothing))) == {"195", "230"}


@pytest.mark.parametrize("asked", [{"no_color": True}, {"color_system": None}, {"force_terminal": False}])
def test_nothing_is_shown_where_colours_are_not_wanted_or_not_there(asked):
    assert drawn(np.zeros((1, 16, 16, 3), np.uint8), **asked) == ""


def test_a_terminal_of_256_colours_gets_those():
    shown = drawn(np.full((1, 16, 16, 3), (250, 20, 20), np.uint8), color_system="256")
    assert "38;5;" in shown
    assert "38;2;" not in shown


@pytest.mark.slow
def test_sample_shows_the_first_that_fit(tmp_path):
    said = in_a_terminal(tmp_path, "sample", "-n", "6", "--steps", "1", "--out", "s.png", columns=60)
    assert rows(said) == [50] * ROW
    assert "6 sprites in s.png" in said
    assert (
        rows(in_a_terminal(tmp_path, "sample", "-n", "1", "--steps", "1", "--out", "t.png", NO_COLOR="1"))
        == []
    )


@pytest.mark.slow
def test_data_show_has_a_row_for_each_class_as_long_as_there_are_lines(tmp_path):
    in_a_terminal(tmp_path, "data", "make", "sprites", "-n", "60")
    said = in_a_terminal(tmp_path, "data", "show", "sprites", "look.png", lines=50)
    assert rows(said) == [67] * ROW * 5
    assert [said.index(name) for name in ("characters", "creatures", "food")] == sorted(
        said.index(name) for name in ("characters", "creatures", "food")
    )
    assert rows(in_a_terminal(tmp_path, "data", "show", "sprites", "look.png", lines=20)) == [67] * ROW * 2


@pytest.mark.slow
def test_a_training_shows_a_sprite_of_each_class_above_its_bar(tmp_path):
    said = in_a_terminal(tmp_path, "train", *SMALL, "--out", "run", columns=120)
    assert rows(said) == [84] * ROW
    assert said.index("step 2") < said.index("▀")

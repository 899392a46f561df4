"""The command line as a user meets it: in its own process, by its exit code and what it prints."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixel_edu import __version__, cli, files

HEAVY = {"torch", "numpy", "PIL", "matplotlib", "pandas", "papermill", "nbformat", "jsonschema", "kagglehub"}


def pixel_edu(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pixel_edu.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_help_names_the_command_groups():
    done = pixel_edu("--help")
    assert done.returncode == 0
    assert re.search(r"\bdata\b.*\bcourse\b", done.stdout, re.DOTALL)


@pytest.mark.parametrize("arguments", [[], ["data"], ["course"]])
def test_a_command_by_itself_shows_its_help_and_no_error(arguments):
    done = pixel_edu(*arguments)
    assert (done.returncode, done.stderr) == (2, "")
    assert "Commands" in done.stdout


def test_the_installed_command_is_this_one():
    command = Path(sys.executable).with_name("pixel-edu")
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout == f"pixel-edu {__version__}\n"


COMMANDS = """
data course track exercises train sample evaluate export push serve demo grade submit
data/make data/check data/show data/split data/fetch course/notebooks course/run course/status course/artwork
track/server track/promote track/compare track/sweep
""".split()


@pytest.mark.parametrize("arguments", [["--help"], *([*each.split("/"), "--help"] for each in COMMANDS)])
def test_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
sys.argv = ["pixel-edu", *{arguments!r}]
from pixel_edu.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
print("imported:", *sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "imported:", done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour"], "No such option: --colour"),
        (["dat"], "No such command 'dat'"),
        (["data", "check"], "Missing argument"),
        (["data", "make", "x", "-n", "many"], "valid integer"),
        (["data", "make", "x", "-n", "0"], "'-n'"),
        (["grade", "x", "--notebook-seconds", "inf"], "'--notebook-seconds': inf is not a finite number"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(arguments, says, tmp_path):
    done = pixel_edu(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "--help)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--steps", "0", "should be greater than or equal to 1"),
        ("--steps", "x", "should be a valid integer"),
        ("--guidance", "x", "should be a valid number"),
        ("--guidance", "21", "should be less than or equal to 20"),
    ],
)
def test_an_option_of_a_wrong_value_is_told_in_our_words(option, value, says):
    done = pixel_edu("sample", option, value)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Invalid value for '{option}': it {says} (see ")


@pytest.mark.parametrize("value", ["nan", "-inf", "1e999"])
def test_what_is_not_a_finite_number_is_told_so_where_there_is_a_range_too(value):
    done = pixel_edu("sample", f"--guidance={value}")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"error: Invalid value for '--guidance': {float(value)} is not a finite number (see "
    )


def test_a_mistake_the_user_can_mend_is_one_sentence_and_exit_code_1(tmp_path):
    done = pixel_edu("data", "check", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_told_with_the_place_and_what_to_do(code, monkeypatch, capsys, tmp_path):
    def full(**_):
        with files.replacing(tmp_path / "table.csv"):
            raise OSError(code, os.strerror(code))  # as from `write`, which knows no name

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    place = tmp_path / "table.csv"
    assert capsys.readouterr().err == (
        f"error: {place} cannot be written ({os.strerror(code)}): make room there, and run this again\n"
    )


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_terminal_that_lacks_letters_shows_their_numbers(errors, monkeypatch):
    """In the locale C, Python gives its output the second of these."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=errors)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(cli, "app", lambda **_: print("\u5f35"))
    with pytest.raises(SystemExit):
        cli.main()
    assert output.buffer.getvalue() == b"\\u5f35\n"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "40"}, {}])
def test_piped_output_holds_no_colour_codes(environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    assert "\x1b" not in pixel_edu("--help", env=clean | environment).stdout


def test_a_reader_that_goes_away_leaves_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "pixel_edu.cli", "data", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are another thing on Windows")
def test_ctrl_c_ends_with_130_without_a_traceback_and_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "pixel_edu.cli", "data", "make", "big", "-n", "2000000"]

    def listen() -> None:  # a shell's background jobs are started deaf to Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    ) as running:
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []

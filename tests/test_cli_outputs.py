"""Whoever names a place that cannot be written learns it before any work."""

import sys
from pathlib import Path

import pytest
import typer

from pixel_edu.cli import app, main

PLACES = [
    "sample --out file/x.png",
    "sample --out file/x.npy",
    "sample --out file/x",
    "evaluate --out file/x",
    "export --out file/x.onnx",
    "export --format diffusers --out file/x",
    "train --out file/x",
    "distil --out file/x",
    "data make file/x",
    "data show . file/x.png",
    "data split . --out file/x.npz",
    "data slice x.png --out file/x",
    "data fetch file/x",
    "track server --folder file/x",
    "track compare a b --out file/x.png",
    "course notebooks --out file/x",
    "course run --out file/x",
    "exercises build --out file/x",
    "grade . --out file/x",
]
WORK = [
    "sprites.make",
    "data.load",
    "data.slicing.read_picture",
    "serving.engine.open_model",
    "checkpoints.load_model",
    "tracking.client_of",
]
"""What takes long: no command may come so far."""


def commands(group=None, names=()):
    """Every command's name, and its parameters."""
    group = group or typer.main.get_command(app)
    for name, command in getattr(group, "commands", {}).items():
        yield " ".join([*names, name]), {each.name for each in command.params}
        yield from commands(command, (*names, name))


def typed(words, monkeypatch, capfd):
    """The exit code of a command that ends by it, and what it says."""
    monkeypatch.setattr(sys, "argv", ["pixel-edu", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capfd.readouterr().err


def test_every_command_with_an_output_is_tried_here():
    writing = {name for name, parameters in commands() if "out" in parameters}
    assert "track compare" in writing
    assert {name for name in writing if not any(place.startswith(f"{name} ") for place in PLACES)} == set()


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(place, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for name in WORK:
        monkeypatch.setattr(f"pixel_edu.{name}", lambda *_, **__: pytest.fail("it works before it looks"))
    code, said = typed(place.split(), monkeypatch, capfd)
    assert code == 1
    assert said.startswith("error: file/x")
    assert "cannot be written (Not a directory): choose " in said
    assert said.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", ["data split . --out .", "data show . .", "track compare a b --out ."])
def test_a_folder_is_not_a_file_to_write(place, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code, said = typed(place.split(), monkeypatch, capfd)
    assert code in (1, 2)
    assert said.count("\n") == 1


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_place_is_refused_since_it_would_be_the_current_folder(place, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    words = ["" if word.startswith("file/x") else word for word in place.split()]
    code, said = typed(words, monkeypatch, capfd)
    assert code == 2
    assert "an empty path is not a place: name one (this folder is .)" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["s3://bucket/x.npz", "file:///tmp/x.npz", "HTTPS://host/x.npz"])
@pytest.mark.parametrize("place", PLACES)
def test_an_address_is_refused_since_it_would_be_a_folder_of_that_name(
    place, address, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    words = [address if word.startswith("file/x") else word for word in place.split()]
    code, said = typed(words, monkeypatch, capfd)
    assert code == 2
    assert f"{address} is an address, not a path: name a place on this machine" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        "sample -n 100000 --scale 64",
        "train --batch-size 100000",
    ],
)
def test_what_would_fill_the_memory_is_refused(words, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code, said = typed(words.split(), monkeypatch, capfd)
    assert code == 2
    assert "choose fewer sprites or a smaller --scale" in said or "'--batch-size'" in said
    assert not list(tmp_path.iterdir())

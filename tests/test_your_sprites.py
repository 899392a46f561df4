"""The guide to own sprites: its commands are typed as the page has them, for the set that it shows and for two more."""

import functools
import importlib
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from pixel_edu.cli import main
from pixel_edu.making import standins

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
QUICK = {
    "train": ["--steps", "2", "--batch-size", "2", "--device", "cpu"],
    "sample": ["--steps", "2"],
    "evaluate": ["--steps", "1", "--n", "50"],
}
"""Options, at the end of a command where they count, with which it takes seconds."""


def commands() -> list[str]:
    """The guide's commands, in order."""
    text = (ROOT / "book" / "your_sprites.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


class Reader:
    """Follows the guide in a folder, in this process.

    Args:
        folder: where to be.
        monkeypatch: of pytest.
    """

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        shutil.copy(ROOT / "book" / "draw_with_onnx.py", folder)
        self.served = None

    def type(self, command: str) -> None:
        """Do what a line says."""
        words = shlex.split(command, comments=True)
        {"pixel-edu": self._pixel_edu, "python": self._python, "curl": self._curl}[words[0]](words[1:])

    def _pixel_edu(self, words):
        if words[0] == "serve":
            self.served = words[1]
            return
        self.monkeypatch.setattr(sys, "argv", ["pixel-edu", *words, *QUICK.get(words[0], [])])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, words

    def _python(self, words):
        if words[0] == "-m":
            return importlib.import_module(words[1]).main()
        self.monkeypatch.setattr(sys, "argv", words)
        return runpy.run_path(words[0], run_name="__main__")

    def _curl(self, words):
        """Ask the app that the last `serve` named, and keep the answer where -o says."""
        from fastapi.testclient import TestClient

        from pixel_edu.serving import engine
        from pixel_edu.serving.api import create_app

        address, out = urlsplit(words[0]), words[words.index("-o") + 1]
        with TestClient(create_app(engine.start(self.served, "cpu", "torch").denoiser)) as client:
            answer = client.get(f"{address.path}?{address.query}")
        assert answer.status_code == 200, answer.text
        Path(out).write_bytes(answer.content)


@pytest.fixture
def reader(tmp_path, monkeypatch):
    from pixel_edu import evaluation, runs
    from pixel_edu.generate import specimens

    # In seconds: a classifier, which is right by chance, and the picture that a training ends with.
    monkeypatch.setattr(
        evaluation, "folder_yardstick", functools.partial(evaluation.folder_yardstick, steps=5)
    )
    monkeypatch.setattr(runs, "specimens", functools.partial(specimens, each=1))
    return Reader(tmp_path, monkeypatch)


def pixels(path):
    with Image.open(path) as image:
        return np.array(image.convert("RGBA"))


def frames(sheet):
    """The sprites that the atlas beside a sheet names, in its order."""
    drawn, atlas = pixels(sheet), json.loads(sheet.with_suffix(".json").read_text())
    boxes = {name: each["frame"] for name, each in atlas["frames"].items()}
    return {name: drawn[b["y"] : b["y"] + b["h"], b["x"] : b["x"] + b["w"]] for name, b in boxes.items()}


def test_the_guide_leads_from_files_to_a_game(reader):
    for command in commands():
        reader.type(command)
    sprites = frames(reader.folder / "sheet.png")
    assert {sprite.shape for sprite in sprites.values()} == {(24, 24, 4)}
    assert {name.rpartition("-")[0] for name in sprites} == set(standins.STICKERS)
    assert pixels(reader.folder / "ten_gems.png").shape == (24, 240, 4)
    assert {*np.unique(pixels(reader.folder / "ten_gems.png")[..., 3])} <= {0, 255}
    report = json.loads((reader.folder / "judged" / "report.json").read_text())
    assert report["measures"]["nearest"]["model"]["value"] > 0


@pytest.mark.parametrize(("name", "size"), [("potions", 16), ("invaders", 8)])
def test_another_set_goes_the_same_way_to_a_transparent_sheet(reader, name, size):
    for command in commands():
        if "export" not in command and "draw_with_onnx" not in command:
            reader.type(re.sub(r"\bgem\b", name, command.replace("stickers", name)))
    sprites = frames(reader.folder / "sheet.png")
    assert {sprite.shape for sprite in sprites.values()} == {(size, size, 4)}
    assert {each.rpartition("-")[0] for each in sprites} == {name}
    drawn = np.stack([*sprites.values()])
    assert {*np.unique(drawn[..., 3])} <= {0, 255}

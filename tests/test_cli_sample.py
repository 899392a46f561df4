"""What `pixel-edu sample` writes for games and editors, and what it refuses."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from pixel_edu import cli, generate, images
from pixel_edu.checkpoints import load_reference
from pixel_edu.cli import places
from pixel_edu.config import SampleConfig
from pixel_edu.palette import as_sprites
from pixel_edu.pixelart import cut_out

N = 6


@pytest.fixture(scope="module")
def drawn():
    """(6, 16, 16, 3) uint8: what the command draws."""
    tiny = load_reference("tiny")
    classes = [tiny.classes[i % 5] for i in range(N)]
    made = generate.generate(tiny, classes, range(N), SampleConfig(num_steps=1))
    return as_sprites(made, tiny.palette)


@pytest.fixture
def sample(tmp_path, monkeypatch, capfdbinary):
    """Runs the command in an empty folder: its code, what it printed, and what it complained about."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        given = ["sample", "--checkpoint", "tiny", "--steps", "1", "-n", str(N), "--device", "cpu", *words]
        monkeypatch.setattr(sys, "argv", ["pixel-edu", *given])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capfdbinary.readouterr()
        return ended.value.code or 0, printed.out, printed.err.decode()

    return run


def rgba(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


def test_an_atlas_finds_every_sprite_on_a_transparent_sheet_of_true_size(sample, drawn):
    code, said, _ = sample("--atlas", "--transparent", "--columns", "4", "--out", "a.png")
    assert (code, said.decode()) == (0, "6 sprites in a.png, and where each is in a.json\n")
    with Image.open("a.png") as picture:
        assert (picture.mode, picture.size) == ("P", (64, 32))
    sheet, atlas = rgba("a.png"), json.loads(Path("a.json").read_text())
    names = ["characters-0", "creatures-1", "food-2", "items-3", "side_view-4", "characters-5"]
    assert list(atlas["frames"]) == names
    for name, sprite in zip(names, cut_out(drawn), strict=True):
        x, y, w, h = (atlas["frames"][name]["frame"][part] for part in "xywh")
        assert (sheet[y : y + h, x : x + w] == sprite).all()


def test_a_picture_goes_to_standard_output_and_the_words_elsewhere(sample, drawn):
    code, said, told = sample("--out", "-", "--scale", "1", "--gap", "0", "--columns", "3")
    assert (code, told) == (0, "6 sprites in standard output\n")
    with Image.open(io.BytesIO(said)) as picture:
        assert (np.asarray(picture.convert("RGB")) == images.grid(drawn, 3, gap=0)).all()
    assert list(Path().iterdir()) == []


def test_a_folder_may_have_a_point_in_its_name_and_its_files_any_name(sample, drawn):
    template = "{class}/{n:02}-{seed}.webp"
    code, said, _ = sample("--out", "art.v2/", "--name", template, "--scale", "2")
    assert (code, said.decode()) == (0, "6 sprites in art.v2/\n")
    assert len([each for each in Path("art.v2").rglob("*") if each.is_file()]) == N
    with Image.open("art.v2/food/03-2.webp") as picture:
        assert picture.format == "WEBP"
        assert (np.asarray(picture.convert("RGB")) == images.upscale(drawn[2], 2)).all()


def test_frames_for_aseprite_are_of_true_size(sample):
    assert sample("--out", "a.aseprite", "--transparent")[0] == 0
    content = Path("a.aseprite").read_bytes()
    assert content[4:14] == b"".join(n.to_bytes(2, "little") for n in (0xA5E0, N, 16, 16, 8))
    assert b"side_view-4" in content


def test_transparent_arrays_have_an_alpha(sample, drawn):
    assert sample("--out", "a.npy", "--transparent")[0] == 0
    assert (np.load("a.npy") == cut_out(drawn)).all()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--out a.jpg", "a.jpg would be blurred, as every JPEG is: end it with .png, .webp or .gif"),
        ("--out a.xyz", "a.xyz ends like no file that is written here: end it with .png, .webp, .gif, .bmp,"),
        ("--out a.bmp --transparent", "a .bmp file holds no transparent pixels: write .png or .webp"),
        ("--out a/ --atlas", "an atlas lies beside a sheet: write --out sheet.png"),
        ("--out - --atlas", "an atlas lies beside a sheet: write --out sheet.png"),
        (
            "--name {seed}",
            "nothing here has a name: write a folder, an .aseprite file or a sheet with --atlas",
        ),
        ("--out a/ --name {foo}", "'{foo}' cannot be filled in: use {class}, {seed} and {n}, as in"),
        ("--out a/ --name {seed", "'{seed' cannot be filled in: use {class}, {seed} and {n}, as in"),
        ("--out a/ --name {class}", "'{class}' names two sprites 'characters': add {seed} or {n}"),
        (
            "--out a/ --name ../{seed}",
            "'../0' cannot name a file in the folder: use letters, digits, - and _",
        ),
        ("--out a/ --name /{seed}", "'/0' cannot name a file in the folder: use letters, digits, - and _"),
        ("--out a/ --name {seed}.jpeg", "0.jpeg would be blurred, as every JPEG is: end it with"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(sample, words, says):
    code, _, told = sample(*words.split())
    assert code == 2
    assert says in told
    assert told.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_png_is_not_shown_to_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(typer.BadParameter, match="a terminal shows no PNG: write --out - >"):
        places.place_of("-")


def test_names_keep_no_sign_of_a_class_that_would_lead_elsewhere():
    assert places.names_of("{class}-{n}", ["a/b", "c:d"], [0, 1]) == ["a_b-1", "c_d-2"]


def test_a_distilled_model_draws_in_one_call_and_refuses_others_in_one_sentence(
    tmp_path, monkeypatch, capfdbinary
):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(
            sys, "argv", ["pixel-edu", "sample", "--checkpoint", "instant", "--device", "cpu", *words]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capfdbinary.readouterr().err.decode()

    assert run("-n", "5", "--out", "five.npy")[0] == 0
    instant = load_reference("instant")
    made = generate.generate(
        instant, list(instant.classes), range(5), SampleConfig(num_steps=1, guidance_scale=1)
    )
    assert np.array_equal(np.load("five.npy"), as_sprites(made, instant.palette))
    for words, asked in {
        ("--steps", "7"): "7 calls",
        ("--steps", "20"): "20 calls",  # as many as others draw by default, and yet asked for
        ("--guidance", "7"): "a guidance scale of 7",
        ("--guidance", "3"): "a guidance scale of 3",
        ("--steps", "5", "--guidance", "2"): "5 calls and a guidance scale of 2",
    }.items():
        code, said = run(*words)
        assert code == 2, words
        assert (
            f"distilled to draw in 1 call with its guidance inside, and was asked for {asked}: omit" in said
        )
        assert len(said.strip().splitlines()) == 1
    assert run("--steps", "1", "--guidance", "1", "-n", "1", "--out", "one.npy")[0] == 0

"""Pictures and counted numbers for the book's pages (`pixel-edu course artwork`).

`_static/art/` holds PNGs of true size, which pages enlarge without smoothing. `generated/` holds MyST that
pages include, and what widgets show on them. All of it is stored, so that the book builds without this program; a test
runs it with `--check`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from pixel_edu import files, images, sprites
from pixel_edu.config import CLASSES
from pixel_edu.making import places

HERO = (0, 15)
"""(label, seed) of the wizard on the logo."""
TROUPE = ((0, 15), (1, 25), (2, 16), (3, 22), (4, 23))
"""One of each class, for the strip that loses its noise."""
WALL_SEEDS = (
    (15, 3, 14, 23, 5),
    (25, 17, 11, 4, 34),
    (5, 16, 30, 25, 37),
    (0, 3, 20, 27, 7),
    (5, 23, 15, 3, 14),
)
"""For each class the seeds of the sprites on the landing page."""
FRAMES = 24
COUNTED = 20_000
"""Sprites that the dataset card counts, as many as `pixel-edu data make` writes."""

WEIGHTS = Path(images.__file__).parent / "weights"

Content = np.ndarray | str


def draw_all(book: Path) -> list[str]:
    """Write what is missing or out of date below the book's folder; the files written, by name."""
    written = stale(book)
    for name, content in contents(book).items():
        if name in written:
            (book / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                with files.replacing(book / name) as temporary:
                    temporary.write_text(content, encoding="utf-8")
            else:
                images.write_png(book / name, content)
    return written


def stale(book: Path) -> list[str]:
    """The files below the book's folder that are missing or not what the program makes."""
    return [name for name, content in contents(book).items() if not _is_stored(book / name, content)]


def contents(book: Path) -> dict[str, Content]:
    """Every generated file: its name below the book's folder, and its pixels (uint8) or its text."""
    hero = cut_out(_one(*HERO))
    return {
        "_static/art/favicon.png": images.upscale(hero, 2),
        "_static/art/logo.png": images.upscale(hero, 4),
        "_static/art/wall.png": wall(),
        "_static/art/classes.png": classes(),
        "_static/art/readme.png": images.upscale(wall(), 4),  # a README cannot ask for NEAREST
        "_static/art/noise.png": noise_frames(),
        "generated/procedural_set.md": procedural_set(),
        "generated/models.md": models(),
        "generated/widgets.json": places.stored(book),
    }


def cut_out(image: np.ndarray) -> np.ndarray:
    """Make the white around a sprite transparent, not that inside it: (16, 16, 3) to (16, 16, 4) uint8.

    >>> int(cut_out(np.full((16, 16, 3), 255, np.uint8))[..., 3].max())
    0
    """
    white = (image == images.WHITE).all(axis=-1)
    outside = np.pad(np.zeros_like(white), 1, constant_values=True)
    for _ in range(white.size):  # flood from the border until nothing changes
        near = outside[:-2, 1:-1] | outside[2:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
        grown = near & white
        if (grown == outside[1:-1, 1:-1]).all():
            break
        outside[1:-1, 1:-1] = grown
    return np.dstack([image, np.where(outside[1:-1, 1:-1], 0, 255).astype(np.uint8)])


def wall() -> np.ndarray:
    """Sprites of all classes in turn, in two rows, on nothing: (32, 17 n - 1, 4) uint8."""
    n = len(WALL_SEEDS[0])
    chosen = [cut_out(_one(label, WALL_SEEDS[label][i])) for i in range(n) for label in range(len(CLASSES))]
    order = [*range(0, len(chosen), 2), *range(1, len(chosen) - 1, 2)]
    return _sheet(np.stack([chosen[i] for i in order[: len(chosen) // 2 * 2]]), len(chosen) // 2)


def classes(columns: int = 14) -> np.ndarray:
    """A row for each class, in label order, the side view below its hero: (84, 17 columns - 1, 4) uint8."""
    drawn = np.concatenate([sprites.draw(label, np.arange(columns)) for label in range(len(CLASSES))])
    return _sheet(np.stack([cut_out(image) for image in drawn]), columns)


def noise_frames() -> np.ndarray:
    """The forward process, noisiest frame first, a row for each of the troupe: (80, 16 FRAMES, 3) uint8.

    The noise is the same in all frames of a sprite, so that it fades and does not flicker.
    """
    import torch

    from pixel_edu import diffusion, schedules

    x0 = images.to_tensor(np.stack([_one(*each) for each in TROUPE]))
    eps = torch.from_numpy(np.random.default_rng(0).standard_normal(x0.shape, np.float32))
    schedule = schedules.cosine()
    frames = []
    for t in schedule.timesteps(FRAMES - 1):
        x = diffusion.add_noise(x0, eps, schedule.levels(torch.full((len(x0),), t)))
        frames.append(images.to_uint8(x))
    rows = np.stack(frames, axis=1)  # (5, FRAMES, 16, 16, 3)
    return images.grid(rows.reshape(-1, 16, 16, 3), FRAMES, gap=0)


def models() -> str:
    """The table of the models that come with the package, a column each, from what their files say of themselves."""
    columns = [_about(path) for path in sorted(WEIGHTS.glob("*.safetensors"))]
    lines = ["<!-- Generated by `pixel-edu course artwork`; edit pixel_edu/making/artwork.py instead. -->"]
    for i, fact in enumerate(columns[0]):
        lines.append(f"| {fact} | {' | '.join(column[fact] for column in columns)} |")
        if i == 0:
            lines.append("| :--- |" + " :--- |" * len(columns))
    return "\n".join([*lines, "", _about_classifier()]) + "\n"


def _about_classifier() -> str:
    path = WEIGHTS.parent / "classifier.safetensors"
    with safe_open(path, "np") as file:
        record = json.loads(file.metadata()["pixel_edu.classifier"])["record"]
    right = record["accuracy"]
    return (
        f"The classifier that measures them comes with the package too: {path.stat().st_size / 1e6:.1f} MB, trained by "
        f"`{record['command']}`. Of {record['held_out']:,} sprites that it never saw it tells the class of "
        f"{right['class']:.2%} and the kind of {right['kind']:.2%}, and it is right about {right['parts']:.0%} of all "
        "parts; some are hidden behind others."
    )


def _about(path: Path) -> dict[str, str]:
    with safe_open(path, "np") as file:
        said = json.loads(file.metadata()["pixel_edu"])
        parameters = sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118
    config, record = said["config"], said["record"]
    return {
        "model": f"`{path.stem}`",
        "command": f"`{record['command']}`",
        "parameters": f"{parameters / 1e6:.2f} M",
        "file": f"{path.stat().st_size / 1e6:.1f} MB",
        "trained on": record["data"],
        "steps": f"{said['step']:,} of {config['batch_size']} sprites",
        "precision": config["precision"],
        "seed": str(config["seed"]),
        "minutes": f"{float(record['seconds']) / 60:.0f}",
        "hardware": record["hardware"],
    }


def procedural_set() -> str:
    """The table of the dataset card about `sprites.make`."""
    drawn = sprites.make(COUNTED)
    colors = images.count_colors(drawn.images)
    keys = images.mirror_keys(drawn.images)
    lines = [
        "<!-- Generated by `pixel-edu course artwork`; edit pixel_edu/making/artwork.py instead. -->",
        f"Counted in the {COUNTED:,} sprites of `sprites.make({COUNTED})`:",
        "",
        "| label | class | kinds | sprites | of them different | colours: fewest | median | most |",
        "| ---: | :--- | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for label, name in enumerate(CLASSES):
        rows = drawn.labels == label
        kinds = ", ".join(kind.name for kind in sprites.KINDS[label])
        c = colors[rows]
        numbers = (
            f"{rows.sum():,}",
            f"{len(np.unique(keys[rows])):,}",
            c.min(),
            f"{np.median(c):g}",
            c.max(),
        )
        lines.append(f"| {label} | `{name}` | {kinds} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines) + "\n"


def _one(label: int, seed: int) -> np.ndarray:
    return sprites.draw(label, np.array([seed]))[0]


def _sheet(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (N, 16, 16, 4) in rows, with nothing between them."""
    return images.grid(tiles, columns, gap=1, background=0)


def _is_stored(path: Path, content: Content) -> bool:
    """Whether the file holds this text, or these pixels (to one grey level: platforms round differently)."""
    if not path.exists():
        return False
    if isinstance(content, str):
        text = path.read_text(encoding="utf-8")
        return text == content or (
            path.suffix == ".json" and places.alike(json.loads(text), json.loads(content))
        )
    from PIL import Image

    stored = np.asarray(Image.open(io.BytesIO(path.read_bytes()))).astype(int)
    return stored.shape == content.shape and int(np.abs(stored - content).max()) <= 1

"""The model card for a hub: what the model is, how it was trained, how good it is, and where it fails.

Every fact comes from the checkpoint itself or from the report of `pixel-edu evaluate`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixel_edu import images, markdown
from pixel_edu.checkpoints import About, find
from pixel_edu.config import SampleConfig, UserError
from pixel_edu.denoiser import Denoiser
from pixel_edu.evaluation import MEASURES, Score
from pixel_edu.files import quoted
from pixel_edu.generate import generate, specimens
from pixel_edu.palette import as_sprites
from pixel_edu.report import in_words

CARD, PICTURE = "README.md", "sprites.png"
REPOSITORY = "YOU/NAME"
"""The repository's name in the card until `hub.push` knows it."""
SHOWN = 8
"""Sprites of each class in the picture."""


def write(folder: Path, about: About, denoiser: Denoiser, report: Mapping[str, Any] | None) -> None:
    """Write the card and the picture in it.

    Args:
        folder: to write to.
        about: the checkpoint's own record.
        denoiser: the model, which draws the picture.
        report: from `read_report`; None says in the card that nothing was measured.
    """
    from huggingface_hub import ModelCard, ModelCardData

    images.write_png(folder / PICTURE, picture(denoiser))
    data = ModelCardData(
        license="mit" if about.data.procedural else None,
        library_name="diffusers",
        pipeline_tag="unconditional-image-generation",
        tags=["diffusion", "pixel-art", "sprites", "class-conditional", "pixel-edu"],
    )
    ModelCard(f"---\n{data.to_yaml()}\n---\n{text(about, denoiser, report)}").save(folder / CARD)


def read_report(path: str | os.PathLike, checkpoint: str | os.PathLike) -> dict[str, Any]:
    """What `pixel-edu evaluate` found in this checkpoint.

    Raises:
        UserError: the file is not a report, or is about another model.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        measured = report["settings"]["checkpoint"]
        rows = [row[who] for row in report["measures"].values() for who in ("model", "real")]
        good = all(set(row) == set(Score._fields) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as a report: give a report.json of pixel-edu evaluate"
        ) from error
    if not good:
        raise UserError(
            f"{path} is not a report of this version: run pixel-edu evaluate {quoted(checkpoint)} again"
        )
    if find(measured).resolve() != Path(checkpoint).resolve():
        raise UserError(f"{path} is about {measured}: run pixel-edu evaluate {quoted(checkpoint)} first")
    return report


def picture(denoiser: Denoiser) -> Any:
    """Sprites of all classes, as `generate.specimens` has them, four times their size: (H, W, 3) uint8."""
    labels, columns = specimens(denoiser.null_label, SHOWN)
    drawn = as_sprites(generate(denoiser, labels, range(len(labels))), denoiser.palette)
    return images.upscale(images.grid(images.over(drawn), columns), 4)


def text(about: About, denoiser: Denoiser, report: Mapping[str, Any] | None) -> str:
    """The card without its head, in Markdown."""
    labels, columns = specimens(len(about.classes), SHOWN)
    rows = len(labels) > len(about.classes)
    return "\n".join(
        [
            f"# Pixel art sprites, {_size(about)}",
            "",
            f"![{'A row of' if rows else 'Some'} drawn sprites for each class]({PICTURE})",
            "",
            f"A diffusion model that draws sprites of a class: {', '.join(about.classes)}. The picture shows "
            f"{f'the first {columns}' if rows else 'one'} of each, not the best.",
            "",
            _use(about.classes),
            *_training(about, denoiser),
            *_measured(report),
            *_limits(about),
        ]
    )


def _size(about: About) -> str:
    """Such as "16x16", and whether there is alpha."""
    return f"{about.data.size}x{about.data.size}{', with transparency' if about.data.channels == 4 else ''}"


def _use(names: Sequence[str]) -> str:
    return f"""## Draw

```python
import torch
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("{REPOSITORY}", trust_remote_code=True)
noise = [torch.Generator().manual_seed(seed) for seed in range(2)]
pipeline([{json.dumps(names[0])}, {json.dumps(names[-1])}], generator=noise).images[0].resize((256, 256), resample=0)
```

`trust_remote_code` runs `pipeline.py` and `unet/sprite_unet.py` from this repository: read them first. Pillow, numpy,
torch and diffusers are all they need. `DDIMScheduler.from_config(pipeline.scheduler.config)`, or the same with
`DDPMScheduler` (give it 1000 steps), makes another scheduler with the right settings. DDIM takes only numbers of steps
that divide 1000. The pipeline's own scheduler draws fresh noise at every step; the same class made with
`algorithm_type="dpmsolver++"` draws none.
"""


def _training(about: About, denoiser: Denoiser) -> list[str]:
    config, record = about.config, about.record
    parameters = sum(each.numel() for each in denoiser.network.parameters())
    minutes = f", {float(record['seconds']) / 60:.0f} minutes" if "seconds" in record else ""
    count = f"{sum(about.data.counts):,} sprites, {_size(about)}"
    own = f"{count}; where they come from is left open: say it before you publish"
    facts = {
        "network": f"ContextUNet, {parameters / 1e6:.2f} million parameters",
        "data": record.get("data", "not noted") if about.data.procedural else own,
        "steps": f"{about.step:,} of {config.batch_size} sprites{minutes}",
        "hardware": record.get("hardware", "not noted"),
        "noise schedule": f"{config.schedule}, {len(denoiser.schedule)} timesteps",
        "the network answers": config.prediction,
        "labels hidden": f"{config.p_uncond:.0%}, for guidance",
        "seed": str(config.seed),
        "command": f"`{record['command']}`" if "command" in record else "not noted",
    }
    if not about.data.procedural:
        del facts["command"]  # it names folders
    return ["## How it was trained", "", *markdown.table(("", ""), facts.items(), "ll"), ""]


def _measured(report: Mapping[str, Any] | None) -> list[str]:
    if report is None:
        return ["## How good it is", "", "Not measured yet: `pixel-edu evaluate` does it.", ""]
    how = report["settings"]
    names = {measure.key: measure for measure in MEASURES}
    lines = [
        "## How good it is",
        "",
        f"{how['sprites']:,} sprites, {how['sampler']} with {how['steps']} steps, guidance {how['guidance']:g}, "
        "beside as many real sprites that the model never saw; in brackets the 95 % interval.",
        "",
    ]
    rows = []
    for key, row in report["measures"].items():
        cells = ("{} ({})".format(*in_words(names[key], Score(**row[who]))) for who in ("model", "real"))
        rows.append((row["name"], *cells))
    return [
        *lines,
        *markdown.table(("", "model", "real"), rows),
        "",
        *([report["verdict"], ""] if "verdict" in report else []),
        "The distances are between features of a small classifier of these sprites: compare them with the column "
        "beside them, not with other models'.",
        "",
    ]


def _limits(about: About) -> list[str]:
    known = (
        "The model has seen nothing but sprites that one program draws, so it says nothing about artists' work."
        if about.data.procedural
        else "What it draws can be no better, and no more varied, than the sprites that it learned from."
    )
    return [
        "## Limits",
        "",
        f"It draws {about.data.size}x{about.data.size} pixels of {_counted(len(about.classes))} and understands no "
        "words. "
        f"{known} It is made for learning how such models work. "
        f"{_guidance(about)}",
        "",
        "## Licence",
        "",
        _licence(about),
        "",
    ]


def _guidance(about: About) -> str:
    if calls := about.config.calls:
        return f"It was distilled: it draws in {calls} call{'s' * (calls > 1)}, and its guidance is inside."
    return f"Guidance is {SampleConfig.guidance_scale:g} by default; more of it makes sprites alike."


def _counted(classes: int) -> str:
    return f"{classes} classes" if classes > 1 else "one class"


def _licence(about: About) -> str:
    """Who may do what with code and weights, as far as the checkpoint knows."""
    if about.data.procedural:
        return "The code and the weights are under the MIT licence."
    if about.data.licence:
        learned = f"The sprites that the model learned from are under this licence: {about.data.licence}."
        return f"The code is under the MIT licence. {learned} Check that it allows sharing the weights."
    return "The code is under the MIT licence. Check that the training data's licence allows sharing the weights."

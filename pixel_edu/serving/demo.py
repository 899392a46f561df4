"""A page in the browser on which a sprite emerges from noise, step by step.

All that the page needs comes from this machine. Its pictures are PNG files inside the page, as addresses that begin
with "data:", so that nothing is written to disk, and a download is the picture itself.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pixel_edu.config import SampleConfig, UserError, not_installed
from pixel_edu.denoiser import Denoiser
from pixel_edu.diffusion import Images
from pixel_edu.facts import CHANNELS_OF
from pixel_edu.formats import picture_bytes
from pixel_edu.generate import stream
from pixel_edu.images import png_bytes, png_url, to_uint8, upscale
from pixel_edu.palette import as_sprites, from_bits
from pixel_edu.pixelart import cut_out
from pixel_edu.samplers import SAMPLERS, SpriteNoise, every

if TYPE_CHECKING:
    import gradio
    from fastapi import FastAPI

MOST_STEPS = 250
MOST_FRAMES = 40
"""Guesses shown of a sprite, at most, however many steps it takes."""
LARGE, SMALL = 16, 5
"""Screen pixels for each sprite pixel: of the sprite being drawn, and of those in the gallery."""
KEPT = 24
"""Sprites in the gallery; the oldest leave it."""
FIRST_SEED = 38
"""Of the sprite that greets visitors: the reference draws it well."""
SEEDS = 2**31
"""Seeds are below this, as those of `pixel-edu sample`."""


@dataclass(frozen=True)
class Drawn:
    """A finished sprite, and what it is.

    Attributes:
        sprite: (S, S, C) uint8.
        kind: its class.
        seed: that draws it again.
    """

    sprite: np.ndarray
    kind: str
    seed: int

    def same(self, other: Drawn) -> bool:
        """Whether another is the same sprite to the pixel, drawn by the same class and seed."""
        named = (self.kind, self.seed) == (other.kind, other.seed)
        return named and np.array_equal(self.sprite, other.sprite)


def frames(
    denoiser: Denoiser, label: int, seed: int, config: SampleConfig, device: str | torch.device = "cpu"
) -> Iterator[np.ndarray]:
    """How a sprite emerges: the noise that it starts from, the model's guesses for the clean image, the sprite.

    Args:
        denoiser: the model, on `device`.
        label: its class, 0 .. K-1.
        seed: from 0 up.
        config: how to sample.
        device: where to compute.

    Yields:
        (S, S, C) uint8. The last is what `pixel-edu sample` draws with the same settings.

    Raises:
        ValueError: the label or a setting is wrong.
    """
    steps = stream(denoiser, [label], [seed], config, device)
    yield _visible(SpriteNoise([seed]).start((denoiser.channels, denoiser.size, denoiser.size)), denoiser)
    for step in every(steps, -(-config.num_steps // MOST_FRAMES)):
        yield _visible(step.x0, denoiser)
    yield as_sprites(to_uint8(step.x), denoiser.palette)[0]


def _visible(x: Images, denoiser: Denoiser) -> np.ndarray:
    """An unfinished image in its own colours; bits are decoded."""
    drawn = to_uint8(x)
    if denoiser.palette is None or denoiser.channels in CHANNELS_OF.values():
        return drawn[0]
    return from_bits(drawn, denoiser.palette)[0]


def create_page(denoiser: Denoiser, device: str | torch.device = "cpu") -> gradio.Blocks:
    """The page. It draws one sprite at a time; other visitors wait in a queue.

    Args:
        denoiser: the model, on `device`.
        device: where to compute.

    Raises:
        UserError: Gradio is not installed.
    """
    gr = _gradio()
    with gr.Blocks(title="Draw a sprite", analytics_enabled=False) as page:
        drawn = gr.State([])
        size = f"{denoiser.size}x{denoiser.size}"
        gr.Markdown(f"# Draw a sprite\nOne out of noise, {size} pixels. The same seed draws the same sprite.")
        with gr.Row():
            with gr.Column(min_width=280):
                picture = gr.HTML(elem_id="picture")
                with gr.Row():
                    again = gr.Button("Draw", variant="primary", min_width=100)
                    other = gr.Button("New seed", min_width=100)
            with gr.Column(min_width=280):
                *controls, seed = _controls(gr, denoiser)
        gallery = gr.HTML(elem_id="gallery")
        asked = {
            "fn": functools.partial(draw, denoiser, device),
            "inputs": [*controls, seed, drawn],
            "outputs": [picture, gallery, drawn],
            "show_progress": "hidden",
            "concurrency_limit": 1,
            "concurrency_id": "model",
        }
        page.load(**asked)
        again.click(**asked)
        other.click(lambda: secrets.randbelow(SEEDS), outputs=seed, queue=False).then(**asked)
    return page.queue(max_size=32)


def kinds(denoiser: Denoiser) -> list[str]:
    """What the page calls the classes, in label order."""
    return [name.replace("_", " ") for name in denoiser.classes]


def _controls(gr, denoiser: Denoiser) -> tuple:
    """What to draw and how, in the order of the arguments of `draw`; a distilled model has no choice of how."""
    says = "1 takes the class as it is, above 1 exaggerates it."
    known, how, free = kinds(denoiser), denoiser.sampling(), not denoiser.calls
    guidance, steps = {"label": "Guidance", "info": says}, {"label": "Steps", "info": "Calls of the model."}
    return (
        gr.Radio(known, value=known[0], label="Class", type="index"),
        gr.Slider(0, 10, how.guidance_scale, step=0.1, interactive=free, **guidance),
        gr.Slider(1, MOST_STEPS, how.num_steps, step=1, interactive=free, **steps),
        gr.Radio(
            [(sampler.title, name) for name, sampler in SAMPLERS.items()],
            value=how.sampler,
            label="Sampler",
            interactive=free,
        ),
        gr.Number(FIRST_SEED, label="Seed", precision=0),
    )


def draw(
    denoiser: Denoiser,
    device: str | torch.device,
    label: int,
    guidance_scale: float,
    num_steps: int,
    sampler: str,
    seed: int | None,
    drawn: list[Drawn],
) -> Iterator[tuple]:
    """Draw a sprite for the page.

    Yields:
        The picture's HTML, the gallery's, and what is in the gallery. The last two change at the end only.

    Raises:
        gradio.Error: something cannot be drawn; the page shows the sentence.
    """
    gr = _gradio()
    if seed is None or not 0 <= seed < SEEDS:
        fault = "There is no seed" if seed is None else f"The seed is {seed}"
        raise gr.Error(f"{fault}: give a whole number from 0 to {SEEDS - 1}.", print_exception=False)
    kind = kinds(denoiser)[label]
    config = SampleConfig(sampler, int(num_steps), guidance_scale)
    try:
        for sprite in frames(denoiser, label, seed, config, device):
            yield as_image(sprite, LARGE, f"{kind}, seed {seed}, while it is drawn"), gr.skip(), gr.skip()
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error
    new = Drawn(sprite, kind, seed)
    drawn = [new, *(each for each in drawn if not each.same(new))][:KEPT]
    yield as_image(sprite, LARGE, f"{kind}, seed {seed}"), as_gallery(drawn), drawn


def as_image(sprite: np.ndarray, scale: int, alt: str) -> str:
    """A sprite as an HTML image that no browser blurs: enlarged here, and shown pixel by pixel.

    Args:
        sprite: (S, S, C) uint8.
        scale: screen pixels for each sprite pixel.
        alt: text for readers who cannot see it.
    """
    side = scale * len(sprite)
    look = f"width:{side}px;height:{side}px;image-rendering:crisp-edges;image-rendering:pixelated"
    source = png_url(png_bytes(upscale(sprite, scale)))
    return f'<img alt="{escape(alt)}" decoding="sync" style="{look}" src="{source}">'


def as_gallery(drawn: list[Drawn]) -> str:
    """Sprites with their seeds, each to be downloaded at its true size, enlarged and transparent, as indexed PNG."""
    return "".join(
        f"<figure>{as_image(each.sprite, SMALL, f'{each.kind}, seed {each.seed}')}"
        f"<figcaption>{escape(each.kind)}<br>seed {each.seed}<br>{_links(each)}</figcaption></figure>"
        for each in drawn
    )


def _links(drawn: Drawn) -> str:
    size, large = len(drawn.sprite), upscale(drawn.sprite, LARGE)
    clear = cut_out(drawn.sprite[None])[0]
    return " ".join(
        _link(drawn, *each)
        for each in (
            (drawn.sprite, size, f"{size} px"),
            (large, LARGE * size, f"{LARGE * size} px"),
            (clear, "transparent", "transparent"),
        )
    )


def _link(drawn: Drawn, picture: np.ndarray, ending: int | str, says: str) -> str:
    name = f"{drawn.kind.replace(' ', '_')}-{drawn.seed}-{ending}.png"
    return f'<a download="{escape(name)}" href="{png_url(picture_bytes(picture, ".png"))}">{says}</a>'


STYLE = """
#picture { display: flex; justify-content: center; }
#gallery .prose { display: flex; flex-wrap: wrap; gap: 1em; }
#gallery figure { margin: 0; text-align: center; font-size: .8em; }
#gallery img { display: block; margin: 0 auto; }
"""
PURPLES = (
    "#f6effc", "#ecdcf9", "#dcbdf4", "#c9a0f0", "#b077de", "#9556c6",
    "#7a3ea8", "#65338b", "#512a70", "#3f2157", "#2a1440",
)  # fmt: skip
"""The book's accent and what is lighter and darker, from 50 to 950 as Gradio's themes count."""
COLORS = {
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_500",
    **{f"link_text_color{state}": "*primary_600" for state in ("", "_active", "_hover", "_visited")},
    **{f"link_text_color{state}_dark": "*primary_300" for state in ("", "_active", "_hover", "_visited")},
    "body_background_fill_dark": "#14181e",
    "body_text_color": "#222832",
    "body_text_color_dark": "#ced6dd",
    "block_info_text_color": "*neutral_500",
    "block_title_text_color": "*neutral_600",
}
"""In place of Gradio's own, whose contrast is too low."""


def create_app(page: gradio.Blocks) -> FastAPI:
    """The page as an application, for `server.run`."""
    from fastapi import FastAPI

    gr = _gradio()
    themes: Any = gr.themes  # gradio exports it by assignment, which type checkers do not see
    accent = themes.Color(*PURPLES, name="accent")
    theme = themes.Default(primary_hue=accent, font="system-ui", font_mono="ui-monospace")
    return gr.mount_gradio_app(
        FastAPI(),
        page,
        path="/",
        theme=theme.set(**COLORS),
        css=STYLE,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
    )


def _gradio():
    """Gradio, whose import takes seconds.

    Raises:
        UserError: it is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    return gradio

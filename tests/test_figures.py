import base64
import io
import itertools
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pixel_edu import figures

ROOT = Path(__file__).parents[1]
SPRITES = np.arange(6 * 768, dtype=np.uint64).astype(np.uint8).reshape(6, 16, 16, 3)


def curve(label: str = "a line"):
    canvas, ax = figures.axes("timestep t", "λ")
    ax.plot([0, 999], [5.123456789, -5], label=label)
    ax.legend()
    return canvas


def pictures(figure) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', figure.html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def as_seen_without(cone: int, color: str) -> np.ndarray:
    """The colour as an eye without red (0) or green (1) cones sees it, linear RGB (Viénot et al. 1999)."""
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    missing = np.eye(3)
    missing[cone] = ([0, 2.02344, -2.52581], [0.494207, 0, 1.24827])[cone]
    rgb = (np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255) ** 2.2
    seen = np.linalg.inv(to_lms) @ missing @ to_lms @ rgb
    return np.clip(seen, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("background", figures.BACKGROUNDS)
@pytest.mark.parametrize("color", figures.COLORS)
def test_every_colour_stands_out_from_the_light_and_the_dark_page(color, background):
    assert contrast(color, background) >= 3


@pytest.mark.parametrize("cone", [0, 1])
def test_the_first_colours_differ_for_eyes_that_lack_a_cone(cone):
    for one, other in itertools.combinations(figures.COLORS[:4], 2):
        assert np.abs(as_seen_without(cone, one) - as_seen_without(cone, other)).max() > 0.08


def test_no_two_classes_and_no_two_schedules_share_a_colour():
    for colors in (figures.CLASS_COLORS, figures.SCHEDULE_COLORS, figures.TARGET_COLORS):
        assert len(set(colors.values())) == len(colors)


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match="alt text is empty"):
        figures.plot(curve(), alt)
    with pytest.raises(ValueError, match="alt text is empty"):
        figures.sprites(SPRITES, alt)


def test_a_figure_says_its_alt_text_where_it_cannot_be_shown():
    figure = figures.sprites(SPRITES, "Six sprites")
    assert repr(figure) == "Six sprites"
    assert figure._repr_html_() == figure.html


def test_clouds_show_so_many_points_of_each_cloud_and_the_centres():
    cloud = np.array([[-4, -4], [4, 4], *np.random.default_rng(0).uniform(-1, 1, (28, 2))])

    def drawn(most):
        return figures.clouds({"one": cloud, "other": cloud}, "Two clouds", np.eye(2), most).html

    assert drawn(7).count("<use ") - drawn(4).count("<use ") == 2 * 3
    assert all(f">{name}<" in drawn(7) for name in ("one", "other", "centres"))


def test_paths_have_a_panel_a_family_and_one_for_their_ends():
    xs = np.random.default_rng(0).normal(size=(5, 30))
    html = figures.paths([4, 3, 2, 1, 0], {"smooth": xs, "rough": xs - 1}, "Paths", most=4).html
    assert re.findall(r">(smooth|rough|ends)<", html) == ["smooth", "rough", "ends"]
    lines = [html.count(f"stroke: {color}") for color in figures.COLORS[:2]]
    assert lines == [5, 5]  # four paths and an outline of the ends


def test_alt_text_is_escaped():
    alt = 'a < b & "c"'
    for figure in (figures.plot(curve(), alt), figures.sprites(SPRITES, alt)):
        assert "a &lt; b &amp; &quot;c&quot;" in figure.html
        assert figure.alt == alt


def test_sprites_are_stored_at_true_size_on_opaque_tiles_with_transparent_gaps():
    (sheet,) = pictures(figures.sprites(SPRITES, "Six sprites", columns=3))
    assert sheet.shape == (33, 50, 4)
    assert np.array_equal(sheet[17:33, 34:50, :3], SPRITES[5])
    assert (sheet[17:33, 34:50, 3] == 255).all()
    assert (sheet[16, :, 3] == 0).all()
    assert (sheet[:, 16, 3] == 0).all()


def test_sprites_are_enlarged_without_smoothing_and_never_wider_than_the_page():
    html = figures.sprites(SPRITES, "Six sprites", columns=3, scale=4).html
    assert "image-rendering:pixelated" in html
    assert "max-width:200px" in html
    assert "width:100%" in html


def test_rows_with_captions_become_pictures_of_their_own_each_with_words():
    figure = figures.sprites(
        SPRITES, "Two rows", columns=3, row_captions=["cat", "dog"], column_captions=range(3)
    )
    first, second = pictures(figure)
    assert np.array_equal(first[:, :16, :3], SPRITES[0])
    assert np.array_equal(second[:, :16, :3], SPRITES[3])
    assert re.findall(r'alt="([^"]*)"', figure.html) == ["Two rows", "dog"]
    for caption in ("cat", "dog", ">0<", ">1<", ">2<"):
        assert caption in figure.html


def test_a_row_without_a_caption_still_says_what_it_is():
    figure = figures.sprites(SPRITES, "Two rows", columns=3, row_captions=["cats", ""])
    assert re.findall(r'alt="([^"]*)"', figure.html) == ["Two rows", "the row above, continued"]


@pytest.mark.parametrize("captions", [{"row_captions": ["one"]}, {"column_captions": ["1", "2"]}])
def test_a_wrong_number_of_captions_is_refused(captions):
    with pytest.raises(ValueError, match="give one for each"):
        figures.sprites(SPRITES, "Six sprites", columns=3, **captions)


def test_a_grid_of_two_hundred_is_small():
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (12, 3), np.uint8)
    assert len(figures.sprites(palette[rng.integers(0, 12, (200, 16, 16))], "200", columns=20).html) < 150_000


def test_a_plot_is_well_formed_and_takes_colour_and_font_from_the_page():
    html = figures.plot(curve(), "A falling line").html
    ElementTree.fromstring(html)
    assert 'role="img" aria-label="A falling line"' in html
    assert "currentColor" in html
    assert "#000000" not in html
    assert "DejaVu" not in html
    assert "<style" not in html  # it would apply to the whole page
    assert ">a line</text>" in html  # words are words


def test_every_reference_in_a_plot_finds_its_target():
    html = figures.plot(curve(), "A falling line").html
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html)) != set()
    for pair in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html):
        assert "".join(pair) in ids


def test_two_plots_on_a_page_share_no_id():
    one, other = (figures.plot(curve(label), "A falling line").html for label in ("a", "b"))
    assert not set(re.findall(r'\bid="([^"]+)"', one)) & set(re.findall(r'\bid="([^"]+)"', other))


def test_rounding_keeps_every_digit_before_the_point():
    svg = '<svg viewBox="0 0 360 200"><use x="204.056789"/><path d="M 213.123456 -0.0049999L-14.000001 0.5"/></svg>'
    fitted = figures._page_svg(svg, "x")
    assert 'x="204.06"' in fitted
    assert 'd="M 213.12 -0.00L-14.00 0.5"' in fitted


def test_the_same_plot_gives_the_same_bytes_in_another_process():
    code = "import tests.test_figures as t; print(t.figures.plot(t.curve(), 'x').html, end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert other.stdout == figures.plot(curve(), "x").html


def test_a_budget_adds_up_to_the_whole():
    figure = figures.budget({"a": [0.5, 0.5], "b": [0.1, 0.9]}, ["easy", "hard"], "share", "Two bars")
    for word in ("easy", "hard", "share", "100%"):
        assert f">{word}</text>" in figure.html


def test_between_sprites_every_byte_is_zero_as_in_the_chapters_stored_pictures():
    (picture,) = pictures(figures.sprites(np.full((2, 16, 16, 3), 9, np.uint8), "Two", columns=2))
    assert picture.shape[2] == 4
    assert (picture[:, 16] == 0).all()


def test_arrows_have_a_panel_for_each_title_with_a_shaft_for_each_start():
    starts = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    drawn = figures.arrows(
        {"near": (starts, -starts, starts[:1]), "far": (starts, starts, starts)}, "Arrows."
    )
    shafts = [re.findall(r"<path", group) for group in re.findall(r'id="\w+-Quiver_\d"(.*?)</g>', drawn.html)]
    assert [len(each) for each in shafts] == [3, 3]
    assert all(f">{title}<" in drawn.html for title in ("near", "far"))

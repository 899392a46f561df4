"""What makes pixel art, against plain searches pixel by pixel."""

from itertools import product

import numpy as np
import pytest

from pixel_edu import pixelart

WHITE, GREY, INK, RED = [255, 255, 255], [120, 120, 120], [23, 19, 31], [210, 59, 63]
EDGE = [[253, 253, 253], [255, 255, 252], [92, 92, 92], [0, 0, 93]]
"""Just white, just not white, just dark, just not dark."""


def around(y, x, height, width):
    """The places above, below, left and right that lie inside."""
    steps = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
    return [(i, j) for i, j in steps if 0 <= i < height and 0 <= j < width]


def random_sprites(count=60, height=7, width=6):
    """Sprites of white, ink and red, and of colours at the limits."""
    draw = np.random.default_rng(0)
    colors = np.array([WHITE, WHITE, WHITE, INK, INK, RED, *EDGE], np.uint8)
    return colors[draw.integers(len(colors), size=(count, height, width))]


@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize("change", [-3, -2, 2, 3])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_colour_is_another_where_one_channel_differs_by_more_than_2(channel, change, axis):
    image = np.full((1, 2, 1, 3), 100, np.uint8)
    image[0, 1, 0, channel] = 100 + change
    image = image.swapaxes(1, axis)
    assert pixelart.flat_pixels(image).ravel().tolist() == [abs(change) <= 2] * 2


def test_flat_pixels_are_those_of_a_plain_search():
    images = random_sprites().astype(int)
    found = pixelart.flat_pixels(images.astype(np.uint8))
    for n, y, x in product(*map(range, found.shape)):
        beside = around(y, x, *found.shape[1:])
        assert found[n, y, x] == any(abs(images[n, y, x] - images[n, i, j]).max() <= 2 for i, j in beside)


def test_stray_pixels_are_those_of_a_plain_search():
    images = random_sprites().astype(int)
    found = pixelart.stray_pixels(images.astype(np.uint8))
    _, height, width = found.shape
    for n, y, x in product(*map(range, found.shape)):
        near = product(range(max(0, y - 1), min(height, y + 2)), range(max(0, x - 1), min(width, x + 2)))
        beside = [images[n, i, j] for i, j in near if (i, j) != (y, x)]
        assert found[n, y, x] == all(abs(images[n, y, x] - other).max() > 2 for other in beside)
    assert 0.05 < found.mean() < 0.95


def test_a_black_pixel_in_the_corner_is_not_like_what_lies_outside():
    image = np.full((1, 3, 3, 3), 255, np.uint8)
    image[0, 0, 0] = 0
    assert np.argwhere(pixelart.stray_pixels(image)).tolist() == [[0, 0, 0]]


def test_the_mirror_difference_counts_both_pixels_of_a_pair_that_differs():
    image = np.full((3, 2, 5, 3), 100, np.uint8)
    image[1, 0, 1, 2] = 102  # not enough
    image[2, 0, 1, 2] = 103
    image[2, 1, 2] = 0  # in the middle: its own mirror image
    assert pixelart.mirror_difference(image).tolist() == [0, 0, 2 / 10]


def test_with_alpha_a_hole_is_not_the_mirror_of_white():
    image = np.full((1, 1, 2, 4), 255, np.uint8)
    image[0, 0, 0, 3] = 0
    assert pixelart.mirror_difference(image) == 1


@pytest.mark.parametrize(
    ("shade", "pixels", "exact"),
    [(255, 16, True), (254, 16, False), (254, 5, True), (254, 6, False), (239, 6, True), (239, 12, False)],
)
def test_the_background_is_exact_where_most_of_the_light_border_is_white(shade, pixels, exact):
    ring = [(0, x) for x in range(4)] + [(1, 3), (2, 3)] + [(3, x) for x in range(4)] + [(1, 0), (2, 0)]
    image = np.full((1, 4, 4, 3), 255, np.uint8)
    for y, x in ring[:pixels]:
        image[0, y, x, 1] = shade
    assert pixelart.exact_background(image).tolist() == [exact]


@pytest.mark.parametrize(
    ("color", "white"), [(WHITE, True), (EDGE[0], True), (EDGE[1], False), ([255, 0, 255], False)]
)
def test_white_is_white_in_all_channels_to_2_levels(color, white):
    assert pixelart.is_white(np.array([[[color]]], np.uint8)).item() is white


def test_the_border_is_counted_pixel_by_pixel():
    images = random_sprites()
    _, height, width, _ = images.shape
    ring = [
        (y, x) for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)
    ]
    expected = [np.mean([image[y, x].min() >= 253 for y, x in ring]) for image in images]
    assert pixelart.white_border(images) == pytest.approx(expected)


def plain_outline(image):
    """Walk the background from the border, pixel by pixel; the share of dark pixels among those that it touches."""
    height, width, _ = image.shape
    border = [(y, x) for y, x in product(range(height), range(width)) if len(around(y, x, height, width)) < 4]
    waiting = [place for place in border if image[place].min() >= 253]
    background = set(waiting)
    while waiting:
        for place in around(*waiting.pop(), height, width):
            if image[place].min() >= 253 and place not in background:
                background.add(place)
                waiting.append(place)
    rim = {p for place in background for p in around(*place, height, width)} - background
    return np.mean([image[place].max() <= 92 for place in rim]) if rim else 1.0


def test_an_outline_is_as_closed_as_a_walk_around_it_says():
    images = random_sprites()
    images[:20] = np.where(images[:20] == np.uint8(210), np.uint8(255), images[:20])
    expected = [plain_outline(image) for image in images]
    assert np.std(expected) > 0.1
    assert pixelart.outline(images) == pytest.approx(expected)


def test_a_background_that_winds_inwards_is_followed_to_its_end():
    """A spiral: each turn takes more steps than one spreading of a mask."""
    rows = ["######", "     #", "#### #", "#  # #", "# ## #", "#    #", "######"]
    image = np.array([[INK if c == "#" else WHITE for c in row] for row in rows], np.uint8)
    image[4, 1] = RED  # touched at the very end
    assert pixelart.outline(image[None])[0] == pytest.approx(plain_outline(image))
    assert pixelart.outline(image[None])[0] < 1


def test_an_image_of_background_alone_is_closed():
    assert pixelart.outline(np.full((1, 5, 5, 3), 255, np.uint8)).tolist() == [1]
    assert pixelart.outline(np.full((1, 5, 5, 3), GREY, np.uint8)).tolist() == [
        1
    ]  # nothing touches a background


def test_a_cut_out_sprite_is_transparent_where_a_plain_search_from_the_border_finds_white():
    sprites = random_sprites()
    cut = pixelart.cut_out(sprites)
    assert (cut.dtype, cut.shape) == (np.uint8, (*sprites.shape[:3], 4))
    for sprite, made in zip(sprites, cut, strict=True):
        height, width = sprite.shape[:2]
        places = list(product(range(height), range(width)))
        rim = sorted(int(sprite[place].min()) for place in places if len(around(*place, height, width)) < 4)
        middle = rim[len(rim) // 2]
        lightest = middle - 2 if 240 <= middle < 253 else 253
        waiting = [
            (y, x)
            for y, x in product(range(height), range(width))
            if len(around(y, x, height, width)) < 4 and sprite[y, x].min() >= lightest
        ]
        outside = set()
        while waiting:
            place = waiting.pop()
            if place not in outside and sprite[place].min() >= lightest:
                outside.add(place)
                waiting += around(*place, height, width)
        for place in product(range(height), range(width)):
            told = [*WHITE, 0] if place in outside else [*sprite[place], 255]
            assert made[place].tolist() == told


def test_a_hole_stays_white_and_sprites_with_an_alpha_of_their_own_stay_as_they_are():
    ring = np.full((1, 5, 5, 3), 255, np.uint8)
    ring[0, 1:4, 1:4] = INK
    ring[0, 2, 2] = WHITE
    cut = pixelart.cut_out(ring)
    assert cut[0, 2, 2].tolist() == [*WHITE, 255]
    assert (cut[..., 3] == 0).sum() == 16
    assert (pixelart.cut_out(cut) == cut).all()


def test_a_background_a_shade_off_white_is_cut_out_and_a_darker_one_is_not():
    for shade, is_cut in (([250, 252, 255], True), ([240, 240, 240], True), ([239, 255, 255], False)):
        sprite = np.full((1, 6, 6, 3), shade, np.uint8)
        sprite[0, 2:4, 2:4] = INK
        assert (pixelart.cut_out(sprite)[0, 0, 0, 3] == 0) == is_cut
        assert pixelart.cut_out(sprite)[0, 2, 2, 3] == 255

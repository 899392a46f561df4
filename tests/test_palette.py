"""Palettes: colours against published values, snapping against sprites whose answer is known."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from pixel_edu import palette, sprites
from pixel_edu.diffusion import clean
from pixel_edu.evaluation import flat_pixels
from pixel_edu.images import count_colors, to_tensor
from pixel_edu.schedules import cosine

COLORS = sprites.colors()
WHITE, BLACK, RED = [255, 255, 255], [0, 0, 0], [210, 59, 63]
FEW = np.array([WHITE, BLACK, RED], np.uint8)


def canvas(color, shape=(1, 6, 6)):
    return np.broadcast_to(np.array(color, np.uint8), (*shape, 3)).copy()


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # as CSS Color 4 gives them, https://www.w3.org/TR/css-color-4/
        ((1, 0, 0), (0.628, 0.225, 0.126)),
        ((0, 1, 0), (0.866, -0.234, 0.179)),
        ((0, 0, 1), (0.452, -0.032, -0.312)),
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_oklab_has_the_published_values(rgb, lab):
    assert_close(palette.to_oklab(torch.tensor(rgb).float()), torch.tensor(lab).float(), atol=6e-4, rtol=0)


def srgb_in_oklab(rgb):
    """One colour, step by step, in Python's own numbers (Ottosson 2020)."""
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (min(max(u, 0), 1) for u in rgb)
    ]
    long, middle, short = (
        sum(a * b for a, b in zip(row, linear, strict=True)) ** (1 / 3)
        for row in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return [
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    ]


def test_oklab_is_the_published_steps_for_dark_light_and_impossible_colours():
    colors = torch.rand(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.4 - 0.2
    colors[:10] = colors[:10].abs() / 30  # where the curve is a line
    expected = torch.tensor([srgb_in_oklab(color) for color in colors.tolist()], dtype=torch.float64)
    assert_close(palette.to_oklab(colors), expected, atol=1e-6, rtol=0)


def test_grey_has_no_hue_and_its_lightness_rises():
    grey = torch.linspace(0, 1, 50)[:, None].expand(-1, 3)
    lab = palette.to_oklab(grey)
    assert lab[:, 1:].abs().max() < 1e-4
    assert (lab[:, 0].diff() > 0).all()


def test_the_nearest_colour_is_that_of_a_plain_search():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    index, distance = palette.nearest(images, COLORS)
    lab = palette.to_oklab(torch.from_numpy(images).double() / 255)
    colors = palette.to_oklab(torch.from_numpy(COLORS).double() / 255)
    far = (lab[..., None, :] - colors).square().sum(-1).sqrt()
    assert_close(torch.from_numpy(distance).double(), far.min(-1).values, atol=1e-5, rtol=0)
    assert (index == far.argmin(-1).numpy()).all()


def test_sprites_lie_on_their_palette_and_noise_does_not():
    drawn = sprites.make(50).images
    assert palette.distances(drawn, COLORS).max() == 0
    noise = np.random.default_rng(0).integers(0, 256, drawn.shape, np.uint8)
    assert palette.distances(noise, COLORS).mean() > 0.03


def test_snapping_takes_a_little_noise_off_a_sprite():
    drawn = sprites.make(100, seed=3).images
    noise = np.random.default_rng(0).integers(-6, 7, drawn.shape)
    noisy = (drawn + noise).clip(0, 255).astype(np.uint8)
    plain = palette.snap(noisy, COLORS, tolerance=0.0, loneliness=0.0)
    index, _ = palette.nearest(noisy, COLORS)
    assert (plain == COLORS[index]).all()  # tolerance 0 is the nearest colour
    snapped = palette.snap(noisy, COLORS)
    assert palette.distances(snapped, COLORS).max() < 1e-3
    assert count_colors(snapped).mean() <= count_colors(drawn).mean() < count_colors(plain).mean()
    assert flat_pixels(snapped).mean() >= flat_pixels(drawn).mean() > flat_pixels(plain).mean()
    assert (snapped == drawn).all(axis=-1).mean() > 0.95


def test_a_speck_goes_and_a_region_stays():
    image = canvas([230, 230, 230])
    image[0, 1:3, 1:5] = RED
    image[0, 4, 4] = [200, 205, 200]
    greys = np.array([*FEW, [230, 230, 230], [200, 205, 200]], np.uint8)
    assert (palette.snap(image, greys, tolerance=0.0, loneliness=0.0) == image).all()
    mended = palette.snap(image, greys)
    assert (mended[0, 4, 4] == [230, 230, 230]).all()
    assert (mended[0, 1:3, 1:5] == RED).all()


def test_a_stray_pixel_joins_a_neighbour_only_if_that_is_nearly_as_near():
    near, far = [245, 240, 240], [120, 0, 0]
    colors = np.array([WHITE, near, far], np.uint8)
    image = canvas(WHITE)
    image[0, 2, 2], image[0, 4, 1], image[0, 0, 4:6] = near, far, near
    mended = palette.snap(image, colors, tolerance=0.0)
    assert (mended[0, 2, 2] == WHITE).all()
    assert (mended[0, 4, 1] == far).all()
    assert (mended[0, 0, 4:6] == near).all()  # two of a kind are not stray


def plain_snap(image, colors, tolerance, loneliness):
    """`snap` of one sprite, with a loop for everything."""
    height, width, _ = image.shape
    lab = np.array([srgb_in_oklab(color / 255) for color in colors])
    far = np.array(
        [[np.square(np.array(srgb_in_oklab(p / 255)) - lab).sum(axis=1) for p in row] for row in image]
    )
    kept = {int(far[y, x].argmin()) for y in range(height) for x in range(width)}
    while len(kept) > 1:
        loss = dict.fromkeys(kept, 0.0)
        for one in far.reshape(-1, len(colors)):
            best, second = sorted(kept, key=lambda color: one[color])[:2]
            loss[best] += one[second] - one[best]
        cheapest = min(kept, key=loss.get)
        if loss[cheapest] > tolerance**2:
            break
        kept.remove(cheapest)
    index = np.array(
        [[min(kept, key=lambda color: far[y, x, color]) for x in range(width)] for y in range(height)]
    )
    for turn in (0, 1, 0, 1):
        now = index.copy()
        for y, x in np.ndindex(height, width):
            places = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            near = [now[i, j] for i, j in places if 0 <= i < height and 0 <= j < width]
            if (y + x) % 2 == turn and now[y, x] not in near:
                company = min(near, key=lambda color: far[y, x, color])
                if far[y, x, company] < far[y, x, now[y, x]] + loneliness**2:
                    index[y, x] = company
    return colors[index]


@pytest.mark.parametrize("tolerance", [0.0, 0.11, 0.25])
@pytest.mark.parametrize("loneliness", [0.0, 0.055, 0.3])
def test_snapping_is_what_loops_over_pixels_and_colours_say(tolerance, loneliness):
    draw, colors = np.random.default_rng(7), COLORS[::13]
    images = colors[draw.integers(len(colors), size=(6, 5, 4))].astype(int) + draw.integers(
        -40, 41, (6, 5, 4, 3)
    )
    images = images.clip(0, 255).astype(np.uint8)
    expected = [plain_snap(image, colors, tolerance, loneliness) for image in images]
    assert (palette.snap(images, colors, tolerance, loneliness) == np.stack(expected)).all()


def test_a_loss_is_compared_with_the_root_of_a_sum_of_squares():
    """Four pixels of a colour 0.1 away from the next lose √(4·0.1²) = 0.2 together."""
    greys = np.array([[g, g, g] for g in range(256)], np.uint8)
    lightness = np.array([srgb_in_oklab(grey / 255)[0] for grey in greys])
    other = int(np.abs(lightness - (lightness[200] - 0.1)).argmin())
    colors = greys[[200, other]]
    image = canvas([200] * 3)
    image[0, 2:4, 2:4] = other
    loss = 2 * (lightness[200] - lightness[other])
    assert count_colors(palette.snap(image, colors, tolerance=loss * 0.99))[0] == 2
    assert count_colors(palette.snap(image, colors, tolerance=loss * 1.01))[0] == 1


def test_two_stray_neighbours_do_not_change_places():
    a, b = [240, 240, 240], [236, 240, 236]
    image = np.array([[[a, b]]], np.uint8)
    mended = palette.snap(image, image.reshape(-1, 3), tolerance=0.0)
    assert count_colors(mended)[0] == 1


def test_without_a_palette_a_sprite_gets_a_few_of_its_own_colours():
    draw = np.random.default_rng(1)
    image = canvas(WHITE, (1, 16, 16))
    image[0, 4:12, 4:8], image[0, 4:12, 8:12] = RED, [20, 30, 90]
    noisy = (image + draw.integers(-5, 6, image.shape)).clip(0, 255).astype(np.uint8)
    snapped = palette.snap(noisy)
    assert count_colors(snapped)[0] == 3
    own = {tuple(color) for color in noisy.reshape(-1, 3).tolist()}
    assert {tuple(color) for color in snapped.reshape(-1, 3).tolist()} <= own
    assert np.abs(snapped.astype(int) - image).max() <= 10


def test_a_sprite_of_one_colour_keeps_it():
    assert (palette.snap(canvas(RED)) == RED).all()


@pytest.mark.formula
def test_the_projected_guess_is_in_the_palette_once_the_noise_is_low():
    schedule = cosine()
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def predict_eps(x, t):
        return 0.3 * x

    mended = palette.projected(predict_eps, schedule, COLORS, above=1.0)
    early, late = torch.full((4,), 900), torch.full((4,), 50)
    assert torch.equal(mended(x, early), predict_eps(x, early))
    guess = clean(x, mended(x, late), schedule.levels(late), "eps").x0
    far = (guess.movedim(1, 3).reshape(-1, 1, 3) - to_tensor(COLORS[None])[0].T).abs().amax(-1).amin(-1)
    assert far.max() < 1e-4
    before = clean(x, predict_eps(x, late), schedule.levels(late), "eps").x0
    pixels = ((before + 1) / 2).movedim(1, 3).reshape(-1, 3)
    lab = palette.to_oklab(torch.from_numpy(COLORS).float() / 255)
    nearest = torch.cdist(palette.to_oklab(pixels), lab).argmin(1)
    assert_close(guess.movedim(1, 3).reshape(-1, 3), to_tensor(COLORS[None])[0].T[nearest], atol=1e-4, rtol=0)


@pytest.mark.formula
def test_bits_name_every_colour_and_a_number_without_one_takes_the_last():
    index = np.arange(130).reshape(1, 10, 13)
    bits = palette.to_bits(index)
    assert bits.shape == (1, 10, 13, 8)
    assert set(bits.ravel()) == {0, 255}
    assert (palette.from_bits(bits, COLORS) == COLORS[index]).all()
    blurred = np.where(bits > 0, 128, 127).astype(np.uint8)
    assert (palette.from_bits(blurred, COLORS) == COLORS[index]).all()
    assert (palette.from_bits(palette.to_bits(index * 0 + 255), COLORS) == COLORS[-1]).all()


def test_the_palette_of_images_is_in_the_order_of_use():
    image = canvas(WHITE)
    image[0, 0], image[0, 1, :2] = BLACK, RED
    assert palette.find_palette(image).tolist() == [WHITE, BLACK, RED]
    assert palette.find_palette(image, most=1).tolist() == [WHITE]
    found = palette.find_palette(sprites.make(3000).images)
    assert {tuple(c) for c in found.tolist()} <= {tuple(c) for c in COLORS.tolist()}


def test_few_colours_are_all_in_the_palette_the_most_frequent_first():
    drawn = sprites.make(300).images
    assert (palette.covering_palette(drawn) == palette.find_palette(drawn)).all()


def test_where_colours_are_too_many_no_colour_is_far_from_one_that_stands_for_it():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    images[0] = RED
    found = palette.covering_palette(images, 100)
    assert found[0].tolist() == RED
    assert 60 < len(found) <= 100
    assert {tuple(c) for c in found.tolist()} <= {tuple(c) for c in images.reshape(-1, 3).tolist()}
    farthest = palette.distances(images, found).max()
    lab = palette.to_oklab(torch.from_numpy(found).float() / 255)
    assert farthest < torch.pdist(lab).min()  # the reach is between the two
    assert farthest < 0.7 * palette.distances(images, palette.find_palette(images, 100)).max()


def test_a_palette_in_words_and_back():
    assert palette.to_words(FEW) == "ffffff 000000 d23b3f"
    assert (palette.from_words(palette.to_words(COLORS)) == COLORS).all()
    with pytest.raises(ValueError, match="hex"):
        palette.from_words("blue")


@pytest.mark.formula
def test_sprites_survive_the_way_through_bits():
    drawn = sprites.make(20).images
    colors = palette.for_bits(COLORS)
    assert palette.as_bits(drawn, colors).shape == (20, 16, 16, 8)
    assert (palette.as_sprites(palette.as_bits(drawn, colors), colors) == drawn).all()


def test_the_bits_of_a_number_go_from_coarse_to_fine():
    colors = palette.for_bits(COLORS)
    assert sorted(map(tuple, colors.tolist())) == sorted(map(tuple, COLORS.tolist()))
    lab = palette.to_oklab(torch.from_numpy(colors).float() / 255)
    assert lab[:128, 0].max() <= lab[128:, 0].min()  # 130 colours: the first bit halves at 128
    number = torch.arange(128)
    wrong = [(lab[:128] - lab[number ^ 1 << bit]).norm(dim=1).mean() for bit in range(7)]
    assert wrong == sorted(wrong)  # a wrong low bit does less harm


def test_few_colours_have_an_order_too():
    for count in (1, 2, 3):
        assert len(palette.for_bits(FEW[:count])) == count


def test_colours_that_are_no_bits_are_snapped():
    drawn = sprites.make(5).images
    noisy = drawn ^ 3
    assert (palette.as_sprites(noisy, COLORS) == palette.snap(noisy, COLORS)).all()
    assert (palette.as_sprites(noisy) == palette.snap(noisy)).all()


def ghosts(n=20, size=8, seed=0):
    """Sprites of the palette's colours with alpha: an opaque white or dark square somewhere, white noise around it."""
    draw = np.random.default_rng(seed)
    solid = np.zeros((n, size, size), bool)
    for each in solid:
        y, x = draw.integers(size - 3, size=2)
        each[y : y + 3, x : x + 3] = True
    return palette.with_alpha(FEW[draw.integers(len(FEW), size=n)][:, None, None], solid)


def noisy(sprites, seed=1, spread=30):
    draw = np.random.default_rng(seed)
    return np.clip(sprites + draw.normal(0, spread, sprites.shape), 0, 255).astype(np.uint8)


def test_snapping_leaves_every_pixel_opaque_or_transparent_and_white_sprites_visible():
    sprites = ghosts()
    snapped = palette.as_sprites(noisy(sprites), FEW)
    assert (snapped == sprites).mean() > 0.97
    assert (snapped[..., 3] == sprites[..., 3]).all()
    clear = snapped[snapped[..., 3] == 0]
    assert (clear[:, :3] == 255).all()


def test_the_colours_of_sprites_with_alpha_are_snapped_as_those_of_sprites_without():
    sprites = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    opaque = np.concatenate([sprites, np.full_like(sprites[..., :1], 255)], axis=-1)
    for colors in (FEW, None):
        snapped = palette.snap(opaque, colors)
        assert (snapped[..., :3] == palette.snap(sprites, colors)).all()
        assert (snapped[..., 3] == 255).all()


def test_what_lies_under_a_transparent_pixel_changes_nothing():
    sprites = noisy(ghosts(), spread=10)
    other = sprites.copy()
    hidden = ~palette.opaque(sprites)
    other[hidden, :3] = [1, 200, 3]
    assert (palette.snap(other, FEW) == palette.snap(sprites, FEW)).all()
    assert (palette.snap(other) == palette.snap(sprites)).all()
    assert (palette.find_palette(other) == palette.find_palette(sprites)).all()
    assert (palette.distances(other, FEW)[hidden] == 0).all()


def test_a_sprite_of_nothing_stays_empty():
    nothing = np.array([10, 20, 30, 5], np.uint8) * np.ones((1, 8, 8, 1), np.uint8)
    for colors in (FEW, None):
        assert (palette.snap(nothing, colors) == [255, 255, 255, 0]).all()


def test_off_leaves_colours_and_alpha_as_they_came():
    drawn = noisy(ghosts())
    assert (palette.in_colors(drawn, FEW, "off") == drawn).all()
    assert set(np.unique(palette.in_colors(drawn, FEW, "own")[..., 3])) == {0, 255}


def test_sprites_with_alpha_survive_the_way_through_bits():
    sprites = ghosts()
    bits = palette.as_bits(sprites, FEW)
    assert bits.shape[-1] == palette.BITS + 1
    assert (palette.as_sprites(bits, FEW) == sprites).all()


def test_a_projected_guess_keeps_its_alpha():
    schedule, x = cosine(), torch.randn(2, 4, 8, 8)
    t = torch.zeros(2, dtype=torch.int64)
    eps = torch.randn(x.shape)
    found = palette.projected(lambda x, t: eps, schedule, FEW)(x, t)
    assert torch.allclose(found[:, 3], eps[:, 3], atol=1e-3)
    assert not torch.allclose(found[:, :3], eps[:, :3], atol=0.1)


def test_a_covering_palette_merges_no_more_than_it_must():
    far = np.arange(60, 180, 12, dtype=np.uint8)  # ten greys, 0.04 apart in OKLab, and one beside the first
    greys = np.append(np.repeat(far, 2), far[0] + 1).reshape(1, 1, -1, 1).repeat(3, axis=3)
    assert sorted(palette.covering_palette(greys, 10)[:, 0]) == far.tolist()

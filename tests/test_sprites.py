import hashlib

import numpy as np
import pytest

from pixel_edu import sprites
from pixel_edu.config import CLASSES, UserError
from pixel_edu.images import count_colors, mirror_keys
from pixel_edu.sprites.engine import Kind, Layer, bits, choose, hashed, render, sheet
from pixel_edu.sprites.palette import RAMPS

LABELS = range(len(CLASSES))
SEEDS = np.arange(20_000)
PALETTE = {colour for ramp in RAMPS.values() for colour in ramp} | {(255, 255, 255)}
OUTLINES = {ramp[0] for ramp in RAMPS.values()}


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    return [sprites.draw(label, SEEDS) for label in LABELS]


def test_the_same_seed_draws_the_same_pixels_on_every_platform():
    images, labels, seeds = sprites.make(1000, seed=3)
    digest = hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes() + seeds.astype("<i8").tobytes())
    assert digest.hexdigest() == "4005034d2d30b5098ecfe4c04f4d2aee969b896fd6db1ed8cd70986fba2171d8"


def test_a_sprite_does_not_depend_on_the_batch_it_is_drawn_in(drawn):
    for label in LABELS:
        assert np.array_equal(sprites.draw(label, [123, 7]), drawn[label][[123, 7]])


@pytest.mark.parametrize("label", LABELS)
def test_a_class_holds_more_than_a_million_distinct_sprites(drawn, label):
    """n draws from D equally likely sprites repeat about n²/2D times; with unequal odds, more often."""
    repeats = len(SEEDS) - len(np.unique(mirror_keys(drawn[label])))
    assert repeats < len(SEEDS) ** 2 / (2 * 1_000_000)


@pytest.mark.parametrize("label", LABELS)
def test_colours_per_sprite_are_those_of_clean_pixel_art(drawn, label):
    counts = count_colors(drawn[label])
    assert counts.min() >= 3
    assert counts.max() <= 32


@pytest.mark.parametrize("label", LABELS)
def test_every_colour_is_one_of_the_palette(drawn, label):
    colours = np.unique(drawn[label][:2000].reshape(-1, 3), axis=0)
    assert {tuple(colour) for colour in colours.tolist()} <= PALETTE


@pytest.mark.parametrize("label", LABELS)
def test_the_outline_is_closed(drawn, label):
    """What touches the background is dark: flooded from the border, it never leaks into a sprite."""
    images = drawn[label][:1000].astype(np.int64)
    white = (images == 255).all(axis=-1)
    outside = np.zeros((1000, 18, 18), bool)
    outside[:, [0, -1], :] = outside[:, :, [0, -1]] = True
    passable = np.pad(white, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    for _ in range(80):
        grown = outside.copy()
        for axis, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
            grown |= np.roll(outside, step, axis)
        outside = grown & passable
    touching = np.zeros_like(outside)
    for axis, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
        touching |= np.roll(outside, step, axis)
    rim = touching[:, 2:-2, 2:-2] & ~outside[:, 2:-2, 2:-2]  # inside the picture, away from its border
    colours = np.unique(images[:, 1:-1, 1:-1][rim], axis=0)
    assert {tuple(colour) for colour in colours.tolist()} <= OUTLINES


def test_the_side_view_is_the_same_hero():
    front, side = sprites.factors(0, SEEDS[:500]), sprites.factors(4, SEEDS[:500])
    assert set(front) < set(side)
    for factor in front:
        assert (front[factor] == side[factor]).all(), factor


def test_factors_say_what_is_drawn():
    """Two sprites of a kind with the same factors are the same picture; other factors, mostly another."""
    words = sprites.factors(3, SEEDS)
    rows = np.flatnonzero(words["kind"] == "potion")
    described = ["/".join(str(words[name][i]) for name in sorted(words)) for i in rows]
    keys = mirror_keys(sprites.draw(3, SEEDS[rows]))
    for said in {d for d in described if described.count(d) > 1}:
        assert len({bytes(keys[i]) for i, d in enumerate(described) if d == said}) == 1
    assert len(set(keys.tolist())) > 0.95 * len(set(described))


@pytest.mark.parametrize("kind", [k for kinds in sprites.KINDS for k in kinds], ids=lambda k: k.name)
def test_every_variant_of_every_part_can_be_seen(kind):
    """A drawing that another layer always hides is a mistake."""
    chosen = choose(kind, SEEDS[:400], kind.name)
    for layer in kind.layers:
        seen = set()
        pictures = [
            render(kind, chosen | {layer.factor: np.full(400, v)}).tobytes()
            for v in range(min(len(layer.sheet.names), 32))
        ]
        seen.update(pictures)
        assert len(seen) == len(pictures), f"{kind.name}: two variants of {layer.factor} look the same"


def test_a_role_told_to_avoid_another_never_repeats_its_ramp():
    for label in (0, 1, 4):
        words = sprites.factors(label, SEEDS[:3000])
        for kind in sprites.KINDS[label]:
            for role, other in kind.avoid.items():
                assert not (words[f"{role} ramp"] == words[f"{other} ramp"]).any(), (role, other)


def test_a_dataset_is_balanced_shuffled_and_pairs_each_hero_with_its_side_view():
    images, labels, seeds = sprites.make(500, seed=1)
    assert np.bincount(labels).tolist() == [100] * 5
    assert len(set(labels[:10].tolist())) > 1
    assert sorted(seeds[labels == 0]) == sorted(seeds[labels == 4])
    assert np.array_equal(images[17:18], sprites.draw(int(labels[17]), seeds[17:18]))


def test_datasets_of_different_seeds_share_no_sprite_seed():
    assert not set(sprites.make(100, seed=0).seeds.tolist()) & set(sprites.make(100, seed=1).seeds.tolist())


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (-1, 0), (5, -1), (5, 2**31)])
def test_an_impossible_dataset_is_refused_in_one_sentence(n, seed):
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        sprites.make(n, seed)


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match=r"0 \.\. 4"):
        sprites.draw(5, [0])


def test_hashed_choices_follow_their_weights_and_their_stream():
    weights = np.array([1, 3])
    ones = hashed(np.arange(40_000), "a", weights)
    assert abs(ones.mean() - 0.75) < 0.01
    both = (ones == 1) & (hashed(np.arange(40_000), "b", weights) == 1)
    assert abs(both.mean() - 0.75**2) < 0.01


def test_a_sheet_that_is_drawn_wrong_says_where():
    with pytest.raises(ValueError, match="row 1 of the sheet"):
        sheet("one two\n11 22\n11")
    with pytest.raises(ValueError, match="leaves the 16 pixels"):
        sheet("wide\n" + "1" * 17)


def test_bits_draw_every_subset():
    assert len({codes.tobytes() for codes in bits("1.1\n.1.").codes}) == 8


def drawn_once(*layers: Layer) -> np.ndarray:
    kind = Kind("thing", layers, {"body": ("red",), "mark": ("blue",)}, outline="ink")
    return render(kind, choose(kind, np.zeros(1, np.int64), "thing"))[0]


def test_a_layer_drawn_inside_stays_on_what_is_there():
    block, stripe = sheet("block\n222\n222", top=5, left=5), sheet("stripe\n" + "2" * 16, top=6)
    inside = drawn_once(Layer("block", block, ("body",)), Layer("stripe", stripe, ("mark",), inside=True))
    blue = (inside == RAMPS["blue"][2]).all(axis=-1)
    assert np.argwhere(blue).tolist() == [[6, 5], [6, 6], [6, 7]]
    across = drawn_once(Layer("block", block, ("body",)), Layer("stripe", stripe, ("mark",)))
    assert (across[6] == RAMPS["blue"][2]).all()


def test_a_cut_gives_the_background_back_and_the_rim_follows_it():
    block, hole = sheet("block\n222\n222\n222", top=5, left=5), sheet("hole\nx", top=5, left=5)
    image = drawn_once(Layer("block", block, ("body",)), Layer("hole", hole, ("body",)))
    assert (image[5, 5] == RAMPS["ink"][0]).all()  # background again, and beside the block: rim
    assert (image[5, 4] == 255).all()


def test_the_mirrored_half_is_lit_from_the_left_too():
    codes = sheet("half\n....4321", half=True).codes.reshape(-1, 16, 16)[0, 0]
    assert codes.tolist() == [0, 0, 0, 0, 5, 4, 3, 2, 2, 3, 3, 4, 0, 0, 0, 0]

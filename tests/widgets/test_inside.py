"""The network at work: what is stored of it is what the network makes, and what is said of its blocks is so."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets

from pixel_edu import load_reference
from pixel_edu.diagram import layout, stages
from pixel_edu.diffusion import add_noise, clean
from pixel_edu.images import to_tensor, to_uint8
from pixel_edu.samplers import SpriteNoise
from pixel_edu.unet import Block, ContextUNet, LabelAttention, UNetConfig
from pixel_edu.widgets.inside import NetworkInside, plan, words
from pixel_edu.widgets.trace import EACH, LABELS, TIMESTEPS, trace, weights

HERE = Path(__file__).parent


def test_the_parts_without_a_page_work(run):
    run("test", "--no-remote", "--quiet", str(HERE / "inside_test.js"))


def test_the_weights_are_those_that_attention_sums_its_values_with():
    torch.manual_seed(0)
    config = UNetConfig((16, 32, 48), embedding=64)
    layer, x, label = LabelAttention(48, config), torch.randn(3, 48, 4, 4), torch.randn(3, 64)
    torch.nn.init.normal_(layer.out.weight)
    found = weights(layer, x, label)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(3, config.heads, 16))
    v = layer.qkv(layer.norm(x)).flatten(2).chunk(3, dim=1)[2]
    v = torch.cat([v, layer.label(label)[..., None].chunk(2, dim=1)[1]], dim=2)
    seen = found @ v.unflatten(1, (config.heads, -1)).transpose(2, 3)
    torch.testing.assert_close(x + layer.out(seen.transpose(2, 3).reshape(x.shape)), layer(x, label))


@pytest.mark.slow
@pytest.mark.parametrize("scene", [0, 4])
def test_the_maps_are_what_the_blocks_make_of_this_sprite(scene):
    """A second walk through the network, one scene by itself, by the modules' own order of calls."""
    found, model = trace(), load_reference()
    sprite, level = divmod(scene, len(TIMESTEPS))
    t, c = torch.tensor([TIMESTEPS[level]]), torch.tensor([LABELS[sprite]])
    levels = model.schedule.levels(t)
    x = add_noise(
        to_tensor(found.true[sprite : sprite + 1]), SpriteNoise([0]).start().float(), levels
    ).float()
    made = [x]
    hooks = [
        block.register_forward_hook(lambda module, given, out: made.append(out))
        for block in model.network.modules()
        if isinstance(block, Block)
    ]
    with torch.no_grad():
        made.append(model.network(x, t, c))
    for hook in hooks:
        hook.remove()
    assert len(made) == len(found.maps) == 9
    for features, maps, channels in zip(made, found.maps, found.channels, strict=True):
        values = features[0, channels]
        wanted = 128 + 127 * values / values.abs().amax(dim=(1, 2), keepdim=True)
        assert np.abs(wanted.numpy() - maps[scene]).max() < 0.6
    guess = to_uint8(clean(x, made[-1], levels, model.prediction).x0)[0]
    assert np.abs(guess.astype(int) - found.guess[scene]).max() <= 1
    np.testing.assert_array_equal(to_uint8(x)[0], found.noisy[scene])


@pytest.mark.slow
def test_the_guesses_come_nearer_to_the_sprites_as_noise_falls():
    found = trace()
    for sprite in range(len(LABELS)):
        far = [
            np.square(found.guess[len(TIMESTEPS) * sprite + level].astype(float) - found.true[sprite]).mean()
            for level in range(len(TIMESTEPS))
        ]
        assert far == sorted(far)


@pytest.mark.slow
def test_channels_are_the_liveliest_first_and_all_three_of_an_image():
    found = trace()
    assert found.channels[0] == found.channels[-1] == [0, 1, 2]
    for channels, stage in zip(found.channels[1:-1], stages(load_reference().network), strict=True):
        assert len(set(channels)) == EACH
        assert max(channels) < stage.channels
    rows = found.looks.astype(int).sum(axis=-1)
    assert abs(rows - 100).max() <= 8  # each of 17 is rounded


@pytest.mark.slow
def test_what_a_page_holds_is_small_and_whole():
    made = NetworkInside()
    state = made.settings()
    assert sum(len(state[name]) for name in ("maps", "pictures", "looks")) < 100_000
    maps = np.frombuffer(base64.b64decode(state["maps"]), np.uint8).reshape(6, -1)
    for scene in range(6):
        wanted = np.concatenate([each[scene].ravel() for each in trace().maps])
        np.testing.assert_array_equal(maps[scene], wanted)
    assert len(base64.b64decode(state["pictures"])) == 14 * 16 * 16 * 3


@pytest.mark.slow
def test_the_plan_is_that_of_the_diagram_and_each_stop_says_its_size():
    network = load_reference().network
    blocks, found = stages(network), plan()
    drawn = layout(blocks)
    stops = found["stops"][1:-1]
    assert [tuple(stop["place"]) for stop in stops] == drawn.blocks
    for stop, stage in zip(stops, blocks, strict=True):
        assert (stop["of"], stop["size"], stop["attends"]) == (stage.channels, stage.size, stage.attends)
    entered = [line[-1] for line in found["lines"]]
    assert sorted(set(entered)) == list(range(1, len(blocks) + 2))
    skips = [line[-1] for line in found["lines"] if line[0] == "skip"]
    assert [found["stops"][into]["words"].count("The skip arrives") for into in skips] == [1, 1, 1]


def test_the_words_count_channels_as_the_modules_do():
    network = ContextUNet("tiny")
    told, before = [], None
    for stage in stages(network):
        goes_in = network.get_submodule(stage.name).conv1.in_channels
        told.append(words(stage, before, goes_in, 3))
        before = stage
    assert (
        told[0]
        == "A convolution before it made 16 channels of 3. A copy goes across, along the dashed arrow."
    )
    assert told[1].startswith("16 × 16 places shrank to 8 × 8. 16 channels become 32.")
    assert told[3] == "Each place looks at all others, and at the label."
    assert told[4].startswith("The skip arrives: 48 + 48 channels go in.")
    assert told[6] == "8 × 8 places grew to 16 × 16. The skip arrives: 16 + 16 channels go in."


@pytest.mark.slow
def test_it_is_its_words_and_a_picture_of_three_noise_levels():
    made = NetworkInside()
    assert repr(made) == made.alt
    picture = made.picture()
    assert picture == NetworkInside().picture() != NetworkInside(sprite=1).picture()
    assert made.alt in re.search(r'<img alt="([^"]+)"', picture)[1]
    assert [f"t = {t}" in picture for t in TIMESTEPS] == [True] * 3


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"sprite": 2}, {"level": 3}, {"step": -1}, {"step": 9}, {"place": 16}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        NetworkInside(**wrong)

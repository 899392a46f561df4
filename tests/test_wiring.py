"""What each part of the network is connected to, at every preset's size and at one with two of everything.

Most wrong connections learn something, so no loss shows them. Here parts get known weights, or stand-ins that tell what
reached them; at last the whole network is written out again from its weights alone.
"""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from pixel_edu import unet
from pixel_edu.diffusion import hide_labels
from pixel_edu.unet import PRESETS, Block, ContextUNet, Level, PlaceAttention, UNetConfig
from tests.networks import asked, woken

CONFIGS = PRESETS | {
    "two of all": UNetConfig((16, 24), (True, True), blocks=2, fold=2, embedding=20, heads=2),
    "places": UNetConfig((8, 32), (True, True), embedding=20, head_channels=16, places=True),
}
HEADS = {"places": (1, 2), "reference": (1, 2, 4)}
"""Where a head has a width of its own, 16 or 32; all others have as many heads as the config says."""
DEPTHS = [(name, depth) for name, config in CONFIGS.items() for depth in range(len(config.channels))]
ATTENDING = [(name, depth) for name, depth in DEPTHS if CONFIGS[name].attention[depth]]
every_config = pytest.mark.parametrize("name", CONFIGS)
every_level = pytest.mark.parametrize(("name", "depth"), DEPTHS)


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and inputs in every run."""
    torch.manual_seed(0)


def embeddings(config):
    """A context and a label for two images."""
    return torch.randn(2, config.embedding), torch.randn(2, config.embedding)


def group_norm(layer, x):
    """Every group of channels of every image at mean 0 and variance 1, then the layer's own scale and shift."""
    groups = x.reshape(len(x), 8, -1)
    mean, variance = groups.mean(dim=2, keepdim=True), groups.var(dim=2, keepdim=True, unbiased=False)
    plain = ((groups - mean) / (variance + 1e-5).sqrt()).reshape(x.shape)
    return plain * layer.weight[:, None, None] + layer.bias[:, None, None]


# A block.


@every_level
def test_a_new_block_is_its_shortcut(name, depth):
    config = CONFIGS[name]
    width, context = config.channels[depth], embeddings(config)
    same = torch.randn(2, width, 4, 4)
    assert torch.equal(Block(width, width, config, attends=True)(same, *context), same)
    block, double = Block(2 * width, width, config, attends=True), torch.randn(2, 2 * width, 4, 4)
    matrix = block.shortcut.weight[:, :, 0, 0]
    assert_close(
        block(double, *context),
        torch.einsum("oi,bihw->bohw", matrix, double) + block.shortcut.bias[:, None, None],
        atol=1e-5,
        rtol=1e-4,
    )


@every_level
def test_a_context_of_nothing_leaves_the_normalised_features_as_they_are(name, depth):
    """With the projection at zero, scale and shift are 0, so features are multiplied by 1 and not by 0."""
    config = CONFIGS[name]
    width = config.channels[depth]
    block = woken(Block(width, width, config, attends=False))
    nn.init.zeros_(block.context.weight)
    nn.init.zeros_(block.context.bias)
    x = torch.randn(2, width, 4, 4)
    inner = F.silu(group_norm(block.norm2, block.conv1(F.silu(group_norm(block.norm1, x)))))
    assert_close(block(x, *embeddings(config)), x + block.conv2(inner), atol=1e-5, rtol=1e-4)


@every_level
def test_a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift(name, depth):
    config = CONFIGS[name]
    width = config.channels[depth]
    block = woken(Block(2 * width, width, config, attends=False))
    scale, shift = torch.randn(2, width)
    nn.init.zeros_(block.context.weight)
    block.context.bias.data = torch.cat([scale, shift])
    x = torch.randn(2, 2 * width, 4, 4)
    normed = group_norm(block.norm2, block.conv1(F.silu(group_norm(block.norm1, x))))
    inner = F.silu(normed * (1 + scale[:, None, None]) + shift[:, None, None])
    expected = block.shortcut(x) + block.conv2(inner)
    assert_close(block(x, *embeddings(config)), expected, atol=1e-5, rtol=1e-4)


@every_level
def test_attention_comes_after_the_shortcut_and_gets_the_label(name, depth):
    config = CONFIGS[name]
    width = config.channels[depth]
    block, (context, label) = woken(Block(width, width, config, attends=True)), embeddings(config)
    x, attention = torch.randn(2, width, 4, 4), block.attention
    block.attention = None
    before = block(x, context, label)
    block.attention = attention
    assert_close(block(x, context, label), attention(before, label))


@every_level
def test_a_block_attends_where_the_config_says_so(name, depth):
    config = CONFIGS[name]
    level = Level(config.channels[depth], config, depth)
    deepest = depth + 1 == len(config.channels)
    blocks = [*level.down, *([level.below] if deepest else []), *level.up]
    assert len(blocks) == 2 * config.blocks + deepest
    assert {block.attention is not None for block in blocks} == {config.attention[depth]}


# Attention.


def attention(width, config):
    """The attention that a block of this width has."""
    return Block(width, width, config, attends=True).attention


def where(row, column):
    """A place's waves: cosines and sines of its row, then of its column; the fastest takes half a turn a place."""
    frequencies = math.pi * 100 ** (-torch.arange(32) / 32)
    angles = [row * frequencies, column * frequencies]
    return torch.cat([part for angle in angles for part in (angle.cos(), angle.sin())])


def of_length(vectors, norm):
    """Vectors (B, d, places) with a mean square of 1, then each number by its own weight."""
    return vectors / (vectors.square().mean(dim=1, keepdim=True) + 1e-5).sqrt() * norm.weight[:, None]


def attention_by_hand(layer, x, label):
    """Each head by its own sums: softmax(q·k / √d) over all places and the label."""
    heads, width = layer.heads, x.shape[1]
    d = width // heads
    qkv = torch.einsum("oi,bip->bop", layer.qkv.weight[:, :, 0, 0], group_norm(layer.norm, x).flatten(2))
    q, k, v = (qkv + layer.qkv.bias[:, None]).split(width, dim=1)
    if isinstance(layer, PlaceAttention):
        waves = [where(row, column) for row in range(x.shape[2]) for column in range(x.shape[3])]
        place_q, place_k = (layer.place.weight @ torch.stack(waves, dim=1)).split(width)
        q, k = q + place_q, k + place_k
    label_k, label_v = (label @ layer.label.weight.T + layer.label.bias).split(width, dim=1)
    k, v = torch.cat([k, label_k[..., None]], dim=2), torch.cat([v, label_v[..., None]], dim=2)
    seen = []
    for head in range(heads):
        rows = slice(head * d, (head + 1) * d)
        asked, found = q[:, rows], k[:, rows]
        if isinstance(layer, PlaceAttention):
            asked, found = of_length(asked, layer.norm_q), of_length(found, layer.norm_k)
        weights = (torch.einsum("bdq,bdk->bqk", asked, found) / math.sqrt(d)).softmax(dim=2)
        seen.append(torch.einsum("bqk,bdk->bdq", weights, v[:, rows]))
    out = torch.einsum("oi,bip->bop", layer.out.weight[:, :, 0, 0], torch.cat(seen, dim=1))
    return x + (out + layer.out.bias[:, None]).reshape(x.shape)


@pytest.mark.parametrize(("name", "depth"), ATTENDING)
def test_attention_is_softmax_over_places_and_label_head_by_head(name, depth):
    config = CONFIGS[name]
    width = config.channels[depth]
    layer = woken(attention(width, config))
    assert isinstance(layer, PlaceAttention) == config.places
    for part in (layer.qkv, layer.label, layer.out, *([layer.place] if config.places else [])):
        nn.init.normal_(part.weight, std=0.4)  # so that some places are looked at much more than others
    for norm in (layer.norm_q, layer.norm_k) if config.places else ():
        nn.init.uniform_(norm.weight, 0.5, 3)
    assert layer.heads == (HEADS[name][depth] if name in HEADS else config.heads)
    x, label = 2 * torch.randn(2, width, 4, 2), 3 * torch.randn(2, config.embedding)
    assert_close(layer(x, label), attention_by_hand(layer, x, label), atol=1e-3, rtol=1e-3)


def test_without_places_attention_does_not_know_where_it_is_and_with_them_it_does():
    x, label = torch.randn(1, 32, 4, 4), torch.randn(1, 20)
    for name, knows in {"two of all": False, "places": True}.items():
        layer = woken(attention(32, CONFIGS[name]))
        mirrored = layer(x.flip(3), label).flip(3)
        assert bool((mirrored - layer(x, label)).abs().max() > 1e-3) is knows, name


def test_attention_can_look_at_the_mirror_image_of_each_place():
    """Each place asks for its own row, and for the column that mirrors its own."""
    layer = PlaceAttention(64, UNetConfig((64,), (True,), heads=1))
    size, places = 4, [(row, column) for row in range(4) for column in range(4)]
    asked_for, found_as = torch.zeros(2, size**2, 64)
    for number, (row, column) in enumerate(places):
        found_as[number, [row, size + column]] = 1
        asked_for[number, [row, size + size - 1 - column]] = 1
    waves = torch.stack([where(*place) for place in places])
    wanted = torch.cat([asked_for, found_as], dim=1)
    layer.place.weight.data = (torch.linalg.pinv(waves, rtol=1e-3) @ wanted).T
    nn.init.zeros_(layer.qkv.weight)  # features say nothing
    nn.init.zeros_(layer.qkv.bias)
    q, k, _ = layer.looking(torch.randn(1, 64, size, size), torch.zeros(1, 192))
    looks = (q @ k.mT)[0, 0, :, : size**2].argmax(dim=1)
    assert torch.equal(looks.reshape(size, size), torch.arange(size**2).reshape(size, size).flip(1))


@pytest.mark.parametrize(("name", "depth"), ATTENDING)
def test_new_attention_changes_nothing(name, depth):
    config = CONFIGS[name]
    x = torch.randn(2, config.channels[depth], 4, 4)
    assert torch.equal(attention(x.shape[1], config)(x, embeddings(config)[1]), x)


@pytest.mark.parametrize(("name", "depth"), ATTENDING)
def test_attention_that_looks_at_the_label_alone_brings_its_value_to_every_place(name, depth):
    config = CONFIGS[name]
    width = config.channels[depth]
    layer = attention(width, config)
    nn.init.zeros_(layer.qkv.weight)
    layer.qkv.bias.data = torch.cat([torch.ones(width), torch.zeros(width), torch.full((width,), 7.0)])
    nn.init.zeros_(layer.label.weight)
    if config.places:
        nn.init.zeros_(layer.place.weight)
        nn.init.constant_(layer.norm_k.weight, 50)
    value = torch.randn(width)
    layer.label.bias.data = torch.cat([torch.full((width,), 50.0), value])
    layer.out.weight.data = torch.eye(width)[:, :, None, None]
    x = torch.randn(2, width, 4, 4)
    assert_close(layer(x, embeddings(config)[1]), x + value[:, None, None])


# A level: stand-ins for its blocks tell what reached them.


def numbered(level):
    """Replace every block of a level by one that answers its number everywhere, 1, 2, ... and notes its inputs."""
    reached = []

    def stand_in(number, width):
        def forward(x, context, label):
            reached.append(SimpleNamespace(x=x, context=context, label=label))
            return torch.full((len(x), width, *x.shape[2:]), float(number))

        return forward

    down, up = list(level.down), list(level.up)
    width = down[0].conv2.out_channels
    for number, block in enumerate([*down, level.below, *up], 1):
        below = number == len(down) + 1 and isinstance(level.below, Level)
        block.forward = stand_in(number, level.below.down[0].conv2.out_channels if below else width)
    if not isinstance(level.grow, nn.Identity):  # a mean keeps the number
        nn.init.constant_(level.shrink.weight, 1 / level.shrink.weight[0].numel())
        nn.init.constant_(level.grow[0].weight, 1 / level.grow[0].weight.shape[1])
        nn.init.zeros_(level.shrink.bias)
        nn.init.zeros_(level.grow[0].bias)
    return reached


def halves(x):
    """The numbers in the two halves of the channels."""
    return tuple(sorted({round(v, 3) for v in part.flatten().tolist()}) for part in x.chunk(2, dim=1))


@every_level
def test_the_last_skip_goes_to_the_first_block_up(name, depth):
    config = CONFIGS[name]
    level, n = Level(config.channels[depth], config, depth), config.blocks
    reached = numbered(level)
    x = torch.randn(2, config.channels[depth], 8, 8)
    answer = level(x, *embeddings(config))
    assert len(reached) == 2 * n + 1
    assert torch.equal(reached[0].x, x)
    for i in range(1, n + 1):  # each block down, and what is below, sees what the one before answered
        assert halves(reached[i].x) == ([i], [i])
    for k, up in enumerate(reached[n + 1 :]):
        assert halves(up.x) == ([n + 1 + k], [n - k])  # the features first, then the skip opposite
    assert halves(answer) == ([2 * n + 1], [2 * n + 1])


@every_level
def test_context_and_label_reach_every_block_unchanged(name, depth):
    config = CONFIGS[name]
    level = Level(config.channels[depth], config, depth)
    reached, (context, label) = numbered(level), embeddings(config)
    level(torch.randn(2, config.channels[depth], 8, 8), context, label)
    for block in reached:
        assert block.context is context
        assert block.label is label


@every_level
def test_the_level_below_has_half_the_edge_and_the_deepest_the_same(name, depth):
    config = CONFIGS[name]
    level = Level(config.channels[depth], config, depth)
    reached = numbered(level)
    level(torch.randn(2, config.channels[depth], 8, 8), *embeddings(config))
    deepest = depth + 1 == len(config.channels)
    edges = [part.x.shape[2] for part in reached]
    assert edges == [8] * config.blocks + [8 if deepest else 4] + [8] * config.blocks


@every_config
def test_shrinking_weighs_four_pixels_and_growing_puts_four_channels_in_their_places(name):
    config = CONFIGS[name]
    level = Level(config.channels[0], config)
    x = torch.randn(1, config.channels[0], 4, 6)
    weight, bias = level.shrink.weight, level.shrink.bias
    corners = [
        torch.einsum("oi,bihw->bohw", weight[:, :, i, j], x[:, :, i::2, j::2]) for i in (0, 1) for j in (0, 1)
    ]
    assert_close(level.shrink(x), sum(corners) + bias[:, None, None], atol=1e-5, rtol=1e-4)
    small = torch.randn(1, config.channels[1], 2, 3)
    mixed, grown = level.grow[0](small), level.grow(small)
    assert grown.shape == x.shape
    for i in (0, 1):
        for j in (0, 1):
            assert torch.equal(grown[:, :, i::2, j::2], mixed[:, 2 * i + j :: 4])


# The ends of the network.


@every_config
def test_time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone(name):
    config = CONFIGS[name]
    network, reached = ContextUNet(config), []
    network.levels.forward = lambda features, *rest: reached.append((features, *rest)) or features
    x, t, c = asked(config)
    network(x, t, c)
    ((_, context, label),) = reached
    first, _, last = network.embed_time
    angles = t[:, None] * torch.tensor([10_000 ** (-i / 32) for i in range(32)])
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    time = F.silu(waves @ first.weight.T + first.bias) @ last.weight.T + last.bias
    assert torch.equal(label, network.embed_class.weight[c])
    assert_close(context, F.silu(time + label), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("t", [0, 1, 17, 999])
def test_the_waves_of_time_are_cosines_then_sines_of_falling_frequencies(t):
    (waves,) = unet.time_waves(torch.tensor([t]))
    angles = [t * 10_000 ** (-i / 32) for i in range(32)]
    expected = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
    assert_close(waves, torch.tensor(expected), atol=2e-4, rtol=0)  # t · float32's rounding of a frequency


@every_config
def test_folding_puts_the_pixels_of_a_square_into_channels_and_unfolding_puts_them_back(name):
    config = CONFIGS[name]
    network, seen = ContextUNet(config), []
    network.enter.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    (x, t, c), edge = asked(config), config.fold
    network(x, t, c)
    for i in range(edge):
        for j in range(edge):
            assert torch.equal(seen[0][:, edge * i + j :: edge**2], x[:, :, i::edge, j::edge])
    network.leave.forward = lambda features: seen[0]
    assert torch.equal(network(x, t, c), x)


@every_config
def test_the_answer_is_a_convolution_of_the_normalised_activated_features(name):
    config = CONFIGS[name]
    network = woken(ContextUNet(config))
    features = 1 + 2 * torch.randn(2, config.channels[0], 4, 4)
    last = network.leave[-1]
    expected = F.conv2d(F.silu(group_norm(network.leave[0], features)), last.weight, last.bias, padding=1)
    assert_close(network.leave(features), expected, atol=1e-5, rtol=1e-4)


@every_config
def test_no_label_is_the_last_row_of_the_table_and_what_hiding_a_label_asks_for(name):
    config = CONFIGS[name]
    network = woken(ContextUNet(config))
    x, t, c = asked(config)
    hidden = hide_labels(c, 1.0, config.classes)
    assert network.embed_class.weight.shape == (config.classes + 1, config.embedding)
    network(x, t, hidden).sum().backward()
    assert network.embed_class.weight.grad.any(dim=1).tolist() == [False] * config.classes + [
        True
    ]  # it is learned
    before = network(x, t, c), network(x, t, hidden)
    with torch.no_grad():
        network.embed_class.weight[config.classes] += 1
    after = network(x, t, c), network(x, t, hidden)
    assert torch.equal(after[0][0], before[0][0])  # its label is a class
    assert not torch.allclose(after[1], before[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norms_are_computed_in_float32(dtype):
    layer = unet.norm(16)
    x = (100 + torch.randn(2, 16, 4, 4)).to(dtype)
    assert layer(x).dtype == torch.float32
    assert_close(layer(x), group_norm(layer, x.float()), atol=1e-3, rtol=0)


# The whole, once more.


def network_by_hand(network, x, t, c):
    """A ContextUNet's answer from its weights and the papers' formulas, without one of its modules' forwards."""
    config = network.config

    def conv(layer, x, **how):
        return F.conv2d(x, layer.weight, layer.bias, **how)

    def block(part, x):
        h = conv(part.conv1, F.silu(group_norm(part.norm1, x)), padding=1)
        width = h.shape[1]
        both = context @ part.context.weight.T + part.context.bias
        scale, shift = both[:, :width, None, None], both[:, width:, None, None]
        h = conv(part.conv2, F.silu(group_norm(part.norm2, h) * (scale + 1) + shift), padding=1)
        h = h + (x if x.shape[1] == width else conv(part.shortcut, x))
        return h if part.attention is None else attention_by_hand(part.attention, h, label)

    def level(part, x, depth):
        kept = [x := block(each, x) for each in part.down]
        if depth + 1 < len(config.channels):
            small = level(part.below, conv(part.shrink, x, stride=2), depth + 1)
            x = F.pixel_shuffle(conv(part.grow[0], small), 2)
        else:
            x = block(part.below, x)
        for each, skip in zip(part.up, reversed(kept), strict=True):
            x = block(each, torch.cat([x, skip], dim=1))
        return x

    angles = t[:, None] * 10_000 ** (-torch.arange(32) / 32)
    first, _, last = network.embed_time
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    time = F.silu(waves @ first.weight.T + first.bias) @ last.weight.T + last.bias
    label = network.embed_class.weight[c]
    context = F.silu(time + label)
    features = level(network.levels, conv(network.enter, F.pixel_unshuffle(x, config.fold), padding=1), 0)
    norm, _, out = network.leave
    return F.pixel_shuffle(conv(out, F.silu(group_norm(norm, features)), padding=1), config.fold)


@every_config
def test_the_network_is_what_its_weights_written_out_by_hand_say(name):
    network = woken(ContextUNet(name if name in PRESETS else CONFIGS[name]))
    for parameter in network.parameters():  # none is like another, and no bias hides
        parameter.data += 0.05 * torch.randn_like(parameter)
    given = asked(network.config)
    with torch.no_grad():
        expected = network_by_hand(network, *given)
        assert_close(network(*given), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-3)

"""What each part of the DiT is connected to; at last the whole network is written out from its weights alone.

`tests/test_wiring_mutants.py` connects the parts wrongly, one at a time, and these tests notice.
"""

import functools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from pixel_edu.config import NULL_LABEL
from pixel_edu.transformer import DiT, DiTBlock, DiTConfig, SelfAttention
from pixel_edu.unet import place_waves
from tests import networks
from tests.networks import woken

CONFIGS = {
    "default": DiTConfig(),
    "two of all": DiTConfig(width=24, blocks=2, heads=2, patch=4, classes=3, image_channels=4),
}
asked = functools.partial(networks.asked, columns=12)  # so that rows taken for columns are noticed
every_config = pytest.mark.parametrize("name", CONFIGS)


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and inputs in every run."""
    torch.manual_seed(0)


def layer_norm(x):
    """Each token at mean 0 and variance 1."""
    mean, variance = x.mean(dim=2, keepdim=True), x.var(dim=2, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-6).sqrt()


def attention_by_hand(layer, x):
    """Each head by its own sums: softmax(q·k / √d) over all tokens."""
    d = x.shape[2] // layer.heads
    q, k, v = (x @ layer.qkv.weight.T + layer.qkv.bias).split(x.shape[2], dim=2)
    seen = []
    for head in range(layer.heads):
        part = slice(head * d, (head + 1) * d)
        weights = (torch.einsum("bqd,bkd->bqk", q[..., part], k[..., part]) / math.sqrt(d)).softmax(dim=2)
        seen.append(torch.einsum("bqk,bkd->bqd", weights, v[..., part]))
    return torch.cat(seen, dim=2) @ layer.out.weight.T + layer.out.bias


def alone_by_hand(layer, x):
    """Two layers, with GELU by its formula with tanh between them (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    first, _, last = layer
    h = x @ first.weight.T + first.bias
    h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
    return h @ last.weight.T + last.bias


@every_config
def test_a_new_network_answers_zero(name):
    config = CONFIGS[name]
    assert not DiT(config)(*asked(config)).any()


@every_config
def test_a_new_block_is_its_shortcut(name):
    """Whatever the context says: its gates are closed."""
    width = CONFIGS[name].width
    x = torch.randn(2, 6, width)
    assert torch.equal(DiTBlock(width, CONFIGS[name].heads)(x, torch.randn(2, width)), x)


@every_config
def test_a_known_context_shifts_scales_and_gates_attention_first_and_then_each_token_alone(name):
    width = CONFIGS[name].width
    block = woken(DiTBlock(width, CONFIGS[name].heads))
    nn.init.zeros_(block.context.weight)
    block.context.bias.data = 0.5 * torch.randn(6 * width)
    shift1, scale1, gate1, shift2, scale2, gate2 = block.context.bias.split(width)
    x = 2 + torch.randn(2, 6, width)
    middle = x + gate1 * attention_by_hand(block.attention, layer_norm(x) * (1 + scale1) + shift1)
    expected = middle + gate2 * alone_by_hand(block.alone, layer_norm(middle) * (1 + scale2) + shift2)
    assert_close(block(x, torch.randn(2, width)), expected, atol=1e-5, rtol=1e-4)


@every_config
def test_a_context_of_nothing_but_open_gates_leaves_the_normalised_tokens_as_they_are(name):
    """Scale and shift at 0: tokens are multiplied by 1 and not by 0."""
    width = CONFIGS[name].width
    block = woken(DiTBlock(width, CONFIGS[name].heads))
    nn.init.zeros_(block.context.weight)
    block.context.bias.data = torch.cat([torch.zeros(2), torch.ones(1)]).repeat(2).repeat_interleave(width)
    x = torch.randn(2, 6, width)
    middle = x + attention_by_hand(block.attention, layer_norm(x))
    expected = middle + alone_by_hand(block.alone, layer_norm(middle))
    assert_close(block(x, torch.randn(2, width)), expected, atol=1e-5, rtol=1e-4)


@every_config
def test_self_attention_is_softmax_over_all_tokens_head_by_head(name):
    config = CONFIGS[name]
    layer = SelfAttention(config.width, config.heads)
    for part in (layer.qkv, layer.out):
        nn.init.normal_(part.weight, std=0.4)  # so that some tokens are looked at much more than others
    assert layer.heads == config.heads
    x = torch.randn(2, 6, config.width)
    assert_close(layer(x), attention_by_hand(layer, x), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 8)])
def test_a_tokens_place_is_the_waves_of_its_row_then_those_of_its_column(shape):
    rows, columns = shape
    frequencies = [10_000 ** (-i / 32) for i in range(32)]
    expected = [
        [wave(n * f) for n in (row, column) for wave in (math.cos, math.sin) for f in frequencies]
        for row in range(rows)
        for column in range(columns)
    ]
    assert_close(place_waves(rows, columns, None, 1.0, 10_000.0), torch.tensor(expected), atol=1e-5, rtol=0)


@every_config
def test_a_token_is_a_square_of_pixels_and_becomes_the_same_square_again(name):
    config = CONFIGS[name]
    network, seen = DiT(config), []
    network.enter.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    (x, t, c), edge = asked(config), config.patch
    network(x, t, c)
    (tokens,) = seen
    columns = x.shape[3] // edge
    for n in range(tokens.shape[1]):
        row, column = edge * (n // columns), edge * (n % columns)
        square = x[:, :, row : row + edge, column : column + edge]
        assert torch.equal(tokens[:, n], square.flatten(1))
    network.leave.forward = lambda answer: tokens
    assert torch.equal(network(x, t, c), x)


@every_config
def test_time_and_class_are_added_before_the_activation_and_reach_every_block(name):
    config = CONFIGS[name]
    network, reached = DiT(config), []
    for block in network.blocks:
        block.forward = lambda tokens, context: reached.append(context) or tokens
    network.context.register_forward_pre_hook(lambda _, given: reached.append(given[0]))
    x, t, c = asked(config)
    network(x, t, c)
    first, _, last = network.embed_time
    angles = t[:, None] * torch.tensor([10_000 ** (-i / 32) for i in range(32)])
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    time = F.silu(waves @ first.weight.T + first.bias) @ last.weight.T + last.bias
    expected = F.silu(time + network.embed_class.weight[c])
    assert len(reached) == config.blocks + 1
    for context in reached:
        assert_close(context, expected, atol=1e-4, rtol=1e-4)


@every_config
def test_the_network_is_what_its_weights_written_out_by_hand_say(name):
    config = CONFIGS[name]
    network = woken(DiT(config))
    (x, t, c), contexts = asked(config), []
    network.context.register_forward_pre_hook(lambda _, given: contexts.append(given[0]))
    answer = network(x, t, c)
    (context,), edge = contexts, config.patch
    squares = x.unfold(2, edge, edge).unfold(3, edge, edge)  # (B, C, rows, columns, edge, edge)
    rows, columns = squares.shape[2:4]
    tokens = squares.permute(0, 2, 3, 1, 4, 5).reshape(len(x), rows * columns, -1)
    tokens = tokens @ network.enter.weight.T + network.enter.bias
    tokens = (
        tokens + place_waves(rows, columns, None, 1.0, 10_000.0) @ network.place.weight.T + network.place.bias
    )
    for block in network.blocks:
        tokens = block(tokens, context)
    shift, scale = (context @ network.context.weight.T + network.context.bias)[:, None].chunk(2, dim=2)
    tokens = layer_norm(tokens) * (1 + scale) + shift
    out = (tokens @ network.leave.weight.T + network.leave.bias).reshape(
        len(x), rows, columns, config.image_channels, edge, edge
    )
    assert_close(answer, out.permute(0, 3, 1, 4, 2, 5).reshape(x.shape), atol=1e-4, rtol=1e-4)


@every_config
def test_every_weight_learns(name):
    config = CONFIGS[name]
    network = woken(DiT(config))
    network(*asked(config)).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_the_answer_depends_on_image_timestep_and_label():
    network = woken(DiT())
    x, t, c = asked(network.config)
    answer = network(x, t, c)
    assert not torch.allclose(network(x + 1, t, c), answer)
    assert not torch.allclose(network(x, t.flip(0), c), answer)
    assert not torch.allclose(network(x, t, c.flip(0)), answer)


def test_squares_that_change_places_change_the_answer_by_more_than_their_places():
    """Without its place, a token would not know where it is, and a shuffled image had a shuffled answer."""
    network = woken(DiT())
    x, t, c = asked(network.config)
    answer, turned = network(x, t, c), network(x.roll(4, dims=3), t, c)
    assert not torch.allclose(turned, answer.roll(4, dims=3), atol=1e-3)
    network.place.weight.data.zero_()
    answer, turned = network(x, t, c), network(x.roll(4, dims=3), t, c)
    assert_close(turned, answer.roll(4, dims=3), atol=1e-5, rtol=1e-4)


def test_no_label_is_the_last_row_of_the_table():
    network = DiT()
    assert len(network.embed_class.weight) == NULL_LABEL + 1
    woken(network)
    network(*asked(network.config)).square().sum().backward()
    moved = network.embed_class.weight.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == [False, True, False, False, False, True]


def test_an_image_gets_the_same_answer_in_any_batch():
    network = woken(DiT())
    x, t, c = asked(network.config)
    together = network(x, t, c)
    for i in range(2):
        assert_close(network(x[i : i + 1], t[i : i + 1], c[i : i + 1]), together[i : i + 1])


def test_half_the_patch_is_four_times_the_tokens_and_hardly_a_weight_more():
    """More computing for as many weights: what the paper varies beside depth and width."""
    sizes = [sum(p.numel() for p in DiT(DiTConfig(patch=patch)).parameters()) for patch in (2, 4)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.03)
    tokens = []
    for patch in (2, 4):
        network = DiT(DiTConfig(patch=patch))
        network.norm.register_forward_hook(lambda module, given, made: tokens.append(made.shape[1]))
        network(*asked(network.config, rows=16, columns=16))
    assert tokens == [64, 16]


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="the width is 30: use a multiple of 4 heads"):
        DiTConfig(width=30)

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from pixel_edu.config import NULL_LABEL
from pixel_edu.unet import PRESETS, ContextUNet, UNetConfig, operations, time_waves


@pytest.fixture
def woken():
    """A tiny network whose zeroed layers have weights, as after some training."""
    torch.manual_seed(0)
    network = ContextUNet("tiny").eval()
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture
def asked():
    torch.manual_seed(1)
    return torch.randn(4, 3, 16, 16), torch.tensor([0, 10, 500, 999]), torch.tensor([0, 1, 4, NULL_LABEL])


def parameters(config):
    return sum(p.numel() for p in ContextUNet(config).parameters())


def flop(config):
    return operations(ContextUNet(config))


def test_the_reference_has_little_more_than_two_million_parameters():
    assert parameters("reference") <= 2_200_000


def test_classic_is_the_widely_copied_size():
    assert parameters("classic") == pytest.approx(4.3e6, rel=0.02)
    assert flop("classic") == pytest.approx(418e6, rel=0.1)


def test_the_products_of_attention_count():
    """A fused kernel hides them: two products of all places with all others, and the label, for each channel."""
    here, without = (UNetConfig((32,), (attends,)) for attends in (True, False))
    places, width, label, layers = 256, 32, here.embedding, 3
    products = 2 * places * (places + 1) * width
    around = (
        4 * places * width**2 + 2 * label * width
    )  # queries, keys, values and the way out; the label's key and value
    assert flop(here) - flop(without) == 2 * layers * (products + around)


def test_the_reference_does_little_more_than_a_quarter_of_the_classics_work():
    assert flop("reference") < 0.27 * flop("classic")


@pytest.mark.formula
@pytest.mark.parametrize("preset", PRESETS)
def test_a_new_network_answers_zero(preset, asked):
    assert not ContextUNet(preset)(*asked).any()


@pytest.mark.formula
@pytest.mark.parametrize("preset", PRESETS)
def test_every_weight_learns(preset, asked):
    """From the second step on: at first zeroed layers hold back the gradients of those before them."""
    torch.manual_seed(0)
    network = ContextUNet(preset)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    network(*asked).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.formula
def test_the_answer_depends_on_image_timestep_and_label(woken, asked):
    x, t, c = asked
    answer = woken(x, t, c)
    assert not torch.allclose(woken(x + 1, t, c), answer)
    assert not torch.allclose(woken(x, t.flip(0), c), answer)
    assert not torch.allclose(woken(x, t, c.flip(0)), answer)


@pytest.mark.formula
def test_the_context_reaches_every_block(woken):
    blocks = [m for m in woken.modules() if type(m).__name__ == "Block"]
    assert len(blocks) == 7
    for block in blocks:
        features = torch.randn(4, block.norm1.num_channels, 4, 4)
        context, label = torch.randn(2, 4, PRESETS["tiny"].embedding)
        assert not torch.allclose(block(features, context, label), block(features, context + 1, label))


@pytest.mark.formula
def test_attention_sees_the_label(woken):
    layers = [m for m in woken.modules() if type(m).__name__ == "LabelAttention"]
    assert len(layers) == 3  # down, middle and up at the deeper level
    for layer in layers:
        x, label = torch.randn(2, 48, 4, 4), torch.randn(2, PRESETS["tiny"].embedding)
        assert not torch.allclose(layer(x, label), layer(x, label + 1))


@pytest.mark.formula
def test_attention_with_the_label_is_attention_over_one_place_more(woken):
    """Against torch's own multi-head attention, given the label's key and value as a 17th place."""
    layer = next(m for m in woken.modules() if type(m).__name__ == "LabelAttention")
    x, label = torch.randn(2, 48, 4, 4), torch.randn(2, PRESETS["tiny"].embedding)
    q, k, v = layer.qkv(layer.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
    label_k, label_v = layer.label(label)[:, None].chunk(2, dim=2)
    plain = nn.MultiheadAttention(48, layer.heads, bias=False, batch_first=True)
    plain.in_proj_weight.data = torch.eye(48).repeat(3, 1)
    plain.out_proj.weight.data = layer.out.weight.data[:, :, 0, 0]
    seen, _ = plain(q, torch.cat([k, label_k], dim=1), torch.cat([v, label_v], dim=1))
    expected = x + seen.transpose(1, 2).reshape(x.shape) + layer.out.bias[:, None, None]
    assert_close(layer(x, label), expected)


@pytest.mark.formula
def test_no_label_is_a_class_of_its_own(woken, asked):
    """Not zeros, and not the opposite of a class: its row of the table is trained like the others."""
    x, t, _ = asked
    assert len(woken.embed_class.weight) == NULL_LABEL + 1
    answers = [woken(x, t, torch.full((4,), c)) for c in range(NULL_LABEL + 1)]
    for answer in answers[:-1]:
        assert not torch.allclose(answer, answers[-1])
    woken.embed_class.weight.grad = None
    answers[-1].sum().backward()
    moved = woken.embed_class.weight.grad.abs().sum(dim=1)
    assert moved[-1] > 0
    assert not moved[:-1].any()


@pytest.mark.formula
def test_an_image_gets_the_same_answer_in_any_batch(woken, asked):
    x, t, c = asked
    together = woken(x, t, c)
    for i in range(4):
        assert_close(woken(x[i : i + 1], t[i : i + 1], c[i : i + 1]), together[i : i + 1])


def test_all_pixels_can_see_each_other(woken, asked):
    x, t, c = asked
    x.requires_grad_(True)
    woken(x, t, c)[:, :, 0, 0].sum().backward()
    assert x.grad[:, :, 15, 15].abs().min() > 0


@settings(max_examples=15, deadline=None)
@given(
    channels=st.lists(st.sampled_from([8, 16, 24]), min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    fold=st.sampled_from([1, 2, 4]),
    classes=st.integers(1, 7),
)
def test_any_size_gives_back_the_images_shape(channels, blocks, fold, classes):
    config = UNetConfig(
        tuple(channels), (True,) * len(channels), blocks, fold, embedding=16, heads=4, classes=classes
    )
    x = torch.zeros(2, 3, 16, 16)
    assert ContextUNet(config)(x, torch.tensor([0, 1]), torch.tensor([0, classes])).shape == x.shape


@pytest.mark.formula
def test_time_waves_tell_all_timesteps_apart():
    waves = time_waves(torch.arange(1000))
    assert torch.cdist(waves, waves).fill_diagonal_(9).min() > 0.3
    assert waves.abs().max() <= 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channels": (64, 96)}, "channels name 2 levels and attention 3"),
        ({"channels": (60, 64, 96)}, "multiples of 8"),
        ({"heads": 5}, "of 5"),
        ({"head_channels": 24}, "wider than a head, of 24"),  # 128 channels would be five heads and a third
        ({"channels": (32, 64, 80), "head_channels": 32}, "wider than a head, of 32"),
        ({"channels": (30, 64, 128), "head_channels": 32}, "multiples of 8"),
        ({"head_channels": 0}, "use 1 or more"),
    ],
)
def test_a_size_that_cannot_be_built_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        UNetConfig(**change)


@pytest.mark.parametrize("size", [8, 12, 20, 28, 32])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_takes_any_multiple_of_4(preset, size):
    network = ContextUNet(preset).eval()
    assert network.config.size_step == 4
    x = torch.zeros(1, 3, size, size)
    assert network(x, torch.tensor([0]), torch.tensor([0])).shape == x.shape


def test_folding_and_levels_decide_what_a_size_is_a_multiple_of():
    assert UNetConfig((8, 16), (False, False), fold=2).size_step == 4
    assert UNetConfig((8,), (False,)).size_step == 1

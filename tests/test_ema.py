import pytest
import torch
from torch import nn
from torch.testing import assert_close

from pixel_edu.ema import EMA


def constant(value):
    layer = nn.Linear(2, 2)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, value)
    return layer


def values(network):
    return {round(float(v), 6) for tensor in network.state_dict().values() for v in tensor.flatten()}


@pytest.mark.formula
def test_the_average_of_a_sequence_is_its_weighted_sum():
    """Long after the warm-up, ten updates with decay d weigh the k-th last value by (1 - d) d^k."""
    layer, decay = constant(0.0), 0.5
    ema = EMA(layer, decay)
    for n in range(10):
        for parameter in layer.parameters():
            nn.init.constant_(parameter, float(n))
        ema.update(layer, n=1000 + n)
    expected = sum((1 - decay) * decay ** (9 - n) * n for n in range(10))
    assert_close(ema.network.weight, torch.full((2, 2), expected))


@pytest.mark.formula
def test_the_warm_up_forgets_the_start():
    """With decay n / (n + 9) the first value's share after 30 updates is a product known in closed form."""
    layer = constant(1.0)
    ema = EMA(layer, 0.999)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    share = 1.0
    for n in range(1, 31):
        ema.update(layer, n)
        share *= n / (n + 9)
        assert_close(ema.network.weight, torch.full((2, 2), share), atol=0, rtol=1e-4)
    assert share < 1e-8


@pytest.mark.formula
def test_buffers_are_averaged_too_and_counters_copied():
    network = nn.BatchNorm1d(3, momentum=1.0)
    ema = EMA(network, 0.5)
    network(torch.tensor([[0.0, 2.0, 4.0], [2.0, 4.0, 6.0]]))
    ema.update(network, n=1000)
    assert_close(ema.network.running_mean, torch.tensor([0.5, 1.5, 2.5]))
    assert ema.network.num_batches_tracked == 1


@pytest.mark.formula
def test_the_network_itself_is_left_alone():
    layer = constant(1.0)
    ema = EMA(layer, 0.9)
    nn.init.constant_(layer.weight, 3.0)
    ema.update(layer, n=50)
    assert values(nn.ModuleList([layer])) == {1.0, 3.0}
    assert not any(p.requires_grad for p in ema.network.parameters())
    assert not ema.network.training
    assert ema.network.weight.data_ptr() != layer.weight.data_ptr()


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="decay is"):
        EMA(nn.Linear(1, 1), decay)

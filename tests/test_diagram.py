"""The picture of the network says what the network is, since it is drawn from its modules."""

import pytest

from pixel_edu.diagram import network_diagram, stages
from pixel_edu.unet import PRESETS, Block, ContextUNet


@pytest.fixture(scope="module", params=PRESETS)
def network(request):
    return ContextUNet(request.param)


def test_every_block_is_shown_once_with_its_own_size(network):
    blocks = {name: m for name, m in network.named_modules() if isinstance(m, Block)}
    shown = {stage.name: stage for stage in stages(network)}
    assert set(shown) == set(blocks)
    for name, stage in shown.items():
        assert stage.channels == blocks[name].conv2.out_channels
        assert stage.size == 16 // 2 ** min(stage.depth, len(network.config.channels) - 1)
        assert stage.attends == (blocks[name].attention is not None)


def test_a_skip_joins_two_blocks_of_one_size_and_makes_the_second_wider(network):
    shown = stages(network)
    downs = {stage.row: stage for stage in shown if stage.side == "down"}
    ups = {stage.row: stage for stage in shown if stage.side == "up"}
    assert downs.keys() == ups.keys()
    for row, down in downs.items():
        up = ups[row]
        assert (down.size, down.channels) == (up.size, up.channels)
        assert network.get_submodule(up.name).conv1.in_channels == down.channels + up.channels


def test_the_first_block_down_hands_its_features_to_the_last_block_up(network):
    shown = stages(network)
    assert [shown[0].row, shown[-1].row] == [0, 0]
    half = len(shown) // 2
    assert [stage.row for stage in shown] == [*range(half + 1), *reversed(range(half))]


def test_the_picture_names_each_size_and_a_line_of_context_ends_at_each_block(network):
    html = network_diagram(network, "A network.").html
    for stage in stages(network):
        assert f">{stage.channels}<" in html
        assert f">{stage.size}×{stage.size}<" in html
    assert html.count("stroke: #d9590b; stroke-opacity: 0.55; stroke-width: 0.8") == len(stages(network))
    assert "currentColor" in html


def test_a_picture_without_words_is_refused():
    with pytest.raises(ValueError, match="alt text"):
        network_diagram(ContextUNet("tiny"), " ")

"""Fine-tuning: a new run begins as the trained network, as far as the sprites are alike."""

import dataclasses

import numpy as np
import pytest
import torch

from pixel_edu import checkpoints, finetuning, sprites
from pixel_edu.checkpoints import CheckpointError, load_reference, start_from
from pixel_edu.generate import generate
from pixel_edu.training import RECIPES, TrainState, fine_tuning, train
from pixel_edu.unet import ContextUNet

TINY = checkpoints.read_about(checkpoints.find("tiny")).config
CLASSES = ("ants", "food", "eels")


def state(**unet):
    config = fine_tuning(TINY)
    return TrainState(dataclasses.replace(config, unet=dataclasses.replace(config.unet, **unet)))


def answer(network, x, c):
    with torch.no_grad():
        return network(x, torch.full((len(x),), 500), torch.tensor(c))


def noise(channels=3, edge=16, count=2):
    return torch.randn(count, channels, edge, edge, generator=torch.Generator().manual_seed(0))


def test_with_the_same_classes_the_new_network_answers_what_the_trained_one_does():
    run, trained = state(), load_reference("tiny").network
    start_from(run, "tiny")
    for network in (run.network.eval(), run.ema.network):
        assert torch.equal(answer(network, noise(), [0, 5]), answer(trained, noise(), [0, 5]))


def test_a_known_class_keeps_what_was_learned_of_it():
    run, trained = state(classes=3), load_reference("tiny").network
    start_from(run, "tiny", CLASSES)
    x = noise()
    assert torch.equal(answer(run.network, x, [1, 3]), answer(trained, x, [2, 5]))


def test_new_classes_begin_as_far_from_all_others_as_known_ones_are():
    names = [f"new {i}" for i in range(40)]
    run, known = state(classes=40), load_reference("tiny").network.embed_class.weight
    start_from(run, "tiny", names)
    new, apart = run.network.embed_class.weight[:-1], torch.pdist(known).min()
    assert torch.pdist(new).min() > 0.7 * apart
    assert torch.cdist(new, known).min() > 0.7 * apart
    assert torch.equal(run.ema.network.embed_class.weight[:-1], new)


def test_new_classes_are_told_apart_within_a_few_steps():
    config = dataclasses.replace(fine_tuning(TINY), steps=40, batch_size=16, warmup=5)
    config = dataclasses.replace(config, unet=dataclasses.replace(config.unet, classes=2))
    run = TrainState(config)
    start_from(run, "tiny", ["dark", "light"])
    shades = np.repeat(np.array([30, 220], np.uint8), 4)
    images = np.broadcast_to(shades[:, None, None, None], (8, 16, 16, 3))
    for _ in train(images, np.repeat([0, 1], 4), state=run, device="cpu"):
        pass
    dark, light = generate(run.denoiser(), [0, 1], [0, 0]).mean(axis=(1, 2, 3))
    assert dark + 50 < light


def test_a_new_channel_changes_nothing_at_first_and_learns_at_once():
    run, trained = state(image_channels=4), load_reference("tiny").network
    start_from(run, "tiny")
    x = noise(channels=4)
    both = answer(run.network, x, [1, 2])
    assert torch.allclose(both[:, :3], answer(trained, x[:, :3], [1, 2]), atol=1e-6)
    assert (both[:, 3] == 0).all()
    before = run.network.enter.weight[:, 3].clone(), run.network.leave[2].weight[3].clone()
    drawn = sprites.make(20)
    images = np.concatenate([drawn.images, drawn.images[..., :1]], axis=3)
    run.config = dataclasses.replace(run.config, batch_size=4, steps=2, precision="fp32")
    for _ in train(images, drawn.labels, state=run, device="cpu"):
        pass
    assert not torch.equal(run.network.enter.weight[:, 3], before[0])
    assert not torch.equal(run.network.leave[2].weight[3], before[1])


def test_a_channel_less_is_dropped():
    wide = ContextUNet(dataclasses.replace(TINY.unet, image_channels=4))
    torch.nn.init.normal_(wide.leave[2].weight)
    narrow = ContextUNet(TINY.unet)
    names = [str(i) for i in range(5)]
    narrow.load_state_dict(finetuning.fitted(wide.state_dict(), names, names, 3))
    x = noise(channels=4)
    x[:, 3] = 0
    assert torch.allclose(answer(narrow, x[:, :3], [1, 2]), answer(wide, x, [1, 2])[:, :3], atol=1e-5)


def test_a_folded_network_gets_its_new_channel_after_the_old_ones():
    unet = dataclasses.replace(TINY.unet, fold=2)
    old, new = ContextUNet(unet), ContextUNet(dataclasses.replace(unet, image_channels=4))
    torch.nn.init.normal_(old.leave[2].weight)
    names = [str(i) for i in range(5)]
    new.load_state_dict(finetuning.fitted(old.state_dict(), names, names, 16))
    x = noise(channels=4)
    assert torch.allclose(answer(new, x, [1, 2])[:, :3], answer(old, x[:, :3], [1, 2]), atol=1e-5)


@pytest.mark.parametrize("edge", [8, 12, 32])
def test_a_trained_network_answers_for_other_sizes(edge):
    run = state()
    start_from(run, "tiny")
    assert answer(run.network, noise(edge=edge), [0, 1]).shape == (2, 3, edge, edge)


@pytest.mark.parametrize(
    ("name", "changed", "says"),
    [
        ("reference", {}, r"cannot start from reference with other settings \(channels is"),
        ("bits", {}, "cannot start from bits with bits, which mean other colours in every dataset"),
        (
            "tiny",
            {"prediction": "eps"},
            "cannot start from tiny with other settings .prediction is v, not eps",
        ),
        ("tiny", {"schedule": "linear"}, "schedule is cosine, not linear"),
        ("best", {}, "no model 'best' comes with this package"),
        ("nowhere.safetensors", {}, "nowhere.safetensors is not there"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence(name, changed, says):
    run = TrainState(dataclasses.replace(RECIPES["tiny"], **changed))
    with pytest.raises(CheckpointError, match=says) as error:
        start_from(run, name)
    assert "\n" not in str(error.value)

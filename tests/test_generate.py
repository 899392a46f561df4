import numpy as np
import pytest
import torch
from torch.testing import assert_close

from pixel_edu import samplers
from pixel_edu.checkpoints import load_reference
from pixel_edu.config import SampleConfig
from pixel_edu.denoiser import Denoiser
from pixel_edu.diffusion import clean
from pixel_edu.facts import DataFacts
from pixel_edu.generate import generate, specimens, stream
from pixel_edu.guidance import guided, timesteps_between
from pixel_edu.images import to_uint8
from pixel_edu.samplers import SpriteNoise
from pixel_edu.schedules import cosine
from pixel_edu.training import TrainConfig
from pixel_edu.unet import ContextUNet, UNetConfig

NULL = 5


def network(x, t, c):
    """Depends on everything it is given."""
    return 0.3 * x.roll(1, -1) + 0.1 * torch.sin(t / 100 + c).reshape(-1, 1, 1, 1) * torch.ones_like(x)


DENOISER = Denoiser(network, cosine(), "v", NULL)
LABELS, SEEDS = [0, 3, 4], [10, 11, 12]


def by_hand(sampler, scale, interval=None, **options):
    noise = SpriteNoise(SEEDS)
    predict_eps = guided(DENOISER.precise, torch.tensor(LABELS), scale, NULL, interval)
    extra = {"draw_eps": noise} if sampler is not samplers.dpmpp_2m_sample else {}
    return to_uint8(sampler(predict_eps, cosine(), noise.start(), 6, **extra, **options))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SampleConfig("ddpm", 6, 3.0, None), lambda: by_hand(samplers.ddpm_sample, 3.0)),
        (SampleConfig("ddim", 6, 3.0, None), lambda: by_hand(samplers.ddim_sample, 3.0)),
        (SampleConfig("ddim", 6, 3.0, None, eta=0.7), lambda: by_hand(samplers.ddim_sample, 3.0, eta=0.7)),
        (SampleConfig("dpmpp_2m_sde", 6, 3.0, None), lambda: by_hand(samplers.dpmpp_2m_sde_sample, 3.0)),
        (SampleConfig("dpmpp_2m", 6, 1.0, None), lambda: by_hand(samplers.dpmpp_2m_sample, 1.0)),
        (
            SampleConfig("dpmpp_2m", 6, 3.0, interval=(-1.0, 2.0)),
            lambda: by_hand(samplers.dpmpp_2m_sample, 3.0, timesteps_between(cosine(), -1.0, 2.0)),
        ),
    ],
)
def test_it_is_the_sampler_with_guidance_and_the_sprites_own_noise(config, expected):
    assert np.array_equal(generate(DENOISER, LABELS, SEEDS, config), expected())


def test_a_sprite_is_the_same_in_a_batch_of_any_size():
    config = SampleConfig("ddim", 5, 2.0, None, eta=1.0)
    together = generate(DENOISER, LABELS, SEEDS, config)
    for batch_size in (1, 2):
        assert np.array_equal(generate(DENOISER, LABELS, SEEDS, config, batch_size=batch_size), together)


def test_the_stream_ends_where_generate_does():
    steps = list(stream(DENOISER, LABELS, SEEDS))
    assert [step.call for step in steps] == list(range(1, 21))
    assert steps[-1].t == -1
    assert {image.dtype for step in steps for image in (step.x, step.x0)} == {torch.float32}
    assert np.array_equal(to_uint8(steps[-1].x), generate(DENOISER, LABELS, SEEDS))


def test_the_answer_becomes_eps_in_every_prediction():
    x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([100, 700]), torch.tensor([0, NULL])
    level, answer = cosine().levels(t), network(x, t, c)
    expected = {
        "eps": answer,
        "x0": (x - level.signal * answer) / level.noise,
        "v": level.noise * x + level.signal * answer,
    }
    for prediction, eps in expected.items():
        assert_close(Denoiser(network, cosine(), prediction, NULL)(x, t, c), eps)


def test_the_clean_image_can_be_read_from_a_precise_answer_where_there_is_almost_nothing_of_it():
    x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([999, 999]), torch.tensor([0, NULL])
    level = cosine().levels(t)
    x0 = level.signal * x - level.noise * network(x, t, c)
    asked = Denoiser(network, cosine(), "v", NULL)
    assert_close(clean(x, asked.precise(x, t, c), level, "eps").x0.float(), x0)
    assert (clean(x, asked(x, t, c), level, "eps").x0 - x0).abs().max() > 1e-3


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_a_precise_answer_is_the_usual_one_with_more_digits(prediction):
    x, t, c = torch.randn(3, 3, 16, 16), torch.tensor([1, 400, 999]), torch.tensor([0, 2, NULL])
    asked = Denoiser(network, cosine(), prediction, NULL)
    assert asked.precise(x, t, c).dtype == torch.float64
    assert_close(asked.precise(x, t, c).float(), asked(x, t, c), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("labels", "seeds", "config", "says"),
    [
        ([0, 1], [0], SampleConfig(), "2 labels and 1 seeds"),
        ([9], [0], SampleConfig(), "labels run from 0 to 5"),
        ([0], [0], SampleConfig("euler"), "use dpmpp_2m_sde, dpmpp_2m, ddim"),
        ([0], [0], SampleConfig(num_steps=0), "num_steps is 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(labels, seeds, config, says):
    with pytest.raises(ValueError, match=says):
        generate(DENOISER, labels, seeds, config)


@pytest.mark.parametrize(
    ("device", "batches"),
    [("cpu", [0, 64]), pytest.param("cuda", [0], marks=pytest.mark.gpu)],
)
def test_a_batch_is_as_large_as_keeps_the_device_busy(device, batches):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    seen = []
    config = SampleConfig(num_steps=1, guidance_scale=1.0)
    model = load_reference("tiny", device)
    generate(model, [0] * 65, range(65), config, device, track=lambda starts: seen.extend(starts) or starts)
    assert seen == batches


@pytest.mark.parametrize(("size", "channels"), [(8, 4), (12, 3), (28, 4)])
def test_a_model_draws_sprites_of_its_own_size_and_channels(size, channels):
    small = ContextUNet(UNetConfig((16, 32, 48), embedding=64, classes=1, image_channels=channels))
    denoiser = TrainConfig(small.config).denoiser(small, DataFacts(("one",), size, channels))
    drawn = generate(denoiser, ["one", 0, 1], [0, 0, 0], SampleConfig(num_steps=2))
    assert (drawn.shape, drawn.dtype) == ((3, size, size, channels), np.uint8)
    assert (drawn[0] == drawn[1]).all()


@pytest.mark.parametrize(
    ("classes", "labels", "columns"), [(2, [0, 0, 0, 1, 1, 1], 3), (200, list(range(200)), 6)]
)
def test_a_picture_of_all_classes_has_a_row_for_each_or_one_sprite(classes, labels, columns):
    assert specimens(classes, each=3) == (labels, columns)

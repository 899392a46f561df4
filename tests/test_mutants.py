"""The formulas that others got wrong, planted here one at a time: some test must notice each of them."""

import shutil
from pathlib import Path

import pytest

from tests import command

ROOT = Path(__file__).parents[1]

MUTANTS = {
    "noise level squared": (
        "diffusion",
        "return level.signal * x0 + level.noise * eps",
        "return level.signal * x0 + level.noise**2 * eps",
        "diffusion",
    ),
    "one step's variance for the noise level": (
        "diffusion",
        "return level.signal * x0 + level.noise * eps",
        "return level.signal * x0 + 0.02 * eps",
        "diffusion",
    ),
    "velocity with its sign turned": (
        "diffusion",
        "return level.signal * eps - level.noise * x0",
        "return level.noise * x0 - level.signal * eps",
        "diffusion",
    ),
    "labels hidden where they should be kept": (
        "diffusion",
        "generator=generator) < p_uncond",
        "generator=generator) >= p_uncond",
        "training",
    ),
    "a class stands for no label": (
        "training",
        "config.p_uncond, config.unet.classes, generator",
        "config.p_uncond, 0, generator",
        "training",
    ),
    "timestep 0 never trained on": (
        "diffusion",
        "torch.randint(0, len(schedule)",
        "torch.randint(1, len(schedule)",
        "training",
    ),
    "timesteps by arithmetic": (
        "schedules",
        "T * (num_steps - i) // num_steps - 1",
        "max(T - 1 - i * (T // num_steps), -1)",
        "schedules",
    ),
    "DDIM's fresh noise without its square, under a clamp": (
        "samplers",
        "(there.noise**2 - fresh**2)",
        "(there.noise**2 - fresh)",
        "samplers",
    ),
    "guidance on three channels": (
        "guidance",
        "return eps_uncond + guidance_scale * (eps_cond - eps_uncond)",
        "return torch.cat([(eps_uncond + guidance_scale * (eps_cond - eps_uncond))[:, :3], eps_cond[:, 3:]], 1)",
        "guidance",
    ),
    "guidance with w for s": (
        "guidance",
        "return eps_uncond + guidance_scale * (eps_cond - eps_uncond)",
        "return eps_cond + guidance_scale * (eps_cond - eps_uncond)",
        "guidance",
    ),
    "noise at the last step too": (
        "samplers",
        "        if s >= 0:\n            x = x + _posterior_std(here, there) * draw_eps(x)",
        "        x = x + here.noise * 0.1 * draw_eps(x)",
        "samplers",
    ),
    "an average without buffers": (
        "ema",
        "ema_update(average, network.state_dict(), n",
        "ema_update(average, dict(network.named_parameters()), n",
        "ema",
    ),
    "an average of itself": (
        "ema",
        "ema_update(average, network.state_dict(), n",
        "ema_update(average, average, n",
        "ema",
    ),
    "the label left out of attention": (
        "unet",
        "k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)",
        "pass",
        "unet",
    ),
    "min-SNR of eps for v": ("diffusion", '"v": snr + 1', '"v": snr', "training"),
    "an optimiser that forgets when it resumes": (
        "checkpoints",
        'state.optimizer.state[weight] = {"step"',
        '_ = {"step"',
        "checkpoints",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_noticed(name, tmp_path):
    module, right, wrong, tests = MUTANTS[name]
    for folder in ("pixel_edu", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = tmp_path / "pixel_edu" / f"{module}.py"
    text = source.read_text()
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong))
    done = command.run(
        "-x", "-p", "no:cacheprovider", f"tests/test_{tests}.py", cwd=tmp_path, target=command.of_pytest
    )
    assert done.returncode == 1, "no test noticed" if done.returncode == 0 else done.stdout[-2000:]
    assert "1 failed" in done.stdout

"""Every claim about speed, measured in one run on one machine: prints a table of bars and measurements.

python benchmarks/speed.py            about three minutes; nothing else should be running
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from architectures import describe
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor

from pixel_edu import checkpoints, samplers, schedules, sprites
from pixel_edu.config import SampleConfig, cpu_features, hardware
from pixel_edu.denoiser import Denoiser
from pixel_edu.files import replacing
from pixel_edu.generate import stream
from pixel_edu.guidance import guide
from pixel_edu.images import to_tensor
from pixel_edu.samplers import SpriteNoise
from pixel_edu.serving import onnx
from pixel_edu.training import RECIPES, TrainState, compile_network, train
from pixel_edu.unet import ContextUNet

SCALE = 2.0
FAST = SampleConfig("dpmpp_2m", 8, SCALE, interval=(-1.0, 1.0))
"""Few calls, and guidance only at the noise levels where it helps."""
WIDTHS = (48, 64, 88)
"""Widths of diffusers' network, with which it has as many parameters as ours."""


WIDE = {"avx2", "avx512_f", "avx512_bf16", "amx_bf16", "amx_int8", "neon", "sve"}
"""Instruction sets that decide how fast a network is computed."""


def machine() -> str:
    """The processor and which of these it has, in words."""
    return f"{hardware()} ({', '.join(sorted(cpu_features() & WIDE)) or 'instruction sets unknown'})"


def seconds(work: Callable[[], object], repeat: int = 7) -> float:
    """The median time of some work, after one run that does not count."""
    work()
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def draw(denoiser: Denoiser, count: int, config: SampleConfig) -> None:
    """Guided sprites of all classes."""
    for _ in stream(denoiser, [i % 5 for i in range(count)], range(count), config):
        pass


def draw_classic(network: ContextUNet) -> None:
    """One sprite as the well-known projects draw it: 1000 steps, with and without the label in two calls."""
    noise = SpriteNoise([0])
    c, nothing = torch.tensor([2]), torch.tensor([5])

    def predict_eps(x: Tensor, t: Tensor) -> Tensor:
        return guide(network(x, t, c), network(x, t, nothing), SCALE)

    samplers.ddpm_sample(predict_eps, schedules.linear(), noise.start(), 1000, noise)


def diffusers_network() -> UNet2DModel:
    """The network of diffusers' training example for small images, with as many parameters as ours."""
    return UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        num_class_embeds=6,
    )


@torch.no_grad()
def draw_diffusers(network: UNet2DModel, count: int, calls: int) -> None:
    """Guided sprites, both answers from one call."""
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    scheduler.set_timesteps(calls)
    x = torch.randn(count, 3, 16, 16)
    c = torch.cat([torch.arange(count) % 5, torch.full((count,), 5)])
    for t in scheduler.timesteps:
        answer = network(torch.cat([x, x]), t, class_labels=c).sample
        cond, uncond = answer.chunk(2)
        x = scheduler.step(guide(cond, uncond, SCALE), t, x).prev_sample


def diffusers_step(network: UNet2DModel, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One training step of a plain loop."""
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def step() -> None:
        eps, t = torch.randn_like(images), torch.randint(0, 1000, (len(images),))
        answer = network(scheduler.add_noise(images, eps, t), t, class_labels=labels).sample
        torch.nn.functional.mse_loss(answer, scheduler.get_velocity(images, eps, t)).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_step(precision: str, compiled: bool = False) -> Callable[[], object]:
    """One training step of the reference, with everything that belongs to it."""
    drawn, state = sprites.make(1000), TrainState(replace(RECIPES["reference"], precision=precision))
    if compiled:
        compile_network(state.network)
    run = train(drawn.images, drawn.labels, state=state, device="cpu")
    return lambda: next(run)


def shell(*arguments: str) -> float:
    """Seconds of a command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:

        def run() -> None:
            subprocess.run([sys.executable, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL)

        return seconds(run, 3)


def table() -> Iterator[str]:
    """The lines of the table, each as soon as it is measured."""
    reference = checkpoints.load_reference()
    with tempfile.TemporaryDirectory() as folder:
        onnx.export(checkpoints.find("reference"), Path(folder) / "reference.onnx")
        by_onnx = onnx.load(Path(folder) / "reference.onnx")
    classic, theirs = ContextUNet("classic").eval(), diffusers_network().eval()
    size, flop = describe(ContextUNet("reference"))
    their_size = sum(p.numel() for p in theirs.parameters()) / 1e6
    yield f"Parameters: reference {size:.2f} M, diffusers {their_size:.2f} M. On {machine()}:\n"
    yield "| what | before | ours | ratio | bar |"
    yield "| :--- | ---: | ---: | ---: | ---: |"

    def row(what: str, before: float, ours: float, bar: float) -> str:
        return f"| {what} | {before * 1e3:,.0f} ms | {ours * 1e3:,.1f} ms | {before / ours:,.1f} | {bar:,} |"

    before = seconds(lambda: draw_classic(classic), 1)
    ours = seconds(lambda: draw(by_onnx, 1, FAST), 25)
    calls = FAST.num_steps
    yield row(
        f"one guided sprite: `classic`, 1000 steps of two calls; reference, {calls} calls", before, ours, 1000
    )
    ddim = SampleConfig("ddim", 20, SCALE, interval=None)
    for count, bar in ((1, 6), (64, 2)):
        before = seconds(lambda: draw_diffusers(theirs, count, 20))  # noqa: B023, called at once
        for name, model in (("PyTorch", reference), ("onnxruntime", by_onnx)):
            ours = seconds(lambda: draw(model, count, ddim))  # noqa: B023, called at once
            yield row(f"{count} guided, 20 calls: diffusers; reference in {name}", before, ours, bar)
    drawn = sprites.make(128)
    step = diffusers_step(theirs.train(), to_tensor(drawn.images), torch.from_numpy(drawn.labels))
    before = seconds(step)
    steps = {}
    for precision, compiled in (("fp32", False), ("bf16", False), ("bf16", True)):
        how = precision + ", compiled" * compiled
        steps[how] = seconds(our_step(precision, compiled))
        yield row(f"training step, batch 128: diffusers; reference in {how}", before, steps[how], 2)
    matrix = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / seconds(lambda: matrix @ matrix, 50) / 1e9
    with torch.no_grad():
        x, t = torch.randn(64, 3, 16, 16), torch.zeros(64, dtype=torch.int64)
        rate = 64 * flop / 1e3 / seconds(lambda: reference.network(x, t, t), 25)
    what = "floating point operations a second: 1024x1024 product; reference at batch 64"
    yield f"| {what} | {peak:.0f} G | {rate:.0f} G | {rate / peak:.2f} | 0.5 |"
    cold = shell("-m", "pixel_edu.cli", "sample", "--class", "food", "-n", "1")
    yield f"| `pixel-edu sample --class food -n 1`, from a cold shell | | {cold:.2f} s | | 4 s |"
    imports = shell("-c", "import pixel_edu.generate, pixel_edu.checkpoints")
    yield f"| its imports | | {imports:.2f} s | | 2.5 s |"
    count = RECIPES["reference"].steps
    hours = ", ".join(f"{each * count / 3600:.1f} in {how}" for how, each in steps.items())
    yield f"\nHours for the {count:,} steps of the reference, by these times: {hours}."


def main() -> None:
    """Print the table, and write it where the book finds it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    lines = ["<!-- Generated by `python benchmarks/speed.py --out`; measure again instead of editing. -->"]
    for line in table():
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

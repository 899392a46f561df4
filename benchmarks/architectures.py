"""Which network learns most in a CPU second? Each trains for the same time; the held-out loss decides.

python benchmarks/architectures.py --seconds 150
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

from pixel_edu import sprites
from pixel_edu.training import TrainConfig, TrainState, batch_loss, draw_batch, train
from pixel_edu.unet import ContextUNet, UNetConfig, operations

CANDIDATES = {
    "32, 64, 128": UNetConfig((32, 64, 128), (False, False, True)),
    "32, 64, 96": UNetConfig((32, 64, 96), (False, False, True)),
    "48, 64, 96": UNetConfig((48, 64, 96), (False, False, True)),
    "16, 64, 128": UNetConfig((16, 64, 128), (False, False, True)),
    "64, 96, folded": UNetConfig((64, 96), (False, True), fold=2),
    "64, 128, folded": UNetConfig((64, 128), (False, True), fold=2),
    "96, 128, folded": UNetConfig((96, 128), (False, True), fold=2, embedding=96),
    "64, 96, folded, 2 blocks": UNetConfig((64, 96), (False, True), blocks=2, fold=2, embedding=96),
}


def describe(network: nn.Module) -> tuple[float, float]:
    """Millions of parameters, and of floating point operations for one image."""
    return sum(p.numel() for p in network.parameters()) / 1e6, operations(network) / 1e6


@torch.no_grad()
def held_out_loss(state: TrainState, drawn: sprites.Sprites) -> float:
    """Loss of the averaged network on sprites it never saw: 16 batches, the same for every candidate."""
    fixed = TrainConfig(seed=999)
    schedule = fixed.make_schedule()
    batches = [draw_batch(drawn.images, drawn.labels, schedule, fixed, step) for step in range(16)]
    return sum(float(batch_loss(state.ema.network, b, schedule, fixed)) for b in batches) / len(batches)


def main() -> None:
    """Print a table, one row a candidate, as they finish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=150, help="training time for each")
    parser.add_argument("--sprites", type=int, default=20_000)
    options = parser.parse_args()
    seen, unseen = sprites.make(options.sprites, seed=0), sprites.make(2048, seed=1)
    print("| network | parameters | MFLOP / image | ms / step | steps | held-out loss |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for name, unet in CANDIDATES.items():
        probe = train(seen.images, seen.labels, TrainConfig(unet), device="cpu")
        for _ in range(3):
            next(probe)
        began = time.perf_counter()
        for _ in range(20):
            next(probe)
        a_step = (time.perf_counter() - began) / 20
        steps = int(options.seconds / a_step)
        for step in train(seen.images, seen.labels, TrainConfig(unet, steps=steps), device="cpu"):
            state = step.state
        parameters, mflop = describe(ContextUNet(unet))
        score = held_out_loss(state, unseen)
        print(
            f"| {name} | {parameters:.2f} M | {mflop:.0f} | {a_step * 1e3:.0f} | {steps:,} | {score:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

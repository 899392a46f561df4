"""What GroupNorm costs in bfloat16 and in float32, and a whole training step with either.

python benchmarks/group_norm.py
"""

from __future__ import annotations

import torch
from speed import our_step, seconds
from torch import nn

from pixel_edu import unet

if __name__ == "__main__":
    layer, x = nn.GroupNorm(unet.GROUPS, 32), torch.randn(128, 32, 16, 16)
    with torch.no_grad():
        full = seconds(lambda: layer(x), 25)
        half = seconds(lambda: layer.bfloat16()(x.bfloat16()), 25)
    print(f"GroupNorm of 128 x 32 x 16 x 16: float32 {full * 1e3:.2f} ms, bfloat16 {half * 1e3:.2f} ms")
    ours = seconds(our_step("bf16"))
    unet.Float32GroupNorm.forward = nn.GroupNorm.forward
    plain = seconds(our_step("bf16"))
    print(f"training step in bf16: {ours * 1e3:.0f} ms, with GroupNorm in bfloat16 too {plain * 1e3:.0f} ms")

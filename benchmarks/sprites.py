"""How long 20,000 procedural sprites take, and how many different ones a class holds.

python benchmarks/sprites.py
"""

import time

import numpy as np

from pixel_edu import sprites
from pixel_edu.config import CLASSES
from pixel_edu.images import count_colors, mirror_keys

N = 20_000

if __name__ == "__main__":
    sprites.make(100)
    times = []
    for seed in range(5):
        start = time.perf_counter()
        sprites.make(N, seed)
        times.append(time.perf_counter() - start)
    print(f"{N:,} sprites: {sorted(times)[2]:.2f} s (median of 5)")
    print(f"{'class':12} {'repeats in ' + format(N, ','):>18} {'different, at least':>20} {'colours':>9}")
    for label, name in enumerate(CLASSES):
        drawn = sprites.draw(label, np.arange(N))
        repeats = N - len(np.unique(mirror_keys(drawn)))
        colors = count_colors(drawn)
        print(
            f"{name:12} {repeats:18} {N * N // (2 * max(repeats, 1)):20,} {colors.min():4} to {colors.max()}"
        )

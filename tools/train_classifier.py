"""Train the classifier that comes with the package, and put it there.

Run as `python tools/train_classifier.py`; its sprites are not among those that models are trained or measured on.
"""

import argparse

import torch
from rich.progress import track

from pixel_edu import classifier, sprites

TRAIN_SEED, TEST_SEED = 7001, 7002

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--sprites", type=int, default=100_000, help="to learn from")
parser.add_argument("--steps", type=int, default=6_000)
parser.add_argument("--out", default=str(classifier.SHIPPED))
options = parser.parse_args()

known, held_out = sprites.make(options.sprites, TRAIN_SEED), sprites.make(10_000, TEST_SEED)
heads = classifier.factor_heads(known.labels, known.seeds)
truth = classifier.factor_truth(heads, known.labels, known.seeds)
steps = classifier.fit(known.images, heads, truth, options.steps)
for step in track(steps, "training", total=options.steps):
    if step.step % 500 == 0:
        print(f"step {step.step}: loss {step.loss:.3f}")
truth = classifier.factor_truth(heads, held_out.labels, held_out.seeds)
shares = classifier.accuracy(step.classifier.look(held_out.images), truth)
command = f"python tools/train_classifier.py --sprites {options.sprites} --steps {options.steps}"
step.classifier.record = {
    "command": command,
    "held_out": len(held_out.images),
    "torch": torch.__version__,
    "accuracy": {name: round(share, 4) for name, share in shares.items()},
}
classifier.save_classifier(options.out, step.classifier)
print(
    f"class {shares['class']:.4f}, kind {shares['kind']:.4f}, all parts {shares['parts']:.4f}: {options.out}"
)

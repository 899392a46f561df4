// A training in the page: the gradient is the loss's slope, and a whole run learns. Run by test_learner.py.

import assert from "node:assert/strict";
import {
  arrived,
  BATCH,
  DRAWN,
  examples,
  leastLoss,
  lossAndGradient,
  OPERATIONS,
  questions,
  rateAt,
  STEPS,
  Training,
  WEIGHTS,
} from "../../pixel_edu/widgets/js/learner.js";
import { follow, inWords, slice } from "../../pixel_edu/widgets/js/training.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";

const mean = (values) => values.reduce((a, b) => a + b) / values.length;

Deno.test("along the gradient the loss rises as the gradient is long", () => {
  const { weights } = new Training(0.02, 3), asked = questions(new Generator(8), 64);
  const { gradient } = lossAndGradient(weights, asked), long = Math.hypot(...gradient), h = 1e-3;
  const at = (way) => lossAndGradient(weights.map((w, i) => w + way * h * gradient[i] / long), asked).loss;
  const slope = (at(1) - at(-1)) / (2 * h);
  assert.ok(Math.abs(slope / long - 1) < 1e-3, `slope ${slope}, length ${long}`);
});

Deno.test("the least loss lies above 0 and below that of an answer that is always 0", () => {
  const { v } = questions(new Generator(0), 8192), least = leastLoss();
  assert.ok(0.2 < least && least < 0.8 * mean(Array.from(v, (each) => each * each)), `${least}`);
});

Deno.test("the learning rate rises to its highest, then falls to nothing", () => {
  assert.deepEqual([rateAt(50, 2), rateAt(100, 2), rateAt(STEPS, 2)], [1, 2, 0]);
  assert.ok(Math.abs(rateAt((100 + STEPS) / 2, 2) - 1) < 1e-12);
});

Deno.test("a seed is a run, another seed another", () => {
  const losses = [4, 4, 5].map((seed) => {
    const run = new Training(0.02, seed);
    for (let step = 0; step < 3; step++) run.advance();
    return run.losses;
  });
  assert.deepEqual(losses[0], losses[1]);
  assert.notDeepEqual(losses[0], losses[2]);
});

Deno.test("data lie in their rings, and points in the middle in none", () => {
  const points = examples(600).filter(({ label }, i) => label === i % 3).flatMap(({ x, y }) => [x, y]);
  assert.equal(points.length, 1200);
  assert.ok(Math.abs(arrived(points) - 0.989) < 0.02, `${arrived(points)}`);
  assert.equal(arrived(new Float64Array(2 * DRAWN)), 0);
});

Deno.test("weights and operations are counted", () => {
  assert.equal(WEIGHTS, 14 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2);
  assert.equal(OPERATIONS, 6 * BATCH * (14 * 64 + 64 * 64 + 64 * 2));
});

Deno.test("a frame's share ends where points are due, or when its time is over", () => {
  const run = new Training(0.02, 0), clock = () => 0;
  slice(run, 3, clock);
  assert.equal(run.step, 3);
  let now = 0;
  assert.equal(slice(run, 100, () => 6 * now++), 12);
  assert.equal(run.step, 5);
});

Deno.test("a mean is of the last 50 losses, and a lost run is no number", () => {
  const means = [], losses = Array.from({ length: 60 }, (_, i) => i);
  follow(means, losses.slice(0, 10));
  follow(means, losses);
  assert.deepEqual([means.length, means[0], means[9], means[59]], [60, 0, 4.5, 34.5]);
  assert.deepEqual([0.41635, 170_598.1, NaN].map(inWords), ["0.416", "170,598", "not a number"]);
});

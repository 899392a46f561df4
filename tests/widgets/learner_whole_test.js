// Runs: the loss comes near the oracle's, and the points into their rings. Run by test_learner.py.

import assert from "node:assert/strict";
import { arrived, drawPoints, leastLoss, STEPS, Training } from "../../pixel_edu/widgets/js/learner.js";

const mean = (values) => values.reduce((a, b) => a + b) / values.length;

Deno.test("at its end a run's loss is near the least, and its points lie in the rings of their class", async () => {
  const run = new Training(0.02, 0), least = leastLoss();
  assert.ok(arrived(await drawPoints(run.average, run.start)) < 0.1);
  for (let step = 0; step < STEPS; step++) run.advance();
  const last = mean(run.losses.slice(-500));
  assert.ok(0.97 * least < last && last < 1.06 * least, `${last}, and the least is ${least}`);
  const share = arrived(await drawPoints(run.average, run.start));
  assert.ok(share > 0.85, `${share}`);
});

Deno.test("with too small a rate little is learned, with too large a one the loss flies off", () => {
  const [slow, wild] = [0.0002, 2.5].map((rate) => {
    const run = new Training(rate, 0);
    for (let step = 0; step < 250; step++) run.advance();
    return run.losses;
  });
  assert.ok(mean(slow.slice(-50)) > 0.65);
  assert.ok(Math.max(...wild) > 100);
});

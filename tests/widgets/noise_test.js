import assert from "node:assert/strict";
import { scale } from "../../pixel_edu/widgets/js/curves.js";
import { addNoise } from "../../pixel_edu/widgets/js/diffusion.js";
import { stronger, told } from "../../pixel_edu/widgets/js/noise.js";
import { SCHEDULES } from "../../pixel_edu/widgets/js/schedules.js";

Deno.test("clean data at timestep -1 stay as they are", () => {
  assert.deepEqual(addNoise([0.5, -1], [3, 4], SCHEDULES.cosine().level(-1)), [0.5, -1]);
});

Deno.test("signal and noise weigh what their names say", () => {
  assert.deepEqual(addNoise([1, 0, -1], [0, 1, 1], { signal: 0.6, noise: 0.8 }), [0.6, 0.8, -0.6 + 0.8]);
});

Deno.test("numbers have two decimals, or enough to not be nothing, and a true minus", () => {
  assert.deepEqual([0.625, -0.219, 0, 0.00004].map(told), ["0.63", "−0.22", "0.00", "0.00004"]);
});

Deno.test("words say which of the two is stronger, and how much", () => {
  assert.equal(stronger(0), "Signal and noise are equally strong.");
  assert.equal(stronger(Math.log(2)), "The signal is 2.00 times the noise.");
  assert.equal(stronger(-Math.log(3)), "The noise is 3.00 times the signal.");
});

Deno.test("a scale maps ends to ends, also upside down", () => {
  const up = scale([-1, 1], [100, 20]);
  assert.deepEqual([-1, 0, 1].map(up), [100, 60, 20]);
});

import assert from "node:assert/strict";
import { between, latest } from "../../pixel_edu/widgets/js/instant.js";

const turn = () => new Promise((done) => setTimeout(done));

/** Work that ends when it is told to, and what it has seen of a slider. */
function slow() {
  const seen = [], ends = [];
  const slider = { value: 0 };
  const draw = latest(() => {
    seen.push(slider.value);
    return new Promise((done, failed) => ends.push({ done, failed }));
  });
  return { seen, ends, slider, draw };
}

Deno.test("the way begins at one noise and ends at the other, and halfway both count alike", () => {
  const a = Float64Array.of(1, 0, -2), b = Float64Array.of(0, 1, 3);
  assert.deepEqual(between(a, b, 0), a);
  between(a, b, 1).forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-12));
  between(a, b, 0.5).forEach((value, i) => assert.ok(Math.abs(value - Math.SQRT1_2 * (a[i] + b[i])) < 1e-12));
});

Deno.test("what comes while a call runs is drawn once, and it is the latest", async () => {
  const { seen, ends, slider, draw } = slow();
  for (slider.value = 1; slider.value < 10; slider.value++) draw();
  assert.deepEqual(seen, [1]);
  ends[0].done();
  await turn();
  assert.deepEqual(seen, [1, 10]);
  ends[1].done();
  await turn();
  assert.deepEqual(seen, [1, 10]);
});

Deno.test("whoever asks after the end is served at once, and in the last moment too", async () => {
  const { seen, ends, slider, draw } = slow();
  const first = draw();
  ends[0].done();
  await first;
  slider.value = 1;
  const second = draw();
  assert.deepEqual(seen, [0, 1]);
  queueMicrotask(() => queueMicrotask(draw)); // about when the work is over
  ends[1].done();
  slider.value = 2;
  await second.catch(() => {});
  await turn();
  assert.equal(seen.at(-1), 2);
});

Deno.test("an error reaches who asked, and the next one is served", async () => {
  const { seen, ends, draw } = slow();
  const first = draw();
  ends[0].failed(new Error("no"));
  await assert.rejects(first, /no/);
  draw();
  assert.equal(seen.length, 2);
});

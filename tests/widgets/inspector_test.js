// What the inspector says of a pixel, against a sprite that is known. Run by test_inspector.py.

import assert from "node:assert/strict";
import { about, channelOf, told } from "../../pixel_edu/widgets/js/inspector.js";

/** White, with one pixel of ink and a diagonal of red. */
const bytes = new Uint8ClampedArray(4 * 256).fill(255);
for (let i = 0; i < 16; i++) bytes.set([255, 0, 51], 4 * 17 * i);
bytes.set([23, 19, 31], 4 * (16 * 3 + 7));

Deno.test("a pixel is named by its row and then by its column", () => {
  assert.deepEqual(about(bytes, 3, 7).rgb, [23, 19, 31]);
  assert.equal(about(bytes, 3, 7).hex, "#17131f");
  assert.deepEqual(about(bytes, 7, 3).rgb, [255, 255, 255]);
});

Deno.test("the network sees 0 as -1 and 255 as 1", () => {
  const { numbers } = about(bytes, 4, 4);
  assert.deepEqual(numbers.slice(0, 2), [1, -1]);
  assert.ok(Math.abs(numbers[2] + 0.6) < 1e-12);
  assert.deepEqual([1, -1, -0.6, -0.004, 0.996].map(told), ["1.00", "−1.00", "−0.60", "0.00", "1.00"]);
});

Deno.test("all pixels of the very same colour are found, and none that shares a channel only", () => {
  assert.deepEqual(about(bytes, 3, 7).alike, [55]);
  assert.deepEqual(about(bytes, 0, 0).alike, Array.from({ length: 16 }, (_, i) => 17 * i));
  assert.equal(about(bytes, 0, 1).alike.length, 256 - 16 - 1);
});

Deno.test("a channel is grey and opaque", () => {
  const blue = channelOf(bytes, 2);
  assert.deepEqual([...blue.slice(0, 8)], [51, 51, 51, 255, 255, 255, 255, 255]);
  assert.deepEqual([...channelOf(bytes, 1).slice(4 * 55, 4 * 55 + 4)], [19, 19, 19, 255]);
});

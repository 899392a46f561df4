// Paths of the oracle against what is known without them. Run by test_paths.py.

import assert from "node:assert/strict";
import { noiseIn } from "../../pixel_edu/widgets/js/oracle.js";
import {
  crowdInWords,
  crowdOf,
  DATA,
  foundAt,
  inWords,
  NOTHING,
  pathOf,
  sharesOf,
} from "../../pixel_edu/widgets/js/paths.js";
import { cosine } from "../../pixel_edu/widgets/js/schedules.js";

const schedule = cosine();
const PLAIN = { data: "line", x: 0.3, y: 0, num_steps: 50, sampler: "ddim", label: NOTHING, seed: 0, crowd: 160 };
const end = async (settings) => Array.from((await pathOf(schedule, { ...PLAIN, ...settings })).at(-1));
const near = (a, b, by = 1e-9) => assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);

Deno.test("between two numbers the clean value is a hyperbolic tangent", () => {
  for (const t of [50, 500, 950]) {
    const level = schedule.level(t), { signal, noise } = level;
    for (const x of [-2, -0.1, 0, 0.7]) {
      const [eps] = noiseIn(Float64Array.of(x), [[-1], [1]], 0, level);
      near((x - noise * eps) / signal, Math.tanh(signal * x / noise ** 2), 1e-7);
    }
  }
});

Deno.test("the answer to one blob is linear, and a number where a density is 0 to the last bit", () => {
  const level = { signal: 0.6, noise: 0.8 };
  const [x, y] = noiseIn(Float64Array.of(2, -1), [[1, 0]], 0.5, level);
  near(x, 0.8 / (0.09 + 0.64) * 1.4);
  near(y, -0.8 / (0.09 + 0.64));
  assert.ok(noiseIn(Float64Array.of(3e4, -4e4), DATA.ring.centers, 0, schedule.level(5)).every(Number.isFinite));
});

Deno.test("on the line the side of the start decides, and who stands on the fence stays", async () => {
  for (const x of [-2.5, -0.3, 0.3, 2.5]) near((await end({ x }))[0], Math.sign(x), 1e-4);
  assert.deepEqual(await end({ x: 0 }), [0]);
});

Deno.test("on the ring the direction of the start decides, however far out it lies", async () => {
  for (let turn = 0; turn < 360; turn += 15) {
    if (turn % 60 === 30) continue; // a fence
    for (const far of [0.4, 1, 2.2]) {
      const [x, y] = [far * Math.cos(turn * Math.PI / 180), far * Math.sin(turn * Math.PI / 180)];
      const [u, v] = await end({ data: "ring", x, y });
      const nearest = DATA.ring.centers.map(([a, b]) => Math.hypot(u - a, v - b));
      assert.equal(nearest.indexOf(Math.min(...nearest)), Math.round(turn / 60) % 6, `from ${turn}°`);
    }
  }
});

Deno.test("one call leads everybody to the average", async () => {
  for (const data of ["line", "ring"]) {
    for (const label of data === "line" ? [NOTHING] : [0, 1, 2, NOTHING]) {
      near(Math.hypot(...await end({ data, label, x: 2.5, y: -2, num_steps: 1 })), 0, 1e-3);
    }
  }
  const many = await crowdOf(schedule, { ...PLAIN, num_steps: 1 });
  assert.equal(crowdInWords("line", many.at(-1)), "Of 160 random starts 100 % end at the average.");
});

Deno.test("a class strikes out the blobs of others", async () => {
  const many = await crowdOf(schedule, { ...PLAIN, data: "ring", label: 1 });
  const shares = sharesOf("ring", many.at(-1));
  assert.ok(shares[1] > 0.95 && !shares[0] && !shares[2], JSON.stringify(shares));
});

Deno.test("DDPM changes sides, the same ones with the same seed, and more starts keep those of DDIM", async () => {
  const ends = [];
  for (let seed = 0; seed < 20; seed++) ends.push((await end({ sampler: "ddpm", seed }))[0]);
  assert.ok(ends.some((x) => x > 0.9) && ends.some((x) => x < -0.9));
  assert.deepEqual(await end({ sampler: "ddpm", seed: 7 }), [ends[7]]);
  const [few, more] = [160, 320].map((crowd) => crowdOf(schedule, { ...PLAIN, data: "ring", crowd }));
  assert.deepEqual((await more).at(-1).slice(0, 320), (await few).at(-1));
});

Deno.test("places are told apart: a blob, the average, and nothing", () => {
  assert.deepEqual([[-1], [0.97], [0.01], [0.5]].map((place) => foundAt("line", place)), [0, 1, "average", "nothing"]);
  const places = [[0.5, 0.9], [-1.2, 0], [-1.3, 0], [0, 0.04]];
  assert.deepEqual(places.map((place) => foundAt("ring", place)), [1, 3, "nothing", "average"]);
  assert.deepEqual(sharesOf("line", Float64Array.of(1, 1, -1, 0)), { "+1": 0.5, "−1": 0.25, average: 0.25 });
  assert.equal(
    crowdInWords("ring", Float64Array.of(1, 0, -1, 0, 0.5, 0.9, 2, 2)),
    "Of 4 random starts 50 % end in class 0, 25 % end in class 1, 25 % end outside the blobs.",
  );
});

Deno.test("a path is told in a sentence", () => {
  assert.equal(inWords(PLAIN, [0.3], [1]), "From 0.30, 50 calls of DDIM lead to 1.00: the value +1.");
  assert.equal(
    inWords({ ...PLAIN, num_steps: 1 }, [-0.3], [-0.001]),
    "From −0.30, one call of DDIM leads to 0.00: the average of the two values, where no data are.",
  );
  assert.equal(
    inWords({ ...PLAIN, num_steps: 3, sampler: "ddpm" }, [-0.3], [-0.7]),
    "From −0.30, 3 calls of DDPM lead to −0.70: between the values.",
  );
  const ring = { ...PLAIN, data: "ring" };
  assert.match(
    inWords(ring, [1, -1], [0.5, -0.9]),
    /^From \(1\.00, −1\.00\), .*: in the blob below right, of class 2\.$/,
  );
  assert.match(inWords({ ...ring, label: 1 }, [1, -1], [0, 0]), /: the average of class 1, where no data are\.$/);
  assert.match(inWords(ring, [1, -1], [0, 0]), /: the average of the blobs, where no data are\.$/);
});

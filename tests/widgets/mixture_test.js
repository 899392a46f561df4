// The plane's perfect model and its measures, against what is known without them. Run by test_plane.py.

import {
  BLOBS,
  CLEAN,
  guidedEps,
  meanDistance,
  nearestShare,
  outsideShare,
  predict,
  SPREAD,
  spreadAt,
  spreadOf,
} from "../../pixel_edu/widgets/js/mixture.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";
import { cosine } from "../../pixel_edu/widgets/js/schedules.js";

const schedule = cosine(), points = new Generator(3).normal(64);

function same(got, wanted, tolerance = 1e-9) {
  const [a, b] = [[...got], [...wanted]];
  if (a.length !== b.length || a.some((value, i) => !(Math.abs(value - b[i]) <= tolerance))) {
    throw new Error(`got ${a.slice(0, 4)} ..., wanted ${b.slice(0, 4)} ...`);
  }
}

/** log p of one point at a level, but for a constant. */
function logDensity(x, y, { signal, noise }, label) {
  const variance = (signal * SPREAD) ** 2 + noise ** 2;
  const mine = BLOBS.filter((blob) => label === null || blob.label === label);
  return Math.log(mine.reduce((sum, blob) => {
    const square = (x - signal * blob.x) ** 2 + (y - signal * blob.y) ** 2;
    return sum + Math.exp(-square / (2 * variance));
  }, 0));
}

Deno.test("the noise is minus the density's slope, times the noise level", () => {
  for (const t of [200, 500, 800]) {
    for (const label of [0, 1, 2, null]) {
      const level = schedule.level(t), h = 1e-5;
      const slopes = Array.from(points, (_, i) => {
        const [x, y] = [points[i - i % 2], points[i - i % 2 + 1]], [dx, dy] = i % 2 ? [0, h] : [h, 0];
        const rise = logDensity(x + dx, y + dy, level, label) - logDensity(x - dx, y - dy, level, label);
        return -level.noise * rise / (2 * h);
      });
      same(predict(points, level, label), slopes, 1e-5);
    }
  }
});

Deno.test("far away, where a density is 0 to the last bit, the answer is a number", () => {
  if (!predict(Float64Array.of(300, -400), schedule.level(5), 1).every(Number.isFinite)) {
    throw new Error("not a number");
  }
});

Deno.test("guidance 0 ignores the class, 1 takes it as it is, and 2 goes as far again", () => {
  const t = 300, level = schedule.level(t), [cond, uncond] = [predict(points, level, 2), predict(points, level)];
  same(guidedEps(schedule, 2, 0)(points, t), uncond);
  same(guidedEps(schedule, 2, 1)(points, t), cond);
  same(guidedEps(schedule, 2, 2)(points, t), cond.map((value, i) => 2 * value - uncond[i]));
});

Deno.test("a blob spreads less than its noise and its spread together, and only as its spread when clean", () => {
  same([spreadAt(CLEAN), spreadAt({ signal: 0, noise: 1 }), spreadAt({ signal: 0.8, noise: 0.6 })], [
    SPREAD,
    1,
    Math.sqrt(0.64 * SPREAD ** 2 + 0.36),
  ]);
});

Deno.test("of four points one is nearest to another class, and two lie outside the rings", () => {
  const four = Float64Array.of(1, 0, 0.5, 0.9, -1, 0, 3, 1);
  same([nearestShare(four, 0), outsideShare(four, 0)], [0.75, 0.5]);
  const half = four.map((value) => value / 2), level = { signal: 0.5, noise: 0 }; // all as small as the blobs
  same([nearestShare(half, 0, level), outsideShare(half, 0, level)], [0.75, 0.5]);
});

Deno.test("spread and distance of a square", () => {
  const square = Float64Array.of(0, 0, 0, 3, 3, 0, 3, 3);
  same([spreadOf(square), meanDistance(square, square.map((value, i) => value + (i % 2 ? 4 : 3)))], [Math.sqrt(3), 5]);
});

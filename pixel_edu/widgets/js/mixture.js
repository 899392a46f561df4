// Six blobs in the plane, two for each of three classes, and their perfect denoiser. Points are flat: x0, y0, x1, y1, ...

import { guide } from "./guidance.js";
import { noiseIn } from "./oracle.js";

/** Chapter 6's blobs, neighbours overlap; as pixel_edu/widgets/plane.py. */
export const BLOBS = Array.from({ length: 6 }, (_, i) => ({
  x: Math.cos(i * Math.PI / 3),
  y: Math.sin(i * Math.PI / 3),
  label: Math.floor(i / 2),
}));
export const SPREAD = 0.35;
/** Chapter 3's: the same places, but small, and opposite ones are of one class. */
export const RING = { blobs: BLOBS.map((blob, i) => ({ ...blob, label: i % 3 })), spread: 0.08 };
export const CLEAN = { signal: 1, noise: 0 };

/** How far a blob spreads at a level: ρ. */
export function spreadAt({ signal, noise }) {
  return Math.hypot(signal * SPREAD, noise);
}

/** The noise in points at a level: of one class, or with the label null of all together. */
export function predict(points, level, label = null, { blobs, spread } = { blobs: BLOBS, spread: SPREAD }) {
  const mine = blobs.filter((blob) => label === null || blob.label === label);
  return noiseIn(points, mine.map(({ x, y }) => [x, y]), spread, level);
}

/** The same with guidance: what a sampler calls, at a timestep. */
export function guidedEps(schedule, label, scale) {
  return (points, t) => {
    const level = schedule.level(t);
    return guide(predict(points, level, label), predict(points, level), scale);
  };
}

/** The share of points at a level whose nearest blob is of the class. */
export function nearestShare(points, label, level = CLEAN) {
  return shareOf(points, (x, y) => nearest(BLOBS, level, x, y).label === label);
}

/** The share of points at a level that lie more than two spreads from each blob of the class; 14 % of a lone blob do. */
export function outsideShare(points, label, level = CLEAN) {
  const mine = BLOBS.filter((blob) => blob.label === label);
  return shareOf(points, (x, y) => nearest(mine, level, x, y).far > 2 * spreadAt(level));
}

/** The standard deviation of points, the mean of both directions. */
export function spreadOf(points) {
  return (deviation(points.filter((_, i) => i % 2 === 0)) + deviation(points.filter((_, i) => i % 2))) / 2;
}

/** How far points lie from where they should, on average. */
export function meanDistance(points, targets) {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    sum += Math.hypot(points[i] - targets[i], points[i + 1] - targets[i + 1]);
  }
  return 2 * sum / points.length;
}

function nearest(blobs, { signal }, x, y) {
  const all = blobs.map((blob) => ({ label: blob.label, far: Math.hypot(x - signal * blob.x, y - signal * blob.y) }));
  return all.reduce((best, each) => each.far < best.far ? each : best);
}

function shareOf(points, test) {
  let count = 0;
  for (let i = 0; i < points.length; i += 2) if (test(points[i], points[i + 1])) count++;
  return 2 * count / points.length;
}

function deviation(values) {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

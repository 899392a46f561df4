// The perfect denoiser of round blobs of one spread, in any number of dimensions: a formula, as pixel_edu/oracle.py.
//
// Points are flat, as x0, y0, x1, y1, ... in the plane. Noised to x = α·x₀ + σ·ε, a blob is Gaussian again, with centre
// α·μ and variance ρ² = α²·δ² + σ², δ its own spread, which may be 0. Alone it would answer ε = σ/ρ² · (x - α·μ). The
// perfect answer is the mean of these, each as heavy as it is likely that x comes from that blob.

/**
 * The noise in points at a level.
 *
 * @param {Float64Array} points
 * @param {number[][]} centers of the blobs, each as likely as the others
 * @param {number} spread
 * @param {{signal: number, noise: number}} level
 */
export function noiseIn(points, centers, spread, { signal, noise }) {
  const variance = (signal * spread) ** 2 + noise ** 2, size = centers[0].length, eps = new Float64Array(points.length);
  for (let i = 0; i < points.length; i += size) {
    const away = centers.map((center) => center.map((value, k) => points[i + k] - signal * value));
    const logits = away.map((parts) => -parts.reduce((sum, part) => sum + part * part, 0) / (2 * variance));
    const top = Math.max(...logits), likely = logits.map((logit) => Math.exp(logit - top));
    const sum = likely.reduce((a, b) => a + b);
    away.forEach((parts, j) => {
      const share = likely[j] / sum * noise / variance;
      parts.forEach((part, k) => eps[i + k] += share * part);
    });
  }
  return eps;
}

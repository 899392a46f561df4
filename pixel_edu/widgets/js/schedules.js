// Noise schedules: how much signal and how much noise there is at each timestep, as in pixel_edu/schedules.py.
// t runs from 0, least noise, to T-1, most; -1 is clean data.

/** ᾱ at every timestep, and what follows from it. */
export class Schedule {
  /** @param {number[]} alphaBar falls, inside 0 .. 1; one for each timestep */
  constructor(alphaBar) {
    this.alphaBar = alphaBar;
  }

  /** The number of timesteps, T. */
  get length() {
    return this.alphaBar.length;
  }

  /** Signal, noise and λ, half the log-SNR, at a timestep; at -1 the noise is 0 and λ infinite. */
  level(t) {
    if (t < 0) return { signal: 1, noise: 0, halfLogSnr: Infinity };
    const a = this.alphaBar[t];
    return { signal: Math.sqrt(a), noise: Math.sqrt(1 - a), halfLogSnr: (Math.log(a) - Math.log1p(-a)) / 2 };
  }

  /** The timesteps that a sampler visits: numSteps of them from T-1 down, evenly spread, then -1. */
  timesteps(numSteps) {
    return Array.from(
      { length: numSteps + 1 },
      (_, i) => Math.floor(this.length * (numSteps - i) / numSteps) - 1,
    );
  }

  /** First and last timestep whose λ lies in low .. high. */
  timestepsBetween(low, high) {
    const inside = this.alphaBar.map((_, t) => this.level(t).halfLogSnr).map((l) => low <= l && l <= high);
    return [inside.indexOf(true), inside.lastIndexOf(true)];
  }
}

/** β_t rises in a straight line (Ho et al. 2020, arXiv:2006.11239). */
export function linear(T = 1000) {
  const scale = 1000 / T, last = Math.min(0.02 * scale, 0.999);
  return fromBetas(T, (t) => 1e-4 * scale + (last - 1e-4 * scale) * t / (T - 1));
}

/** ᾱ follows a squared cosine (Nichol & Dhariwal 2021, arXiv:2102.09672). */
export function cosine(T = 1000, s = 0.008, maxBeta = 0.999) {
  return fromCurve((u) => Math.cos((u + s) / (1 + s) * Math.PI / 2) ** 2, T, maxBeta);
}

/** ᾱ follows a falling sigmoid, scaled to run from 1 to 0 (Jabri et al. 2023, arXiv:2212.11972). */
export function sigmoid(T = 1000, start = -3, end = 3, maxBeta = 0.999) {
  const squash = (z) => 1 / (1 + Math.exp(-z)), [low, high] = [squash(start), squash(end)];
  return fromCurve((u) => (high - squash(start + u * (end - start))) / (high - low), T, maxBeta);
}

export const SCHEDULES = { linear, cosine, sigmoid };

function fromCurve(curve, T, maxBeta) {
  return fromBetas(T, (t) => Math.min(1 - curve((t + 1) / T) / curve(t / T), maxBeta));
}

function fromBetas(T, beta) {
  let left = 1;
  return new Schedule(Array.from({ length: T }, (_, t) => left *= 1 - beta(t)));
}

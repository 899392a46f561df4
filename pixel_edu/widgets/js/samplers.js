// Ways to walk from noise to clean data, as in pixel_edu/samplers.py: each yields after every model call.
//
// x is a flat Float64Array of any length: a batch of images, or a crowd of points. predictEps(x, t) gives the noise in
// x, or a promise of it. A step goes from timestep t down to s; λ is half the log-SNR, and h = λ_s - λ_t its length.

/**
 * @typedef {object} Step where a sampler stands after one model call
 * @property {number} call 1 .. numSteps
 * @property {number} t the timestep reached; -1 is clean data
 * @property {Float64Array} x the data at t
 * @property {Float64Array} x0 the clean data that this call's answer implies
 */

/** Ancestral sampling (Ho et al. 2020, arXiv:2006.11239); drawEps(n) gives n fresh normal numbers. */
export async function* ddpmSteps(predictEps, schedule, x, numSteps, drawEps) {
  for (const { call, t, s, here, there, h } of walk(schedule, numSteps)) {
    const x0 = cleanOf(x, await predictEps(x, t), here);
    x = drawnPosterior(x, x0, here, there, h, s >= 0 ? drawEps(x.length) : x.map(() => 0));
    yield { call, t: s, x, x0 };
  }
}

/** Go to the predicted clean data and noise it again, less (Song et al. 2021, arXiv:2010.02502, with η = 0). */
export async function* ddimSteps(predictEps, schedule, x, numSteps) {
  for (const { call, t, s, here, there } of walk(schedule, numSteps)) {
    const eps = await predictEps(x, t), x0 = cleanOf(x, eps, here);
    x = x0.map((value, i) => there.signal * value + there.noise * eps[i]);
    yield { call, t: s, x, x0 };
  }
}

/** DPM-Solver++(2M): each x0 corrected by the one before it (Lu et al. 2022, arXiv:2211.01095). */
export async function* dpmpp2mSteps(predictEps, schedule, x, numSteps) {
  let before = null;
  for (const { call, t, s, here, there, h } of walk(schedule, numSteps)) {
    const x0 = cleanOf(x, await predictEps(x, t), here);
    const halfway = before && s >= 0 ? ahead(x0, h, before) : x0;
    const keep = there.noise / here.noise, towards = -there.signal * Math.expm1(-h);
    x = x.map((value, i) => keep * value + towards * halfway[i]);
    before = { x0, h };
    yield { call, t: s, x, x0 };
  }
}

/** SDE-DPM-Solver++(2M): DDPM's step with the corrected x0 (Lu et al. 2022); drawEps(n) gives n fresh normal numbers. */
export async function* dpmpp2mSdeSteps(predictEps, schedule, x, numSteps, drawEps) {
  let before = null;
  for (const { call, t, s, here, there, h } of walk(schedule, numSteps)) {
    const x0 = cleanOf(x, await predictEps(x, t), here);
    const halfway = before && s >= 0 ? ahead(x0, h, before) : x0;
    x = drawnPosterior(x, halfway, here, there, h, s >= 0 ? drawEps(x.length) : x.map(() => 0));
    before = { x0, h };
    yield { call, t: s, x, x0 };
  }
}

/** By the names that pixel_edu.generate knows them by. */
export const SAMPLERS = {
  dpmpp_2m_sde: dpmpp2mSdeSteps,
  dpmpp_2m: dpmpp2mSteps,
  ddim: ddimSteps,
  ddpm: ddpmSteps,
};

function* walk(schedule, numSteps) {
  const stops = schedule.timesteps(numSteps);
  for (let call = 1; call <= numSteps; call++) {
    const [t, s] = [stops[call - 1], stops[call]];
    const [here, there] = [schedule.level(t), schedule.level(s)];
    yield { call, t, s, here, there, h: there.halfLogSnr - here.halfLogSnr };
  }
}

function cleanOf(x, eps, level) {
  return x.map((value, i) => (value - level.noise * eps[i]) / level.signal);
}

/** A line in λ through two calls, read half a step ahead. */
function ahead(x0, h, before) {
  const slope = h / (2 * before.h);
  return x0.map((value, i) => value + slope * (value - before.x0[i]));
}

/** x_s drawn from its posterior given x_t and x0: Ho et al.'s μ̃, and the root of their β̃ times eps. */
function drawnPosterior(x, x0, here, there, h, eps) {
  const keep = there.noise / here.noise * Math.exp(-h), towards = -there.signal * Math.expm1(-2 * h);
  const spread = there.noise * Math.sqrt(-Math.expm1(-2 * h));
  return x.map((value, i) => keep * value + towards * x0[i] + spread * eps[i]);
}

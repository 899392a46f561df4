// From the network, a label and a seed to a sprite: as pixel_edu/generate.py.

import { DEFAULTS } from "./facts.js";
import { guided } from "./guidance.js";
import { NUMBERS } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { SAMPLERS } from "./samplers.js";

/**
 * Sample sprites, and yield after every model call.
 *
 * @param denoiser of `loadDenoiser`
 * @param {number[]} labels one for each sprite
 * @param {number[]} seeds one for each sprite: the same seed is the same sprite in Python
 * @param {{sampler?: string, num_steps?: number, guidance_scale?: number, interval?: [number, number]}} settings
 */
export function stream(denoiser, labels, seeds, settings = {}) {
  const { sampler, num_steps, guidance_scale, interval } = { ...DEFAULTS, ...settings };
  const { model, schedule, nullLabel } = denoiser, drawEps = spriteNoise(seeds);
  const predictEps = guided(model, labels, guidance_scale, nullLabel, schedule.timestepsBetween(...interval));
  if (!(sampler in SAMPLERS)) throw new Error(`the sampler ${sampler} is written only in Python`);
  const x = drawEps(labels.length * NUMBERS);
  return SAMPLERS[sampler](predictEps, schedule, x, num_steps, drawEps);
}

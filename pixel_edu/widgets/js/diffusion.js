// Forward noising, as in pixel_edu/diffusion.py.

/** Jump from clean data to x_t = signal·x0 + noise·eps (Ho et al. 2020, arXiv:2006.11239); level is of a `Schedule`. */
export function addNoise(x0, eps, level) {
  return x0.map((value, i) => level.signal * value + level.noise * eps[i]);
}

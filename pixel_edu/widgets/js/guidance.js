// Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598), as in pixel_edu/guidance.py.

/** The guided noise from the two answers: scale 0 ignores the label, 1 takes it as it is, above 1 exaggerates it. */
export function guide(epsCond, epsUncond, scale) {
  return epsUncond.map((value, i) => value + scale * (epsCond[i] - value));
}

/**
 * Bind labels and guidance to a model: what a sampler calls.
 *
 * Both answers come from one call with twice the batch. Where guidance would change nothing, the call is half as large.
 *
 * @param model (x, t, labels) => a promise of the noise in x
 * @param {number[]} labels one for each image of the batch
 * @param {number} scale
 * @param {number} nullLabel the label that means "no label"
 * @param {[number, number]} interval first and last timestep at which guidance is applied
 */
export function guided(model, labels, scale, nullLabel, interval = [0, Infinity]) {
  const nothing = labels.map(() => nullLabel);
  return async (x, t) => {
    if (scale === 1 || t < interval[0] || t > interval[1]) return model(x, t, labels);
    if (scale === 0) return model(x, t, nothing);
    const both = await model(Float64Array.of(...x, ...x), t, [...labels, ...nothing]);
    return guide(both.slice(0, x.length), both.slice(x.length), scale);
  };
}

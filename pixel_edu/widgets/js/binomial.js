// How sure a count is: the exact interval of a share.

/** The probability of at least so many right answers of `of`, each of which is right with probability `share`. */
export function atLeast(right, of, share) {
  let term = (1 - share) ** of, below = 0;
  for (let k = 0; k < right; k++) {
    below += term;
    term *= (of - k) / (k + 1) * share / (1 - share);
  }
  return 1 - below;
}

/**
 * The 95 % interval of the share that `right` of `of` tells of: all shares under which so many right answers, or so
 * few, are not rarer than `rare` (Clopper & Pearson 1934).
 */
export function interval(right, of, rare = 0.025) {
  return [lowest(right, of, rare), 1 - lowest(of - right, of, rare)];
}

function lowest(right, of, rare) {
  let [low, high] = [0, right / of];
  for (let halving = 0; halving < 50; halving++) {
    const middle = (low + high) / 2;
    if (atLeast(right, of, middle) < rare) low = middle;
    else high = middle;
  }
  return low;
}

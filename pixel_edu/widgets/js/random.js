// PyTorch's random numbers, so that a seed means the same sprite here and in Python.

/** The Mersenne Twister (Matsumoto & Nishimura 1998), seeded as torch.Generator().manual_seed(seed) does. */
export class Generator {
  #state = new Uint32Array(624);
  #next = 624;

  constructor(seed) {
    this.#state[0] = Number(BigInt(seed) & 0xffffffffn); // its last 32 bits count
    for (let i = 1; i < 624; i++) {
      const last = this.#state[i - 1];
      this.#state[i] = Math.imul(last ^ (last >>> 30), 1812433253) + i;
    }
  }

  /** The next 32 random bits. */
  bits() {
    if (this.#next === 624) this.#renew();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** A number in 0 .. 1, without 1. */
  uniform() {
    return (this.bits() & 0xffffff) / 2 ** 24;
  }

  /** Standard normal numbers, as many as a multiple of 16, by Box and Muller: those of torch.randn. */
  normal(count) {
    const drawn = Float64Array.from({ length: count }, () => this.uniform());
    for (let i = 0; i < count; i++) {
      if (i % 16 >= 8) continue;
      const radius = Math.sqrt(-2 * Math.log(1 - drawn[i])), angle = 2 * Math.PI * drawn[i + 8];
      drawn[i] = radius * Math.cos(angle);
      drawn[i + 8] = radius * Math.sin(angle);
    }
    return drawn;
  }

  #renew() {
    const state = this.#state;
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/** Normal noise for a batch in which every sprite has a generator of its own, as pixel_edu.samplers.SpriteNoise. */
export function spriteNoise(seeds) {
  const generators = seeds.map((seed) => new Generator(seed));
  return (count) => {
    const each = count / seeds.length, drawn = new Float64Array(count);
    generators.forEach((generator, i) => drawn.set(generator.normal(each), i * each));
    return drawn;
  };
}

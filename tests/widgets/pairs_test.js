import assert from "node:assert/strict";
import { atLeast, interval } from "../../pixel_edu/widgets/js/binomial.js";
import { deal, shuffled, verdict } from "../../pixel_edu/widgets/js/pairs.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";

const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

Deno.test("a coin tells 15 or more of 20 in 2.07 % of games", () => {
  assert.equal(atLeast(0, 20, 0.5), 1);
  close(atLeast(15, 20, 0.5), 21_700 / 2 ** 20);
  close(atLeast(20, 20, 0.5), 2 ** -20);
});

Deno.test("all or none of n have intervals in closed form, and one bound is the share itself", () => {
  for (const n of [1, 5, 20, 60]) {
    close(interval(n, n)[0], 0.025 ** (1 / n));
    assert.equal(interval(n, n)[1], 1);
    assert.equal(interval(0, n)[0], 0);
    close(interval(0, n)[1], 1 - 0.025 ** (1 / n));
  }
});

Deno.test("at its bounds so many, and so few, are as rare as one in forty", () => {
  for (let right = 1; right < 20; right++) {
    const [low, high] = interval(right, 20);
    close(atLeast(right, 20, low), 0.025);
    close(1 - atLeast(right + 1, 20, high), 0.025);
  }
});

Deno.test("an order holds every number once, and depends on the dice", () => {
  const [one, other] = [1, 2].map((seed) => shuffled(50, new Generator(seed)));
  assert.deepEqual(one.toSorted((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i));
  assert.notDeepEqual(one, other);
});

Deno.test("three games take every sprite once, a real and a drawn one of a class in each pair", () => {
  for (const first of [0, 9]) {
    const games = [0, 1, 2].map((more) => deal(first + more, 20, 12)), pairs = games.flat();
    assert.ok(games.every((game) => game.length === 20));
    for (const { label, real, drawn, side } of pairs) {
      assert.equal(Math.floor(real / 12), label);
      assert.equal(Math.floor(drawn / 12), label + 5);
      assert.ok(side === 0 || side === 1);
    }
    const taken = pairs.flatMap(({ real, drawn }) => [real, drawn]);
    assert.equal(new Set(taken).size, 120);
  }
  assert.notDeepEqual(deal(0, 20, 12), deal(3, 20, 12)); // the sprites are dealt again, otherwise
});

Deno.test("sides are fair, and classes come in any order", () => {
  const games = Array.from({ length: 50 }, (_, seed) => deal(seed, 20, 12)).flat();
  const left = games.filter(({ side }) => side === 0).length;
  assert.ok(Math.abs(left - 500) < 80, `${left} of 1000 on the left`); // five standard deviations
  assert.ok(new Set(deal(0, 20, 12).slice(0, 6).map(({ label }) => label)).size > 2);
});

Deno.test("fifteen of twenty are more than luck, fourteen are not, and five are a talent", () => {
  assert.equal(
    verdict(15, 20, null),
    "You told 15 of 20 pairs, 75 %; the 95 % interval is 51 % to 91 %. A coin’s 50 % lies below: you can tell them.",
  );
  assert.match(verdict(14, 20, null), /46 % to 88 %\. A coin’s 50 % lies in it: this may be luck\.$/);
  assert.match(verdict(5, 20, null), /9 % to 49 %\. A coin’s 50 % lies above: .* the wrong way round\.$/);
});

Deno.test("the network's share is told as it was given, and compared only where it can be", () => {
  const words = verdict(14, 20, [0.812, 0.75, 0.87]);
  assert.match(words, /network of the two-sample test told 81 % of such pairs \(75 % to 87 %\), as this notebook /);
  assert.match(words, /It lies in your interval: 20 pairs cannot say who is better\.$/);
  assert.doesNotMatch(verdict(20, 20, [0.812, 0.75, 0.87]), /your interval/);
});

// Judges a formula by the cases of an exercise's check, as the check judges a function.

/**
 * @param {(values: number[]) => number} formula
 * @param task what `recorded` in cases.py gives
 * @returns {{passed: boolean, message: string}} words between backticks are code
 */
export function judge(formula, task) {
  for (const { what, inputs, right, slips } of task.cases) {
    const count = Math.max(...[...inputs, right[0]].map((values) => values.length ?? 1));
    const values = (i) => inputs.map((input) => at(input, i));
    const given = Array.from({ length: count }, (_, i) => formula(values(i)));
    if (close(given, right)) continue;
    const slip = slips.find(([, ...wrong]) => close(given, wrong));
    const message = slip?.[0] ?? difference(given, right[0], what, (i) => named(task.names, values(i)));
    return { passed: false, message };
  }
  return { passed: true, message: task.praise };
}

/** A number that stands for all places, or the one of a place. */
const at = (values, i) => values.length ? values[i] : values;

function close(given, [values, room]) {
  return given.every((value, i) => Math.abs(value - at(values, i)) <= room);
}

function difference(given, right, what, inputs) {
  const where = what && ` ${what}`;
  const broken = given.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    return `It gives no finite number${where}, where ${
      inputs(broken)
    }: look for a division by 0, the log of 0 or the ` +
      "root of a negative number.";
  }
  const far = given.map((value, i) => Math.abs(value - at(right, i)));
  const worst = far.indexOf(Math.max(...far));
  return `It is furthest off${where}, where ${inputs(worst)}: it gives ${short(given[worst], 5)} instead of ` +
    `${short(at(right, worst), 5)}.`;
}

const named = (names, values) => names.map((name, i) => `\`${name}\` = ${short(values[i], 3)}`).join(", ");
const short = (value, digits) => String(Number(value.toPrecision(digits)));

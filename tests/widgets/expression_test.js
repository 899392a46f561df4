import { FormulaError, read } from "../../pixel_edu/widgets/js/expression.js";

const NAMES = ["x", "eps", "level.signal", "level.noise"], VALUES = [3, 5, 0.25, 0.75];
const value = (text) => read(text, NAMES)(VALUES);

function equal(found, wanted) {
  if (!Object.is(found, wanted)) throw new Error(`${found} instead of ${wanted}`);
}

function refused(text, says, part) {
  try {
    read(text, NAMES);
  } catch (error) {
    if (!(error instanceof FormulaError)) throw error;
    if (!error.message.includes(says)) throw new Error(`${JSON.stringify(text)}: ${error.message}`);
    if (part !== undefined) equal(text.slice(error.from, error.to), part);
    return;
  }
  throw new Error(`${JSON.stringify(text).slice(0, 60)} was read`);
}

const RIGHT = { // as Python has it
  "1 + 2 * 3": 7,
  "(1 + 2) * 3": 9,
  "7 - 2 - 1": 4,
  "8 / 4 / 2": 1,
  "2 ** 3 ** 2": 512,
  "-2 ** 2": -4,
  "2 ** -1": 0.5,
  "-2 ** -2": -0.25,
  "2 * -3": -6,
  "--x": 3,
  "+x - -x": 6,
  ".5 + 2. + 1e-1 + 1E1": 12.6,
  "level.signal * x + level.noise * eps": 4.5,
  " level . signal\n*\tx": 0.75,
  "sqrt(16) + exp(0) + log(1)": 5,
  "sqrt(x * x) ** 2": 9,
  "(1 - level.noise).sqrt()": 0.5,
  "level.signal.sqrt() * 2": 1,
  "x.log().exp()": Math.exp(Math.log(3)),
  "x.sqrt() ** 2 / x": Math.sqrt(3) ** 2 / 3,
  "1 / 0": Infinity,
  "0 / 0": NaN,
  "sqrt(-1)": NaN,
  "(-8) ** (1 / 3)": NaN,
  "1e999": Infinity,
  "9 ** 9 ** 9 ** 9": Infinity,
  "10 ** -10 ** 10": 0,
};
for (const [text, wanted] of Object.entries(RIGHT)) Deno.test(`reads ${text}`, () => equal(value(text), wanted));

const WRONG = [
  ["", "Nothing is written here yet."],
  [" \n ", "Nothing is written here yet."],
  ["x +", "The formula ends too early: a number, a name or a `(` belongs here.", ""],
  ["x ** ", "The formula ends too early"],
  ["* x", "`*` cannot stand here: a number", "*"],
  ["x eps", "`eps` cannot stand here: is a `*` or another sign missing before it?", "eps"],
  ["2x", "is a `*` or another sign missing", "x"],
  ["x (eps)", "`x` is not a function: is a `*` missing?", "x"],
  ["(x + 1", "This `(` is never closed.", "("],
  ["((x) * (eps)", "This `(` is never closed.", "("],
  ["x + 1)", "`)` cannot stand here: no `(` goes with it.", ")"],
  ["(x eps)", "is a `*` or another sign missing", "eps"],
  ["()", "`)` cannot stand here: a number", ")"],
  ["sqrt()", "`)` cannot stand here: a number", ")"],
  ["sqrt x", "There is no `sqrt`", "sqrt"],
  ["sqrt", "There is no `sqrt`", "sqrt"],
  ["x.sqrt", "There is no `x.sqrt`", "x.sqrt"],
  ["x.sqrt(2)", "`2` cannot stand here: `()` belongs here.", "2"],
  ["(x).sqrt", "The formula ends too early: `()` belongs here."],
  ["(x).cos()", "There is no function `cos`: you have `sqrt`, `exp`, `log`.", "cos"],
  ["sigmoid(x)", "There is no function `sigmoid`", "sigmoid"],
  ["signal", "There is no `signal`: you have `x`, `eps`, `level.signal`, `level.noise`.", "signal"],
  ["x + level", "There is no `level`", "level"],
  ["level.", "There is no `level.`"],
  ["level.signal.real", "There is no `level.signal.real`", "level.signal.real"],
  ["x ^ 2", "`^` cannot stand in the formula: a power is written `**`.", "^"],
  ["x·eps", "`·` cannot stand in the formula: a product is written `*`."],
  ["x − eps", "the minus of the keyboard is `-`", "−"],
  ["x_t = x", "`=` cannot stand in the formula: write only what stands to the right of it.", "="],
  ["x, eps", "`,` cannot stand in the formula: only numbers", ","],
  ["x 😀", "`😀` cannot stand in the formula", "😀"],
  ["x // 2", "`/` cannot stand here", "/"],
  ["x[0]", "`[` cannot stand in the formula"],
  ["x * * eps", "`*` cannot stand here"],
  ["1.2.3", "`.3` cannot stand here", ".3"],
  ["torch.sqrt(x)", "There is no `torch`", "torch"],
  ["return x", "There is no `return`", "return"],
];
for (const [text, says, part] of WRONG) {
  Deno.test(`says what is wrong in ${JSON.stringify(text)}`, () => refused(text, says, part));
}

const HOSTILE = [
  "constructor",
  "__proto__",
  "x.constructor",
  "x.__proto__",
  "constructor(1)",
  "toString()",
  "x.toString()",
  "(x).constructor('return 1')()",
  "(x).constructor()",
  "hasOwnProperty(x)",
  "globalThis",
  "alert(1)",
  "x; alert(1)",
  "`${x}`",
  "() => x",
  "import('x')",
  "this",
  "0x10",
  "length",
  "\u0000",
  "\ud800",
];
for (const text of HOSTILE) Deno.test(`refuses ${JSON.stringify(text)}`, () => refused(text, "`"));

Deno.test("a value is a number, whatever its name", () => {
  equal(read("__proto__ + constructor", ["__proto__", "constructor"])([1, 2]), 3);
});

Deno.test("what is deep is refused, and never fills the stack", () => {
  for (const deep of ["(", "-", "2**", "sqrt(", "(-"]) {
    refused(deep.repeat(Math.floor(399 / deep.length)), "levels deep");
    refused(deep.repeat(1_000_000), "longer than 400 characters");
  }
  equal(value("(".repeat(30) + "x" + ")".repeat(30)), 3);
});

Deno.test("what is long is read, and stays quick", () => {
  equal(value("x" + "+x".repeat(199)), 600);
  const began = performance.now();
  for (let i = 0; i < 1000; i++) refused("9**".repeat(30) + " ".repeat(300), "ends too early");
  if (performance.now() - began > 2000) throw new Error("it took long");
});

// Reads one line of arithmetic as Python writes it: numbers, names, + - * / **, parentheses, sqrt, exp and log.
//
// No text is ever run as code. A name means a place in the list of values, so no name reaches an object of the page.

const FUNCTIONS = { sqrt: Math.sqrt, exp: Math.exp, log: Math.log };
const LONGEST = 400, DEEPEST = 40;
const TOKEN = /\s+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[\p{L}_][\p{L}\p{N}_]*|\*\*|[-+*/().]/iuy;
const MEANT = {
  "^": "a power is written `**`",
  "·": "a product is written `*`",
  "×": "a product is written `*`",
  "−": "the minus of the keyboard is `-`",
  "√": "a root is written `sqrt(...)`",
  "=": "write only what stands to the right of it",
};

/** What is wrong with a formula, in a sentence; `from` and `to` are the part of the text to look at. */
export class FormulaError extends Error {
  constructor(message, from, to = from) {
    super(message);
    [this.from, this.to] = [from, to];
  }
}

/**
 * A function of a list of numbers, from a formula.
 *
 * @param {string} text such as "level.signal * x0"
 * @param {string[]} names what may stand in it; the function takes their values in this order
 * @returns {(values: number[]) => number}
 * @throws {FormulaError} it cannot be read
 */
export function read(text, names) {
  return new Reader(text, names).whole();
}

class Reader {
  #names;
  #tokens;
  #at = 0;
  #depth = 0;

  constructor(text, names) {
    this.#names = names;
    this.#tokens = tokensOf(text);
  }

  whole() {
    if (this.#next.word === "") throw new FormulaError("Nothing is written here yet.", 0);
    const read = this.#sum();
    if (this.#next.word === ")") this.#refuse("no `(` goes with it.");
    if (this.#next.word !== "") this.#refuse("is a `*` or another sign missing before it?");
    return read;
  }

  get #next() {
    return this.#tokens[this.#at];
  }

  /** Go on if this is what comes next. */
  #take(word) {
    if (this.#next.word !== word) return false;
    this.#at++;
    return true;
  }

  #sum() {
    let left = this.#product();
    while (true) {
      const a = left;
      if (this.#take("+")) {
        const b = this.#product();
        left = (values) => a(values) + b(values);
      } else if (this.#take("-")) {
        const b = this.#product();
        left = (values) => a(values) - b(values);
      } else return left;
    }
  }

  #product() {
    let left = this.#signed();
    while (true) {
      const a = left;
      if (this.#take("*")) {
        const b = this.#signed();
        left = (values) => a(values) * b(values);
      } else if (this.#take("/")) {
        const b = this.#signed();
        left = (values) => a(values) / b(values);
      } else return left;
    }
  }

  /** Whatever can hold itself passes here, so this is where depth is counted. */
  #signed() {
    if (++this.#depth > DEEPEST) {
      this.#refuse(`it is more than ${DEEPEST} levels deep in brackets, signs or powers.`);
    }
    const read = this.#take("-") ? negative(this.#signed()) : this.#take("+") ? this.#signed() : this.#power();
    this.#depth--;
    return read;
  }

  #power() { // binds closer than a sign before it, and less close than one behind it: -2**-2 is -(2**(-2))
    const base = this.#called();
    if (!this.#take("**")) return base;
    const exponent = this.#signed();
    return (values) => base(values) ** exponent(values);
  }

  /** A value, and what is called on it: `(1 - a).sqrt()` is `sqrt(1 - a)`, as tensors have it. */
  #called() {
    let read = this.#value();
    while (this.#take(".")) {
      const apply = this.#function(this.#next);
      this.#at++;
      if (!this.#take("(") || !this.#take(")")) this.#refuse("`()` belongs here.");
      read = after(apply, read);
    }
    return read;
  }

  #value() {
    const token = this.#next;
    if (token.kind === "number") {
      this.#at++;
      const value = Number(token.word);
      return () => value;
    }
    if (token.kind === "name") return this.#named();
    if (!this.#take("(")) this.#refuse("a number, a name or a `(` belongs here.");
    return this.#inside(token);
  }

  /** The rest of a pair of parentheses. */
  #inside(opened) {
    const read = this.#sum();
    if (this.#next.word === "") throw new FormulaError("This `(` is never closed.", opened.from, opened.to);
    if (!this.#take(")")) this.#refuse("is a `*` or another sign missing before it?");
    return read;
  }

  #named() {
    const first = this.#next, opened = this.#tokens[this.#at + 1];
    if (opened.word === "(") {
      const apply = this.#function(first);
      this.#at += 2;
      return after(apply, this.#inside(opened));
    }
    let name = first.word, last = first;
    this.#at++;
    while (this.#next.word === "." && this.#tokens[this.#at + 2]?.word !== "(") {
      last = this.#tokens[this.#at + 1];
      name += `.${last.word}`;
      this.#at = Math.min(this.#at + 2, this.#tokens.length - 1);
    }
    const place = this.#names.indexOf(name);
    if (place < 0) {
      throw new FormulaError(`There is no \`${name}\`: you have ${listed(this.#names)}.`, first.from, last.to);
    }
    return (values) => values[place];
  }

  #function({ word, from, to }) {
    if (Object.hasOwn(FUNCTIONS, word)) return FUNCTIONS[word];
    throw new FormulaError(
      this.#names.includes(word)
        ? `\`${word}\` is not a function: is a \`*\` missing?`
        : `There is no function \`${word}\`: you have ${listed(Object.keys(FUNCTIONS))}.`,
      from,
      to,
    );
  }

  #refuse(why) {
    const { word, from, to } = this.#next;
    throw new FormulaError(
      word === "" ? `The formula ends too early: ${why}` : `\`${word}\` cannot stand here: ${why}`,
      from,
      to,
    );
  }
}

function tokensOf(text) {
  if (text.length > LONGEST) {
    throw new FormulaError(`This is longer than ${LONGEST} characters: one line is enough.`, LONGEST, text.length);
  }
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex, word = TOKEN.exec(text)?.[0];
    if (word === undefined) {
      const sign = String.fromCodePoint(text.codePointAt(from));
      const why = Object.hasOwn(MEANT, sign) ? MEANT[sign] : "only numbers, names, + - * / ** and brackets can";
      throw new FormulaError(`\`${sign}\` cannot stand in the formula: ${why}.`, from, from + sign.length);
    }
    if (word.trim() === "") continue;
    const kind = /^[\p{L}_]/u.test(word) ? "name" : /\d/.test(word) ? "number" : "sign";
    tokens.push({ word, kind, from, to: from + word.length });
  }
  tokens.push({ word: "", kind: "end", from: text.length, to: text.length });
  return tokens;
}

const negative = (read) => (values) => -read(values);
const after = (apply, read) => (values) => apply(read(values));
const listed = (words) => words.map((word) => `\`${word}\``).join(", ");

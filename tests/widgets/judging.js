// Judges formulas as the page does: reads tasks and formulas, and prints what the page says, as JSON.

import { read } from "../../pixel_edu/widgets/js/expression.js";
import { judge } from "../../pixel_edu/widgets/js/judge.js";

const { tasks, formulas } = JSON.parse(await new Response(Deno.stdin.readable).text());
const said = formulas.map(([exercise, text]) => judge(read(text, tasks[exercise].names), tasks[exercise]));
console.log(JSON.stringify(said));

// Curves on a canvas: sharp on every screen, in the page's own colours, drawn again when the size or the theme changes.

import { element, repaint } from "./ui.js";

const LEFT = 36, RIGHT = 14, TOP = 26, BOTTOM = 22;

/** A straight line from one range to another. */
export function scale([from, to], [first, last]) {
  return (value) => first + (value - from) / (to - from) * (last - first);
}

/**
 * A plot of curves that share their x: the places 0, 1, 2 and so on of their values.
 *
 * @param {{title: string, x: Axis, y: Axis, legend?: boolean, onpick?: (x: number) => void}} settings an axis is
 *   { range: [from, to], ticks: number[] }; onpick is told where a pointer is pressed
 * @returns { canvas, show(curves, at, alt), stop }: a curve is { name, values, color, dash, chosen }, where color names
 *   a CSS variable; a dot marks the chosen one at x = at
 */
export function curvePlot({ title, x, y, legend = false, onpick }) {
  const canvas = element("canvas", { class: "pixel-curves", role: "img" });
  let curves = [], at = 0;

  function draw() {
    const width = canvas.clientWidth, height = canvas.clientHeight, density = devicePixelRatio;
    if (!width) return; // not in a page yet
    [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    const right = scale(x.range, [LEFT, width - RIGHT]), up = scale(y.range, [height - BOTTOM, TOP]);
    context.scale(density, density);
    context.font = `12px ${style.fontFamily}`;
    context.lineJoin = "round";

    const line = (from, to, alpha = 1) => {
      context.globalAlpha = alpha;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
      context.globalAlpha = 1;
    };
    const words = (text, left, base, align, name) => {
      context.fillStyle = color(name);
      context.textAlign = align;
      context.fillText(text, left, base);
    };
    context.strokeStyle = color("--ink");
    context.lineWidth = 1;
    for (const tick of y.ticks) {
      line([LEFT, up(tick)], [width - RIGHT, up(tick)], tick === 0 ? 0.5 : 0.15);
      words(String(tick).replace("-", "−"), LEFT - 6, up(tick) + 4, "right", "--faint");
    }
    for (const tick of x.ticks) words(String(tick), right(tick), height - 6, "center", "--faint");
    words(title, LEFT, 14, "left", "--ink");
    line([right(at), TOP], [right(at), height - BOTTOM], 0.5);

    const drawn = [...curves].sort((a, b) => a.chosen - b.chosen); // the chosen one lies on top
    context.save();
    context.beginPath();
    context.rect(LEFT, TOP - 2, width - LEFT - RIGHT + 2, height - TOP - BOTTOM + 4);
    context.clip();
    for (const { values, color: name, dash, chosen } of drawn) {
      pen(context, color(name), dash, chosen);
      context.beginPath();
      values.forEach((value, i) => context.lineTo(right(i), up(value)));
      context.stroke();
    }
    context.restore();
    if (legend) {
      context.fillStyle = color("--paper");
      context.fillRect(width - RIGHT - 90, TOP + 1, 90, 17 * curves.length);
      curves.forEach(({ name, color: hue, dash, chosen }, i) => {
        context.save();
        pen(context, color(hue), dash, chosen);
        line([width - RIGHT - 84, TOP + 10 + 17 * i], [width - RIGHT - 58, TOP + 10 + 17 * i], context.globalAlpha);
        context.restore();
        words(name, width - RIGHT - 52, TOP + 14 + 17 * i, "left", chosen ? "--ink" : "--faint");
      });
    }
    const { values, color: name } = drawn.at(-1), [low, high] = y.range;
    context.fillStyle = color(name);
    context.strokeStyle = color("--paper");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(right(at), up(Math.min(Math.max(values[at], low), high)), 5.5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }

  if (onpick) {
    const pick = (event) => {
      if (!(event.buttons & 1)) return;
      const place = scale([LEFT, canvas.clientWidth - RIGHT], x.range)(event.offsetX);
      onpick(Math.round(Math.min(Math.max(place, x.range[0]), x.range[1])));
    };
    canvas.addEventListener("pointerdown", pick);
    canvas.addEventListener("pointermove", pick);
  }
  const stop = repaint(canvas, draw);
  const show = (shown, place, alt) => {
    [curves, at] = [shown, place];
    canvas.setAttribute("aria-label", alt);
    draw();
  };
  return { canvas, show, stop };
}

function pen(context, color, dash, chosen) {
  context.strokeStyle = color;
  context.setLineDash(dash);
  context.lineWidth = chosen ? 2.5 : 1.5;
  context.globalAlpha = chosen ? 1 : 0.6;
}

// A square of the plane to draw on: sharp on every screen, and in the page's own colours, light or dark.

import { BLOBS, spreadAt } from "./mixture.js";
import { canvas, repaint } from "./ui.js";

/** The course's blue, vermilion and green, as pixel_edu/figures.py. */
export const COLORS = ["#2b7fce", "#d9590b", "#0d9468"];

/**
 * A canvas that shows the plane from -reach to reach, both ways.
 *
 * @param {number} reach
 * @param {(pen: Pen) => void} draw called whenever the canvas has to be painted anew
 * @returns {{picture: HTMLCanvasElement, redraw: () => void, stop: () => void}}
 */
export function plane(reach, draw) {
  const picture = canvas(1, 1, "");
  Object.assign(picture.style, { maxWidth: "400px", aspectRatio: "1", imageRendering: "auto" });
  const redraw = () => {
    const width = picture.clientWidth;
    if (!width) return; // not in the page yet
    picture.width = picture.height = Math.round(width * (globalThis.devicePixelRatio || 1));
    draw(new Pen(picture, width, reach));
  };
  const stop = repaint(picture, redraw);
  return { picture, redraw, stop };
}

/** Draws in the plane's units; widths and radii are in pixels of the page. */
class Pen {
  constructor(picture, width, reach) {
    const style = getComputedStyle(picture);
    this.context = picture.getContext("2d");
    this.context.scale(picture.width / width, picture.width / width);
    this.context.lineCap = this.context.lineJoin = "round";
    this.font = `12px ${style.fontFamily}`;
    [this.unit, this.half] = [width / (2 * reach), width / 2];
    for (const name of ["ink", "faint", "paper"]) this[name] = style.getPropertyValue(`--${name}`).trim();
  }

  at(x, y) {
    return [this.half + x * this.unit, this.half - y * this.unit];
  }

  /** A line through points, [[x, y], ...]. */
  line(points, color, width = 1, alpha = 1) {
    this.#trace(points);
    this.#stroke(color, width, alpha);
  }

  /** Words beside a point, on the line that it lies on. */
  words(text, x, y, align = "left", color = this.ink) {
    Object.assign(this.context, { fillStyle: color, textAlign: align, textBaseline: "middle", font: this.font });
    this.context.fillText(text, ...this.at(x, y));
  }

  /** A mark with a rim of the page's colour, so that it is told from what is below it: a dot, a square, a triangle. */
  mark(x, y, color, radius, corners = 0) {
    const [left, top] = this.at(x, y), { context } = this;
    context.beginPath();
    if (!corners) context.arc(left, top, radius, 0, 7);
    for (let k = 0; k < corners; k++) {
      const turn = (2 * k + (corners === 4 ? 1 : 0)) * Math.PI / corners - Math.PI / 2;
      context.lineTo(left + 1.25 * radius * Math.cos(turn), top + 1.25 * radius * Math.sin(turn));
    }
    context.closePath();
    this.#stroke(this.paper, 1.5);
    context.fillStyle = color;
    context.fill();
  }

  ring(x, y, radius, color, width = 1) {
    this.context.beginPath();
    this.context.arc(...this.at(x, y), radius, 0, 7);
    this.#stroke(color, width);
  }

  cross(x, y, radius, color, width = 1.5) {
    const arm = radius / this.unit;
    this.line([[x - arm, y], [x + arm, y]], color, width);
    this.line([[x, y - arm], [x, y + arm]], color, width);
  }

  /** An arrow from a point, as long as (dx, dy). */
  arrow(x, y, dx, dy, color, alpha = 1) {
    const [tipX, tipY] = [x + dx, y + dy], [backX, backY] = [0.35 * dx, 0.35 * dy];
    this.line([[x, y], [tipX, tipY]], color, 1, alpha);
    this.line(
      [[tipX - backX - backY / 2, tipY - backY + backX / 2], [tipX, tipY], [
        tipX - backX + backY / 2,
        tipY - backY - backX / 2,
      ]],
      color,
      1,
      alpha,
    );
  }

  /** All blobs as they are at a level, each in its class's colour and as strong as `strength` says of its label. */
  blobs(level, strength) {
    const { context } = this, spread = spreadAt(level), far = 2.6;
    for (const { x, y, label } of BLOBS) {
      const place = this.at(level.signal * x, level.signal * y), radius = far * spread * this.unit;
      const shade = context.createRadialGradient(...place, 0, ...place, radius);
      for (let u = 0; u <= 1; u += 0.125) {
        const share = strength(label) * (Math.exp(-((far * u) ** 2) / 2) - Math.exp(-far * far / 2));
        shade.addColorStop(u, COLORS[label] + Math.round(255 * share).toString(16).padStart(2, "0"));
      }
      context.fillStyle = shade;
      context.fillRect(place[0] - radius, place[1] - radius, 2 * radius, 2 * radius);
    }
  }

  #trace(points) {
    this.context.beginPath();
    for (const [x, y] of points) this.context.lineTo(...this.at(x, y));
  }

  #stroke(color, width, alpha = 1) {
    Object.assign(this.context, { strokeStyle: color, lineWidth: width, globalAlpha: alpha });
    this.context.stroke();
    this.context.globalAlpha = 1;
  }
}

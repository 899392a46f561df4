// A frame round one pixel of a sprite, which pointers and arrow keys move.

import { SIZE } from "./facts.js";
import { element } from "./ui.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Put a frame on a stage that shows a sprite.
 *
 * @param {HTMLElement} stage
 * @returns its place { x, y }, column and row; `move(x, y)`, which stays inside the sprite; `point(event)`, to where a
 *   pointer is; and `step(event)`, which says whether a key was an arrow
 */
export function frame(stage) {
  const cursor = element("span", { class: "pixel-cursor" }), place = { x: SIZE / 2, y: SIZE / 2 };
  const move = (x, y) => {
    [place.x, place.y] = [x, y].map((value) => Math.min(Math.max(value, 0), SIZE - 1));
    cursor.style.left = `${100 * place.x / SIZE}%`;
    cursor.style.top = `${100 * place.y / SIZE}%`;
  };
  const point = (event) => {
    const box = stage.getBoundingClientRect();
    move(
      Math.floor((event.clientX - box.left) / box.width * SIZE),
      Math.floor((event.clientY - box.top) / box.height * SIZE),
    );
  };
  const step = (event) => {
    if (!STEPS[event.key]) return false;
    move(place.x + STEPS[event.key][0], place.y + STEPS[event.key][1]);
    return true;
  };
  stage.append(cursor);
  move(place.x, place.y);
  return { place, move, point, step };
}

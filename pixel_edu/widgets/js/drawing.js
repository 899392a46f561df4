// Sprites for a page of one's own: `import { drawSprite } from "./widgets/drawing.js"` loads the network and draws.

import { assetsOf } from "./assets.js";
import { CLASSES, SIZE } from "./facts.js";
import { loadDenoiser, requireNetwork } from "./network.js";
import { snap } from "./palette.js";
import { cutOut, paint, toBytes } from "./pixels.js";
import { stream } from "./sampling.js";

/**
 * Draw a sprite with the reference network, in the page; the first one loads it, about 7 MB.
 *
 * The page's root element says by data-content_root where the folder is in which _static/widgets lies, such as "../".
 *
 * @param {string} name of a class, such as "food"
 * @param {number} seed the same seed is the same sprite in Python
 * @returns {Promise<HTMLCanvasElement>} of 16 x 16 pixels, whose background is transparent
 */
export async function drawSprite(name, seed) {
  if (!CLASSES.includes(name)) throw new Error(`the class is ${name}: use ${CLASSES.join(", ")}`);
  const asset = assetsOf();
  await requireNetwork(asset);
  const denoiser = await loadDenoiser(asset);
  let step;
  for await (step of stream(denoiser, [CLASSES.indexOf(name)], [seed]));
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  paint(canvas, cutOut(snap(toBytes(step.x), denoiser.palette)));
  return canvas;
}

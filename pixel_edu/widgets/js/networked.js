// What the widgets share that draw with a network: the classes to choose from, why it cannot run, how far it is loaded.

import { CLASSES } from "./facts.js";
import { loadDenoiser, requireNetwork } from "./network.js";
import { element } from "./ui.js";

/** Names by label; the label after the last class asks for all of them, side by side from the same noise. */
export const LABELS = Object.fromEntries([...CLASSES, "all_five"].map((name, i) => [i, name.replace("_", " ")]));

/** The labels of the sprites that are drawn at once. */
export function labelsOf(model) {
  const label = model.get("label");
  return label === CLASSES.length ? CLASSES.map((_, i) => i) : [label];
}

/** Throw where no network can run, and say why in the widget; a page then keeps its picture. */
export async function requireNetworkIn(el, asset) {
  await requireNetwork(asset).catch((error) => {
    el.append(element("p", { class: "pixel-status", role: "status" }, cannotRun(error)));
    throw error;
  });
}

export function cannotRun(error) {
  return `The model cannot run here: ${error.message}.`;
}

/** A bar, and a function that loads a network while the bar shows how far it has come; `said` is the status line. */
export function loading(asset, said, name) {
  const bar = element("progress", { max: 1, ".hidden": true, "aria-label": "loading the model" });
  const load = async () => {
    bar.hidden = false;
    said.textContent = "Loading the model, once: about 7 MB.";
    const found = await loadDenoiser(asset, (share) => bar.value = share, name).finally(() => bar.hidden = true);
    said.textContent = "";
    return found;
  };
  return { bar, load };
}

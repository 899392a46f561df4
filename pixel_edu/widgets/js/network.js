// The reference network, computed by onnxruntime-web (WebAssembly, one thread) from the checkpoint that the package ships.

import { SIZE } from "./facts.js";
import { fromWords } from "./palette.js";
import { SCHEDULES } from "./schedules.js";

const CHANNELS = 3;

/** Throw where the network cannot run, before anything is loaded. */
export function requireWebAssembly() {
  if (!globalThis.WebAssembly) throw new Error("this browser has no WebAssembly, or it is switched off");
}

/**
 * Load the network once for a page, however many widgets ask.
 *
 * @param asset (name, onProgress) => a promise of the file's bytes, a Uint8Array
 * @param onProgress told the share of the bytes that is here, 0 .. 1
 * @returns a promise of { model, schedule, nullLabel, palette }; model(x, t, labels) gives a promise of the noise in x,
 *   where x holds one image of 3 x 16 x 16 numbers for each label
 */
export function loadDenoiser(asset, onProgress = () => {}) {
  const page = globalThis;
  page.pixelEduDenoiser ??= load(asset, onProgress).catch((error) => {
    delete page.pixelEduDenoiser; // whoever asks again tries again
    throw error;
  });
  return page.pixelEduDenoiser;
}

async function load(asset, onProgress) {
  const names = ["ort.mjs", "ort.wasm.gz", "reference.onnx", "reference.safetensors"];
  const shares = names.map(() => 0), weights = [0.01, 0.47, 0.01, 0.51]; // about their sizes
  const [script, packed, graph, checkpoint] = await Promise.all(names.map((name, i) =>
    asset(name, (share) => {
      shares[i] = share;
      onProgress(shares.reduce((sum, part, k) => sum + part * weights[k], 0));
    })
  ));
  const ort = await imported(script);
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: await unpacked(packed) });
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    externalData: [{ path: "reference.safetensors", data: checkpoint }],
  });
  const { config: { prediction, schedule: name, unet }, record } = aboutOf(checkpoint);
  if (prediction !== "v") throw new Error(`the network answers ${prediction}: this page can read v`);
  const schedule = SCHEDULES[name]();

  async function model(x, t, labels) {
    const count = labels.length, dims = [count, CHANNELS, SIZE, SIZE];
    const feeds = {
      x: new ort.Tensor("float32", Float32Array.from(x), dims),
      t: new ort.Tensor("int64", BigInt64Array.from(labels, () => BigInt(t)), [count]),
      c: new ort.Tensor("int64", BigInt64Array.from(labels, BigInt), [count]),
    };
    const { answer } = await session.run(feeds);
    const v = answer.data, { signal, noise } = schedule.level(t);
    const eps = x.map((value, i) => noise * value + signal * v[i]);
    answer.dispose();
    return eps;
  }
  await model(new Float64Array(2 * CHANNELS * SIZE * SIZE), 0, [0, 0]); // the first call of each size is slow
  await model(new Float64Array(CHANNELS * SIZE * SIZE), 0, [0]);
  return { model, schedule, nullLabel: unet.classes, palette: fromWords(record.palette) };
}

/** What a checkpoint says of itself in its header (the safetensors format: its length, JSON, and then the numbers). */
function aboutOf(checkpoint) {
  const length = Number(new DataView(checkpoint.buffer, checkpoint.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(checkpoint.subarray(8, 8 + length)));
  return JSON.parse(header.__metadata__.pixel_edu);
}

async function imported(script) {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

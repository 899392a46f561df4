// The networks, computed by onnxruntime-web (WebAssembly, one thread) from the checkpoints that ship.

import { SIZE } from "./facts.js";
import { fromWords } from "./palette.js";
import { SCHEDULES } from "./schedules.js";

const CHANNELS = 3;

/** A WebAssembly module of one function, whose answer is a vector. */
const VECTORS = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);
const POLICY = "the page's Content-Security-Policy forbids it: its script-src needs";

/**
 * Throw where the network cannot run, before anything is loaded.
 *
 * @param asset of `assetsOf`
 */
export async function requireNetwork(asset) {
  const { WebAssembly, DecompressionStream } = globalThis;
  if (!WebAssembly) throw new Error("this browser has no WebAssembly, or it is switched off");
  if (!WebAssembly.validate(VECTORS)) {
    throw new Error("this browser's WebAssembly has no vectors (SIMD): use a browser of 2023 or later");
  }
  if (!DecompressionStream) {
    throw new Error("this browser cannot unpack files (it has no DecompressionStream): use one of 2023 or later");
  }
  try {
    new WebAssembly.Module(VECTORS);
  } catch {
    throw new Error(`${POLICY} 'wasm-unsafe-eval'`);
  }
  if (!asset.script) await imported("export {};");
}

/**
 * Load a network once for a page, however many widgets ask.
 *
 * @param asset (name, onProgress) => a promise of the file's bytes, a Uint8Array
 * @param onProgress told the share of the bytes that is here, 0 .. 1
 * @param {string} name of the checkpoint
 * @returns a promise of { model, schedule, nullLabel, palette, calls }; model(x, t, labels) gives a promise of the noise
 *   in x, where x holds one image of 3 x 16 x 16 numbers for each label; calls is in how many calls a distilled network
 *   draws, and 0 for any other
 */
export function loadDenoiser(asset, onProgress = () => {}, name = "reference") {
  return once(`pixelEduDenoiser ${name}`, () => load(asset, onProgress, name));
}

/** What a page needs once: a promise that is kept under a key until it fails, for then whoever asks tries again. */
function once(key, make) {
  const page = globalThis;
  return page[key] ??= make().catch((error) => {
    delete page[key];
    throw error;
  });
}

async function load(asset, onProgress, name) {
  const ort = await once("pixelEduOrt", () => scriptOf(asset, "ort.mjs")); // first: it is small, and may be forbidden
  let runtime = 0, weights = 0;
  const tell = () => onProgress((runtime + weights) / 2); // they are about as large
  const started = once("pixelEduRuntime", () => loadRuntime(ort, asset, (share) => tell(runtime = share)));
  started.then(() => tell(runtime = 1), () => {}); // it may be here already, for another network
  const file = `${name}.safetensors`, loaded = asset(file, (share) => tell(weights = share));
  const [start, graph, checkpoint] = await Promise.all([started, asset(`${name}.onnx`), loaded]);
  if (!isWhole(checkpoint)) throw damaged(file);
  return denoiserOf(ort, await start(graph, checkpoint.subarray(headerOf(checkpoint).begin)), checkpoint);
}

/** What makes a session of a network's graph, which has no weights, and of its weights. */
async function loadRuntime(ort, asset, onProgress) {
  const packed = await asset("ort.wasm.gz", onProgress);
  const wasmBinary = await unpacked(packed).catch(() => packed);
  if (!VECTORS.subarray(0, 4).every((byte, i) => byte === wasmBinary[i])) throw damaged("ort.wasm.gz");
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary });
  ort.env.logLevel = "error";
  let turn = Promise.resolve(); // one after another, since onnxruntime keeps external data in one place for all
  return (graph, data) => {
    const options = { executionProviders: ["wasm"], externalData: [{ path: "weights", data }] };
    const made = turn.then(() => ort.InferenceSession.create(graph, options));
    turn = made.catch(() => {});
    return made;
  };
}

async function denoiserOf(ort, session, checkpoint) {
  const { config: { prediction, schedule: name, unet, calls = 0 }, record, data } = aboutOf(checkpoint);
  if (prediction !== "v") throw new Error(`the network answers ${prediction}: this page can read v`);
  if (!(name in SCHEDULES)) throw new Error(`the network's schedule is ${name}, which is written only in Python`);
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
  for (const labels of calls ? [[0]] : [[0, 0], [0]]) { // the first call of each size is slow; guidance doubles it
    await model(new Float64Array(labels.length * CHANNELS * SIZE * SIZE), 0, labels);
  }
  const palette = fromWords(data?.palette.join(" ") ?? record.palette); // older headers have it in their notes
  return { model, schedule, nullLabel: unet.classes, palette, calls };
}

function damaged(name) {
  return new Error(`${name} is damaged, or a pointer of Git LFS in its place: put the file itself on the server`);
}

/** What a checkpoint says of itself in its header. */
function aboutOf(checkpoint) {
  return JSON.parse(headerOf(checkpoint).header.__metadata__.pixel_edu);
}

/** A checkpoint's header, and where its numbers begin (the safetensors format: a length, JSON, and then the numbers). */
function headerOf(checkpoint) {
  const length = Number(new DataView(checkpoint.buffer, checkpoint.byteOffset).getBigUint64(0, true));
  return { header: JSON.parse(new TextDecoder().decode(checkpoint.subarray(8, 8 + length))), begin: 8 + length };
}

function isWhole(checkpoint) {
  try {
    const { header, begin } = headerOf(checkpoint);
    const ends = Object.values(header).map(({ data_offsets }) => data_offsets?.[1] ?? 0);
    return checkpoint.length === begin + Math.max(...ends);
  } catch {
    return false;
  }
}

/** A module from its own address, if it has one; else, or if its server calls it no script, from its bytes. */
async function scriptOf(asset, name) {
  const found = await asset.script?.(name).catch(() => null);
  return found ?? imported(await asset(name));
}

async function imported(script) {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return await import(address);
  } catch {
    throw new Error(`${POLICY} blob:`);
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // a server that names the packing has the browser undo it
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

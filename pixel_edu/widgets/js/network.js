// The reference network, computed by onnxruntime-web (WebAssembly, one thread) from the checkpoint that the package ships.

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
  const ort = await scriptOf(asset, "ort.mjs"); // first, since it is small and a page may forbid it
  const names = ["ort.wasm.gz", "reference.onnx", "reference.safetensors"];
  const shares = names.map(() => 0), weights = [0.48, 0.01, 0.51]; // about their sizes
  const [packed, graph, checkpoint] = await Promise.all(names.map((name, i) =>
    asset(name, (share) => {
      shares[i] = share;
      onProgress(shares.reduce((sum, part, k) => sum + part * weights[k], 0));
    })
  ));
  const wasmBinary = await unpacked(packed).catch(() => packed);
  const isModule = VECTORS.subarray(0, 4).every((byte, i) => byte === wasmBinary[i]);
  if (!isModule || !isWhole(checkpoint)) {
    const name = isModule ? "reference.safetensors" : "ort.wasm.gz";
    throw new Error(`${name} is damaged, or a pointer of Git LFS in its place: put the file itself on the server`);
  }
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary });
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    externalData: [{ path: "reference.safetensors", data: checkpoint }],
  });
  const { config: { prediction, schedule: name, unet }, record } = aboutOf(checkpoint);
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
  await model(new Float64Array(2 * CHANNELS * SIZE * SIZE), 0, [0, 0]); // the first call of each size is slow
  await model(new Float64Array(CHANNELS * SIZE * SIZE), 0, [0]);
  return { model, schedule, nullLabel: unet.classes, palette: fromWords(record.palette) };
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

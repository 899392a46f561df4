// Where a widget's large files come from: the book's own pages, or the kernel that made the widget.

const PIECE = 1 << 19;

/**
 * A function that loads a file's bytes by its name, and reports the share that has arrived. On a page it has a method
 * more, `script(name)`, which imports a module from its own address.
 */
export function assetsOf(model) {
  const root = document.documentElement.dataset.content_root; // Sphinx says where a page's root is
  return root === undefined ? fromKernel(model) : fromPage(new URL(`${root}_static/widgets/`, location.href));
}

function fromPage(folder) {
  const load = async (name, onProgress = () => {}) => {
    const answer = await fetch(new URL(name, folder)).catch(() => null);
    if (!answer?.ok) throw new Error(`${name} could not be loaded: is there a connection?`);
    const pieces = [], whole = Number(answer.headers.get("Content-Length"));
    let here = 0;
    for await (const piece of chunksOf(answer.body)) {
      pieces.push(piece);
      onProgress(Math.min((here += piece.length) / (whole || here), 1));
    }
    onProgress(1);
    return joined(pieces);
  };
  return Object.assign(load, { script: (name) => import(new URL(name, folder)) });
}

async function* chunksOf(body) { // Safari cannot iterate over a stream
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

/** A kernel sends a piece at a time: a Jupyter server drops what comes faster than a megabyte a second. */
function fromKernel(model) {
  const waiting = new Map();
  model.on("msg:custom", (said, buffers) => {
    waiting.get(`${said.name} ${said.offset}`)?.({ ...said, bytes: new Uint8Array(buffers[0].buffer ?? buffers[0]) });
  });
  let turn = Promise.resolve();
  const piece = (name, offset) =>
    turn = turn.then(async () => {
      const answer = new Promise((done, failed) => {
        waiting.set(`${name} ${offset}`, done);
        setTimeout(() => failed(new Error("no kernel answers: run this cell, and try again")), 20_000);
      });
      model.send({ name, offset, length: PIECE });
      const got = await answer;
      await new Promise((done) => setTimeout(done, 600));
      return got;
    });
  return async (name, onProgress = () => {}) => {
    const pieces = [];
    for (let here = 0, size = 1; here < size;) {
      const got = await piece(name, here);
      pieces.push(got.bytes);
      [here, size] = [here + got.bytes.length, got.size];
      onProgress(here / size);
    }
    return joined(pieces);
  };
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    whole.set(piece, place);
    place += piece.length;
  }
  return whole;
}

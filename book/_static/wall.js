// The sprites above the fold dissolve into noise and come back: once by themselves, and where the pointer goes as others.
// The picture in the page is what there is without this, for who wants nothing to move, and before it begins.

const SIDE = 16, STEP = SIDE + 1;
const AWAY = 500, BACK = 1300, STAGGER = 60; // milliseconds
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** A sprite of RGBA bytes, with noise of this share (0 to 1): signal and noise are as in the cosine schedule. */
function noisy(sprite, eps, share) {
  const signal = Math.cos(share * Math.PI / 2), noise = Math.sin(share * Math.PI / 2);
  const mixed = new ImageData(SIDE, SIDE);
  for (let i = 0; i < mixed.data.length; i += 4) {
    const drawn = sprite.data[i + 3] > 0;
    for (let c = 0; c < 3; c++) {
      const x0 = drawn ? sprite.data[i + c] / 127.5 - 1 : 0;
      mixed.data[i + c] = (signal * x0 + noise * eps[i + c] + 1) * 127.5;
    }
    mixed.data[i + 3] = drawn ? 255 : 255 * noise;
  }
  return mixed;
}

function enliven(picture) {
  const canvas = Object.assign(document.createElement("canvas"), {
    className: picture.className,
    width: picture.naturalWidth,
    height: picture.naturalHeight,
  });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", picture.alt);
  const ink = canvas.getContext("2d", { willReadFrequently: true });
  ink.drawImage(picture, 0, 0);
  const columns = Math.ceil(canvas.width / STEP), rows = Math.ceil(canvas.height / STEP);
  const places = Array.from({ length: columns * rows }, (_, n) => [n % columns * STEP, Math.floor(n / columns) * STEP]);
  const sprites = places.map(([x, y]) => ink.getImageData(x, y, SIDE, SIDE)); // refused where a page is opened from disk
  const shown = sprites.slice(), films = new Map();

  function morph(place, next, begins) {
    if (calm.matches || films.has(place)) return;
    if (!films.size) requestAnimationFrame(play);
    films.set(place, { begins, next, eps: Float32Array.from({ length: SIDE * SIDE * 4 }, normal) });
  }

  function play(now) {
    for (const [place, { begins, next, eps }] of films) {
      const passed = now - begins - AWAY;
      if (passed < -AWAY) continue;
      if (passed >= 0) shown[place] = next;
      const share = passed < 0 ? 1 + passed / AWAY : Math.max(0, 1 - passed / BACK);
      ink.putImageData(noisy(shown[place], eps, share), ...places[place]);
      if (passed >= BACK) films.delete(place);
    }
    if (films.size) requestAnimationFrame(play);
    canvas.dataset.moving = films.size;
  }

  const wave = () => places.forEach(([x], place) => morph(place, shown[place], performance.now() + x / STEP * STAGGER));

  let last = -1;
  function point({ offsetX, offsetY }) {
    const scale = canvas.clientHeight / canvas.height;
    const [column, row] = [offsetX, offsetY].map((at) => Math.floor(at / scale / STEP));
    const place = row * columns + column;
    if (place === last || column >= columns || row >= rows) return;
    last = place;
    const others = sprites.filter((sprite) => sprite !== shown[place]);
    morph(place, others[Math.floor(Math.random() * others.length)], performance.now());
  }
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", () => last = -1);

  const again = document.querySelector(".landing button");
  again.addEventListener("click", wave);
  again.hidden = false;
  picture.replaceWith(canvas);
  setTimeout(wave, 600);
}

const picture = document.querySelector("img.wall");
if (picture && !calm.matches) picture.decode().then(() => enliven(picture)).catch(() => {}); // it stays a picture

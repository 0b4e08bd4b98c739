// Pictures of numbers on canvases, and requests to the server.

export const element = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

export const find = (id) => document.getElementById(id);

export const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

// A colour of a share from 0 to 1.
export const viridis = (share) => {
  const place = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1);
  const [low, high] = [VIRIDIS[Math.floor(place)], VIRIDIS[Math.floor(place) + 1]];
  return low.map((value, index) => value + (high[index] - value) * (place % 1));
};

const dark = matchMedia("(prefers-color-scheme: dark)");

// A colour of a number from −1 to 1: blue, the card's colour, orange.
export const signed = (value) => {
  const middle = dark.matches ? [29, 35, 42] : [255, 255, 255];
  const end = value > 0 ? [232, 134, 45] : [47, 123, 189];
  const share = Math.min(1, Math.abs(value));
  return middle.map((channel, index) => channel + (end[index] - channel) * share);
};

let palettes = new WeakMap();
dark.addEventListener("change", () => { palettes = new WeakMap(); }); // signed colours have the card's in their middle

// The 256 colours of a function of bytes, as pixels.
const paletteOf = (colour) => {
  if (!palettes.has(colour)) {
    const pixels = new Uint8ClampedArray(4 * 256);
    for (let byte = 0; byte < 256; byte++) pixels.set([...colour(byte), 255], 4 * byte);
    palettes.set(colour, new Uint32Array(pixels.buffer));
  }
  return palettes.get(colour);
};

// Paints width × height bytes, row by row, on a canvas of that many pixels.
export const paint = (canvas, numbers, width, height, colour) => {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = paletteOf(colour);
  for (let index = 0; index < width * height; index++) pixels[index] = palette[numbers[index]];
  canvas.getContext("2d").putImageData(image, 0, 0);
};

const signedByte = (byte) => signed(byte / 127.5 - 1);

// A unit's picture as the server sends it: bytes between −most and most.
export const paintUnit = (canvas, unit) => paint(canvas, bytes(unit.values), unit.size, unit.size, signedByte);

export const number = (value, digits = 3) => {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : value.toFixed(digits);
  return text.replace("-", "−");
};

export const percent = (share) => `${(100 * share).toFixed(1)}%`;

// Shows a sentence of the server, or hides it.
export const say = (text = "") => {
  find("status").textContent = text;
  find("status").hidden = !text;
};

export class Refused extends Error {}

export const ask = async (path, options = {}) => {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("the server does not answer; is it still running?");
  }
  const answer = response.headers.get("content-type")?.startsWith("application/json") ? await response.json() : await response.blob();
  if (!response.ok) throw new Refused(answer.error?.message ?? `the server answered ${response.status}`);
  return answer;
};

export const post = (path, value) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

// Calls `work` again and again, never twice at once: with what was given last, once the call before has ended.
export const latest = (work) => {
  let running = false;
  let next;
  return async (...given) => {
    next = given;
    if (running) return;
    running = true;
    try {
      while (next) {
        const values = next;
        next = undefined;
        await work(...values);
      }
    } finally {
      running = false;
    }
  };
};

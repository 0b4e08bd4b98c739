// Predictions that lie in an input, drawn over it: boxes, masks, events.

import { element } from "./draw.js";

// Distinct in hue and lightness for most eyes, as vision/outlines.py has them.
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#4e79a7", "#59a14f", "#b07aa1", "#ff9da7"];
export const colourOf = (index) => COLOURS[index % COLOURS.length];

const SIDE = 560; // pixels, the least length of the longer side of what is drawn

// A canvas with a picture; `draw` gets its pen, in pixels of the picture, once the picture is on it.
const overPicture = (input, [height, width], title, draw) => {
  const scale = Math.max(1, SIDE / Math.max(height, width));
  const canvas = element("canvas", { width: Math.round(width * scale), height: Math.round(height * scale), className: "over", role: "img" });
  canvas.setAttribute("aria-label", title);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  createImageBitmap(new Blob([input.body], { type: input.type })).then((image) => {
    pen.drawImage(image, 0, 0, width, height);
  }, () => {}).then(() => draw(pen)); // without the picture, of a format that a browser does not know, what is drawn stays
  return canvas;
};

export const drawOutlines = (input, { boxes, counts, size }) => overPicture(input, size, `The picture with ${boxes.length} boxes`, (pen) => {
  const labels = Object.keys(counts), unit = Math.max(...size) / 320;
  pen.lineWidth = 1.5 * unit;
  pen.font = `${11 * unit}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  for (const { label, box: [left, top, right, bottom] } of [...boxes].reverse()) {
    pen.strokeStyle = pen.fillStyle = colourOf(labels.indexOf(label));
    pen.strokeRect(left, top, right - left, bottom - top);
    const high = 13 * unit, y = Math.max(top, high);
    pen.fillRect(left - pen.lineWidth / 2, y - high, pen.measureText(label).width + 4 * unit, high);
    pen.fillStyle = "#000";
    pen.fillText(label, left + 2 * unit, y - 0.1 * high);
  }
});

export const drawMask = (input, { mask, size }) => overPicture(input, size, "The picture with the mask over it", async (pen) => {
  const [height, width] = size;
  const layer = new Image();
  layer.src = mask;
  await layer.decode();
  pen.globalAlpha = 0.55;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(layer, 0, 0, width, height);
});

export const drawEvents = ({ events, seconds }, labels) => {
  const width = 640, high = 22, height = high * Math.max(1, labels.length);
  const canvas = element("canvas", { width, height, className: "over", role: "img" });
  canvas.setAttribute("aria-label", `${events.length} events in ${seconds} seconds`);
  const pen = canvas.getContext("2d");
  for (const { label, start, end } of events) {
    const row = labels.indexOf(label);
    pen.fillStyle = colourOf(row);
    pen.fillRect(width * start / seconds, row * high + 3, Math.max(2, width * (end - start) / seconds), high - 6);
  }
  return canvas;
};

// The forward pass of the current input, layer by layer, and kernels by hand.

import { bytes, element, find, latest, number, paint, say, signed, viridis } from "./draw.js";

const MOST_TILES = 64;

export const startSee = (current, use) => {
  let visible = false;
  let fresh = false;

  const load = latest(async () => {
    if (!visible || fresh) return;
    find("forward-hint").textContent = use.input()
      ? "Point at a number, or move with the arrow keys, to see how it comes about."
      : "Draw, or give an input; every layer's numbers for it appear here.";
    if (!use.input()) {
      draw([]);
      return;
    }
    fresh = true;
    try {
      draw((await use.send("page/forward")).layers);
    } catch (error) {
      say(error.message);
    }
  });

  const explain = latest(async (layer, unit, row, column) => {
    try {
      showWindow(await use.send("page/window", `&layer=${layer.number}&unit=${unit}&row=${row}&column=${column}`));
    } catch (error) {
      find("window").replaceChildren(element("p", { className: "quiet", textContent: error.message }));
    }
  });

  // A canvas of a unit's map, on which positions can be pointed at; `scale` is the side of a number in pixels.
  const tile = (layer, unit, [width, height], scale) => {
    const canvas = element("canvas", { tabIndex: layer.number === "" ? -1 : 0, role: "img" });
    canvas.setAttribute("aria-label", `${layer.layer}, unit ${unit}`);
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${height * scale}px`;
    if (layer.number === "") return canvas;
    let cursor = [0, 0];
    const at = (event) => [Math.floor(event.offsetY / scale), Math.floor(event.offsetX / scale)].map((value, axis) => Math.max(0, Math.min((axis ? width : height) - 1, value)));
    const point = ([row, column]) => {
      cursor = [row, column];
      layer.shape.length === 3 ? explain(layer, unit, row, column) : explain(layer, row * width + column, 0, 0);
    };
    canvas.addEventListener("pointermove", (event) => point(at(event)));
    canvas.addEventListener("focus", () => point(cursor));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      point(cursor.map((value, axis) => Math.max(0, Math.min((axis ? width : height) - 1, value + step[axis]))));
    });
    return canvas;
  };

  // A card for the numbers of one layer; `show` draws those of another input into it.
  const layerCard = (layer, isInput) => {
    const [count, height = 1, width = 1] = layer.shape;
    const maps = layer.shape.length === 3;
    const side = Math.max(height, width);
    const columns = Math.min(32, count);
    const size = maps ? [width, height] : [columns, Math.ceil(count / columns)];
    const scale = !maps ? 14 : side <= 2 ? 18 : side <= 8 ? 8 : side <= 16 ? 5 : side <= 40 ? 3 : side <= 100 ? 2 : 1;
    const canvases = layer.values ? Array.from({ length: maps ? Math.min(count, MOST_TILES) : 1 }, (_, unit) => tile(layer, unit, size, scale)) : [];
    const range = element("p", { className: "quiet" });
    const node = element("div", { className: "layer" }, element("h3", { textContent: isInput ? "input" : `${layer.number}  ${layer.layer}` }), range);
    node.append(layer.values ? element("div", { className: "tiles" }, ...canvases) : element("p", { className: "quiet", textContent: "too large to draw" }));
    const show = (layer) => {
      const shape = maps ? `${layer.units}×${height}×${width}` : `${layer.units} numbers`;
      range.textContent = `${shape}; ${number(layer.low)} to ${number(layer.high)}${layer.units > count ? `; the first ${count}` : ""}`;
      const most = Math.max(Math.abs(layer.low), Math.abs(layer.high)) || 1;
      const value = (byte) => layer.low + (layer.high - layer.low) * byte / 255;
      const colour = layer.low < 0 ? (byte) => signed(value(byte) / most) : (byte) => viridis(layer.high > layer.low ? byte / 255 : 0);
      const numbers = size[0] * size[1];
      const values = new Uint8Array(canvases.length * numbers);
      if (layer.values) values.set(bytes(layer.values).subarray(0, values.length));
      canvases.forEach((canvas, unit) => paint(canvas, values.subarray(unit * numbers, (unit + 1) * numbers), ...size, colour));
    };
    return { node, show };
  };

  let cards = [];
  let shapes; // of the layers that the cards are for

  const draw = (layers) => {
    const key = JSON.stringify(layers.map(({ layer, shape, values }) => [layer, shape, !values]));
    if (key !== shapes) {
      cards = layers.map((layer, index) => layerCard(layer, index === 0));
      find("layers").replaceChildren(...cards.map(({ node }) => node));
      shapes = key;
    }
    cards.forEach(({ show }, index) => show(layers[index]));
  };

  addEventListener("view", (event) => { visible = event.detail === "see"; load(); });
  addEventListener("input-changed", () => { fresh = false; load(); });
  startKernels();
};

const table = (rows, most) =>
  element("table", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => {
    const cell = element("td", { textContent: number(value, 2) });
    cell.style.backgroundColor = `rgba(${value > 0 ? "232,134,45" : "47,123,189"}, ${0.55 * Math.min(1, Math.abs(value) / (most || 1))})`;
    return cell;
  }))));

const largest = (rows) => Math.max(1e-12, ...rows.flat(2).map(Math.abs));

const showWindow = (answer) => {
  const where = answer.row || answer.column || answer.filter?.[0]?.length > 1 ? ` at row ${answer.row}, column ${answer.column}` : "";
  const parts = [element("p", { className: "quiet", textContent: `${answer.layer}, unit ${answer.unit}${where}` })];
  if (answer.filter) {
    const [of_patch, of_filter] = [largest(answer.patch), largest(answer.filter)];
    answer.patch.slice(0, 8).forEach((patch, index) => {
      parts.push(
        element("p", { className: "quiet", textContent: answer.all_channels > 1 ? `channel ${answer.channels[index] + (answer.first_channel ?? 0)}: input · filter = ${number(answer.sums[index])}` : "input · filter" }),
        element("div", { className: "patches" }, table(patch.map((row) => row.slice(0, 12)), of_patch), "·", table(answer.filter[index].map((row) => row.slice(0, 12)), of_filter)),
      );
    });
    const more = answer.all_channels - Math.min(8, answer.patch.length);
    if (more > 0) parts.push(element("p", { className: "quiet", textContent: `and ${more} more channels` }));
    parts.push(element("p", { className: "sum", textContent: `${number(answer.sum)} + bias ${number(answer.bias)} = ${number(answer.value)}` }));
  } else {
    for (const patch of answer.patch ?? []) parts.push(element("div", { className: "patches" }, table(patch, largest([patch]))));
    parts.push(element("p", { className: "sum", textContent: `→ ${number(answer.value)}` }));
  }
  find("window").replaceChildren(...parts);
};

// --- kernels by hand

const KERNELS = {
  "identity": [0, 0, 0, 0, 1, 0, 0, 0, 0],
  "blur": Array(9).fill(0.111),
  "Sobel, vertical edges": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  "Sobel, horizontal edges": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  "emboss": [-2, -1, 0, -1, 1, 1, 0, 1, 2],
  "sharpen": [0, -1, 0, -1, 5, -1, 0, -1, 0],
  "outline": [-1, -1, -1, -1, 8, -1, -1, -1, -1],
  "your own": undefined,
};

const SIDE = 256;
const greyLevel = (byte) => [byte, byte, byte];

const startKernels = () => {
  let grey = new Float32Array(SIDE * SIDE);
  const fields = Array.from({ length: 9 }, (_, index) => {
    const field = element("input", { type: "number", step: "0.1", value: "0" });
    field.setAttribute("aria-label", `row ${Math.floor(index / 3) + 1}, column ${index % 3 + 1}`);
    field.addEventListener("input", () => { find("kernel").value = "your own"; apply(); });
    return field;
  });
  find("kernel-numbers").append(...fields);
  find("kernel").append(...Object.keys(KERNELS).map((name) => element("option", { textContent: name })));

  const apply = () => {
    const weights = fields.map((field) => Number(field.value) || 0);
    const result = new Float32Array(SIDE * SIDE);
    for (let y = 1; y < SIDE - 1; y++) {
      for (let x = 1; x < SIDE - 1; x++) {
        let sum = 0;
        for (let k = 0; k < 9; k++) sum += weights[k] * grey[(y + Math.floor(k / 3) - 1) * SIDE + x + k % 3 - 1];
        result[y * SIDE + x] = sum;
      }
    }
    paint(find("kernel-before"), Uint8ClampedArray.from(grey), SIDE, SIDE, greyLevel);
    const offset = weights.reduce((sum, weight) => sum + weight, 0) < 0.5 ? 128 : 0; // of edges, so that both signs show
    paint(find("kernel-after"), Uint8ClampedArray.from(result, (value) => value + offset), SIDE, SIDE, greyLevel);
  };

  const choose = () => {
    const weights = KERNELS[find("kernel").value];
    if (weights) weights.forEach((weight, index) => { fields[index].value = weight; });
    apply();
  };

  const take = (source) => {
    const canvas = element("canvas", { width: SIDE, height: SIDE });
    const context = canvas.getContext("2d");
    source(context);
    const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
    grey = Float32Array.from({ length: SIDE * SIDE }, (_, index) => 0.299 * pixels[4 * index] + 0.587 * pixels[4 * index + 1] + 0.114 * pixels[4 * index + 2]);
    apply();
  };

  // A first picture, drawn here: discs, bars and a gradient.
  take((context) => {
    const sky = context.createLinearGradient(0, 0, 0, SIDE);
    sky.addColorStop(0, "#dfe8f2");
    sky.addColorStop(1, "#8fa3b8");
    context.fillStyle = sky;
    context.fillRect(0, 0, SIDE, SIDE);
    context.fillStyle = "#44566c";
    for (let bar = 0; bar < 6; bar++) context.fillRect(20 + 22 * bar, 120, 11, 110);
    context.fillStyle = "#f2c14e";
    context.beginPath(); context.arc(78, 64, 38, 0, 7); context.fill();
    context.fillStyle = "#20303f";
    context.beginPath(); context.moveTo(160, 230); context.lineTo(205, 90); context.lineTo(250, 230); context.fill();
  });
  find("kernel").value = "Sobel, vertical edges";
  choose();
  find("kernel").addEventListener("change", choose);
  find("kernel-photo").addEventListener("change", async (event) => {
    try {
      const image = await createImageBitmap(event.target.files[0]);
      const side = Math.min(image.width, image.height);
      take((context) => context.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, SIDE, SIDE));
    } catch {
      say("this file is not a picture that the browser reads");
    }
  });
};

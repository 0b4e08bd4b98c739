// A Go board: stones by clicks or keys, the probabilities of the next move, and what its eight symmetric views give.

import { ask, element, latest, percent, say } from "./draw.js";

const SIZE = 19;
const COLUMNS = "ABCDEFGHJKLMNOPQRST";
const SGF = "abcdefghijklmnopqrs";
const SIDE = 456; // pixels of the large board
const SMALL = 160; // and of a view
const DESCRIPTIONS = ["as played", "left–right", "top–bottom", "half turn", "diagonal", "quarter turn right", "quarter turn left", "other diagonal"];

// The eight symmetries of points [column, row], and their inverses.
const VIEWS = DESCRIPTIONS.map((description, view) => {
  const flip = ([x, y]) => [view & 1 ? SIZE - 1 - x : x, view & 2 ? SIZE - 1 - y : y];
  const turn = ([x, y]) => view & 4 ? [y, x] : [x, y];
  return { description, there: (point) => flip(turn(point)), back: (point) => turn(flip(point)) };
});

const pointOf = (label) => [COLUMNS.indexOf(label[0]), SIZE - Number(label.slice(1))];
const labelOf = ([column, row]) => `${COLUMNS[column]}${SIZE - row}`;
const isPoint = (label) => /^[A-HJ-T]\d+$/.test(label); // not a pass
const record = (moves) => `(;GM[1]FF[4]SZ[19]${moves.map(([column, row], index) => `;${"BW"[index % 2]}[${SGF[column]}${SGF[row]}]`).join("")})`;

// The stones after all moves, captured ones taken off: from column + 19 · row to 0 (black) or 1.
const stonesOf = (moves) => {
  const board = new Map();
  const key = (column, row) => column + SIZE * row;
  const neighbours = (at) => {
    const [column, row] = [at % SIZE, Math.floor(at / SIZE)];
    return [[column - 1, row], [column + 1, row], [column, row - 1], [column, row + 1]].filter(([x, y]) => x >= 0 && y >= 0 && x < SIZE && y < SIZE).map(([x, y]) => key(x, y));
  };
  const captured = (start) => {
    const group = new Set([start]);
    for (const at of group) {
      for (const other of neighbours(at)) {
        if (!board.has(other)) return [];
        if (board.get(other) === board.get(at)) group.add(other);
      }
    }
    return [...group];
  };
  moves.forEach(([column, row], index) => {
    const at = key(column, row);
    board.set(at, index % 2);
    for (const other of neighbours(at)) if (board.has(other) && board.get(other) !== index % 2) captured(other).forEach((stone) => board.delete(stone));
    captured(at).forEach((stone) => board.delete(stone));
  });
  return board;
};

// Draws a board: the stones after `moves`, and the probabilities of the next one; with percentages on a large board.
const drawPosition = (canvas, moves, predictions) => {
  const context = canvas.getContext("2d");
  const unit = canvas.width / (SIZE + 1);
  const circle = (column, row, radius, fill, stroke) => {
    context.beginPath();
    context.arc((column + 1) * unit, (row + 1) * unit, radius, 0, 7);
    context.fillStyle = fill;
    context.fill();
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = 1; context.stroke(); }
  };
  context.fillStyle = "#dcb35c";
  context.fillRect(0, 0, canvas.width, canvas.width);
  context.strokeStyle = context.fillStyle = "#4d3a12";
  context.lineWidth = canvas.width < SIDE ? 0.5 : 1;
  for (let line = 1; line <= SIZE; line++) {
    context.beginPath();
    context.moveTo(unit, line * unit); context.lineTo(SIZE * unit, line * unit);
    context.moveTo(line * unit, unit); context.lineTo(line * unit, SIZE * unit);
    context.stroke();
  }
  for (const x of [3, 9, 15]) for (const y of [3, 9, 15]) circle(x, y, unit / 8, "#4d3a12");
  for (const [at, colour] of stonesOf(moves)) circle(at % SIZE, Math.floor(at / SIZE), unit * 0.46, colour ? "#fafafa" : "#111", "#222");
  const most = Math.max(1e-9, ...predictions.map(({ probability }) => probability));
  for (const { label, probability } of predictions) {
    if (!isPoint(label)) continue;
    const [column, row] = pointOf(label);
    circle(column, row, unit * 0.45, `rgba(29, 111, 184, ${0.25 + 0.65 * probability / most})`);
    if (canvas.width < SIDE) continue;
    context.fillStyle = "#fff";
    context.font = "10px system-ui";
    context.textAlign = "center";
    context.fillText(String(Math.round(100 * probability)), (column + 1) * unit, (row + 1) * unit + 4);
  }
};

export const drawBoard = (place, set, model) => {
  const moves = []; // [column, row] from the top left corner; Black first
  let predictions = [];
  let cursor = [15, 3];
  const canvas = element("canvas", { width: SIDE, height: SIDE, tabIndex: 0, role: "application" });
  canvas.setAttribute("aria-label", "Go board; arrow keys move, Enter plays");
  const announce = element("p", { className: "quiet" });
  announce.setAttribute("aria-live", "polite");
  const unit = SIDE / (SIZE + 1);

  const draw = () => {
    drawPosition(canvas, moves, predictions);
    if (document.activeElement !== canvas) return;
    const context = canvas.getContext("2d");
    context.strokeStyle = "#c0392b";
    context.lineWidth = 2;
    context.strokeRect((cursor[0] + 0.55) * unit, (cursor[1] + 0.55) * unit, unit * 0.9, unit * 0.9);
  };

  const changed = () => {
    predictions = [];
    draw();
    set(record(moves), "application/x-go-sgf");
  };

  const play = (column, row) => {
    if (column < 0 || row < 0 || column >= SIZE || row >= SIZE || stonesOf(moves).has(column + SIZE * row)) return;
    moves.push([column, row]);
    changed();
  };

  // --- the eight views

  const views = element("div", { className: "views" });
  const summary = element("p", { className: "quiet" });
  const symmetric = element("input", { type: "checkbox" });
  const showViews = latest(async () => {
    views.hidden = summary.hidden = !symmetric.checked;
    if (!symmetric.checked) return;
    const turned = VIEWS.map(({ there }) => moves.map(there));
    const inputs = turned.map((played, view) => ({ name: `${DESCRIPTIONS[view]}.sgf`, base64: btoa(record(played)) }));
    try {
      const rows = await ask(`predict?model=${encodeURIComponent(model.name)}&top=40`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ inputs }) });
      const means = new Map();
      views.replaceChildren(...rows.map(({ predictions: given }, view) => {
        const [first] = given;
        const played = (label) => isPoint(label) ? labelOf(VIEWS[view].back(pointOf(label))) : label;
        given.forEach(({ label, probability }) => means.set(played(label), (means.get(played(label)) ?? 0) + probability / rows.length));
        const board = element("canvas", { width: SMALL, height: SMALL, role: "img" });
        board.setAttribute("aria-label", `The position, ${VIEWS[view].description}`);
        drawPosition(board, turned[view], given.slice(0, 6));
        return element("figure", {}, board, element("figcaption", { textContent: `${VIEWS[view].description}: ${played(first.label)} ${percent(first.probability)}` }));
      }));
      const [label, mean] = [...means].reduce((best, entry) => entry[1] > best[1] ? entry : best);
      summary.textContent = `The same position in its eight symmetries, moves named as on the large board. The mean of all eight gives ${label} ${percent(mean)}; --symmetries 8 predicts so.`;
    } catch (error) {
      say(error.message);
    }
  });
  symmetric.addEventListener("change", showViews);

  canvas.addEventListener("click", (event) => {
    const scale = SIDE / canvas.clientWidth / unit;
    play(Math.round(event.offsetX * scale) - 1, Math.round(event.offsetY * scale) - 1);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      cursor = cursor.map((value, axis) => Math.min(SIZE - 1, Math.max(0, value + step[axis])));
      announce.textContent = labelOf(cursor);
      draw();
    } else if (event.key === "Enter") play(...cursor);
    else return;
    event.preventDefault();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, draw);
  const undo = element("button", { textContent: "Take back", type: "button" });
  undo.addEventListener("click", () => { moves.pop(); changed(); });
  const reset = element("button", { textContent: "Empty board", type: "button" });
  reset.addEventListener("click", () => { moves.length = 0; changed(); });
  place.append(canvas, element("div", { className: "row" }, undo, reset, element("label", {}, symmetric, "Eight symmetric views")), announce, views, summary);
  views.hidden = summary.hidden = true;
  changed();
  return {
    predicted: (row) => {
      predictions = row.predictions;
      announce.textContent = `next move: ${predictions.slice(0, 3).map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")}`;
      draw();
      showViews();
    },
  };
};

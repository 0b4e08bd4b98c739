// A Go board: stones by clicks or keys, and the probabilities of the next move.

import { element, percent } from "./draw.js";

const SIZE = 19;
const COLUMNS = "ABCDEFGHJKLMNOPQRST";
const SGF = "abcdefghijklmnopqrs";

export const drawBoard = (place, set) => {
  const moves = []; // [column, row] from the top left corner; Black first
  let predictions = [];
  let cursor = [15, 3];
  const canvas = element("canvas", { width: 456, height: 456, tabIndex: 0, role: "application" });
  canvas.setAttribute("aria-label", "Go board; arrow keys move, Enter plays");
  const announce = element("p", { className: "quiet" });
  announce.setAttribute("aria-live", "polite");
  const context = canvas.getContext("2d");
  const unit = 456 / (SIZE + 1);

  // The stones after all moves: captured ones are taken off.
  const stones = () => {
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

  const draw = () => {
    context.fillStyle = "#dcb35c";
    context.fillRect(0, 0, 456, 456);
    context.strokeStyle = context.fillStyle = "#4d3a12";
    context.lineWidth = 1;
    for (let line = 1; line <= SIZE; line++) {
      context.beginPath();
      context.moveTo(unit, line * unit); context.lineTo(SIZE * unit, line * unit);
      context.moveTo(line * unit, unit); context.lineTo(line * unit, SIZE * unit);
      context.stroke();
    }
    for (const x of [3, 9, 15]) for (const y of [3, 9, 15]) circle(x, y, 3, "#4d3a12");
    for (const [at, colour] of stones()) circle(at % SIZE, Math.floor(at / SIZE), unit * 0.46, colour ? "#fafafa" : "#111", "#222");
    const most = Math.max(1e-9, ...predictions.map(({ probability }) => probability));
    for (const { label, probability } of predictions) {
      const spot = [COLUMNS.indexOf(label[0]), SIZE - Number(label.slice(1))];
      if (spot[0] < 0 || Number.isNaN(spot[1])) continue;
      circle(...spot, unit * 0.45, `rgba(29, 111, 184, ${0.25 + 0.65 * probability / most})`);
      context.fillStyle = "#fff";
      context.font = "10px system-ui";
      context.textAlign = "center";
      context.fillText(String(Math.round(100 * probability)), (spot[0] + 1) * unit, (spot[1] + 1) * unit + 4);
    }
    if (document.activeElement === canvas) {
      context.strokeStyle = "#c0392b";
      context.lineWidth = 2;
      context.strokeRect((cursor[0] + 0.55) * unit, (cursor[1] + 0.55) * unit, unit * 0.9, unit * 0.9);
    }
  };

  const circle = (column, row, radius, fill, stroke) => {
    context.beginPath();
    context.arc((column + 1) * unit, (row + 1) * unit, radius, 0, 7);
    context.fillStyle = fill;
    context.fill();
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = 1; context.stroke(); }
  };

  const submit = () => {
    const record = moves.map(([column, row], index) => `;${"BW"[index % 2]}[${SGF[column]}${SGF[row]}]`).join("");
    set(`(;GM[1]FF[4]SZ[19]${record})`);
  };

  const play = (column, row) => {
    if (column < 0 || row < 0 || column >= SIZE || row >= SIZE || stones().has(column + SIZE * row)) return;
    moves.push([column, row]);
    predictions = [];
    draw();
    submit();
  };

  canvas.addEventListener("click", (event) => {
    const scale = 456 / canvas.clientWidth / unit;
    play(Math.round(event.offsetX * scale) - 1, Math.round(event.offsetY * scale) - 1);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      cursor = cursor.map((value, axis) => Math.min(SIZE - 1, Math.max(0, value + step[axis])));
      announce.textContent = `${COLUMNS[cursor[0]]}${SIZE - cursor[1]}`;
      draw();
    } else if (event.key === "Enter") play(...cursor);
    else return;
    event.preventDefault();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, draw);
  const undo = element("button", { textContent: "Take back", type: "button" });
  undo.addEventListener("click", () => { moves.pop(); predictions = []; draw(); submit(); });
  const reset = element("button", { textContent: "Empty board", type: "button" });
  reset.addEventListener("click", () => { moves.length = 0; predictions = []; draw(); submit(); });
  place.append(canvas, element("div", { className: "row" }, undo, reset), announce);
  draw();
  submit();
  return {
    predicted: (row) => {
      predictions = row.predictions;
      announce.textContent = `next move: ${predictions.slice(0, 3).map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")}`;
      draw();
    },
  };
};

// The playground: points in a plane, a network that learns them, and the exercises of the lectures.

import { ask, bytes, element, find, number, paintUnit, percent, post, say } from "./draw.js";

const FEATURES = { "x1": "x₁", "x2": "x₂", "x1^2": "x₁²", "x2^2": "x₂²", "x1*x2": "x₁x₂", "sin(x1)": "sin x₁", "sin(x2)": "sin x₂" };
const MOST_LAYERS = 6;
const MOST_UNITS = 8;
const TILE = 34;

export const startLearn = () => {
  let units = [4, 2];
  let session;
  let state;
  let start; // what the session began with: points and inputs
  let seed = 0;
  let running = false;
  let curve = [];
  let loaded = false;
  let starting = Promise.resolve(); // until there is a session

  // --- controls

  const chosen = new Set(["x1", "x2"]);
  for (const [name, title] of Object.entries(FEATURES)) {
    const box = element("input", { type: "checkbox", checked: chosen.has(name) });
    box.dataset.name = name;
    box.addEventListener("change", () => {
      box.checked ? chosen.add(name) : chosen.delete(name);
      if (!chosen.size) { box.checked = true; chosen.add(name); }
      begin();
    });
    find("features").append(element("label", {}, box, title));
  }

  const drawHidden = () => {
    const button = (text, label, work, disabled = false) => {
      const node = element("button", { textContent: text, type: "button", disabled });
      node.setAttribute("aria-label", label);
      node.addEventListener("click", () => { work(); drawHidden(); begin(); });
      return node;
    };
    find("hidden-layers").replaceChildren(
      element("span", { className: "quiet", textContent: "Hidden layers" }),
      button("−", "Remove a hidden layer", () => units.pop(), !units.length),
      button("+", "Add a hidden layer", () => units.push(units.at(-1) ?? 4), units.length >= MOST_LAYERS),
      ...units.map((count, index) => element("span", { className: "row" },
        element("span", { className: "quiet", textContent: `layer ${index + 1}` }),
        button("−", `Fewer units in layer ${index + 1}`, () => { units[index] -= 1; }, count <= 1),
        element("output", { textContent: String(count) }),
        button("+", `More units in layer ${index + 1}`, () => { units[index] += 1; }, count >= MOST_UNITS),
      )),
    );
  };

  const setup = () => {
    const activation = find("activation").value;
    const wide = activation.startsWith("maxout") ? 2 : 1; // units of a maxout are the largest of two sums
    const layers = units.map((count) => activation ? `dense(${count * wide}), ${activation}` : `dense(${count})`);
    const settings = { lr: Number(find("rate").value), batch: Number(find("batch").value), optimiser: find("optimiser").value };
    if (settings.optimiser === "sgd") settings.momentum = 0;
    settings.weight_decay = 0;
    if (find("penalty").value) settings[find("penalty").value] = Number(find("strength").value);
    return {
      shape: find("shape").value, network: [...layers, "dense(classes)"].join(", "), inputs: Object.keys(FEATURES).filter((name) => chosen.has(name)).join(", "),
      noise: Number(find("noise").value), test_share: Number(find("share").value), seed, settings,
    };
  };

  const begin = () => {
    stop();
    starting = starting.then(startSession); // one after the other, so that the last one counts
    return starting;
  };

  const startSession = async () => {
    try {
      start = await post("page/playground", { action: "start", setup: setup() });
      session = start.session;
      curve = [];
      find("trace-card").hidden = true;
      show(start);
      say();
    } catch (error) {
      say(error.message);
    }
  };

  const advance = async (request) => {
    const answer = await post("page/playground", { session, ...request });
    show(answer);
    return answer;
  };

  const stepsOfEpoch = () => Math.max(1, Math.ceil(start.points.train.length / Number(find("batch").value)));

  const loop = async () => {
    try {
      await starting;
      while (running) {
        await advance({ action: "advance", steps: stepsOfEpoch() });
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      say(error.message);
      stop();
    }
  };

  const stop = () => { running = false; find("run").textContent = "Run"; };

  find("run").addEventListener("click", () => {
    if (running) return stop();
    running = true;
    find("run").textContent = "Pause";
    loop();
  });
  const once = (request) => async () => {
    stop();
    try {
      await starting;
      const answer = await advance(request());
      if (answer.trace) showTrace(answer.trace);
    } catch (error) {
      say(error.message);
    }
  };
  find("epoch").addEventListener("click", once(() => ({ action: "advance", steps: stepsOfEpoch() })));
  find("step").addEventListener("click", once(() => ({ action: canTrace() ? "trace" : "advance", ...(canTrace() ? {} : { steps: 1 }) })));
  const canTrace = () => find("batch").value === "1" && find("optimiser").value === "sgd";
  find("reset").addEventListener("click", () => { seed += 1; begin(); });
  for (const name of ["shape", "noise", "share", "activation", "optimiser", "rate", "batch", "penalty", "strength"]) find(name).addEventListener("change", begin);

  // --- pictures

  const show = (answer) => {
    state = answer;
    curve.push([answer.epoch, answer.train_loss, answer.test_loss]);
    if (curve.length > 2000) curve = curve.filter((_, index) => index % 2);
    find("epochs").textContent = answer.epoch < 1000 ? answer.epoch.toFixed(answer.epoch % 1 ? 2 : 0) : Math.round(answer.epoch).toLocaleString("en");
    find("test-loss").textContent = number(answer.test_loss);
    find("train-loss").textContent = number(answer.train_loss);
    find("test-accuracy").textContent = percent(answer.test_accuracy);
    drawNetwork();
    drawPlane();
    drawCurve();
    const most = Math.max(1e-12, ...answer.layers.map((layer) => layer.gradient));
    find("gradients").replaceChildren(...answer.layers.map((layer, index) => {
      const row = element("div", { className: "gradient" }, element("span", { textContent: index === answer.layers.length - 1 ? "output" : `layer ${index + 1}` }), element("i"), element("span", { textContent: number(layer.gradient, 4) }));
      row.style.setProperty("--share", `${100 * layer.gradient / most}%`);
      return row;
    }));
  };

  const tileOf = (unit) => {
    const canvas = element("canvas");
    paintUnit(canvas, unit);
    return canvas;
  };

  const drawNetwork = () => {
    const names = Object.keys(FEATURES).filter((name) => start.inputs.length === chosen.size && chosen.has(name));
    const columns = [start.inputs, ...state.units, state.output.map(shifted)];
    const tallest = Math.max(...columns.map((column) => column.length));
    const [gap, step, top] = [10, Math.max(92, Math.min(150, 640 / columns.length)), 20];
    const canvas = find("network");
    const ratio = devicePixelRatio || 1;
    const [width, height] = [step * (columns.length - 1) + TILE + 70, top + tallest * (TILE + gap) + 8];
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const spot = (column, index) => [56 + column * step, top + index * (TILE + gap) + (tallest - columns[column].length) * (TILE + gap) / 2];
    state.layers.forEach((layer, depth) => {
      const rows = depth === state.layers.length - 1 ? [margin(layer.weights)] : grouped(layer.weights, columns[depth + 1].length);
      const most = Math.max(1e-9, ...rows.flat().map(Math.abs));
      rows.forEach((weights, unit) => weights.forEach((weight, from) => {
        if (from >= columns[depth].length) return;
        const [x0, y0] = spot(depth, from);
        const [x1, y1] = spot(depth + 1, unit);
        context.beginPath();
        context.moveTo(x0 + TILE, y0 + TILE / 2);
        context.bezierCurveTo(x0 + TILE + step / 4, y0 + TILE / 2, x1 - step / 4, y1 + TILE / 2, x1, y1 + TILE / 2);
        context.lineWidth = 0.4 + 6 * Math.abs(weight) / most;
        context.strokeStyle = weight > 0 ? "rgba(232,134,45,.75)" : "rgba(47,123,189,.75)";
        context.stroke();
      }));
    });
    context.font = "13px system-ui";
    context.textBaseline = "middle";
    columns.forEach((column, depth) => column.forEach((unit, index) => {
      const [x, y] = spot(depth, index);
      context.imageSmoothingEnabled = false;
      context.drawImage(tileOf(unit), x, y, TILE, TILE);
      context.strokeStyle = style.getPropertyValue("--quiet");
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, TILE - 1, TILE - 1);
      if (depth === 0) {
        context.fillStyle = style.getPropertyValue("--text");
        context.textAlign = "right";
        context.fillText(FEATURES[names[index]] ?? "", x - 7, y + TILE / 2);
      }
    }));
    context.textAlign = "center";
    context.fillStyle = style.getPropertyValue("--quiet");
    context.font = "12px system-ui";
    columns.forEach((_, depth) => context.fillText(depth === 0 ? "inputs" : depth === columns.length - 1 ? "output" : `layer ${depth}`, spot(depth, 0)[0] + TILE / 2, 8));
    const sizes = columns.slice(1, -1).map((column) => column.length).join(", ");
    canvas.setAttribute("aria-label", `Network of ${columns[0].length} inputs, hidden layers of ${sizes || "none"}, and one output`);
  };

  // The weights of the second label minus those of the first: what makes a point orange.
  const margin = ([first, second]) => second.map((weight, index) => weight - first[index]);
  // Of a maxout, the larger of the weights of a unit's sums.
  const grouped = (weights, count) => weights.length === count ? weights : Array.from({ length: count }, (_, unit) => weights[unit].map((weight, index) => {
    const other = weights[unit + count][index];
    return Math.abs(other) > Math.abs(weight) ? other : weight;
  }));

  const drawPlane = () => {
    const canvas = find("plane");
    const context = canvas.getContext("2d");
    const picture = element("canvas");
    paintUnit(picture, shifted(state.surface));
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, 300, 300);
    for (const [part, ring] of [["train", false], ["test", true]]) {
      for (const [x, y, label] of start.points[part]) {
        context.beginPath();
        context.arc(150 + 150 * x / start.side, 150 - 150 * y / start.side, ring ? 2.6 : 3, 0, 7);
        context.fillStyle = label ? "#d9701a" : "#1d63a8";
        context.fill();
        context.strokeStyle = ring ? "#111" : "#fff";
        context.lineWidth = 0.8;
        context.stroke();
      }
    }
    canvas.setAttribute("aria-label", `Decision boundary on ${find("shape").value}: test accuracy ${percent(state.test_accuracy)}`);
  };

  // A picture of the probability of orange, from 0 to 1, as numbers from −1 to 1.
  const shifted = (unit) => {
    const moved = bytes(unit.values).map((byte) => Math.max(0, Math.min(255, Math.round((2 * (byte / 127.5 - 1) * unit.most - 1) * 127.5 + 127.5))));
    return { size: unit.size, values: btoa(String.fromCharCode(...moved)) };
  };

  const drawCurve = () => {
    const canvas = find("curve");
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    context.clearRect(0, 0, 300, 110);
    const last = Math.max(1, curve.at(-1)[0]);
    const most = Math.max(0.05, ...curve.flatMap(([, train, test]) => [train, test]));
    context.strokeStyle = style.getPropertyValue("--line");
    context.strokeRect(0.5, 0.5, 299, 109);
    for (const [column, name] of [[1, "--quiet"], [2, "--text"]]) {
      context.beginPath();
      for (const point of curve) context.lineTo(2 + 296 * point[0] / last, 107 - 104 * point[column] / most);
      context.strokeStyle = style.getPropertyValue(name);
      context.lineWidth = 1.6;
      context.stroke();
    }
  };

  const showTrace = (trace) => {
    find("trace-card").hidden = false;
    const probabilities = trace.probabilities.map((p, index) => `${start.labels[index]} ${percent(p)}`).join(", ");
    find("trace-text").textContent = `The point (${trace.point.map((x) => number(x, 2)).join(", ")}) is ${trace.label}; the network said ${probabilities}. Each weight becomes w′ = w + η · δ · f′(e) · x with η = ${trace.rate}.`;
    const head = element("tr", {}, ...["layer", "unit", "e", "f′(e)", "δ", "x", "w", "w′"].map((text) => element("th", { textContent: text, scope: "col" })));
    const rows = trace.layers.flatMap((layer, depth) => layer.flatMap((unit, index) => unit.inputs.map((x, k) => element("tr", {}, ...[
      depth === trace.layers.length - 1 ? "output" : String(depth + 1), String(index + 1), number(unit.sum), number(unit.slope), number(unit.delta), number(x), number(unit.before[k], 4), number(unit.after[k], 4),
    ].map((text) => element("td", { textContent: text }))))));
    find("trace").replaceChildren(head, ...rows);
  };

  // --- exercises

  const take = (variant) => {
    const { setup: given } = variant;
    find("shape").value = given.shape;
    find("noise").value = given.noise;
    find("share").value = given.test_share;
    const pieces = given.network.split(", ").slice(0, -1);
    units = pieces.filter((piece) => piece.startsWith("dense")).map((piece) => Number(piece.slice(6, -1)));
    find("activation").value = pieces.find((piece) => !piece.startsWith("dense")) ?? "";
    const settings = { lr: 0.03, batch: 10, ...given.settings };
    find("rate").value = String(settings.lr);
    find("batch").value = String(settings.batch);
    find("optimiser").value = settings.optimiser ?? "adamw";
    find("penalty").value = settings.l1 ? "l1" : "";
    if (settings.l1) find("strength").value = String(settings.l1);
    chosen.clear();
    given.inputs.split(", ").forEach((name) => chosen.add(name));
    for (const box of find("features").querySelectorAll("input")) box.checked = chosen.has(box.dataset.name);
    drawHidden();
    return begin();
  };

  const measure = async (exercise, place, button) => {
    button.disabled = true;
    const starts = 5;
    try {
      for (const [index, variant] of exercise.variants.entries()) {
        const line = element("p", { className: "quiet", textContent: `${variant.name}: …` });
        place.append(line);
        const results = [];
        for (let run = 0; run < starts; run++) {
          results.push(await post("page/playground", { action: "exercise", exercise: exercise.number, variant: index, start: run }));
          const losses = results.flatMap((result) => result.losses).sort((a, b) => a - b);
          const reached = results.reduce((sum, result) => sum + result.reached, 0);
          line.textContent = `${variant.name}: ${reached} of ${results.length} starts below ${variant.goal}; median test loss ${number(losses[Math.floor(losses.length / 2)])}`;
        }
      }
      place.append(element("p", { textContent: exercise.explanation }));
    } catch (error) {
      say(error.message);
    }
    button.disabled = false;
  };

  const listExercises = async () => {
    const exercises = await ask("page/exercises");
    find("exercises").append(...exercises.map((exercise) => {
      const title = element("button", { type: "button", textContent: exercise.title });
      const body = element("div", { hidden: true }, element("p", { textContent: exercise.question }));
      title.setAttribute("aria-expanded", "false");
      const answer = element("div");
      answer.setAttribute("aria-live", "polite");
      const buttons = exercise.variants.map((variant) => {
        const button = element("button", { type: "button", textContent: variant.name });
        button.addEventListener("click", async () => { await take(variant); find("run").click(); });
        return button;
      });
      const all = element("button", { type: "button", textContent: "Measure 5 starts" });
      all.addEventListener("click", () => { answer.replaceChildren(); stop(); measure(exercise, answer, all); });
      body.append(element("div", { className: "row" }, ...buttons, all), answer);
      title.addEventListener("click", () => { body.hidden = !body.hidden; title.setAttribute("aria-expanded", String(!body.hidden)); });
      return element("li", {}, title, body);
    }));
  };

  addEventListener("view", (event) => {
    if (event.detail !== "learn") return stop();
    if (loaded) return;
    loaded = true;
    drawHidden();
    listExercises().catch((error) => say(error.message));
    begin();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state && show(state));
};

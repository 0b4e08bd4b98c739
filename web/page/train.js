// Trainings on the data that the server was given: started, watched, stopped and resumed.

import { element, find, number, percent, post, say } from "./draw.js";

const EVERY = 1500; // milliseconds between two looks at trainings that run

export const startTrain = async () => {
  const cards = new Map();
  const ask = (request) => post("page/trainings", request);

  let listed;
  try {
    listed = await ask({ action: "list" });
  } catch {
    return; // no data to train on
  }
  if (!listed.data.length) return;
  find("tab-train").hidden = false;
  find("training-data").append(...listed.data.map((name) => element("option", { textContent: name })));

  const show = (state) => {
    if (!cards.has(state.training)) {
      const card = build(state);
      cards.set(state.training, card);
      find("trainings").prepend(card.node);
    }
    cards.get(state.training).update(state);
  };

  const act = (request) => async () => {
    try {
      show(await ask(request()));
      say();
    } catch (error) {
      say(error.message);
    }
  };

  const build = ({ training, title }) => {
    const button = (text, action) => {
      const node = element("button", { type: "button", textContent: text });
      node.addEventListener("click", act(() => ({ action, training })));
      return node;
    };
    const [stop, resume] = [button("Stop", "stop"), button("Resume", "resume")];
    const report = element("a", { href: `page/report/${training}`, target: "_blank", rel: "noopener", textContent: "Open the report", hidden: true });
    const canvas = element("canvas", { width: 520, height: 140, role: "img" });
    const text = element("p", { className: "quiet" });
    text.setAttribute("aria-live", "polite");
    const lines = element("pre", { tabIndex: 0 });
    const node = element("div", { className: "card" }, element("h2", { textContent: `${training}: ${title}` }), element("div", { className: "row" }, stop, resume, report), text, canvas, element("details", {}, element("summary", { textContent: "Output" }), lines));
    let last;
    const update = (state) => {
      last = state;
      stop.hidden = !state.running;
      resume.hidden = !state.resumable;
      report.hidden = !state.finished;
      lines.textContent = state.lines.join("\n");
      const epoch = state.epochs.at(-1);
      const figures = epoch ? `epoch ${epoch.epoch}, ${Object.entries(epoch).filter(([name]) => /loss|accuracy|f1|r2/.test(name)).map(([name, value]) => `${name.replace("_", " ")} ${/accuracy|f1/.test(name) ? percent(value) : number(value)}`).join(", ")}` : state.lines.at(-1) ?? "";
      text.textContent = state.running ? figures : state.finished ? state.lines.find((line) => line.includes("examples, after")) ?? "finished" : state.lines.at(-1) ?? "stopped";
      curve(canvas, state.epochs);
    };
    return { node, update, running: () => last?.running };
  };

  const curve = (canvas, epochs) => {
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    context.clearRect(0, 0, 520, 140);
    context.strokeStyle = style.getPropertyValue("--line");
    context.strokeRect(0.5, 0.5, 519, 139);
    const most = Math.max(1e-9, ...epochs.flatMap((epoch) => [epoch.loss, epoch.valid_loss ?? 0]));
    for (const [name, colour] of [["loss", "--quiet"], ["valid_loss", "--text"]]) {
      context.beginPath();
      epochs.forEach((epoch, index) => epoch[name] !== undefined && context.lineTo(4 + 512 * index / Math.max(1, epochs.length - 1), 135 - 128 * epoch[name] / most));
      context.strokeStyle = style.getPropertyValue(colour);
      context.lineWidth = 1.8;
      context.stroke();
    }
    canvas.setAttribute("aria-label", `Training and validation loss over ${epochs.length} epochs`);
  };

  find("training-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act(() => {
      const request = { action: "start", data: find("training-data").value, domain: find("training-domain").value };
      if (find("training-recipe").value.trim()) request.recipe = find("training-recipe").value.trim();
      if (find("training-minutes").value) request.minutes = Number(find("training-minutes").value);
      return request;
    })();
  });

  listed.trainings.forEach(show);
  setInterval(async () => {
    if (document.hidden) return;
    for (const [training, card] of cards) if (card.running()) await act(() => ({ action: "state", training }))();
  }, EVERY);
};

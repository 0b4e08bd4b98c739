// The views, and the model that they share.

import { ask, element, find, say } from "./draw.js";
import { startUse } from "./use.js";
import { startSee } from "./see.js";
import { startLearn } from "./learn.js";
import { startTrain } from "./train.js";

const TABS = ["use", "see", "learn", "train"];

const show = (name, focus = false) => {
  for (const tab of TABS) {
    const chosen = tab === name;
    find(`tab-${tab}`).setAttribute("aria-selected", String(chosen));
    find(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
    find(tab).hidden = !chosen;
  }
  // The input and its prediction stand beside what is looked at.
  if (name === "use" || name === "see") find(`${name}-cards`).prepend(find("input-card"), find("prediction-card"));
  if (focus) find(`tab-${name}`).focus();
  history.replaceState(null, "", `#${name}`);
  dispatchEvent(new CustomEvent("view", { detail: name }));
};

TABS.forEach((name, index) => {
  const tab = find(`tab-${name}`);
  tab.addEventListener("click", () => show(name));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const shown = TABS.filter((tab) => !find(`tab-${tab}`).hidden);
    if (step) show(shown[(index + step + shown.length) % shown.length], true);
  });
});

const start = async () => {
  const models = await ask("models");
  find("model").append(...models.map((model) => element("option", { value: model.name, textContent: `${model.name} (${model.domain})` })));
  const current = () => models.find((model) => model.name === find("model").value);
  const use = startUse(current);
  startSee(current, use);
  startLearn();
  await startTrain();
  find("model").addEventListener("change", use.changed);
  use.changed();
  show(TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "use");
};

start().catch((error) => say(error.message));

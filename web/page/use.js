// Inputs: a drawing, a photo, a recording, a text, a board, a point; and what a model says of them.

import { ask, bytes, element, find, latest, number, percent, say } from "./draw.js";
import { drawBoard } from "./board.js";
import { listen } from "./microphone.js";
import { colourOf, drawEvents, drawMask, drawOutlines } from "./over.js";

export const startUse = (current) => {
  let input; // {body, type}: the request's body and its type
  let domain;

  const query = (path, extra = "") => `${path}?model=${encodeURIComponent(current().name)}${extra}`;
  const send = (path, extra) => ask(query(path, extra), { method: "POST", headers: { "Content-Type": input.type }, body: input.body });

  const update = latest(async () => {
    if (!input) return;
    try {
      const [row] = await send("predict", "&top=6");
      showPrediction(row, input);
      domain?.predicted?.(row);
      say();
      dispatchEvent(new CustomEvent("input-changed"));
      const method = find("method").value;
      if (current().domain !== "playground" && method && !find("use").hidden) showExplanation(await send("page/explain", `&method=${method}`));
    } catch (error) {
      say(error.message);
    }
  });

  const set = (body, type) => {
    input = { body, type };
    update();
  };

  const changed = () => {
    input = undefined;
    say();
    find("prediction").replaceChildren(element("p", { className: "quiet", textContent: "Nothing yet." }));
    find("explanation").replaceChildren();
    find("explanation-text").textContent = "";
    domain?.close?.();
    const model = current();
    find("explanation-card").hidden = model.domain === "playground";
    find("input").replaceChildren();
    const [title, build] = { vision: ["Draw, or give a photo", vision], speech: ["Record, or give a file", speech], text: ["Type a text", text], go: ["Play on the board", drawBoard], playground: ["Choose a point", point] }[model.domain];
    find("input-title").textContent = title;
    domain = build(find("input"), set, model);
    dispatchEvent(new CustomEvent("input-changed"));
  };

  find("method").addEventListener("change", update);
  addEventListener("view", (event) => { if (event.detail === "use") update(); });
  ask("page/methods").then((methods) => {
    find("method").append(...methods.map(({ name, about }) => element("option", { value: name, textContent: name, title: about })));
    update();
  });
  return { changed, set, send, input: () => input };
};

// --- answers

const bar = (label, share, text, colour) => {
  const item = element("li", {}, element("span", { textContent: label }), element("span", { textContent: text }));
  if (colour) {
    const mark = element("i", { className: "mark" });
    mark.style.backgroundColor = colour;
    item.firstChild.prepend(mark);
  }
  item.style.setProperty("--share", `${100 * Math.max(0, Math.min(1, share))}%`);
  return item;
};

const showPrediction = (row, input) => {
  const parts = [];
  const one = (answer, name = "") => {
    if (answer.heads) return Object.entries(answer.heads).forEach(([head, value]) => one(value, head));
    const title = (text) => parts.push(element("p", { className: "answer", textContent: name ? `${name}: ${text}` : text }));
    if (answer.values) {
      for (const { name: what, value, interval } of answer.values) {
        parts.push(element("p", { className: "answer", textContent: `${what} ${number(value)}` }));
        if (interval) parts.push(element("p", { className: "quiet", textContent: `90% interval ${number(interval[0])} to ${number(interval[1])}` }));
      }
      return;
    }
    if (answer.boxes) {
      title(Object.entries(answer.counts).filter(([, count]) => count).map(([label, count]) => `${count} ${label}`).join(", ") || "no box");
      parts.push(drawOutlines(input, answer));
      const place = (box) => box.map((edge) => Math.round(edge)).join(", ");
      return parts.push(element("ul", { className: "bars" }, ...answer.boxes.map(({ label, probability, box }) => bar(`${label} at ${place(box)}`, probability, percent(probability), colourOf(Object.keys(answer.counts).indexOf(label))))));
    }
    if (answer.mask) {
      parts.push(drawMask(input, answer));
      const shares = answer.shares.filter(({ share }) => share >= 0.0005);
      parts.push(element("ul", { className: "bars" }, ...shares.map(({ label, share, colour }) => bar(label, share, percent(share), colour))));
      return;
    }
    if (answer.events) {
      const counts = new Map();
      answer.events.forEach(({ label }) => counts.set(label, (counts.get(label) || 0) + 1));
      title([...counts].map(([label, count]) => `${count} ${label}`).join(", ") || "no event");
      const labels = [...counts.keys()];
      parts.push(drawEvents(answer, labels));
      parts.push(element("ul", { className: "bars" }, ...answer.events.map(({ label, start, end, probability }) => bar(`${label}, ${start.toFixed(2)} to ${end.toFixed(2)} s`, probability, percent(probability), colourOf(labels.indexOf(label))))));
      return;
    }
    title(answer.labels ? answer.labels.join(", ") || "no label" : answer.predictions[0].label);
    parts.push(element("ul", { className: "bars" }, ...answer.predictions.map(({ label, probability }) => bar(label, probability, percent(probability)))));
  };
  one(row);
  find("prediction").replaceChildren(...parts);
};

const showExplanation = (row) => {
  const parts = [];
  if (row.tokens) {
    const most = Math.max(1e-30, ...row.relevance.map(Math.abs));
    const line = element("p", { lang: "" });
    row.tokens.forEach((token, index) => {
      const share = row.relevance[index] / most;
      const mark = element("span", { className: `token${row.unknown.includes(index) ? " unknown" : ""}`, textContent: token, title: number(row.relevance[index]) });
      mark.style.backgroundColor = `color-mix(in srgb, ${share < 0 ? "#2f7bbd" : "#e8862d"} ${Math.round(70 * Math.abs(share))}%, transparent)`;
      line.append(mark, " ");
    });
    parts.push(line);
  } else {
    parts.push(element("img", { src: `data:image/png;base64,${row.picture}`, alt: `Relevance over the input for ${row.label}`, className: "shown" }));
  }
  find("explanation").replaceChildren(...parts);
  find("explanation-text").textContent = `for ${row.label}; most relevant: ${row.at}${row.window ? `; ${row.window.start} to ${row.window.end} ${row.window.unit}` : ""}`;
};

// --- inputs

const fileField = (label, accept, take) => {
  const field = element("input", { type: "file", accept });
  field.addEventListener("change", () => field.files[0] && take(field.files[0]));
  const zone = element("div", { className: "drop" }, element("label", {}, label, field));
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  return zone;
};

const button = (text, work, properties = {}) => {
  const node = element("button", { textContent: text, type: "button", ...properties });
  node.addEventListener("click", work);
  return node;
};

const vision = (place, set, model) => {
  const grey = model.input[0] === 1;
  const pad = element("canvas", { className: "pad", width: 280, height: 280, role: "img" });
  pad.setAttribute("aria-label", "Drawing area; with a keyboard, give a file below");
  const pen = pad.getContext("2d", { willReadFrequently: true });
  const clear = () => { pen.fillStyle = grey ? "#000" : "#fff"; pen.fillRect(0, 0, 280, 280); };
  clear();
  let drawing = false;
  // Not toBlob, which waits for an idle moment, up to a second.
  const submit = () => set(bytes(pad.toDataURL("image/png").split(",")[1]), "image/png");
  const place_of = (event) => [event.offsetX * 280 / pad.clientWidth, event.offsetY * 280 / pad.clientHeight];
  const brush = () => Object.assign(pen, { lineWidth: grey ? 22 : 10, lineCap: "round", lineJoin: "round", strokeStyle: grey ? "#fff" : "#111" });
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    drawing = true;
    brush().beginPath();
    pen.moveTo(...place_of(event));
    pen.lineTo(...place_of(event));
    pen.stroke();
  });
  let strokes = 0;
  pad.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    pen.lineTo(...place_of(event));
    pen.stroke();
    if (++strokes % 6 === 0) submit();
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { if (drawing) { drawing = false; submit(); } });
  const photo = (file) => {
    set(file, file.type || "application/octet-stream");
    createImageBitmap(file).then((image) => {
      const side = Math.min(image.width, image.height);
      pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 280, 280);
    }, () => {});
  };
  const camera = cameraOf(pad, pen, submit);
  place.append(pad, element("div", { className: "row" }, button("Clear", clear), camera.button), fileField("Photo", "image/*", photo));
  return { close: camera.close };
};

const cameraOf = (pad, pen, submit) => {
  let stream;
  const close = () => { stream?.getTracks().forEach((track) => track.stop()); stream = undefined; };
  const take = async () => {
    if (!navigator.mediaDevices) return say("this browser gives no camera here; choose a photo instead");
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      return say("there is no camera, or it may not be used; choose a photo instead");
    }
    const video = element("video", { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    const side = Math.min(video.videoWidth, video.videoHeight);
    pen.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, 280, 280);
    close();
    submit();
  };
  return { close, button: button("Take a photo", take) };
};

const speech = (place, set) => {
  const picture = element("canvas", { width: 280, height: 120, role: "img", className: "pixels" });
  picture.setAttribute("aria-label", "Spectrogram of the microphone");
  let stop;
  const record = button("Record", async () => {
    if (stop) { stop(); return; }
    try {
      stop = await listen(picture, (wav) => {
        stop = undefined;
        record.textContent = "Record";
        if (wav) set(wav, "audio/wav");
      });
      record.textContent = "Stop";
    } catch (error) {
      say(error.message);
    }
  }, { className: "primary" });
  place.append(element("div", { className: "row" }, record), picture, fileField("File", "audio/*", (file) => set(file, file.type || "application/octet-stream")));
  return { close: () => stop?.() };
};

const text = (place, set) => {
  const field = element("textarea", { placeholder: "Type here…" });
  field.setAttribute("aria-label", "Text");
  field.addEventListener("input", () => field.value.trim() && set(JSON.stringify({ inputs: [field.value] }), "application/json"));
  place.append(field);
};


const point = (place, set) => {
  const field = element("input", { type: "text", value: "1.5,-2" });
  const submit = () => set(JSON.stringify({ inputs: [field.value] }), "application/json");
  field.addEventListener("input", submit);
  place.append(element("label", {}, "x₁, x₂", field));
  submit();
};

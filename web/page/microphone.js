// A recording as a WAV file, with its spectrogram drawn while it is made.

import { viridis } from "./draw.js";

const MOST_SECONDS = 10;

// Starts to record; returns a function that stops. `done` gets the WAV file.
export const listen = async (canvas, done) => {
  if (!navigator.mediaDevices) throw new Error("this browser gives no microphone here; choose a file instead");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch {
    throw new Error("there is no microphone, or it may not be used; choose a file instead");
  }
  const audio = new AudioContext();
  const source = audio.createMediaStreamSource(stream);
  const analyser = audio.createAnalyser();
  analyser.fftSize = 1024;
  const parts = [];
  // A script processor needs no second file under the page's strict policy, and is everywhere.
  const tap = audio.createScriptProcessor(4096, 1, 1);
  tap.onaudioprocess = (event) => parts.push(event.inputBuffer.getChannelData(0).slice());
  source.connect(analyser);
  source.connect(tap);
  tap.connect(audio.destination);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const levels = new Uint8Array(analyser.frequencyBinCount);
  let running = true;
  const draw = () => {
    if (!running) return;
    analyser.getByteFrequencyData(levels);
    context.drawImage(canvas, -2, 0);
    for (let y = 0; y < canvas.height; y++) {
      const bin = Math.floor((1 - y / canvas.height) * levels.length * 0.35);
      context.fillStyle = `rgb(${viridis(levels[bin] / 255).map(Math.round)})`;
      context.fillRect(canvas.width - 2, y, 2, 1);
    }
    requestAnimationFrame(draw);
  };
  context.fillStyle = `rgb(${viridis(0)})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  draw();
  const stop = () => {
    if (!running) return;
    running = false;
    clearTimeout(timer);
    stream.getTracks().forEach((track) => track.stop());
    tap.disconnect();
    const rate = audio.sampleRate;
    audio.close();
    done(parts.length ? wav(parts, rate) : undefined);
  };
  const timer = setTimeout(stop, 1000 * MOST_SECONDS);
  return stop;
};

const wav = (parts, rate) => {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const part of parts) for (const sample of part) { view.setInt16(at, Math.max(-1, Math.min(1, sample)) * 32767, true); at += 2; }
  return new Blob([view], { type: "audio/wav" });
};

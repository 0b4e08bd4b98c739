// Usage: node go.mjs go.onnx planes.bin, N × 48 × 19 × 19 bytes, 0 or 1. Needs onnxruntime-node.
import fs from "node:fs";
import { fileURLToPath } from "node:url";

export function pack(planes) { // bytes 0 or 1, the first plane first -> 2,166 bytes for each position
  const packed = new Uint8Array(planes.length / 8);
  planes.forEach((bit, i) => { packed[i >> 3] |= bit << (7 - (i & 7)); });
  return packed;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { default: ort } = await import("onnxruntime-node");
  const bytes = fs.readFileSync(process.argv[2]), planes = pack(fs.readFileSync(process.argv[3]));
  const { labels } = JSON.parse(bytes.subarray(bytes.lastIndexOf('{"metadata_format"'))); // the end of the file
  const session = await ort.InferenceSession.create(process.argv[2]), count = planes.length / 2166;
  const { data } = (await session.run({ planes: new ort.Tensor("uint8", planes, [count, 2166]) })).predictions;
  for (let i = 0; i < count; i++) {
    const row = data.subarray(361 * i, 361 * (i + 1)), best = row.indexOf(Math.max(...row));
    console.log(`${labels[best]}\t${row[best].toFixed(4)}`);
  }
}

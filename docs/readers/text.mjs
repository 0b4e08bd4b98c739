// Usage: node text.mjs reviews.onnx < lines.txt. Needs onnxruntime-node; for models of words.
import fs from "node:fs";
import { fileURLToPath } from "node:url";

export function reader({ vocabulary, lower, longest, length }) { // a text -> ids, Int32Array
  const ids = new Map(vocabulary.map((token, i) => [token, i + 2])); // 0 is padding, 1 an unknown token
  const known = vocabulary.filter((token) => /^\p{L}/u.test(token) && token.length > 3).sort();
  const words = /\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*|\p{N}+|[^\s\p{Cc}](?:[\p{M}\p{Emoji_Modifier}\u200d]+(?:(?<=\u200d)\S)?)*/gu;
  const shared = (a, b) => { let n = 0; while (n < a.length && a[n] === b[n]) n++; return n > 3 ? n / Math.max(a.length, b.length) : 0; };
  const similar = (token) => { // the known word with the most similar beginning
    const start = known.findIndex((word) => word >= token), end = start < 0 ? known.length : start;
    const near = known.slice(Math.max(0, end - 8), end + 8).map((word) => [shared(token, word), ids.get(word)]);
    const [share, id] = near.sort((a, b) => b[0] - a[0] || a[1] - b[1])[0] ?? [0, 1];
    return share >= 0.7 ? id : 1;
  };
  return (text) => {
    text = text.replace(/<br\s*\/?>/gi, (tag) => " ".repeat(tag.length));
    const tokens = (lower ? text.toLowerCase() : text).match(words) ?? [];
    const row = new Int32Array(length);
    row.set(tokens.slice(0, longest).map((token) => ids.get(token) ?? similar(token)));
    return row;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { default: ort } = await import("onnxruntime-node");
  const bytes = fs.readFileSync(process.argv[2]); // the metadata is the end of the file
  const { labels, preprocessing } = JSON.parse(bytes.subarray(bytes.lastIndexOf('{"metadata_format"')));
  const session = await ort.InferenceSession.create(process.argv[2]), read = reader(preprocessing);
  for (const line of fs.readFileSync(0, "utf8").trimEnd().split("\n")) {
    const ids = new ort.Tensor("int32", read(line), [1, 1, 1, preprocessing.length]);
    const { data } = (await session.run({ ids })).predictions, best = data.indexOf(Math.max(...data));
    console.log(`${labels[best]}\t${data[best].toFixed(4)}`);
  }
}

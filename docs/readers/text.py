"""Usage: python text.py reviews.onnx < lines.txt. Needs numpy and onnxruntime; for models of words."""

import bisect, json, os, re, sys, unicodedata
import numpy, onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
card = json.loads(session.get_modelmeta().custom_metadata_map["neocog"])
rules, special = card["preprocessing"], {"'": "'", "’": "'", "\u200d": "J", **dict.fromkeys("🏻🏼🏽🏾🏿", "E")}
ids = {token: i for i, token in enumerate(rules["vocabulary"], 2)}  # 0 is padding, 1 an unknown token
known = sorted(token for token in ids if len(token) > 3 and token[0].isalpha())


def kind(char):  # L letter, M mark, N number, blank, x other
    group = unicodedata.category(char)
    return special.get(char) or (" " if char.isspace() or group == "Cc" else group[0] if group[0] in "LMN" else "x")


def token_id(token):  # of an unknown word: that of the known one with the most similar beginning
    start = bisect.bisect_left(known, token)
    near = [(len(os.path.commonprefix([token, word])), word) for word in known[max(0, start - 8) : start + 8]]
    best = max(((n / max(len(token), len(word)), -ids[word]) for n, word in near if n > 3), default=(0, -1))
    return ids.get(token) or (-best[1] if best[0] >= 0.7 else 1)


for line in sys.stdin:
    text = re.sub(r"<br\s*/?>", lambda tag: " " * len(tag[0]), line, flags=re.I)
    text = text.lower() if rules["lower"] else text
    words = re.finditer(r"L[LM]*(?:'L[LM]*)*|N+|[^ ](?:[MEJ]+(?:(?<=J)[^ ])?)*", "".join(map(kind, text)))
    row = [token_id(text[word.start() : word.end()]) for word in words][: rules["longest"]]
    row += [0] * (rules["length"] - len(row))
    predictions = session.run(None, {"ids": numpy.int32(row).reshape(1, 1, 1, -1)})[0][0]
    print(card["labels"][predictions.argmax()], f"{predictions.max():.4f}", sep="\t")

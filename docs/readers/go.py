"""Usage: python go.py go.onnx planes.npz, of neocog go planes. Needs numpy and onnxruntime."""

import json, sys
import numpy, onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
moves = json.loads(session.get_modelmeta().custom_metadata_map["neocog"])["labels"]
planes = numpy.load(sys.argv[2])["planes"]  # (N, 48, 19, 19), 0 or 1
packed = numpy.packbits(planes.reshape(len(planes), -1), axis=1)  # (N, 2166), the first plane first
for row in session.run(None, {"planes": packed})[0]:
    print(moves[row.argmax()], f"{row.max():.4f}", sep="\t")

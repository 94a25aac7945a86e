"""What to do with a finished run: ask it through tinybert, through transformers, and through ONNX Runtime alone.

python examples/predict.py [RUN_FOLDER]

Without an argument the run of `distill_in_memory.py` answers. The last two ways need no tinybert where they run.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from transformers import pipeline

import tinybert

run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory")
texts = ["A sturdy pan that heats evenly.", "The handle broke within a week."]

# 1. tinybert: any run folder, student folder or export folder; rows in, answers out, in the same order.
for answer in tinybert.predict(run, data=[{"text": text} for text in texts]):
    print("tinybert    ", answer["label"], round(answer["scores"][answer["label"]], 3))

# 2. transformers: the student is a plain checkpoint.
classify = pipeline("text-classification", model=str(run / "student"), device="cpu")
for answer in classify(texts):
    print("transformers", answer["label"], round(answer["score"], 3))

# 3. ONNX Runtime and the tokenizer's file: nothing else is needed to serve the int8 model.
tokenizer = Tokenizer.from_file(str(run / "export" / "tokenizer.json"))
session = onnxruntime.InferenceSession(run / "export/onnx/model_quantized.onnx")
wanted = {given.name for given in session.get_inputs()}
for text in texts:
    pieces = tokenizer.encode(text)
    known = {"input_ids": pieces.ids, "attention_mask": pieces.attention_mask, "token_type_ids": pieces.type_ids}
    (logits,) = session.run(["logits"], {name: np.array([known[name]]) for name in wanted})
    print("onnx int8   ", " ".join(f"{logit:.3f}" for logit in logits[0]))

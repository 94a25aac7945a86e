"""What to do with a finished run: ask it through tinybert, through transformers, and through its own predict.py.

python examples/predict.py [RUN_FOLDER]

Without an argument the run of `distill_in_memory.py` answers. The last two ways need no tinybert where they run, the
last one no torch either.
"""

import runpy
import sys
from pathlib import Path

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

# 3. export/predict.py: onnxruntime and tokenizers are all it needs, here to ask the int8 model.
model = runpy.run_path(str(run / "export" / "predict.py"))["Model"](run / "export")
for answer in model(texts):
    print("onnx int8   ", answer["label"], round(answer["scores"][answer["label"]], 3))

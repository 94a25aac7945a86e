"""Ask the exported model beside this file. It takes two packages, onnxruntime and tokenizers, and nothing of tinybert.

python predict.py "a text"                      python predict.py "a question" "its context"
python predict.py --file rows.jsonl > answers.jsonl

From Python, `Model("export")(["a text", "another"])` gives a list of answers, such as `tinybert predict` writes.
"""

import argparse
import json
import os
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer
from tokenizers.pre_tokenizers import BertPreTokenizer

INT8, FP32 = "onnx/model_quantized.onnx", "onnx/model.onnx"
INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
TEXTS = ("text", "text_a", "question", "text_b", "context")
TAGS, ANSWERS = "TokenClassification", "QuestionAnswering"
AT_ONCE = 32  # rows, or windows of long ones, that the network reads together
LONGEST, N_BEST, NAMED = 30, 20, 5  # pieces of an answer; answers that share the probability; how many are named

Row = str | Sequence[str] | Mapping[str, Any]  # a text, two of them, or a mapping with `TEXTS`, or with `tokens`
Answer = dict[str, Any]
Logits = list[np.ndarray]  # of each window
Asked = tuple[list[Encoding], Callable[[Logits], Answer]]  # windows of pieces, and what their logits say


class Model:
    """The model of a folder; `file` is its ONNX file (int8 where there is one), `threads` those of a forward pass."""

    def __init__(self, folder: str | Path, file: str | None = None, threads: int | None = None) -> None:
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.labels = [self.config["id2label"][str(number)] for number in range(len(self.config["id2label"]))]
        self.kind = self.config["architectures"][0].rpartition("For")[2]
        self.long = {"windows": "off", "stride": None, **self.config.get("text_windows", {})}
        described = (folder / "tokenizer.json").read_text(encoding="utf-8")
        # `encode` and `post_process` would both trim: a letter, the second time.
        self.tokenizer: Any = Tokenizer.from_str(re.sub(r'("trim_offsets":\s*)true', r"\1false", described))
        self.longest = (self.tokenizer.truncation or {})["max_length"]
        self.cuts = self.kind not in (TAGS, ANSWERS) and self.long["windows"] == "off"
        if not self.cuts:
            self.tokenizer.no_truncation()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        path = folder / (file or (INT8 if (folder / INT8).exists() else FP32))
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, rows: Iterable[Row]) -> list[Answer]:
        """The answer to each row, in order; a `ValueError` where the model does not read such rows."""
        ask = {TAGS: self.tags, ANSWERS: self.span}.get(self.kind, self.whole)
        asked = [ask(row) for row in rows]
        logits = self.logits([window for windows, _ in asked for window in windows])
        return [answer(list(islice(logits, len(windows)))) for windows, answer in asked]

    def logits(self, windows: Sequence[Encoding]) -> Iterator[np.ndarray]:
        """Of each window the scores of the head: of all of it, or of each piece."""
        for start in range(0, len(windows), AT_ONCE):
            some = windows[start : start + AT_ONCE]
            given = {
                one.name: np.zeros((len(some), max(map(len, some))), np.int64) for one in self.session.get_inputs()
            }
            given["input_ids"] += self.config.get("pad_token_id") or 0
            for name, values in given.items():
                for row, window in zip(values, some, strict=True):
                    row[: len(window)] = getattr(window, INPUTS[name])
            yield from self.session.run(["logits"], given)[0]

    def windows(self, texts: Sequence[str]) -> list[Encoding]:
        """A text or pair in windows; of a pair the longer side slides, of a question and its context the context."""
        pair = len(texts) == 2
        if self.config.get("text_pairs") not in (None, pair):
            raise ValueError(f"the model reads {'single texts' if pair else 'pairs of texts'}")
        if self.cuts:
            return [self.tokenizer.encode(*texts)]
        sides = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        room = self.longest - self.tokenizer.num_special_tokens_to_add(pair)
        long = int(pair and (self.kind == ANSWERS or len(sides[0]) < len(sides[1])))
        if pair:
            short = 1 - long
            if self.kind != ANSWERS and len(sides[short]) > room // 2:  # what is cut off would return in every window
                end = sides[short].offsets[room // 2 - 1][1]
                sides[short] = self.tokenizer.encode(texts[short][:end], add_special_tokens=False)
                sides[short].truncate(room // 2)
            room -= len(sides[short])
        if room < 1:
            raise ValueError("the question leaves no room for its context")
        shared = room // 4 if self.long["stride"] is None else min(self.long["stride"], room // 2)
        sides[long].truncate(room, shared)
        parts = [sides[long], *sides[long].overflowing]
        return [self.tokenizer.post_process(*sides[:long], part, *sides[long + 1 :]) for part in parts]

    def whole(self, row: Row) -> Asked:
        """A class, a score or several labels; the logits of a long text's windows become their mean or maximum."""

        def answer(logits: Logits) -> Answer:
            pooled = (np.max if self.long["windows"] == "max" else np.mean)(logits, axis=0)
            if self.config["problem_type"] == "single_label_classification":
                scores = dict(zip(self.labels, softmax(pooled).tolist(), strict=True))
                label = max(scores, key=lambda name: scores[name])
                for name, limit in self.config.get("thresholds", {}).items():  # of one of two classes, if any
                    label = name if scores[name] >= limit else next(other for other in scores if other != name)
                return {"label": label, "scores": scores}
            if self.config["problem_type"] == "multi_label_classification":
                scores = dict(zip(self.labels, ((1 + np.tanh(pooled / 2)) / 2).tolist(), strict=True))  # sigmoid
                limits = self.config.get("thresholds", {})
                return {"labels": [name for name in scores if scores[name] >= limits.get(name, 0.5)], "scores": scores}
            return {"score": float(pooled[0])}

        return self.windows(texts_of(row)), answer

    def tags(self, row: Row) -> Asked:
        """A tag for each word: that of its first piece, in the window that shows most on both sides of it."""
        words, spans, text = words_of(row)
        windows = self.windows([text])
        firsts = first_pieces(windows, spans, text)
        if len(firsts) < len(words):  # the tokenizer passes over some in silence, such as control characters
            _, moved, text = words_of({"tokens": [word if n in firsts else "?" for n, word in enumerate(words)]})
            windows = self.windows([text])
            firsts = first_pieces(windows, moved, text)

        def answer(logits: Logits) -> Answer:
            shares = [softmax(logits[window][piece]) for _, (*_, window, piece) in sorted(firsts.items())]
            tags = [self.labels[int(share.argmax())] for share in shares]
            return {"tokens": words, "tags": tags, "scores": [float(one.max()) for one in shares], "offsets": spans}

        return windows, answer

    def span(self, row: Row) -> Asked:
        """The part of a context that answers a question; nothing where no answer is likelier."""
        texts = texts_of(row)
        windows, context = self.windows(texts), texts[-1]
        known = {"id": row["id"]} if isinstance(row, Mapping) and "id" in row else {}

        def answer(logits: Logits) -> Answer:
            found: dict[str, tuple[float, list[int] | None]] = {}
            for score, *span in sorted(best_spans(windows, logits, context), key=lambda one: (-one[0], one[1:])):
                found.setdefault(context[slice(*span)], (score, span))
            ranked = list(found.items())[:N_BEST]
            nothing, limit = min(float(scores[0].sum()) for scores in logits), self.config.get("no_answer_threshold")
            silent = not ranked or (limit is not None and nothing - ranked[0][1][0] > limit)
            if not ranked or limit is not None:
                ranked = sorted([*ranked, ("", (nothing, None))], key=lambda one: -one[1][0])
            shares = softmax(np.array([score for _, (score, _) in ranked])).tolist()
            every = zip(ranked, shares, strict=True)
            named = [{"answer": words, "score": share, "offsets": span} for (words, (_, span)), share in every]
            first = next(one for one in named if (one["answer"] == "") == silent)
            return {**known, **first, "n_best": named[:NAMED]}

        return windows, answer


def texts_of(row: Row) -> list[str]:
    """The text of a row, or both."""
    if isinstance(row, Mapping):
        row = [row[name] for name in TEXTS if name in row]
    texts: list[Any] = list(row) if isinstance(row, list | tuple) else [row]
    if len(texts) not in (1, 2) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a row is a text, a pair of texts, or an object with some of: {', '.join(TEXTS)}, tokens")
    if not any(text.strip() for text in texts):
        raise ValueError("a row without a text")
    return texts


def words_of(row: Row) -> tuple[list[str], list[list[int]], str]:
    """The words of a row, from which to before which character each stands, and in which text."""
    if isinstance(row, Mapping) and "tokens" in row:
        words = list(row["tokens"])
        ends = accumulate(len(word) + 1 for word in words)
        return words, [[end - 1 - len(word), end - 1] for word, end in zip(words, ends, strict=True)], " ".join(words)
    text = texts_of(row)[0]
    found = BertPreTokenizer().pre_tokenize_str(text)
    return [word for word, _ in found], [list(span) for _, span in found], text


def pieces_of(window: Encoding, text: str) -> Iterator[tuple[int, int, int]]:
    """The number of each piece that stands for something in a text, and its characters without the space before."""
    read = zip(window.tokens, window.offsets, window.special_tokens_mask, strict=True)
    for number, (piece, (start, end), special) in enumerate(read):
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if not special and piece != "▁" and start < end:
            yield number, start, end


def first_pieces(windows: Sequence[Encoding], spans: Sequence[list[int]], text: str) -> dict[int, Any]:
    """Of each word that has pieces its first: where it begins, minus the pieces around it, window, and number in it."""
    ends = [end for _, end in spans]
    best: dict[int, Any] = {}
    for number, window in enumerate(windows):
        seen = None
        for piece, start, end in pieces_of(window, text):
            word = bisect_right(ends, start)
            if word != seen and word < len(spans) and spans[word][0] < end:
                before = piece if number > 0 else np.inf
                after = len(window) - 1 - piece if number < len(windows) - 1 else np.inf
                seen, found = word, (start, -min(before, after), number, piece)
                best[word] = min(best.get(word, found), found)
    return best


def best_spans(windows: Sequence[Encoding], logits: Logits, context: str) -> Iterator[tuple[float, int, int]]:
    """The likeliest answers in each window: the sum of both logits, and which characters of the context they are."""
    for window, scores in zip(windows, logits, strict=True):
        sides = window.sequence_ids
        inside = [one for one in pieces_of(window, context) if sides[one[0]] == 1]
        begins, ends = scores[[number for number, _, _ in inside]].T
        further = np.arange(len(inside)) - np.arange(len(inside))[:, None]
        sums = np.where((further >= 0) & (further < LONGEST), begins[:, None] + ends, -np.inf)
        for index in np.argsort(-sums, axis=None)[: min(N_BEST, int(np.isfinite(sums).sum()))].tolist():
            first, last = divmod(index, len(inside))
            yield float(sums[first, last]), inside[first][1], inside[last][2]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def cores() -> int:
    """How many processor cores this process may use: those it is bound to, or its container's share of them."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(bound, int(quota) // int(period)))
    except (OSError, ValueError):  # there is no such group, or the quota is "max"
        return bound


def rows_of(file: str) -> Iterator[Row]:
    """The rows of a file, or of standard input where it is "-"."""
    with sys.stdin if file == "-" else Path(file).open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line) if line.startswith("{") else line.rstrip("\n").split("\t")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Ask the model in this folder: one JSON object for each row.")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text; a pair of texts; a question and its context")
    parser.add_argument("--file", help='a row a line: a text, a pair with a tab between, or JSON; "-" = standard input')
    parser.add_argument("--model", help=f"its ONNX file (default: {INT8} where it is there, else {FP32})")
    parser.add_argument("--threads", type=int, help="default: one for each core that this process may use")
    asked = parser.parse_args()
    if bool(asked.texts) == bool(asked.file):
        parser.error("give either texts or --file")
    model, done = Model(Path(__file__).parent, asked.model, asked.threads), 0
    rows = rows_of(asked.file) if asked.file else iter([asked.texts])
    while some := list(islice(rows, AT_ONCE)):
        try:
            for answer in model(some):
                print(json.dumps({"row": (done := done + 1), **answer}, ensure_ascii=False))
        except ValueError as error:
            parser.error(f"row {done + 1} or behind it: {error}")


if __name__ == "__main__":
    main()

"""The same work by other libraries, where they are installed; none of them is a dependency of tinybert."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tinybert.families.network import Network
from tinybert.layer_maps import layer_map
from tinybert.types import Batch

HAS_TEXTBREWER = find_spec("textbrewer") is not None
HAS_OPENVINO = find_spec("openvino") is not None


def textbrewer_steps(
    student: Network, teacher: Network, stage: str, read: Iterator[Batch], folder: Path
) -> Iterator[int]:
    """Updates of TextBrewer's GeneralDistiller (Yang et al. 2020, arXiv:2002.12620), eager and in fp32 as it reads.

    It matches the attention that transformers shows, which is that after softmax; the embeddings are its layer 0.
    """
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    intermediate = stage == "intermediate"
    models = [network.parts.model for network in (teacher, student)]
    for model in models:
        model.set_attn_implementation("eager")
    wanted = {"output_hidden_states": intermediate, "output_attentions": intermediate}
    adaptor = states if intermediate else logits
    matched = matches(student, teacher) if intermediate else []
    told = DistillationConfig(temperature=1, intermediate_matches=matched)
    distiller = GeneralDistiller(TrainingConfig(device="cpu", output_dir=str(folder)), told, *models, adaptor, adaptor)
    projections = [weight for module in distiller.projs if module is not None for weight in module.parameters()]
    parameters = [*student.parameters(), *projections]
    optimizer = torch.optim.AdamW(parameters, lr=5e-5)
    with distiller:  # the teacher in evaluation, the student in training mode
        for batch in read:
            loss, _ = distiller.train_on_batch(student.inputs(batch), wanted)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            yield len(batch)


def matches(student: Network, teacher: Network) -> list[dict[str, object]]:
    """What TinyBERT matches: embeddings, hidden states through a matrix, attention; layers spaced evenly."""
    pairs = layer_map("uniform", student.shape.layers, teacher.shape.layers).pairs
    widths = ["linear", student.shape.width, teacher.shape.width]
    hidden = [match("hidden", "hidden_mse", *pair) | {"proj": widths.copy()} for pair in ((0, 0), *pairs)]
    return hidden + [match("attention", "attention_mse", ours - 1, theirs - 1) for ours, theirs in pairs]


def match(feature: str, loss: str, ours: int, theirs: int) -> dict[str, object]:
    """One pair of layers as TextBrewer is told of it."""
    return {"feature": feature, "loss": loss, "weight": 1, "layer_S": ours, "layer_T": theirs}


def states(batch: dict[str, torch.Tensor], shown: Any) -> dict[str, object]:
    """What the intermediate stage reads of a network."""
    return {"hidden": shown.hidden_states, "attention": shown.attentions, "inputs_mask": batch["attention_mask"]}


def logits(_: dict[str, torch.Tensor], shown: Any) -> dict[str, object]:
    """What the prediction stage reads of a network."""
    return {"logits": shown.logits}


class OpenVino:
    """An ONNX file in OpenVINO, which chooses types itself; called as a session of ONNX Runtime is."""

    def __init__(self, file: Path, threads: int) -> None:
        from openvino import Core

        told = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        compiled = Core().compile_model(str(file), "CPU", told)
        self._inputs = [SimpleNamespace(name=port.any_name) for port in compiled.inputs]
        self._request = compiled.create_infer_request()

    def get_inputs(self) -> list[SimpleNamespace]:
        return self._inputs

    def run(self, _: None, given: Mapping[str, np.ndarray]) -> object:
        return self._request.infer(given)

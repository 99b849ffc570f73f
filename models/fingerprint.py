"""What PyTorch itself computes on the probe canvas, small enough to travel in a graph's metadata."""

import json
from typing import Dict, Union

import numpy
import torch

from models.arcnn import MaskStages
from models.network import Network, Stages
from models.probe import probe_canvas

STAGES = ("features", "global_layers", "rpn_objectness", "rpn_deltas", "boxes", "scores",
          "instance_layers", "layers", "confidence", "level")
SAMPLES = 8


def run_probe(network: Network) -> Union[Stages, MaskStages]:
    """Runs the network in eval mode on the probe canvas."""
    network.eval()
    with torch.no_grad():
        return network(probe_canvas(network.config))


def summarize(values: numpy.ndarray) -> Dict:
    """Shape, mean and RMS (in double), and 8 (flat index, value) pairs spread over `values`.

    Sample k is at (k * (numel - 1)) // 7, so the first and the last element are among them. An
    empty tensor has mean and rms 0 and no samples.
    """
    flat = values.reshape(-1).astype(numpy.float64)
    if flat.size == 0:
        return {"shape": list(values.shape), "mean": 0.0, "rms": 0.0, "samples": []}
    places = [(k * (flat.size - 1)) // (SAMPLES - 1) for k in range(SAMPLES)]
    return {"shape": list(values.shape), "mean": float(flat.mean()),
            "rms": float(numpy.sqrt(numpy.mean(flat * flat))),
            "samples": [[i, float(flat[i])] for i in places]}


def fingerprint_json(stages: Union[Stages, MaskStages]) -> str:
    """The text of metadata key sln.fingerprint; floats have their shortest exact form.

    It has those of STAGES that the network has.
    """
    tensors = stages._asdict()
    summary = {name: summarize(tensors[name].detach().numpy()) for name in STAGES
               if name in tensors}
    return json.dumps({"version": 1, "stages": summary}, sort_keys=True, separators=(",", ":"),
                      allow_nan=False)

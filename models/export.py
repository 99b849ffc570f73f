"""Writes a network as one ONNX graph: python3 -m models.export --config NAME -o X.onnx

Both of PyTorch's exporters are supported, "torchscript" (opset 17) and "dynamo" (opset 18, weights
in X.onnx.data beside X.onnx). The graph's metadata_props carry the config, where the weights come
from, and a fingerprint of PyTorch's own run on the probe canvas.
"""

import argparse
import dataclasses
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from typing import Dict, List, Optional

import onnx
import torch

from models import config as configs
from models import torch_file
from models.fingerprint import fingerprint_json, run_probe
from models.half import fold_and_round
from models.network import ExportedNetwork, Network, make_network
from models.pretrained import listed
from models.probe import probe_canvas
from models.seeding import seed_weights

OPSETS = {"torchscript": 17, "dynamo": 18}


class ExportError(RuntimeError):
    """A failure the user can act on; its text is the whole message."""


def torch_version() -> tuple:
    """(major, minor) of the PyTorch at hand."""
    return tuple(int(part) for part in torch.__version__.split(".")[:2])


def default_exporter() -> str:
    """PyTorch made dynamo its default exporter in 2.9."""
    return "dynamo" if torch_version() >= (2, 9) else "torchscript"


def check_config(path: str, wanted: configs.Config, text: str, any_side: bool) -> None:
    """Raises ExportError unless the config beside a file's weights is the wanted one, but for its side if that
    may be any."""
    try:
        found = configs.Config.from_json(text)
    except (TypeError, ValueError) as error:
        raise ExportError(f"{path}: {error}") from error
    names = [f.name for f in dataclasses.fields(found) if getattr(found, f.name) != getattr(wanted, f.name)
             and not (f.name == "side" and any_side)]
    if names:
        values = [", ".join(f"{name} {getattr(c, name)!r}" for name in names) for c in (wanted, found)]
        raise ExportError(f"{path}: expected weights for config with {values[0]}; found {values[1]}")


def load_weights(network: Network, path: str, any_side: bool = False) -> None:
    """Loads a state dict, {"state_dict": ..., "config": JSON}, or a training checkpoint.

    Of a checkpoint the averaged weights, "ema", are taken. A config beside the weights must be this one,
    with any_side but for its side, on which no weight depends.
    """
    try:
        content = torch_file.read(path)
    except torch_file.TorchFileError as error:
        raise ExportError(str(error)) from error
    kind = next((key for key in ("ema", "state_dict") if key in content), None)
    if kind is not None:
        check_config(path, network.config, content.get("config", network.config.to_json()), any_side)
        content = content[kind]
    if not isinstance(content, dict) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ExportError(f"{path}: expected a state dict, found values that are no tensors")
    own = network.state_dict()
    missing, unknown = sorted(set(own) - set(content)), sorted(set(content) - set(own))
    if missing or unknown:
        raise ExportError(f"{path}: expected the network's tensors, found missing: {listed(missing)}; "
                          f"unknown: {listed(unknown)}")
    try:
        network.load_state_dict(content, strict=True)
    except RuntimeError as error:
        raise ExportError(f"{path}: {error}") from error
    wrong = torch_file.not_finite(network.state_dict())
    if wrong:
        raise ExportError(f"{path}: {wrong}: expected finite weights, found inf or nan")


def _register_roi_align(opset: int) -> None:
    """Gives RoiAlign its coordinate_transformation_mode (it exists since opset 16).

    The symbolic of older torchvision writes opset 11's RoiAlign, which has no half-pixel shift,
    and warns that `aligned` is lost.
    """
    from torch.onnx import register_custom_op_symbolic
    from torch.onnx.symbolic_helper import parse_args

    @parse_args("v", "v", "f", "i", "i", "i", "b")
    def symbolic(g, features, rois, scale, height, width, sampling_ratio, aligned):
        def column(values):
            return g.op("Constant", value_t=torch.tensor(values, dtype=torch.int64))

        batch = g.op("Gather", rois, column(0), axis_i=1)
        return g.op("RoiAlign", features, g.op("Gather", rois, column([1, 2, 3, 4]), axis_i=1),
                    g.op("Cast", batch, to_i=int(onnx.TensorProto.INT64)),
                    coordinate_transformation_mode_s="half_pixel" if aligned else "output_half_pixel",
                    mode_s="avg", output_height_i=height, output_width_i=width,
                    sampling_ratio_i=sampling_ratio, spatial_scale_f=scale)

    register_custom_op_symbolic("torchvision::roi_align", symbolic, opset)


def _register_pad(opset: int) -> None:
    """Writes the zeros around the last two axes as one Pad with constant amounts.

    PyTorch's own symbolic computes the amounts in the graph, with a dozen nodes, after which shape
    inference no longer knows the maps' sizes.
    """
    from torch.onnx import register_custom_op_symbolic
    from torch.onnx.symbolic_helper import parse_args

    @parse_args("v", "is", "s", "v")
    def symbolic(g, x, amounts, mode, _value):
        if mode != "constant" or len(amounts) != 4:
            raise ExportError(f"pad: expected zeros around two axes, found mode {mode}, amounts {amounts}")
        left, right, top, bottom = amounts
        pads = torch.tensor([0, 0, top, left, 0, 0, bottom, right], dtype=torch.int64)
        return g.op("Pad", x, g.op("Constant", value_t=pads), mode_s=mode)

    register_custom_op_symbolic("aten::pad", symbolic, opset)


def _export_torchscript(model: ExportedNetwork, path: str, keep_batchnorm: bool) -> None:
    opset = OPSETS["torchscript"]
    _register_roi_align(opset)
    _register_pad(opset)
    mode = torch.onnx.TrainingMode
    dynamic = {name: {0: "n"} for name in model.names
               if name in ("boxes", "scores", "layers", "confidence", "level", "instance_layers")}
    options = {"dynamo": False} if torch_version() >= (2, 5) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (probe_canvas(model.network.config),), path, input_names=["image"],
            output_names=list(model.names), opset_version=opset, dynamic_axes=dynamic,
            training=mode.PRESERVE if keep_batchnorm else mode.EVAL,
            do_constant_folding=not keep_batchnorm, **options)


def _export_dynamo(model: ExportedNetwork, path: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model, (probe_canvas(model.network.config),), dynamo=True, input_names=["image"],
            output_names=list(model.names), opset_version=OPSETS["dynamo"], verbose=False)
    program.save(path, external_data=True)


def _strip_traces(graph: onnx.GraphProto) -> None:
    """Drops doc strings and per-node metadata: stack traces with the exporting machine's paths."""
    entries = [*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output, graph]
    for entry in entries:
        entry.ClearField("doc_string")
        if "metadata_props" in entry.DESCRIPTOR.fields_by_name:
            entry.ClearField("metadata_props")


def _name_box_count(graph: onnx.GraphProto) -> None:
    """Calls the number of boxes `n`, whatever expression the exporter made of it."""
    found = next(o for o in graph.output if o.name == "boxes").type.tensor_type.shape.dim[0].dim_param
    for value in [*graph.output, *graph.value_info]:
        for dim in value.type.tensor_type.shape.dim:
            if found and dim.dim_param == found:
                dim.dim_param = "n"


def _write_metadata(path: str, properties: Dict[str, str]) -> None:
    """Adds the properties; external tensors stay where they are, untouched."""
    model = onnx.load(path, load_external_data=False)
    _strip_traces(model.graph)
    _name_box_count(model.graph)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, properties)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(path)


def _publish(folder: str, output: str) -> List[str]:
    """Moves the finished files to their place, data first, so that the graph never lacks its data."""
    name, target = os.path.basename(output), os.path.dirname(output) or "."
    published = []
    for entry in sorted(os.listdir(folder), key=lambda file: file == name):
        os.replace(os.path.join(folder, entry), os.path.join(target, entry))
        published.append(os.path.join(target, entry))
    stale = output + ".data"
    if stale not in published and os.path.exists(stale):
        os.remove(stale)  # left by an earlier dynamo export; nothing refers to it any more
    return published


def file_sha256(path: str) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def export(network: Network, output: str, weights: str, exporter: str, debug_outputs: bool = False,
           keep_batchnorm: bool = False, weights_sha256: Optional[str] = None) -> List[str]:
    """Exports a network in eval mode, whatever mode it is in, and returns the paths written.

    weights: "seeded:N" or "trained", recorded in the metadata; weights_sha256: of the file that
    trained ones came from.
    """
    if exporter == "dynamo" and torch_version() < (2, 6):
        raise ExportError(f"--exporter dynamo: expected PyTorch 2.6 or later, found {torch.__version__}")
    if exporter == "dynamo" and keep_batchnorm:
        raise ExportError("--keep-batchnorm: expected exporter torchscript, found dynamo")
    network.eval()
    model = ExportedNetwork(network, debug_outputs).eval()
    properties = {
        "sln.config": network.config.to_json(),
        "sln.config_sha256": network.config.sha256(),
        "sln.weights": weights,
        **({"sln.weights_sha256": weights_sha256} if weights_sha256 else {}),
        "sln.exporter": f"{exporter} {torch.__version__}",
        "sln.fingerprint": fingerprint_json(run_probe(network)),
    }
    target = os.path.dirname(output) or "."
    # In the target's own folder, so that the final renames stay within one file system; under the
    # final name, because the graph names its data file.
    folder = tempfile.mkdtemp(prefix=".export-", dir=target)
    try:
        path = os.path.join(folder, os.path.basename(output))
        if exporter == "torchscript":
            _export_torchscript(model, path, keep_batchnorm)
        else:
            _export_dynamo(model, path)
        _write_metadata(path, properties)
        return _publish(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build(name: str, seed: Optional[int], weights: Optional[str], side: Optional[int] = None) -> Network:
    """Returns the named network with seeded or loaded weights, in eval mode; with another side of its
    canvas if one is given, whatever side the weights were trained at."""
    network = make_network(configs.named(name, side)).eval()
    if weights is None:
        seed_weights(network, seed or 0)
    else:
        load_weights(network, weights, any_side=side is not None)
    return network


def parse_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m models.export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, choices=sorted(configs.CONFIGS))
    parser.add_argument("--side", type=int, metavar="PX", help="the canvas' side, whatever side the weights "
                        "were trained at (default: the config's)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--weights", metavar="W.pt",
                        help="a state dict of this config's network, or a training checkpoint")
    source.add_argument("--seed", type=int, metavar="N", help="calibrated random weights (default: 0)")
    parser.add_argument("--exporter", choices=sorted(OPSETS), default=default_exporter(),
                        help="default with this PyTorch: %(default)s")
    parser.add_argument("--debug-outputs", action="store_true",
                        help="append features, rpn_objectness, rpn_deltas, instance_layers")
    parser.add_argument("--keep-batchnorm", action="store_true",
                        help="leave BatchNormalization nodes in the graph (torchscript only)")
    parser.add_argument("--half", action="store_true",
                        help="fold BN and round convolution weights to halves, "
                        "which `sln import` then stores in two bytes each")
    parser.add_argument("--threads", type=int, metavar="T", help="PyTorch's threads")
    parser.add_argument("-o", "--output", required=True, metavar="X.onnx")
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse_arguments(arguments)
    try:
        if options.threads is not None and options.threads < 1:
            raise ExportError(f"--threads: expected at least 1, found {options.threads}")
        if options.threads:
            torch.set_num_threads(options.threads)
        if options.half and options.keep_batchnorm:
            raise ExportError("--half: folds BN, expected no --keep-batchnorm beside it, found it")
        network = build(options.config, options.seed, options.weights, options.side)
        if options.half:
            fold_and_round(network)
        weights = "trained" if options.weights else f"seeded:{options.seed or 0}"
        paths = export(network, options.output, weights, options.exporter, options.debug_outputs,
                       options.keep_batchnorm, file_sha256(options.weights) if options.weights else None)
    except (ExportError, configs.ConfigError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path}: {os.path.getsize(path)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

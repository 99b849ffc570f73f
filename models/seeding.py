"""Seeded weights that make every stage do real work, without training.

Random convolutions and BN statistics come from NumPy's RandomState, whose streams are frozen, one
stream per layer, so the same seed gives the same weights under every PyTorch. A plain random
network would still be useless: its logits are nearly constant. So the weights are calibrated once
on the probe canvas while it runs through the network: every convolution before a BN gets a power
of two that brings its output near unit variance, and every output layer a factor and a bias per
channel that give its logits the wanted spread. Measured factors are rounded coarsely, so that
PyTorch versions, which differ in the last bits, arrive at the same weights.
"""

import math
import zlib
from typing import Dict, NamedTuple, Set, Tuple

import numpy
import torch
from torch import nn

from models.config import Config
from models.encoder_lite import EfficientNetLiteEncoder, MobileBottleneck
from models.encoder_resnet import Bottleneck
from models.fingerprint import run_probe
from models.network import Network

# Output layers get a standard deviation and a mean per channel on the probe.
LOGIT_STD = 3.0  # glm, ilm, refine, mask
NOT_THIS_OBJECT_MEAN = 1.5  # channel 0 of ilm and refine, against the other K channels together
OBJECTNESS_STD = 4.0  # over all anchors together, with mean 0
SCALE_PREFERENCE = 1.5  # of it between the anchor scales, the larger ones ahead: they overlap more
CENTRE_STD = 0.06  # dx, dy
SIZE_STD = 0.12  # dw, dh
# Standard deviation before a ReLU6: about a tenth of the values lie above 6. At 1 hardly any would,
# and a graph that lost the upper bound would look right.
RELU6_SPREAD = 3.0


def output_targets(config: Config) -> Dict[str, Tuple[numpy.ndarray, numpy.ndarray]]:
    """Returns {output layer: (standard deviation, mean) per channel}."""
    planes = config.planes
    logit_std, zero = numpy.full(planes, LOGIT_STD), numpy.zeros(planes)
    balance = numpy.eye(planes)[0] * NOT_THIS_OBJECT_MEAN
    ratios = numpy.repeat(config.anchor_ratios, len(config.anchor_scales))
    ranks = numpy.tile(numpy.arange(len(config.anchor_scales)), len(config.anchor_ratios))
    preference = ranks - ranks.mean()
    spread = SCALE_PREFERENCE / preference.std() if len(config.anchor_scales) > 1 else 0.0
    within = math.sqrt(OBJECTNESS_STD ** 2 - (spread * preference.std()) ** 2)
    # The three shapes of an anchor are drawn to a square, as a trained network draws them to the
    # object they share; without it NMS would find little to suppress.
    pull = 0.5 * numpy.log(ratios)
    delta_means = numpy.stack((0.0 * pull, 0.0 * pull, pull, -pull), 1).reshape(-1)
    delta_stds = numpy.tile((CENTRE_STD, CENTRE_STD, SIZE_STD, SIZE_STD), config.anchors_per_cell)
    region_proposals = {
        "rpn.objectness": (numpy.full(len(ranks), within), spread * preference),
        "rpn.deltas": (delta_stds, delta_means),
    }
    if config.network != "sln":
        return {**region_proposals, "mask.conv6": (logit_std[1:], zero[1:])}
    return {
        "glm.conv3": (logit_std, zero),
        **region_proposals,
        "ilm.conv3": (logit_std, balance),
        "refine.conv3": (logit_std, balance),
    }


def _stream(seed: int, name: str) -> numpy.random.RandomState:
    """An own random stream per tensor, independent of the order of the layers."""
    return numpy.random.RandomState([seed & 0xFFFFFFFF, zlib.crc32(name.encode("ascii"))])


def _seed_conv(conv: nn.Conv2d, name: str, seed: int) -> None:
    """He-style normal weights whose filters sum to zero.

    Inputs are mostly ReLU outputs with a positive mean; a filter that sums to zero ignores it.
    Otherwise the mean grows from layer to layer until no place differs from another.
    """
    shape = tuple(conv.weight.shape)
    values = _stream(seed, name).standard_normal(shape) * math.sqrt(2.0 / numpy.prod(shape[1:]))
    values -= values.mean(axis=(1, 2, 3), keepdims=True)
    conv.weight.copy_(torch.from_numpy(values.astype(numpy.float32)))
    if conv.bias is not None:
        # Never all zero: an exporter may drop such a bias from the graph.
        biases = 0.25 * _stream(seed, name + ".bias").standard_normal(shape[0])
        conv.bias.copy_(torch.from_numpy(biases.astype(numpy.float32)))


class _Surroundings(NamedTuple):
    """What follows each BN, by name; the others are followed by a ReLU."""

    linear: Set[str]  # no activation: a branch of a sum, or a block's end
    damped: Set[str]  # of these: the residual branches
    relu6: Set[str]


def _surroundings(network: Network) -> _Surroundings:
    found = _Surroundings(set(), set(), set())
    for name, module in network.named_modules():
        if isinstance(module, Bottleneck):
            found.linear.update((f"{name}.bn3", f"{name}.shortcut_bn"))
            found.damped.add(f"{name}.bn3")
        elif isinstance(module, MobileBottleneck):
            found.linear.add(f"{name}.project_bn")
            found.damped.update([f"{name}.project_bn"] if module.has_residual else [])
            found.relu6.update((f"{name}.expand_bn", f"{name}.depthwise_bn"))
        elif isinstance(module, EfficientNetLiteEncoder):
            found.relu6.add(f"{name}.stem_bn")
    return found


def _seed_bn(bn: nn.BatchNorm2d, name: str, seed: int, surroundings: _Surroundings) -> None:
    """Random statistics around those of unit-variance inputs.

    Two choices keep rounding noise from growing over the blocks faster than the signal, so that
    two correct implementations agree as closely as they would on trained weights: residual
    branches are damped, and a positive bias before each ReLU lets most of the signal pass.
    """
    stream, count = _stream(seed, name), bn.num_features
    linear = name in surroundings.linear
    gain = 0.25 if name in surroundings.damped else 1.0
    spread = RELU6_SPREAD if name in surroundings.relu6 else 1.0
    values = {
        "weight": spread * gain * stream.uniform(0.7, 1.3, count),
        "bias": spread * ((0.0 if linear else 0.75) + 0.25 * stream.standard_normal(count)),
        "running_mean": 0.25 * stream.standard_normal(count),
        "running_var": stream.uniform(0.5, 1.5, count),
    }
    for key, value in values.items():
        getattr(bn, key).copy_(torch.from_numpy(value.astype(numpy.float32)))


def round_mantissa(value: float, bits: int) -> float:
    """Rounds a positive value to `bits` bits after the leading one."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(round(math.ldexp(fraction, bits + 1)), exponent - bits - 1)


def _calibrate_inner(conv: nn.Conv2d, _inputs, output: torch.Tensor) -> torch.Tensor:
    """Forward hook: scales the layer by the power of two that brings its output nearest to RMS 1."""
    rms = float(torch.sqrt(torch.mean(output.double() ** 2)))
    if rms == 0.0:
        return output
    factor = 2.0 ** round(-math.log2(rms))
    conv.weight.mul_(factor)
    if conv.bias is not None:
        conv.bias.mul_(factor)
    return output * factor


def _calibrate_output(stds: numpy.ndarray, means: numpy.ndarray):
    """Forward hook maker: gives each channel of an output layer its target spread and mean.

    Factors keep 5 bits; shifts are whole multiples of a power of two near a tenth of the spread.
    """
    grids = 2.0 ** numpy.floor(numpy.log2(stds) - 2.5)

    def hook(conv: nn.Conv2d, _inputs, output: torch.Tensor) -> torch.Tensor:
        flat = output.double().permute(1, 0, 2, 3).reshape(output.shape[1], -1).numpy()
        if flat.shape[1] == 0:
            return output
        found = numpy.maximum(flat.std(axis=1), 1e-6)
        factors = numpy.array([round_mantissa(f, 5) for f in stds / found])
        shifts = numpy.round((means - factors * flat.mean(axis=1)) / grids) * grids
        factors = torch.from_numpy(factors.astype(numpy.float32))
        shifts = torch.from_numpy(shifts.astype(numpy.float32))
        conv.weight.mul_(factors.reshape(-1, 1, 1, 1))
        conv.bias.mul_(factors).add_(shifts)
        return output * factors.reshape(1, -1, 1, 1) + shifts.reshape(1, -1, 1, 1)

    return hook


@torch.no_grad()
def seed_weights(network: Network, seed: int) -> None:
    """Fills the network with the weights of `seed` (any non-negative number below 2^32)."""
    if not 0 <= seed < 2 ** 32:
        raise ValueError(f"seed: expected 0 <= seed < 2^32, found {seed}")
    hooks, targets, surroundings = [], output_targets(network.config), _surroundings(network)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            _seed_conv(module, name, seed)
            hook = _calibrate_output(*targets[name]) if name in targets else _calibrate_inner
            hooks.append(module.register_forward_hook(hook))
        elif isinstance(module, nn.BatchNorm2d):
            _seed_bn(module, name, seed, surroundings)
    try:
        run_probe(network)
    finally:
        for hook in hooks:
            hook.remove()

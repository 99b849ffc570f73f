"""Depthwise convolutions that train on the CPU at the speed of their arithmetic."""

from typing import Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional as F

COLUMNS = 3  # of a kernel whose gradient oneDNN computes channel by channel


def _gradients(gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, stride: Sequence[int],
               padding: Sequence[int], wanted: Sequence[bool]) -> Tuple[Optional[torch.Tensor], ...]:
    """Of input, weight and bias, as far as wanted; all tensors of one kind."""
    channels = weight.shape[0]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, [channels] if wanted[2] else None, stride, padding, [1, 1], False, [0, 0], channels,
        wanted)


def _weight_gradient(gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor,
                     padding: Sequence[int]) -> torch.Tensor:
    """The gradient of the weight (c, 1, kh, kw) at stride 1, COLUMNS of it at a time."""
    parts, width = [], weight.shape[3]
    for first in range(0, width, COLUMNS):
        part = weight[..., first:first + COLUMNS]
        left = padding[1] - first
        right = gradient.shape[3] - 1 + part.shape[3] - x.shape[3] - left
        seen = F.pad(x, (left, right)).contiguous(memory_format=torch.channels_last)  # negative: cut off
        parts.append(_gradients(gradient, seen, part, (1, 1), (padding[0], 0), (False, True, False))[1])
    return torch.cat(parts, 3)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution, in bf16 under autocast, with its gradients in fp32 at least.

    oneDNN, which PyTorch calls, has kernels of its own for the forward pass. Of the gradients in bf16 it computes
    most by plain loops, up to a hundred times slower than in fp32, and that of a weight more than three columns
    wide as if every channel were sixteen: together more than half of a step.
    """

    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor],
                stride: Sequence[int], padding: Sequence[int], kind: torch.dtype) -> torch.Tensor:
        ctx.kind, ctx.stride, ctx.padding = x.dtype, stride, padding
        x, weight = x.to(kind), weight.to(kind)
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, None if bias is None else bias.to(kind), stride, padding, groups=weight.shape[0])

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        x, weight = ctx.saved_tensors
        wide = torch.promote_types(x.dtype, torch.float32)
        x, weight, gradient = x.to(wide), weight.to(wide), gradient.to(wide)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        whole = weight.shape[3] <= COLUMNS or tuple(ctx.stride) != (1, 1)  # little is gained at stride 2
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        found = list(_gradients(gradient, x, weight, ctx.stride, ctx.padding, (of_x, of_weight and whole, of_bias)))
        if of_weight and not whole:
            found[1] = _weight_gradient(gradient, x, weight, ctx.padding)
        return found[0].to(ctx.kind) if of_x else None, found[1], found[2], None, None, None


def _under_autocast() -> bool:
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # before PyTorch 2.4 it takes no device
        return torch.is_autocast_cpu_enabled()


def convolve(conv: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor]) -> torch.Tensor:
    """What `conv` makes of x (n, inputs, h, w) with another weight and bias of its shapes."""
    depthwise = conv.groups == conv.in_channels == conv.out_channels > 1 and conv.dilation == (1, 1)
    if depthwise and x.device.type == "cpu":
        kind = torch.bfloat16 if _under_autocast() else x.dtype
        return _Depthwise.apply(x, weight, bias, conv.stride, conv.padding, kind)
    return conv._conv_forward(x, weight, bias)

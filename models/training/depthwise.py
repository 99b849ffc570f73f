"""Depthwise convolutions that also train in bf16 on the CPU at the speed of their arithmetic."""

from typing import Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional as F


class _Bf16Depthwise(torch.autograd.Function):
    """A depthwise convolution in bf16 whose gradients are computed in fp32, from bf16 values.

    oneDNN, which PyTorch calls, has a bf16 kernel of its own for the forward pass; most of the gradients it
    computes by plain loops, three to a hundred times slower than in fp32, which was more than half of a step.
    """

    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor],
                stride: Sequence[int], padding: Sequence[int]) -> torch.Tensor:
        ctx.dtype = x.dtype
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None if bias is None else bias.bfloat16(), stride, padding,
                        groups=weight.shape[0])

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        x, weight = ctx.saved_tensors
        channels, wanted = weight.shape[0], ctx.needs_input_grad[:3]
        found = torch.ops.aten.convolution_backward(
            gradient.float(), x.float(), weight.float(), [channels] if wanted[2] else None, ctx.stride,
            ctx.padding, [1, 1], False, [0, 0], channels, wanted)
        return found[0].to(ctx.dtype) if wanted[0] else None, found[1], found[2], None, None


def _under_autocast() -> bool:
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # before PyTorch 2.4 it takes no device
        return torch.is_autocast_cpu_enabled()


def convolve(conv: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor]) -> torch.Tensor:
    """What `conv` makes of x (n, inputs, h, w) with another weight and bias of its shapes."""
    if conv.groups == conv.in_channels > 1 and x.device.type == "cpu" and _under_autocast():
        return _Bf16Depthwise.apply(x, weight, bias, conv.stride, conv.padding)
    return conv._conv_forward(x, weight, bias)

"""Depthwise convolutions of a training on the CPU, which compute their gradients in a way of their own."""

import unittest

import torch
from torch import nn

from models.training.depthwise import convolve
from models.training.folding import fold

# Channels, side, kernel, stride, padding.
SHAPES = ((24, 12, 3, 1, 1), (24, 15, 5, 2, 0), (7, 9, 5, 1, 2), (16, 6, 7, 1, 1))


def gradients(conv: nn.Conv2d, x: torch.Tensor, bias: torch.Tensor, towards: torch.Tensor):
    """Output, and gradients of x, weight, and bias; x, weight and bias themselves are left alone."""
    leaves = [v.detach().clone().requires_grad_() for v in (x, conv.weight, bias)]
    y = convolve(conv, *leaves)
    (y.float() * towards).sum().backward()
    return y, [leaf.grad for leaf in leaves]


class DepthwiseTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(5)

    def case(self, channels, side, kernel, stride, padding):
        """A depthwise convolution, its input and bias, and a gradient of its output, all bf16 numbers in fp32."""
        conv = nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
        conv.weight.data = torch.randn(conv.weight.shape).bfloat16().float()
        x = torch.randn(2, channels, side, side + 1).bfloat16().float().contiguous(memory_format=torch.channels_last)
        bias = torch.randn(channels).bfloat16().float()
        return conv, x, bias, torch.randn(conv(x).shape).bfloat16().float()

    def wanted(self, conv, x, bias, towards):
        """Output and gradients by PyTorch's own convolution."""
        leaves = [v.detach().clone().requires_grad_() for v in (x, conv.weight, bias)]
        y = nn.functional.conv2d(*leaves, conv.stride, conv.padding, groups=conv.groups)
        (y * towards).sum().backward()
        return y, [leaf.grad for leaf in leaves]

    def test_gradients_are_those_of_pytorch(self):
        for shape in SHAPES:
            with self.subTest(shape=shape):
                case = self.case(*shape)
                exact, wanted = self.wanted(*case)
                y, found = gradients(*case)
                self.assertEqual(y.grad_fn.name(), "_DepthwiseBackward")
                torch.testing.assert_close(y, exact, rtol=1e-5, atol=1e-4)
                for a, b in zip(found, wanted):
                    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)

    def test_bf16_has_the_gradients_of_fp32(self):
        for shape in SHAPES:
            with self.subTest(shape=shape):
                case = self.case(*shape)
                exact, wanted = self.wanted(*case)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    y, found = gradients(*case)
                self.assertEqual((y.grad_fn.name(), y.dtype), ("_DepthwiseBackward", torch.bfloat16))
                torch.testing.assert_close(y.float(), exact, rtol=2.0 ** -7, atol=2.0 ** -7)
                # The same numbers go in, and they are added up in fp32.
                for a, b in zip(found, wanted):
                    self.assertEqual(a.dtype, torch.float32)
                    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)

    def test_a_gradient_that_is_not_wanted_is_none(self):
        conv, x, bias, towards = self.case(*SHAPES[0])
        weight = conv.weight.detach().clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = convolve(conv, x.bfloat16(), weight, None)
        (y.float() * towards).sum().backward()
        wanted = self.wanted(conv, x, bias, towards)[1][1]
        torch.testing.assert_close(weight.grad, wanted, rtol=1e-5, atol=1e-4)
        self.assertIsNone(x.grad)

    def test_an_encoder_that_is_trained_has_it(self):
        parent = nn.Module()
        parent.depthwise = nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False)
        parent.depthwise_bn = nn.BatchNorm2d(6).eval()
        fold(parent)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = parent.depthwise(torch.randn(1, 6, 5, 5))
        self.assertEqual(y.grad_fn.name(), "_DepthwiseBackward")

    def test_others_are_left_to_pytorch(self):
        for conv in (nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(1, 1, 3),
                     nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(4, 4, 3, groups=4, dilation=2)):
            x = torch.randn(1, conv.in_channels, 6, 6)
            y = convolve(conv, x, conv.weight, conv.bias)
            torch.testing.assert_close(y, conv(x))
            self.assertNotEqual(y.grad_fn.name(), "_DepthwiseBackward")


if __name__ == "__main__":
    unittest.main()

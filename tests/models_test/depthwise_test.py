"""Depthwise convolutions of a training: in bf16 on the CPU with gradients of their own, else PyTorch's."""

import unittest

import torch
from torch import nn

from models.training.depthwise import convolve
from models.training.folding import fold

SHAPES = ((24, 12, 3, 1, 1), (24, 15, 5, 2, 0), (7, 9, 5, 1, 2))  # channels, side, kernel, stride, padding


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
        x = torch.randn(2, channels, side, side).bfloat16().float().contiguous(memory_format=torch.channels_last)
        bias = torch.randn(channels).bfloat16().float()
        return conv, x, bias, torch.randn(conv(x).shape).bfloat16().float()

    def test_bf16_has_the_gradients_of_fp32(self):
        for shape in SHAPES:
            with self.subTest(shape=shape):
                case = self.case(*shape)
                exact, wanted = gradients(*case)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    y, found = gradients(*case)
                self.assertEqual(y.grad_fn.name(), "_Bf16DepthwiseBackward")
                self.assertEqual((y.dtype, exact.dtype), (torch.bfloat16, torch.float32))
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
        wanted = gradients(conv, x, bias, towards)[1][1]
        torch.testing.assert_close(weight.grad, wanted, rtol=1e-5, atol=1e-4)
        self.assertIsNone(x.grad)

    def test_an_encoder_that_is_trained_has_it(self):
        parent = nn.Module()
        parent.depthwise = nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False)
        parent.depthwise_bn = nn.BatchNorm2d(6).eval()
        fold(parent)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = parent.depthwise(torch.randn(1, 6, 5, 5))
        self.assertEqual(y.grad_fn.name(), "_Bf16DepthwiseBackward")

    def test_all_else_is_pytorch(self):
        conv, x, bias, _ = self.case(*SHAPES[0])
        y = convolve(conv, x, conv.weight, bias)
        self.assertEqual(y.grad_fn.name(), nn.functional.conv2d(x, conv.weight, bias, 1, 1, 1, 24).grad_fn.name())
        dense = nn.Conv2d(4, 8, 3)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = convolve(dense, torch.randn(1, 4, 6, 6), dense.weight, None)
        self.assertNotEqual(y.grad_fn.name(), "_Bf16DepthwiseBackward")


if __name__ == "__main__":
    unittest.main()

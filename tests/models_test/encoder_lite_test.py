"""The EfficientNet-lite encoder against its published table and against plain NumPy."""

import dataclasses
import unittest

import numpy
import torch

from models import config as configs
from models.encoder import make_encoder
from models.encoder_lite import MobileBottleneck, pad_strided, stage_channels
from models.network import make_network
from models.probe import probe_canvas
from models.seeding import seed_weights

# (inputs, width, outputs, stride, kernel) of the sixteen blocks of efficientnet-lite0, as published.
PUBLISHED_BLOCKS = [
    (32, 32, 16, 1, 3),
    (16, 96, 24, 2, 3), (24, 144, 24, 1, 3),
    (24, 144, 40, 2, 5), (40, 240, 40, 1, 5),
    (40, 240, 80, 2, 3), (80, 480, 80, 1, 3), (80, 480, 80, 1, 3),
    (80, 480, 112, 1, 5), (112, 672, 112, 1, 5), (112, 672, 112, 1, 5),
    (112, 672, 192, 2, 5), (192, 1152, 192, 1, 5), (192, 1152, 192, 1, 5), (192, 1152, 192, 1, 5),
    (192, 1152, 320, 1, 3),
]


def naive_depthwise(x: numpy.ndarray, weight: numpy.ndarray, stride: int, before: int) -> numpy.ndarray:
    """x (c, h, w), weight (c, 1, k, k); zeros outside, the first window starts `before` outside."""
    channels, height, width = x.shape
    kernel = weight.shape[-1]
    out = numpy.zeros((channels, height // stride, width // stride))
    for y in range(out.shape[1]):
        for x_ in range(out.shape[2]):
            for dy in range(kernel):
                for dx in range(kernel):
                    row, column = y * stride - before + dy, x_ * stride - before + dx
                    if 0 <= row < height and 0 <= column < width:
                        out[:, y, x_] += x[:, row, column] * weight[:, 0, dy, dx]
    return out


class StructureTest(unittest.TestCase):
    def test_published_blocks(self):
        encoder = make_encoder(configs.named("demo"))
        blocks = [block for s in range(1, 8) for block in getattr(encoder, f"stage{s}")]
        found = [(b.expand.in_channels if b.has_expand else b.depthwise.in_channels, b.depthwise.out_channels,
                  b.project.out_channels, b.depthwise.stride[0], b.depthwise.kernel_size[0]) for b in blocks]
        self.assertEqual(found, PUBLISHED_BLOCKS)
        for block, (inputs, width, outputs, stride, _) in zip(blocks, PUBLISHED_BLOCKS):
            self.assertEqual(block.depthwise.groups, width)
            self.assertEqual(block.has_expand, inputs != width)
            self.assertEqual(block.has_residual, stride == 1 and inputs == outputs)
        self.assertEqual(tuple(encoder.stem.weight.shape), (32, 3, 3, 3))
        self.assertEqual(tuple(encoder.fuse.weight.shape), (64, 24 + 40 + 112 + 320, 1, 1))

    def test_names(self):
        names = set(make_encoder(configs.named("demo")).state_dict())
        for name in ("stem.weight", "stem_bn.running_var", "stage1.block0.depthwise_bn.bias",
                     "stage5.block2.expand.weight", "stage7.block0.project_bn.weight", "fuse_bn.weight"):
            self.assertIn(name, names)
        self.assertNotIn("stage1.block0.expand.weight", names)
        self.assertFalse([n for n in names if n.endswith(".bias") and "bn." not in n])

    def test_every_bn_has_the_epsilon_of_the_config(self):
        network = make_network(configs.named("demo"))
        found = {m.eps for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)}
        self.assertEqual(found, {1e-3})

    def test_widths_follow_the_stem(self):
        self.assertEqual([stage_channels(w, 8) for w in (16, 24, 40, 80, 112, 192, 320)],
                         [4, 6, 10, 20, 28, 48, 80])
        # Halves go up, and nothing vanishes.
        self.assertEqual((stage_channels(40, 2), stage_channels(16, 1), stage_channels(24, 4)), (3, 1, 3))
        config = dataclasses.replace(configs.named("tiny-lite"), stem_channels=1)
        self.assertEqual(make_encoder(config).stage1.block0.project.out_channels, 1)


class ArithmeticTest(unittest.TestCase):
    def test_strided_padding_is_uneven(self):
        ones = torch.ones(1, 1, 4, 4)
        for kernel, before, after in ((3, 0, 1), (5, 1, 2)):
            padded = pad_strided(ones, kernel)[0, 0]
            self.assertEqual(tuple(padded.shape), (4 + kernel - 2, 4 + kernel - 2))
            self.assertEqual(padded.sum(0).nonzero().reshape(-1).tolist(),
                             list(range(before, before + 4)), (kernel, after))

    def test_block(self):
        """Every combination of stride, kernel and residual, in float64 against NumPy."""
        random = numpy.random.RandomState(5)
        for stride, kernel, outputs in ((1, 3, 4), (1, 5, 4), (2, 3, 4), (2, 5, 4), (1, 3, 7)):
            with self.subTest(stride=stride, kernel=kernel, outputs=outputs):
                block = MobileBottleneck(4, outputs, 6, stride, kernel, 1e-3).double().eval()
                for module in block.modules():
                    if isinstance(module, torch.nn.BatchNorm2d):
                        count = module.num_features
                        module.running_mean.copy_(torch.from_numpy(random.standard_normal(count)))
                        module.running_var.copy_(torch.from_numpy(random.uniform(0.01, 0.1, count)))
                x = 4.0 * random.standard_normal((4, 6, 8))
                with torch.no_grad():
                    found = block(torch.from_numpy(x)[None])[0].numpy()
                expected, clipped = self.naive_block(block, x, stride, kernel)
                self.assertGreater(clipped, 0.02, "the test must meet the upper bound of ReLU6")
                self.assertLess(numpy.abs(found - expected).max(), 1e-10)

    @staticmethod
    def naive_block(block: MobileBottleneck, x: numpy.ndarray, stride: int, kernel: int):
        """Returns the block's output and the share of values that ReLU6 cut above."""
        def norm(bn, y):
            mean, var = bn.running_mean.numpy(), bn.running_var.numpy()
            return (y - mean[:, None, None]) / numpy.sqrt(var[:, None, None] + 1e-3)

        def point(conv, y):
            return numpy.einsum("oc,chw->ohw", conv.weight.detach().numpy()[:, :, 0, 0], y)

        wide = norm(block.expand_bn, point(block.expand, x))
        clipped = float((wide > 6.0).mean())
        before = kernel // 2 if stride == 1 else (kernel - 2) // 2
        taps = block.depthwise.weight.detach().numpy()
        deep = norm(block.depthwise_bn, naive_depthwise(wide.clip(0.0, 6.0), taps, stride, before))
        y = norm(block.project_bn, point(block.project, deep.clip(0.0, 6.0)))
        return (y + x if stride == 1 and y.shape == x.shape else y), clipped

    def test_maps_and_batches(self):
        """Two canvases at once give what each gives alone: training calls the parts with batches."""
        config = configs.named("tiny-lite")
        network = make_network(config).eval()
        seed_weights(network, 0)
        first = probe_canvas(config)
        batch = torch.cat((first, first.flip(3)), 0)
        with torch.no_grad():
            maps = network.encoder.maps(batch)
            features = network.encoder(batch)
            logits, deltas = network.rpn(torch.cat((features, torch.softmax(network.glm(features), 1)), 1))
            alone = [network.encoder(canvas[None])[0] for canvas in batch]
        self.assertEqual([tuple(m.shape[1:]) for m in maps],
                         [(6, 16, 16), (10, 8, 8), (28, 4, 4), (80, 2, 2)])
        self.assertEqual((tuple(features.shape), tuple(logits.shape), tuple(deltas.shape)),
                         ((2, 24, 16, 16), (2, 15, 4, 4), (2, 60, 4, 4)))
        self.assertLess(float((features - torch.stack(alone)).abs().max()), 1e-4)
        self.assertGreater(float((features[0] - features[1]).abs().max()), 0.1)


if __name__ == "__main__":
    unittest.main()

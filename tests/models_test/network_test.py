"""Structure of the network, and its RoI stages against plain NumPy."""

import unittest

import numpy
import torch

from models import config as configs
from models.network import MAX_CONFIDENCE, SemanticsLayeringNetwork
from models.probe import probe_canvas
from models.seeding import seed_weights


def naive_roi_align(features: numpy.ndarray, box, side: int) -> numpy.ndarray:
    """features (c, h, w), box in canvas pixels -> (c, side, side); 2 x 2 samples per cell."""
    channels, height, width = features.shape
    x0, y0, x1, y1 = (float(v) * 0.25 - 0.5 for v in box)
    out = numpy.zeros((channels, side, side))

    def sample(y, x):
        if y < -1.0 or y > height or x < -1.0 or x > width:
            return numpy.zeros(channels)
        y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
        j, i = min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
        b, a = y - j, x - i
        f = features
        return ((f[:, j, i] * (1 - a) + f[:, j, i + 1] * a) * (1 - b)
                + (f[:, j + 1, i] * (1 - a) + f[:, j + 1, i + 1] * a) * b)

    for row in range(side):
        for column in range(side):
            total = numpy.zeros(channels)
            for k in range(4):
                y = y0 + (row + (0.25 + 0.5 * (k // 2))) * (y1 - y0) / side
                x = x0 + (column + (0.25 + 0.5 * (k % 2))) * (x1 - x0) / side
                total += sample(y, x)
            out[:, row, column] = total / 4.0
    return out


class StructureTest(unittest.TestCase):
    def test_layer_names_and_shapes_of_r50(self):
        network = SemanticsLayeringNetwork(configs.named("r50"))
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        expected = {
            "encoder.stem.weight": (64, 3, 7, 7),
            "encoder.stage1.block0.conv1.weight": (64, 64, 1, 1),
            "encoder.stage1.block0.shortcut.weight": (256, 64, 1, 1),
            "encoder.stage2.block3.conv2.weight": (128, 128, 3, 3),
            "encoder.stage3.block5.conv3.weight": (1024, 256, 1, 1),
            "encoder.stage4.block0.shortcut.weight": (2048, 1024, 1, 1),
            "encoder.fuse.weight": (256, 3840, 1, 1),
            "glm.conv1.weight": (256, 256, 3, 3),
            "glm.conv3.bias": (5,),
            "rpn.conv.weight": (512, 261, 3, 3),
            "rpn.objectness.weight": (15, 512, 1, 1),
            "rpn.deltas.weight": (60, 512, 1, 1),
            "ilm.conv1.weight": (256, 261, 3, 3),
            "refine.conv1.weight": (256, 262, 3, 3),
            "refine.conv3.weight": (5, 256, 3, 3),
        }
        for name, shape in expected.items():
            self.assertEqual(shapes.get(name), shape, name)
        self.assertNotIn("encoder.stage1.block1.shortcut.weight", shapes)
        biased = {name[:-5] for name in shapes if name.endswith(".bias") and "bn" not in name}
        self.assertEqual(biased, {"glm.conv3", "ilm.conv3", "refine.conv3", "rpn.conv",
                                  "rpn.objectness", "rpn.deltas"})

    def test_strides_and_dilation(self):
        encoder = SemanticsLayeringNetwork(configs.named("tiny")).encoder
        for stage, (stride, dilation) in enumerate(((1, 1), (2, 1), (2, 1), (2, 2)), 1):
            for index, block in enumerate(getattr(encoder, f"stage{stage}")):
                wanted = stride if index == 0 else 1
                self.assertEqual(block.conv2.stride, (wanted, wanted))
                self.assertEqual(block.conv2.dilation, (dilation, dilation))
                self.assertEqual(block.conv2.padding, (dilation, dilation))
                self.assertEqual(block.conv1.stride, (1, 1))


class StageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = configs.named("tiny")
        cls.network = SemanticsLayeringNetwork(cls.config).eval()
        seed_weights(cls.network, 0)

    def test_roi_align(self):
        random = numpy.random.RandomState(3)
        features = random.standard_normal((3, 16, 16)).astype(numpy.float32)
        # Inside, over the border of the map, the whole canvas, thinner than a cell.
        boxes = [[5.0, 9.0, 40.0, 33.0], [50.0, 0.0, 64.0, 7.0], [0.0, 0.0, 64.0, 64.0],
                 [31.0, 2.0, 33.0, 60.0]]
        aligned = self.network.align(torch.from_numpy(features)[None], torch.tensor(boxes))
        self.assertEqual(tuple(aligned.shape), (4, 3, 14, 14))
        for index, box in enumerate(boxes):
            expected = naive_roi_align(features, box, self.config.roi_side)
            self.assertLess(numpy.abs(aligned[index].numpy() - expected).max(), 1e-5, box)

    def test_sem_dist(self):
        planes = torch.tensor([0.1, 0.4, 0.2, 0.2, 0.1]).reshape(1, 5, 1, 1)
        # 1*0.4 + 0*0.2 - 1*0.2 - 2*0.1
        self.assertAlmostEqual(self.network.sem_dist(planes).item(), 0.0, 6)
        hidden = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]).reshape(1, 5, 1, 1)
        self.assertEqual(self.network.sem_dist(hidden).item(), -2.0)

    def test_split(self):
        logits = torch.tensor([[90.0, 0, 0, 0, 0], [-90.0, 1, 3, 3, 2], [0.0, 0, 0, 0, 0]])
        layers, confidence, level = self.network.split(logits.reshape(3, 5, 1, 1))
        self.assertEqual(confidence.reshape(-1)[:2].tolist(), [0.0, MAX_CONFIDENCE])
        self.assertAlmostEqual(confidence.reshape(-1)[2].item(), 0.8, 6)
        # Lowest on ties, and a level even where the object is not.
        self.assertEqual((level.reshape(-1).tolist(), level.dtype), ([0.0, 1.0, 0.0], torch.float32))
        self.assertTrue(torch.allclose(layers.sum(1), torch.ones(3, 1, 1)))

    def test_shapes(self):
        with torch.no_grad():
            stages = self.network(probe_canvas(self.config))
        n = self.config.max_rois
        expected = {"boxes": (n, 4), "scores": (n,), "layers": (n, 5, 14, 14),
                    "confidence": (n, 14, 14), "level": (n, 14, 14), "global_layers": (5, 16, 16),
                    "features": (24, 16, 16), "rpn_objectness": (15, 4, 4), "rpn_deltas": (60, 4, 4),
                    "instance_layers": (n, 5, 14, 14)}
        self.assertEqual({k: tuple(v.shape) for k, v in stages._asdict().items()}, expected)

    def test_refinement_adds_to_the_instance_logits(self):
        network = SemanticsLayeringNetwork(self.config).eval()
        network.load_state_dict(self.network.state_dict())
        with torch.no_grad():
            network.refine.conv3.weight.zero_()
            network.refine.conv3.bias.zero_()
            stages = network(probe_canvas(self.config))
        self.assertTrue(torch.allclose(stages.layers, stages.instance_layers, atol=1e-6))

    def test_an_image_without_boxes(self):
        network = SemanticsLayeringNetwork(self.config).eval()
        network.load_state_dict(self.network.state_dict())
        with torch.no_grad():
            network.rpn.deltas.weight.zero_()
            network.rpn.deltas.bias.fill_(-20.0)
            stages = network(probe_canvas(self.config))
        self.assertEqual(tuple(stages.boxes.shape), (0, 4))
        self.assertEqual(tuple(stages.layers.shape), (0, 5, 14, 14))
        self.assertEqual(tuple(stages.level.shape), (0, 14, 14))

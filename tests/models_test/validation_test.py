"""The trainer's own decoding and figures."""

import unittest

import numpy
import torch

from models import config as configs
from models.network import make_network
from models.scene import Scene, SceneObject, list_order
from models.training.sources import ComposedSource
from models.training.trainer import initialise_weights
from models.training.validation import (Detection, Tally, Validator, decode, depth_order, largest_region,
                                        mask_iou, mask_nms)
from models.targets import roi_planes, tight_box
from models.scene import level_maps


def flood(mask):
    """(size, -first pixel) of the largest region, one pixel at a time."""
    left, best = {(int(y), int(x)) for y, x in numpy.argwhere(mask)}, (0, 0)
    while left:
        first = min(left)
        region, todo = set(), [first]
        left.remove(first)
        while todo:
            y, x = todo.pop()
            region.add((y, x))
            for p in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if p in left:
                    left.remove(p)
                    todo.append(p)
        best = max(best, (len(region), -(first[0] * mask.shape[1] + first[1])))
    return best


def right_detections(scene, config, score=1.0):
    """What a network would say that has learnt its targets by heart."""
    found = []
    for item, levels in zip(scene.objects, level_maps(scene)):
        box = numpy.array(tight_box(item.amodal), numpy.float32)
        planes = roi_planes(levels, box, config.roi_side, config.layers)
        layers = numpy.eye(config.planes, dtype=numpy.float32)[planes].transpose(2, 0, 1)
        found.append(decode(box, score, layers, scene.height, scene.width))
    return found


class RegionTest(unittest.TestCase):
    def test_against_flooding(self):
        random = numpy.random.default_rng(0)
        for share in (0.3, 0.5, 0.6, 0.8):
            for _ in range(30):
                mask = random.random((9, 13)) < share
                self.assertEqual(largest_region(mask), flood(mask))
        self.assertEqual(largest_region(numpy.zeros((3, 3), bool)), (0, 0))
        self.assertEqual(largest_region(numpy.ones((3, 5), bool)), (15, 0))


class DecodeTest(unittest.TestCase):
    def test_window_of_cells_of_a_pixel(self):
        layers = numpy.zeros((3, 4, 4), numpy.float32)
        layers[0] = 1.0
        layers[:, 1, 2] = (0.2, 0.7, 0.1)
        layers[:, 2, 2] = (0.4, 0.1, 0.5)
        found = decode(numpy.array([3.0, 5.0, 7.0, 9.0]), 0.5, layers, 12, 12)
        self.assertEqual(numpy.argwhere(found.mask).tolist(), [[6, 5], [7, 5]])
        self.assertEqual((int(found.level[6, 5]), int(found.level[7, 5])), (0, 1))
        self.assertAlmostEqual(float(found.confidence[6, 5]), 0.8, places=6)
        self.assertAlmostEqual(found.score, 0.5 * 0.7, places=6)
        # A box that ends at a pixel's centre does not hold that pixel.
        half = decode(numpy.array([3.0, 5.0, 5.5, 9.0]), 0.5, numpy.eye(3)[1][:, None, None]
                      * numpy.ones((3, 4, 4), numpy.float32), 8, 12)
        self.assertEqual(tight_box(half.mask), (3, 5, 5, 8))

    def test_nms_keeps_the_higher_score(self):
        def square(x, score):
            mask = numpy.zeros((8, 8), bool)
            mask[2:6, x:x + 4] = True
            return Detection(score, mask.astype(numpy.float32), mask.astype(numpy.uint8) * 0, mask)

        kept = mask_nms([square(0, 0.3), square(1, 0.9), square(4, 0.1)])  # IoU 0.6 is not above 0.6
        self.assertEqual([d.score for d in kept], [0.9, 0.3, 0.1])
        self.assertAlmostEqual(float(mask_iou(kept[0].mask[None], kept[1].mask[None])[0, 0]), 0.6, places=6)
        kept = mask_nms([square(1, 0.3), square(1, 0.9), square(4, 0.1)])
        self.assertEqual([d.score for d in kept], [0.9, 0.1])


class TallyTest(unittest.TestCase):
    def test_the_right_answer_gets_full_marks(self):
        config, tally = configs.named("demo"), Tally()
        scenes = ComposedSource(None, 128, "train", 0).validation(3)
        for scene in scenes:
            tally.add(scene, mask_nms(right_detections(scene, config)))
        figures = tally.figures(len(scenes))
        self.assertGreater(tally.pairs, 3)
        self.assertEqual(figures["order_accuracy_decided"], 1.0)
        self.assertGreater(figures["order_coverage"], 0.8)
        self.assertGreater(figures["best_iou"], 0.93)
        self.assertGreater(figures["hidden_iou"], 0.75)

    def test_reversed_levels_are_wrong_and_nothing_is_undecided(self):
        masks = [numpy.zeros((40, 40), bool) for _ in range(2)]
        masks[0][5:25, 5:25] = True
        masks[1][15:35, 15:35] = True
        scene = Scene(None, "two", 1, 40, 40, [SceneObject(m) for m in masks], list_order(2))
        front, back = right_detections(scene, configs.named("demo"))
        self.assertEqual((depth_order(front, back), depth_order(back, front)), (1, -1))
        overlap = (masks[0] & masks[1]).astype(numpy.uint8)
        tally = Tally()
        tally.add(scene, [front._replace(level=overlap), back._replace(level=overlap * 0)])
        self.assertEqual((tally.pairs, tally.decided, tally.right), (1, 1, 0))
        tally.add(scene, [front._replace(level=overlap * 0), back._replace(level=overlap * 0)])
        tally.add(scene, [])
        self.assertEqual((tally.pairs, tally.decided, tally.right), (3, 1, 0))
        self.assertEqual(tally.best[-2:], [0.0, 0.0])

    def test_a_validator_judges_the_weights_it_is_given(self):
        for name in ("tiny-lite", "tiny-arcnn-visible"):
            network = make_network(configs.named(name)).eval()
            initialise_weights(network, 0)
            scenes = ComposedSource(None, 64, "train", 0).validation(2)
            validator = Validator(network, scenes, torch.device("cpu"))
            figures = validator.run(network.state_dict())
            self.assertEqual(figures, validator.run(network.state_dict()))
            self.assertIsNone(validator.run(network.state_dict(), lambda: True))
            self.assertTrue(all(numpy.isfinite(value) for value in figures.values()), figures)


if __name__ == "__main__":
    unittest.main()

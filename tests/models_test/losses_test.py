"""Losses against figures worked out by hand or in NumPy."""

import math
import unittest
from unittest import mock

import numpy
import torch

from models import losses
from models.proposals import decode_boxes
from models.targets import box_iou


def sure(planes, count=5):
    """Logits that are certain of the given classes."""
    return 40.0 * torch.nn.functional.one_hot(planes, count).permute(0, 3, 1, 2).float()


class DiceTest(unittest.TestCase):
    def test_by_hand(self):
        target = torch.zeros(3, 2, 2)
        target[0, 0] = 1.0
        target[1, 0] = 1.0
        predicted = torch.zeros(3, 2, 2)
        predicted[0, 0] = 1.0
        predicted[1, 1] = 0.5
        # Equal; disjoint, 1 - 1 / (1 + 2 + 1); both empty.
        self.assertTrue(numpy.allclose(losses.dice(predicted, target), [0.0, 0.75, 0.0]))

    def test_mean_over_the_chosen(self):
        values, nothing = torch.tensor([1.0, 2.0, 6.0]), torch.zeros(3, dtype=torch.bool)
        self.assertEqual(float(losses.mean_where(values, torch.tensor([True, False, True]))), 3.5)
        self.assertEqual(float(losses.mean_where(values, nothing)), 0.0)


class LayerLossTest(unittest.TestCase):
    def test_plane_weights(self):
        self.assertEqual(losses.plane_weights(4), [1, 1, 4, 8, 8])
        self.assertEqual(losses.plane_weights(1), [1, 1])
        self.assertEqual(losses.plane_weights(2), [1, 1, 4])

    def test_against_numpy(self):
        random = numpy.random.default_rng(0)
        logits, planes = random.normal(size=(3, 5, 4, 4)), random.integers(0, 5, (3, 4, 4))
        planes[1] = numpy.minimum(planes[1], 1)  # no hidden part
        planes[2] = 0  # no object
        p = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
        shared = random.random(planes.shape) < 0.5
        weights = numpy.where(shared & (planes == 1), 4.0, numpy.array([1, 1, 4, 8, 8.0])[planes])
        picked = numpy.take_along_axis(p, planes[:, None], 1)[:, 0]
        expected = -(weights * numpy.log(picked)).sum() / weights.sum()

        def dice(a, b):
            return 1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1)

        expected += 0.5 * numpy.mean([dice(1 - p[i, 0], planes[i] > 0) for i in (0, 1)])
        expected += 0.5 * dice(p[0, 2:].sum(0), planes[0] > 1)
        found = losses.layer_loss(*(torch.from_numpy(v) for v in (logits, planes, shared)))
        self.assertAlmostEqual(float(found), expected, places=10)
        # Weighted as other visible cells, which they share with whom does not matter.
        plain = [losses.layer_loss(*(torch.from_numpy(v) for v in (logits, planes, where)), 1.0)
                 for where in (shared, numpy.zeros_like(shared))]
        self.assertEqual(float(plain[0]), float(plain[1]))
        self.assertNotAlmostEqual(float(plain[0]), expected, places=4)

    def test_certain_and_right_costs_nothing(self):
        planes = torch.randint(0, 5, (2, 6, 6), generator=torch.Generator().manual_seed(0))
        shared = planes > 0
        self.assertLess(float(losses.layer_loss(sure(planes), planes, shared)), 1e-5)
        wrong = (planes + 1) % 5
        self.assertGreater(float(losses.layer_loss(sure(wrong), planes, shared)), 10.0)

    def test_in_doubt_neither_of_a_pair_is_preferred(self):
        # Two cells of a pair's: visible in the one's RoI, hidden in the other's; the network cannot tell.
        planes, both = torch.tensor([[[1]], [[2]]]), torch.ones(2, 1, 1, dtype=torch.bool)

        def pulls(shared):
            logits = torch.zeros(2, 5, 1, 1, requires_grad=True)
            with mock.patch.object(losses, "DICE_WEIGHT", 0.0):
                losses.layer_loss(logits, planes, shared).backward()
            return logits.grad.sum(0).flatten().tolist()

        _, visible, hidden, _, _ = pulls(both)
        self.assertAlmostEqual(visible, hidden, places=6)
        _, visible, hidden, _, _ = pulls(~both)  # were it no pair
        self.assertLess(hidden, visible - 0.1)

    def test_mask_loss(self):
        mask = torch.zeros(2, 4, 4)
        mask[0, :2] = 1.0
        self.assertLess(float(losses.mask_loss(80.0 * (mask - 0.5), mask)), 1e-5)
        # All zero logits: log 2, and the Dice loss of a half everywhere, over the first RoI alone.
        expected = math.log(2.0) + 0.5 * (1 - (2 * 4 + 1) / (8 + 8 + 1))
        self.assertAlmostEqual(float(losses.mask_loss(torch.zeros(2, 4, 4), mask)), expected, places=6)


class OtherLossesTest(unittest.TestCase):
    def test_global_cross_entropy_and_binary(self):
        logits, counts = torch.zeros(1, 5, 2, 2), torch.tensor([[[0, 1], [2, 4]]])
        self.assertAlmostEqual(float(losses.global_loss(logits, counts)), math.log(5.0), places=6)
        expected = -(math.log(0.2) + 4 * math.log(0.8)) / 5
        self.assertAlmostEqual(float(losses.global_loss(logits, counts, True)), expected, places=6)
        certain = sure(counts).requires_grad_()
        value = losses.global_loss(certain, counts, True)
        value.backward()
        self.assertLess(float(value), 1e-4)
        self.assertTrue(bool(torch.isfinite(certain.grad).all()))

    def test_deltas(self):
        found = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.05]], requires_grad=True)
        target = torch.zeros(2, 4)
        # Beyond beta: |d| - beta / 2; within: d^2 / (2 beta).
        expected = (1.0 - 0.5 / 9.0 + 0.05 ** 2 * 9.0 / 2.0) / 2
        # The first box is its target. The second lies beside it, no overlap: of their hull, 2 wide and as high as
        # the higher one, a piece over the lower one is in neither.
        height = math.exp(0.05)
        expected += 2.0 * (1.0 - (1.0 - (height - 1.0) / (2.0 * height)) / 2)
        self.assertAlmostEqual(losses.delta_loss(found, target, losses.delta_overlaps(found, target)[1]).item(), expected, places=6)
        none = losses.delta_loss(found[:0], target[:0], torch.zeros(0))
        none.backward()
        self.assertEqual(float(none), 0.0)

    def test_overlaps_are_those_of_the_boxes(self):
        random = numpy.random.default_rng(1)
        anchors = numpy.concatenate((random.uniform(200, 400, (50, 2)), random.uniform(8, 30, (50, 2))), 1)
        deltas, targets = random.uniform(-0.6, 0.6, (2, 50, 4))
        boxes, wanted = (decode_boxes(*(torch.from_numpy(v) for v in (anchors, d)), 1000).numpy()
                         for d in (deltas, targets))
        iou, giou = losses.delta_overlaps(torch.from_numpy(deltas), torch.from_numpy(targets))
        self.assertTrue(numpy.allclose(iou, numpy.diag(box_iou(boxes, wanted))))
        # Two boxes of 1 x 1, 2 apart: hull 3 x 1, a third of it in neither.
        iou, giou = losses.delta_overlaps(torch.tensor([[2.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4))
        self.assertEqual((iou.item(), round(giou.item(), 6)), (0.0, round(-1 / 3, 6)))

    def test_objectness(self):
        value = losses.objectness_loss(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]))
        self.assertAlmostEqual(float(value), (math.log(2.0) + 2.0 + math.log1p(math.exp(-2.0))) / 2, places=6)


if __name__ == "__main__":
    unittest.main()

"""Anchors and proposals against plain loops."""

import dataclasses
import math
import unittest
from unittest import mock

import numpy
import torch
from torchvision.ops import nms

from models import config as configs
from models import proposals
from models.proposals import decode_boxes, make_anchors, propose, select_candidates


def naive_iou(a, b) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if union > 0 else 0.0


def naive_propose(config, anchors, objectness, deltas):
    """Indices and boxes in plain Python doubles; objectness (A, g, g), deltas (4A, g, g) arrays."""
    g, count = config.grid, config.anchors_per_cell
    entries = []
    for i in range(len(anchors)):
        cell, a = divmod(i, count)
        y, x = divmod(cell, g)
        cx, cy, w, h = (float(v) for v in anchors[i])
        dx, dy, dw, dh = (float(v) for v in deltas[4 * a:4 * a + 4, y, x])
        limit = math.log(1000.0 / 16.0)
        cx, cy = cx + dx * w, cy + dy * h
        w, h = w * math.exp(min(dw, limit)), h * math.exp(min(dh, limit))
        box = [min(max(v, 0.0), config.side) for v in (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)]
        entries.append((-float(objectness[a, y, x]), i, box))
    entries = sorted(entries)[:config.candidates]
    smallest = config.min_box * config.side
    entries = [e for e in entries if e[2][2] - e[2][0] >= smallest and e[2][3] - e[2][1] >= smallest]
    kept = []
    for entry in entries:
        if all(naive_iou(entry[2], other[2]) <= config.nms_iou for other in kept):
            kept.append(entry)
    return kept[:config.max_rois]


class AnchorTest(unittest.TestCase):
    def test_rows_in_stated_order(self):
        config = configs.named("tiny")
        anchors = make_anchors(config)
        self.assertEqual((tuple(anchors.shape), anchors.dtype), ((4 * 4 * 15, 4), torch.float32))
        for y, x, ratio, scale in ((0, 0, 0, 0), (1, 2, 1, 3), (3, 3, 2, 4), (2, 0, 0, 4)):
            row = anchors[(y * 4 + x) * 15 + ratio * 5 + scale]
            q, r = config.anchor_scales[scale] * 64, config.anchor_ratios[ratio]
            expected = (16 * x + 8, 16 * y + 8, q / math.sqrt(r), q * math.sqrt(r))
            self.assertEqual(row.tolist(), [float(numpy.float32(v)) for v in expected])

    def test_ratio_is_height_over_width(self):
        row = make_anchors(configs.named("r50"))[2 * 5 + 4]
        self.assertAlmostEqual(float(row[3] / row[2]), 2.0, 5)


class ProposalTest(unittest.TestCase):
    def setUp(self):
        self.config = configs.named("tiny")
        self.anchors = make_anchors(self.config)
        random = numpy.random.RandomState(7)
        self.objectness = (4 * random.standard_normal((15, 4, 4))).astype(numpy.float32)
        self.deltas = (0.2 * random.standard_normal((60, 4, 4))).astype(numpy.float32)

    def run_propose(self, config):
        return propose(config, self.anchors, torch.from_numpy(self.objectness)[None],
                       torch.from_numpy(self.deltas)[None])

    def compare(self, config):
        boxes, scores = self.run_propose(config)
        expected = naive_propose(config, self.anchors.numpy(), self.objectness, self.deltas)
        self.assertEqual(len(boxes), len(expected))
        for box, score, (logit, _, reference) in zip(boxes.tolist(), scores.tolist(), expected):
            for found, wanted in zip(box, reference):
                self.assertAlmostEqual(found, wanted, delta=1e-4)
            self.assertAlmostEqual(score, 1.0 / (1.0 + math.exp(logit)), delta=1e-6)
        return len(expected)

    def test_against_plain_loops(self):
        self.assertEqual(self.compare(self.config), self.config.max_rois)

    def test_all_candidates_and_low_threshold(self):
        config = dataclasses.replace(self.config, max_rois=500, pre_nms=1000, nms_iou=0.3)
        kept = self.compare(config)
        self.assertTrue(20 < kept < 200, kept)

    def test_equal_logits_keep_anchor_order(self):
        self.objectness[:] = numpy.round(self.objectness / 4.0)
        config = dataclasses.replace(self.config, max_rois=500, nms_iou=1.0)
        self.compare(config)

    def test_small_boxes_leave_before_nms(self):
        # All boxes collapse to a point but one anchor's, which must survive alone.
        self.deltas[:] = -20.0
        self.deltas[4 * 4:4 * 5] = 0.0
        config = dataclasses.replace(self.config, pre_nms=1000)
        boxes, logits = select_candidates(config, self.anchors, torch.from_numpy(self.objectness)[None],
                                          torch.from_numpy(self.deltas)[None])
        self.assertEqual(len(boxes), 16)
        self.assertEqual(sorted(logits.tolist()), sorted(self.objectness[4].reshape(-1).tolist()))

    def test_a_beginning_of_the_candidates_keeps_what_all_do(self):
        generator = torch.Generator().manual_seed(3)
        corners = torch.rand((3000, 2), generator=generator) * 200.0
        boxes = torch.cat((corners, corners + 20.0 + 20.0 * torch.rand((3000, 2), generator=generator)), 1)
        logits = torch.sort(torch.randn(3000, generator=generator), descending=True)[0]
        kept = nms(boxes, logits, 0.5)
        self.assertGreater(len(kept), 100)
        sizes = []

        def counted(boxes, logits, overlap):
            sizes.append(len(boxes))
            return nms(boxes, logits, overlap)

        # Enough at once; only after more have been looked at; more than there are.
        for count, rounds in ((20, 1), (100, 2), (len(kept) + 1, 6)):
            sizes.clear()
            with mock.patch.object(proposals, "FIRST_CANDIDATES", 100), \
                    mock.patch.object(proposals, "nms", counted):
                found = proposals.first_kept(boxes, logits, 0.5, count)
            self.assertEqual(found.tolist(), kept[:count].tolist())
            self.assertEqual(len(sizes) > 1, rounds > 1, (count, sizes))
            self.assertLessEqual(len(sizes), rounds, (count, sizes))
        self.assertEqual(len(proposals.first_kept(boxes[:0], logits[:0], 0.5, 5)), 0)

    def test_no_box_at_all(self):
        self.deltas[:] = -20.0
        boxes, scores = self.run_propose(self.config)
        self.assertEqual((tuple(boxes.shape), tuple(scores.shape)), ((0, 4), (0,)))

    def test_growth_is_limited_and_boxes_are_clipped(self):
        anchors = torch.tensor([[32.0, 32.0, 0.5, 0.5], [60.0, 4.0, 16.0, 16.0]])
        deltas = torch.tensor([[0.0, 0.0, 50.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
        boxes = decode_boxes(anchors, deltas, 64)
        self.assertAlmostEqual(float(boxes[0, 2] - boxes[0, 0]), 0.5 * 62.5, delta=1e-4)
        self.assertEqual(boxes[1].tolist(), [52.0, 0.0, 64.0, 12.0])

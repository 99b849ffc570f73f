"""The probe canvas against its formula, one pixel at a time, and the fingerprint's summary."""

import json
import unittest

import numpy
import torch

from models import config as configs
from models.fingerprint import STAGES, fingerprint_json, summarize
from models.network import Stages
from models.probe import probe_canvas, probe_values


def literal(c: int, y: int, x: int, factor: int) -> int:
    x, y = x * factor, y * factor
    return (37 * ((x >> 4) ^ (y >> 4)) + 11 * ((x * x + 3 * y * y) >> 6) + 53 * c
            + 5 * ((x * y) % 31)) & 255


class ProbeTest(unittest.TestCase):
    def test_values(self):
        for side, factor in ((1024, 1), (256, 1), (64, 4), (96, 2)):
            values = probe_values(side)
            self.assertEqual(values.shape, (3, side, side))
            self.assertTrue(0 <= values.min() and values.max() <= 255)
            for c in range(3):
                for y, x in ((0, 0), (0, side - 1), (side - 1, 0), (side - 1, side - 1), (17, 50), (31, 7)):
                    self.assertEqual(values[c, y, x], literal(c, y, x, factor), (side, c, y, x))

    def test_known_values(self):
        # By hand: (x, y) = (17, 3), side 1024: 37*1 + 11*((289 + 27) >> 6) + 5*(51 % 31) = 181.
        self.assertEqual(probe_values(1024)[0, 3, 17], 181)
        self.assertEqual(probe_values(1024)[2, 3, 17], (181 + 106) & 255)

    def test_canvas_is_normalised_in_fp32(self):
        config = configs.named("tiny")
        canvas = probe_canvas(config)
        self.assertEqual((tuple(canvas.shape), canvas.dtype), ((1, 3, 64, 64), torch.float32))
        for c, y, x in ((0, 5, 9), (1, 63, 0), (2, 20, 41)):
            value = numpy.float32(literal(c, y, x, 4))
            expected = (value - numpy.float32(config.mean[c])) / numpy.float32(config.std[c])
            self.assertEqual(canvas[0, c, y, x].item(), float(expected))


class FingerprintTest(unittest.TestCase):
    def test_summary(self):
        values = numpy.arange(15, dtype=numpy.float32).reshape(3, 5)
        summary = summarize(values)
        self.assertEqual(summary["shape"], [3, 5])
        self.assertEqual(summary["mean"], 7.0)
        self.assertAlmostEqual(summary["rms"], (sum(i * i for i in range(15)) / 15) ** 0.5, 12)
        self.assertEqual(summary["samples"], [[2 * k, 2.0 * k] for k in range(8)])

    def test_few_and_no_values(self):
        self.assertEqual([i for i, _ in summarize(numpy.ones(3, numpy.float32))["samples"]],
                         [0, 0, 0, 0, 1, 1, 1, 2])
        empty = summarize(numpy.zeros((0, 4), numpy.float32))
        self.assertEqual(empty, {"shape": [0, 4], "mean": 0.0, "rms": 0.0, "samples": []})

    def test_text(self):
        stages = Stages(*[torch.tensor([0.1, 1e-9, 3.0])] * len(Stages._fields))
        text = fingerprint_json(stages)
        content = json.loads(text)
        self.assertEqual((content["version"], sorted(content["stages"])), (1, sorted(STAGES)))
        # Exact: the shortest text of the fp32 value seen as a double.
        self.assertEqual(content["stages"]["boxes"]["samples"][0][1], float(numpy.float32(0.1)))
        self.assertNotIn(" ", text)

    def test_refuses_nan(self):
        stages = Stages(*[torch.tensor([float("nan")])] * len(Stages._fields))
        with self.assertRaises(ValueError):
            fingerprint_json(stages)

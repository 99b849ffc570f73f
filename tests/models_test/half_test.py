"""Folding BN and rounding weights to halves."""

import contextlib
import io
import os
import tempfile
import unittest

import numpy
import torch
from torch import nn

from models import config as configs
from models import half
from models.fingerprint import run_probe
from models.half import HalfError, convolution_before, fold_and_round
from models.network import make_network
from models.seeding import seed_weights
from models.training import checkpoint


def seeded(name: str) -> nn.Module:
    network = make_network(configs.named(name)).eval()
    seed_weights(network, 0)
    return network


class HalfTest(unittest.TestCase):
    def test_names_of_pairs(self):
        self.assertEqual(convolution_before("bn2"), "conv2")
        self.assertEqual(convolution_before("depthwise_bn"), "depthwise")

    def test_every_bn_is_folded_and_every_weight_is_a_half(self):
        for name in ("tiny", "tiny-lite", "tiny-arcnn-visible"):
            with self.subTest(config=name):
                network = seeded(name)
                before = run_probe(network)
                fold_and_round(network)
                self.assertFalse([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
                for key, weight in network.state_dict().items():
                    if key.endswith(".weight"):
                        self.assertTrue(torch.equal(weight, weight.half().float()), key)
                after = run_probe(network)
                # A wrong pair of layers would change the features by as much as they are.
                difference = (after.features - before.features).abs().max() / before.features.abs().max()
                self.assertLess(float(difference), 0.02)
                self.assertGreater(float(difference), 0.0)

    def test_a_weight_beyond_the_halves_is_named(self):
        network = seeded("tiny")
        with torch.no_grad():
            network.rpn.conv.weight[0, 0, 0, 0] = 1e6
        with self.assertRaisesRegex(HalfError, r"rpn\.conv\.weight: .* found 1e\+06"):
            fold_and_round(network)

    def test_rounding_is_to_the_nearest(self):
        network = seeded("tiny")
        exact = network.rpn.conv.weight.detach().numpy().astype(numpy.float64)
        fold_and_round(network)
        rounded = network.rpn.conv.weight.detach().numpy()
        spacing = numpy.spacing(numpy.abs(rounded).astype(numpy.float16)).astype(numpy.float64)
        self.assertTrue((numpy.abs(rounded - exact) <= 0.5 * spacing + 1e-12).all())

    def test_a_run_starts_from_stored_halves(self):
        network, other = seeded("tiny"), make_network(configs.named("tiny"))
        with tempfile.TemporaryDirectory() as folder:
            whole, small = os.path.join(folder, "whole.pt"), os.path.join(folder, "small.pt")
            checkpoint.write(whole, {"config": network.config.to_json(), "state_dict": network.state_dict()})
            self.assertEqual(half.main([whole, "-o", small]), 0)
            self.assertLess(os.path.getsize(small), 0.65 * os.path.getsize(whole))
            checkpoint.initialise(other, small)
        for name, tensor in network.state_dict().items():
            expected = tensor.half().float() if tensor.dim() == 4 else tensor
            self.assertTrue(torch.equal(other.state_dict()[name], expected), name)

    def test_a_file_without_config_is_refused(self):
        errors = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(errors):
            path = os.path.join(folder, "bare.pt")
            checkpoint.write(path, {"a": torch.zeros(1)})
            self.assertEqual(half.main([path, "-o", os.path.join(folder, "x.pt")]), 1)
            self.assertEqual(os.listdir(folder), ["bare.pt"])
        self.assertRegex(errors.getvalue(), r"^error: .*bare\.pt: expected the weights of a training run .* found a\n$")


if __name__ == "__main__":
    unittest.main()

"""Seeded weights: reproducible, and every stage does real work on the probe."""

import unittest

import numpy
import onnx
import torch
from onnx import numpy_helper

from models import check_seed
from models import config as configs
from models.fingerprint import run_probe
from models.network import make_network
from models.seeding import round_mantissa, seed_weights
from tests.models_test.export_test import FIXTURES


def seeded(seed: int, name: str = "tiny"):
    network = make_network(configs.named(name)).eval()
    seed_weights(network, seed)
    return network


class SeedingTest(unittest.TestCase):
    def test_every_stage_works(self):
        for seed in range(4):
            network = seeded(seed)
            figures = check_seed.statistics(network, run_probe(network))
            self.assertEqual(check_seed.requirements(network, figures), [], f"seed {seed}: {figures}")
            self.assertLess(figures["large_enough"], figures["candidates"])

    def test_every_stage_of_the_other_networks_works(self):
        for name in ("tiny-lite", "tiny-arcnn", "tiny-arcnn-visible"):
            for seed in range(3):
                network = seeded(seed, name)
                figures = check_seed.statistics(network, run_probe(network))
                faults = check_seed.requirements(network, figures)
                self.assertEqual(faults, [], f"{name}, seed {seed}: {figures}")

    def test_relu6_meets_both_bounds(self):
        network, shares = seeded(0, "tiny-lite"), {}

        def note(name):
            def hook(_module, _inputs, output):
                shares[name] = (float((output < 0).double().mean()), float((output > 6).double().mean()))
            return hook

        for name, module in network.encoder.named_modules():
            if name.endswith(("expand_bn", "depthwise_bn")) or name == "stem_bn":
                module.register_forward_hook(note(name))
        run_probe(network)
        self.assertEqual(len(shares), 20)
        for name, (below, above) in shares.items():
            self.assertGreater(below, 0.02, name)
            self.assertGreater(above, 0.02, name)

    def test_residual_branches_are_damped_and_only_they(self):
        stages = seeded(0, "tiny-lite").encoder
        self.assertLess(float(stages.stage5.block1.project_bn.weight.detach().max()), 0.4)
        self.assertGreater(float(stages.stage5.block0.project_bn.weight.detach().min()), 0.6)

    def test_requirements_notice_idle_stages(self):
        network = seeded(0)
        with torch.no_grad():
            network.refine.conv3.weight.zero_()
            network.refine.conv3.bias.copy_(torch.tensor([60.0, 0.0, 30.0, 0.0, 0.0]))
            network.rpn.objectness.weight.mul_(0.01)
            network.rpn.objectness.bias.mul_(0.01)
        faults = " ".join(check_seed.requirements(
            network, check_seed.statistics(network, run_probe(network))))
        self.assertIn("RoI cells over c", faults)
        self.assertIn("objectness: expected standard deviation", faults)

    def test_same_seed_same_weights(self):
        first, second, other = seeded(1), seeded(1), seeded(2)
        for name, value in first.state_dict().items():
            self.assertTrue(torch.equal(value, second.state_dict()[name]), name)
        lite, again = seeded(1, "tiny-arcnn"), seeded(1, "tiny-arcnn")
        for name, value in lite.state_dict().items():
            self.assertTrue(torch.equal(value, again.state_dict()[name]), name)
        self.assertFalse(torch.equal(first.encoder.stem.weight, other.encoder.stem.weight))

    def test_same_weights_as_in_the_fixture(self):
        """The unfolded graph holds the very weights, written by another run or machine."""
        graph = onnx.load(str(FIXTURES / "tiny_keep_bn.onnx")).graph
        stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        compared = 0
        for name, value in seeded(0).state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            wanted, found = value.numpy(), stored["network." + name]
            self.assertLessEqual(numpy.abs(wanted - found).max(), 1e-6 * numpy.abs(found).max(), name)
            compared += 1
        # 30 convolutions with BN (1 + 4 tensors), 6 with a bias (2).
        self.assertEqual(compared, 30 * 5 + 6 * 2)

    def test_no_bias_is_all_zero(self):
        # An exporter may drop such a bias, and the graph would lack a tensor.
        for name, value in seeded(0).named_parameters():
            if name.endswith("bias"):
                self.assertTrue(bool((value != 0).any()), name)

    def test_bn_statistics_differ_between_channels(self):
        bn = seeded(0).encoder.stage3.block0.bn2
        for value in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
            self.assertGreater(float(value.detach().std()), 0.05)

    def test_rounding(self):
        self.assertEqual(round_mantissa(1.0, 5), 1.0)
        self.assertEqual(round_mantissa(1.02, 5), 1.03125)
        self.assertEqual(round_mantissa(0.3, 5), 0.296875)
        self.assertEqual(round_mantissa(1.999, 5), 2.0)

    def test_seed_out_of_range(self):
        with self.assertRaisesRegex(ValueError, "found -1"):
            seeded(-1)

"""The two baselines: what they see, what their planes mean, and what they cost."""

import unittest

import torch

from models import config as configs
from models.arcnn import AmodalMaskNetwork
from models.cost import cost
from models.fingerprint import run_probe
from models.heads import MAX_CONFIDENCE
from models.network import SemanticsLayeringNetwork, make_network
from models.seeding import seed_weights


class StructureTest(unittest.TestCase):
    def test_the_config_chooses_the_network(self):
        self.assertIsInstance(make_network(configs.named("tiny-lite")), SemanticsLayeringNetwork)
        self.assertIsInstance(make_network(configs.named("tiny-arcnn")), AmodalMaskNetwork)

    def test_heads_see_the_features_alone(self):
        for name, masks in (("demo-arcnn", 1), ("demo-arcnn-visible", 2)):
            state = make_network(configs.named(name)).state_dict()
            shapes = {key: tuple(value.shape) for key, value in state.items()}
            self.assertEqual(shapes["rpn.conv.weight"], (128, 64, 3, 3))
            self.assertEqual([shapes[f"mask.conv{i}.weight"] for i in range(1, 7)],
                             [(61, 64, 3, 3)] + [(61, 61, 3, 3)] * 4 + [(masks, 61, 3, 3)])
            self.assertEqual(shapes["mask.conv6.bias"], (masks,))
            self.assertFalse([key for key in shapes if key.startswith(("glm.", "ilm.", "refine."))])

    def test_encoder_is_that_of_sln(self):
        ours, theirs = (make_network(configs.named(name)).encoder.state_dict()
                        for name in ("demo-arcnn", "demo"))
        self.assertEqual({k: v.shape for k, v in ours.items()}, {k: v.shape for k, v in theirs.items()})

    def test_cost_is_within_5_percent_of_sln(self):
        sln = cost(configs.named("demo"))
        smaller = cost(configs.named("demo", 256))  # the side at which they are compared
        # Figures of docs/network.md; by hand for the RoI heads, 9 taps, 28 x 28 cells, 100 RoIs.
        self.assertEqual(sln.parameters, 3316954)
        self.assertEqual(sln.roi_macs, 9 * 784 * 100 * ((69 + 64 + 5) * 64 + (70 + 64 + 5) * 64))
        for name, parameters, masks in (("demo-arcnn", 3244503, 1), ("demo-arcnn-visible", 3245053, 2)):
            found = cost(configs.named(name))
            self.assertEqual(found.parameters, parameters)
            self.assertEqual(found.roi_macs, 9 * 784 * 100 * 61 * (64 + 4 * 61 + masks))
            self.assertLess(abs(found.parameters / sln.parameters - 1.0), 0.05)
            self.assertLess(abs(found.macs / sln.macs - 1.0), 0.05)
            self.assertLess(abs(cost(configs.named(name, 256)).macs / smaller.macs - 1.0), 0.05)


class PlanesTest(unittest.TestCase):
    def test_one_mask(self):
        logits = torch.tensor([0.0, 90.0, -90.0, 2.0]).reshape(1, 1, 2, 2)
        layers, confidence, level = AmodalMaskNetwork.split(logits)
        self.assertEqual(tuple(layers.shape), (1, 2, 2, 2))
        self.assertEqual(confidence.reshape(-1)[:3].tolist(), [0.5, MAX_CONFIDENCE, 0.0])
        self.assertAlmostEqual(layers[0, 1, 1, 1].item(), 0.8807971, 6)
        self.assertEqual((level.tolist(), level.dtype), ([[[0.0, 0.0], [0.0, 0.0]]], torch.float32))

    def test_two_masks(self):
        amodal = torch.tensor([2.0, 2.0, -3.0, 0.0])
        visible = torch.tensor([1.0, -1.0, 0.0, -1e-12])
        logits = torch.stack((amodal, visible)).reshape(1, 2, 2, 2)
        layers, confidence, level = AmodalMaskNetwork.split(logits)
        p_a, p_v = torch.sigmoid(amodal), torch.sigmoid(visible)
        expected = torch.stack((1 - p_a, p_a * p_v, p_a * (1 - p_v))).reshape(1, 3, 2, 2)
        self.assertTrue(torch.allclose(layers, expected, atol=1e-7))
        self.assertTrue(torch.allclose(layers.sum(1), torch.ones(1, 2, 2)))
        self.assertTrue(torch.allclose(confidence.reshape(-1), p_a, atol=1e-6))
        # A logit of 0 is visible; the smallest negative one is not, where the sigmoid says 0.5.
        self.assertEqual(level.reshape(-1).tolist(), [0.0, 1.0, 0.0, 1.0])

    def test_the_level_is_the_larger_plane(self):
        network = make_network(configs.named("tiny-arcnn-visible")).eval()
        seed_weights(network, 0)
        stages = run_probe(network)
        clear = (stages.layers[:, 1] - stages.layers[:, 2]).abs() > 1e-5
        found = stages.layers[:, 1:].argmax(1).float()
        self.assertTrue(torch.equal(found[clear], stages.level[clear]))
        self.assertEqual(set(stages.level.unique().tolist()), {0.0, 1.0})

    def test_an_image_without_boxes(self):
        for name, planes in (("tiny-arcnn", 2), ("tiny-arcnn-visible", 3)):
            network = make_network(configs.named(name)).eval()
            with torch.no_grad():
                network.rpn.deltas.weight.zero_()
                network.rpn.deltas.bias.fill_(-20.0)
            stages = run_probe(network)
            self.assertEqual(tuple(stages.boxes.shape), (0, 4))
            self.assertEqual(tuple(stages.layers.shape), (0, planes, 14, 14))
            self.assertEqual(tuple(stages.level.shape), (0, 14, 14))


if __name__ == "__main__":
    unittest.main()

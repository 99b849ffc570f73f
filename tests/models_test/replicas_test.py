"""Copies of a network that share a batch out: models/training/replicas.py, and training with them."""

import threading
import unittest

import torch
from torch import nn

from models.train import check_options
from models.training import checkpoint
from models.training.replicas import Replicas
from models.training.trainer import Options, TrainingError
from tests.models_test.train_test import Quiet, samples_of, trainer_of


class ReplicasTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(4)

    def test_each_works_on_a_thread_of_its_own_with_its_share_of_the_threads(self):
        replicas, met = Replicas(nn.Linear(2, 2), 2), threading.Barrier(2)

        def work(_network, k):
            met.wait(60)  # only if both work at once
            return k, threading.get_ident(), torch.get_num_threads()

        for _ in range(3):
            (first, one, a), (second, other, b) = replicas.run(work)
            self.assertEqual((first, second, a, b), (0, 1, 2, 2))
            self.assertNotEqual(one, other)

    def test_one_replica_is_the_network_here(self):
        network = nn.Linear(2, 2)
        self.assertEqual(Replicas(network, 1).run(lambda n, k: (n is network, k, threading.get_ident())),
                         [(True, 0, threading.get_ident())])

    def test_an_error_of_one_is_raised_after_the_others_are_done(self):
        replicas, done = Replicas(nn.Linear(2, 2), 2), []

        def work(_network, k):
            if k == 0:
                raise TrainingError("the first")
            done.append(k)

        with self.assertRaisesRegex(TrainingError, "the first"):
            replicas.run(work)
        self.assertEqual(done, [1])

    def test_merge_adds_gradients_and_takes_the_mean_of_moving_statistics(self):
        network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm2d(1), nn.BatchNorm2d(1), nn.Linear(1, 1))
        replicas = Replicas(network, 3)
        for k, copy in enumerate(replicas.networks):
            copy[2].eval()
            copy[1].running_mean.fill_(k)
            copy[1].running_var.fill_(10.0 * k)
            copy[2].running_mean.fill_(100.0 + k)
            copy[0].weight.grad = torch.full((2, 3), 2.0 ** k)
        replicas.networks[1][0].bias.grad = torch.full((2,), 5.0)
        replicas.merge()
        self.assertTrue(torch.equal(network[0].weight.grad, torch.full((2, 3), 7.0)))
        self.assertTrue(torch.equal(network[0].bias.grad, torch.full((2,), 5.0)))
        self.assertIsNone(network[3].weight.grad)
        for k, copy in enumerate(replicas.networks):
            self.assertEqual((float(copy[1].running_mean), float(copy[1].running_var)), (1.0, 10.0))
            self.assertEqual(float(copy[2].running_mean), 100.0 + k)
            self.assertEqual(copy[0].weight.data_ptr(), network[0].weight.data_ptr())
            self.assertTrue(k == 0 or copy[0].weight.grad is None)


class TrainingTest(Quiet):
    def test_a_step_is_the_mean_of_its_shares(self):
        samples = samples_of("tiny", 4)
        both = trainer_of("tiny", batch=4, replicas=2, begun=1)
        both._enter_stage()
        values = both.replicas.run(lambda network, k: both._backward(network, samples[2 * k:2 * k + 2], 4 + 2 * k))
        both.replicas.merge()
        alone = []
        for k in range(2):
            one = trainer_of("tiny", batch=4, begun=1)
            one._enter_stage()
            self.assertEqual(one._backward(one.network, samples[2 * k:2 * k + 2], 4 + 2 * k), values[k])
            alone.append(one.network)
        moved = 0
        for name, parameter in both.network.named_parameters():
            mean = sum(dict(network.named_parameters())[name].grad for network in alone) / 2
            torch.testing.assert_close(parameter.grad, mean, rtol=1e-5, atol=1e-7)
            moved += int(bool(mean.any()))
        self.assertGreater(moved, 20)
        for name, value in both.network.state_dict().items():
            if name.endswith(("running_mean", "running_var")):
                mean = sum(network.state_dict()[name] for network in alone) / 2
                torch.testing.assert_close(value, mean, rtol=1e-6, atol=1e-7)

    def test_all_of_a_run_is_the_same_after_a_stop(self):
        options = ("--batch", 4, "--replicas", 2)
        self.assertEqual(self.run_tiny("whole", *options)[0], 0)
        self.assertEqual(self.run_tiny("parts", *options, "--stop-at", 20)[0], 0)
        self.assertEqual(self.run_tiny("parts", *options, "--resume")[0], 0)
        whole, parts = (checkpoint.read_checkpoint(self.path(name, "checkpoint.pt")) for name in ("whole", "parts"))
        self.assertEqual(whole["step"], 10)
        self.same(whole["model"], parts["model"])
        self.same(whole["ema"], parts["ema"])
        self.assertEqual(self.run_tiny("single", "--batch", 4)[0], 0)
        single = checkpoint.read_checkpoint(self.path("single", "checkpoint.pt"))
        self.assertFalse(torch.equal(single["model"]["ilm.conv1.weight"], whole["model"]["ilm.conv1.weight"]))
        code, _, error = self.run_tiny("parts", "--batch", 4, "--replicas", 1, "--resume")
        self.assertEqual(code, 1)
        self.assertIn("--replicas: expected 2, with which the run to resume began, found 1", error)

    def test_numbers_that_cannot_be(self):
        for options, device, text in (
                (Options(replicas=0), "cpu", "--replicas: expected at least 1, found 0"),
                (Options(batch=4, replicas=3), "cpu", "--replicas: expected a divisor of --batch 4, found 3"),
                (Options(batch=4, replicas=2), "cuda", "--replicas: expected 1 on a GPU, found 2")):
            with self.assertRaises(TrainingError) as raised:
                check_options(options, torch.device(device))
            self.assertEqual(str(raised.exception), text)


if __name__ == "__main__":
    unittest.main()

"""A run: that it learns, resumes exactly, keeps what is frozen, and says what is wrong."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy
import torch
from PIL import Image

from models import config as configs
from models import losses, train
from models.network import make_network
from models.proposals import make_anchors, move_boxes
from models.scene import Scene, SceneObject, list_order
from models.targets import box_iou
from models.training import checkpoint, forward
from models.training.folding import fold
from models.training.forward import encode
from models.training.loader import Loader, LoaderError
from models.training.log import Log, Progress, draw_curves
from models.training.optimiser import RECIPES, Average, Recipe, learning_rate, network_stages, stage_starts
from models.training.sources import ComposedSource
from models.training.trainer import Options, Pace, Run, Trainer, initialise_weights

CPU = torch.device("cpu")


def broken_source():
    """A source whose fifth scene cannot be made."""
    make = ComposedSource(None, 64, "train", 0)()

    def source(number):
        if number == 5:
            raise OSError("pictures.bin: expected 9 bytes, found 3")
        return make(number)

    return source


def trainer_of(name, **options):
    network = make_network(configs.named(name))
    initialise_weights(network, 0)
    options = {"images": 16, "batch": 2, "rois": 4, "warmup": 2, **options}
    return Trainer(network, Options(**options), CPU)


def samples_of(name, count):
    config = configs.named(name)
    loader = Loader(ComposedSource(None, config.side, "train", 0), config, 0, 0, count, workers=0)
    return loader.take(count)


class Quiet(unittest.TestCase):
    """Runs the command in a temporary folder, with what it prints kept."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        threads = torch.get_num_threads()
        self.addCleanup(torch.set_num_threads, threads)
        torch.set_num_threads(1)

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def run_main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = train.main([str(a) for a in arguments])
        return code, out.getvalue(), err.getvalue()

    def run_tiny(self, out, *arguments, name="tiny", images=40):
        return self.run_main("--config", name, "--out", self.path(out), "--images", images, "--batch", 1,
                             "--rois", 4, "--workers", 0, "--validation-scenes", 2, "--log-every", 10,
                             "--threads", 1, "--precision", "fp32", *arguments)

    def same(self, a, b):
        self.assertEqual(a.keys(), b.keys())
        for key in a:
            self.assertTrue(torch.equal(a[key], b[key]), key)


class ResumeTest(Quiet):
    def test_20_and_20_steps_are_40_bit_for_bit(self):
        self.assertEqual(self.run_tiny("whole")[0], 0)
        self.assertEqual(self.run_tiny("parts", "--stop-at", 20)[0], 0)
        half = checkpoint.read_checkpoint(self.path("parts", "checkpoint.pt"))
        self.assertEqual((half["step"], half["images"]), (20, 20))
        code, out, _ = self.run_tiny("parts", "--resume")
        self.assertEqual(code, 0)
        self.assertIn("resumed after 20 steps, 20 images", out)
        whole, parts = (checkpoint.read_checkpoint(self.path(name, "checkpoint.pt"))
                        for name in ("whole", "parts"))
        self.same(whole["model"], parts["model"])
        self.same(whole["ema"], parts["ema"])
        self.assertFalse(torch.equal(half["model"]["ilm.conv1.weight"], whole["model"]["ilm.conv1.weight"]))
        for key, state in whole["optimizer"]["state"].items():
            self.same({k: torch.as_tensor(v) for k, v in state.items()},
                      {k: torch.as_tensor(v) for k, v in parts["optimizer"]["state"][key].items()})
        with open(self.path("parts", "log.jsonl"), encoding="utf-8") as file:
            entries = [json.loads(line) for line in file]
        self.assertEqual([e["step"] for e in entries if e["kind"] == "train"], [10, 20, 30, 40])
        self.assertEqual([e["images"] for e in entries if e["kind"] == "validation"], [40])
        weights = torch.load(self.path("parts", "weights.pt"), weights_only=True)
        self.same(weights["state_dict"], parts["ema"])
        self.assertEqual(weights["config"], configs.named("tiny").to_json())

    def test_the_staged_recipe_resumes_between_and_within_its_stages(self):
        for stop in (1, 5):  # within "glm"; at the end of "rpn"
            name = f"parts{stop}"
            self.assertEqual(self.run_tiny(name, "--recipe", "paper", "--stop-at", stop, images=12)[0], 0)
            self.assertEqual(self.run_tiny(name, "--recipe", "paper", "--resume", images=12)[0], 0)
        self.assertEqual(self.run_tiny("whole", "--recipe", "paper", images=12)[0], 0)
        whole = checkpoint.read_checkpoint(self.path("whole", "checkpoint.pt"))
        for stop in (1, 5):
            parts = checkpoint.read_checkpoint(self.path(f"parts{stop}", "checkpoint.pt"))
            self.same(whole["model"], parts["model"])

    def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(self):
        class Killing(ComposedSource):
            def __call__(self):
                make = super().__call__()

                def source(number):
                    if number == 7:
                        os.kill(os.getpid(), signal.SIGTERM)
                    return make(number)

                return source

        before = signal.getsignal(signal.SIGTERM)
        original, train.ComposedSource = train.ComposedSource, Killing
        self.addCleanup(setattr, train, "ComposedSource", original)
        code, out, _ = self.run_tiny("killed")
        self.assertEqual(code, 0)
        self.assertIn("stopped by SIGTERM after 8 steps", out)
        self.assertEqual(checkpoint.read_checkpoint(self.path("killed", "checkpoint.pt"))["step"], 8)
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
        self.assertEqual([f for f in os.listdir(self.path("killed")) if f.endswith(".tmp")], [])


class LearningTest(unittest.TestCase):
    def test_every_network_learns_one_batch(self):
        for name, parts in (("tiny-lite", {"global", "rpn", "instance", "final"}),
                            ("tiny-arcnn", {"rpn", "final"}), ("tiny-arcnn-visible", {"rpn", "final"})):
            trainer, samples = trainer_of(name, images=60, clip=10.0), samples_of(name, 2)
            history = [trainer.train_step(samples) for _ in range(24)]
            self.assertEqual(set(history[0]), parts | {"loss"})
            # Each step draws RoIs of its own and one step's loss jumps by 15 %: four are averaged.
            for part, most in [("loss", 0.9)] + [(part, 0.97) for part in sorted(parts)]:
                first, last = (sum(step[part] for step in steps) / 4 for steps in (history[:4], history[-4:]))
                self.assertLess(last, most * first, f"{name} {part}")

    def test_weights_of_the_losses(self):
        samples = samples_of("tiny", 2)
        values = trainer_of("tiny", lambda_g=0.0, lambda_m=0.5).train_step(samples)
        self.assertEqual(set(values), {"loss", "rpn", "instance", "final"})
        self.assertAlmostEqual(values["loss"], values["rpn"] + values["instance"] + 0.5 * values["final"],
                               places=5)

    def test_a_step_weighs_shared_cells_and_labels_anchors_by_their_boxes(self):
        scene = Scene(numpy.zeros((64, 64, 3), numpy.uint8), "pair", 0, 64, 64, [], list_order(2))
        for x in (8, 20):
            mask = numpy.zeros((64, 64), bool)
            mask[10:50, x:x + 32] = True
            scene.objects.append(SceneObject(mask))
        samples = Loader(lambda: [scene, scene].__getitem__, configs.named("tiny"), 0, 0, 2, workers=0).take(2)
        with mock.patch.object(losses, "objectness_loss", wraps=losses.objectness_loss) as objectness, \
                mock.patch.object(forward, "SAMPLED_ANCHORS", len(samples[1].positive) + 40):
            values = trainer_of("tiny").train_step(samples)
            apart = [dataclasses.replace(s, shared=numpy.zeros_like(s.shared)) for s in samples]
            single = trainer_of("tiny").train_step(apart)
        logits, labels = (v.detach() for v in objectness.call_args_list[0][0])
        count = sum(len(s.deltas) for s in samples)
        # The network is new: its boxes are nearly the anchors, and so are their IoUs.
        anchors = make_anchors(configs.named("tiny"))
        corners = move_boxes(anchors, torch.zeros_like(anchors)).numpy()
        own = numpy.concatenate([box_iou(corners[s.positive], s.boxes).max(1) for s in samples])
        self.assertLess(float(numpy.abs(labels[:count].numpy() - own).max()), 0.05)
        self.assertEqual(float(labels[count:].abs().max()), 0.0)
        # Both images are one: of the 40 negative anchors of the second, the last 20 are the surest.
        drawn, surest = logits[-40:-20], logits[-20:]
        self.assertGreater(float(surest.min()), float(drawn.median()))
        self.assertAlmostEqual(single["rpn"], values["rpn"], places=6)
        with mock.patch.object(forward, "SAMPLED_ANCHORS", len(samples[1].positive) + 40):
            equal = trainer_of("tiny", shared_weight=1.0).train_step(samples)
        for name in ("instance", "final"):
            self.assertGreater(abs(single[name] - values[name]), 1e-5)
            self.assertAlmostEqual(equal[name], single[name], places=6)

    def test_the_gradient_is_clipped(self):
        samples = samples_of("tiny", 2)

        def norm(clip):
            trainer, seen = trainer_of("tiny", clip=clip), []
            with mock.patch.object(trainer.optimiser, "step", side_effect=lambda *_: seen.append(
                    torch.stack([p.grad.norm() for p in trainer.network.parameters() if p.grad is not None]).norm().item())):
                trainer.train_step(samples)
            return seen

        free, = norm(1e9)
        self.assertGreater(free, 1.0)
        clipped, = norm(0.25 * free)
        self.assertAlmostEqual(clipped, 0.25 * free, delta=1e-3 * free)

    def test_convolutions_see_channels_last(self):
        trainer, seen = trainer_of("tiny-lite"), []
        for module in (trainer.network.encoder.stage2.block0.project, trainer.network.glm.conv2, trainer.network.ilm.conv2):
            self.assertTrue(module.weight.is_contiguous(memory_format=torch.channels_last))
            module.register_forward_pre_hook(lambda _, inputs: seen.append(
                inputs[0].is_contiguous(memory_format=torch.channels_last)))
        trainer.train_step(samples_of("tiny-lite", 2))
        self.assertGreaterEqual(len(seen), 2)
        self.assertTrue(all(seen), seen)

    def test_averaged_weights_are_what_is_judged_and_kept(self):
        trainer = trainer_of("tiny", images=2, average=0.9)
        source = ComposedSource(None, 64, "train", 0)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            run = Run(trainer, source, source.validation(1), Pace(folder, workers=0))
            with mock.patch.object(run.validator, "run", wraps=run.validator.run) as judged:
                run.go()
            kept = torch.load(os.path.join(folder, "weights.pt"), weights_only=True)["state_dict"]
        given = judged.call_args[0][0]["ilm.conv1.weight"]
        self.assertTrue(torch.equal(given, trainer.average.network.state_dict()["ilm.conv1.weight"]))
        self.assertTrue(torch.equal(given, kept["ilm.conv1.weight"]))
        self.assertFalse(torch.equal(given, trainer.network.state_dict()["ilm.conv1.weight"]))

    @unittest.skipUnless(train.has_cpu_bf16_gradients(), "this PyTorch has no bf16 gradient of ReLU6")
    def test_half_precision_gives_nearly_the_same_losses(self):
        samples = samples_of("tiny-lite", 2)
        exact, half = (trainer_of("tiny-lite", precision=p).train_step(samples) for p in ("fp32", "bf16"))
        for name in ("rpn", "global", "instance"):
            self.assertAlmostEqual(half[name], exact[name], delta=0.05 * exact[name])
            self.assertNotEqual(half[name], exact[name])

    def test_scenes_without_objects(self):
        scene = Scene(numpy.zeros((64, 64, 3), numpy.uint8), "empty", 0, 64, 64, [], list_order(0))
        full = Scene(scene.image, "full", 1, 64, 64, [SceneObject(numpy.ones((64, 64), bool))], list_order(1))
        for first in (scene, full):
            trainer = trainer_of("tiny")
            loader = Loader(lambda: [first, scene].__getitem__, trainer.network.config, 0, 0, 2, workers=0)
            values = trainer.train_step(loader.take(2))
            self.assertTrue(numpy.isfinite(values["loss"]))


class MemoryTest(unittest.TestCase):
    def test_freed_memory_is_not_cleared_anew(self):
        # In processes of their own, since it stays so. 64 MiB are 16384 pages of 4 KiB.
        code = ("import resource, sys, threading, torch\n"
                "from models.training.memory import keep_freed_memory, share_freed_memory\n"
                "kept = keep_freed_memory() if sys.argv[1] != 'leave' else 0\n"
                "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
                "counts = []\n"
                "def count():\n"
                "    torch.set_num_threads(1)\n"
                "    for _ in range(40):\n"
                "        before = faults()\n"
                "        torch.ones(2 ** 24).sum()\n"
                "        counts.append(faults() - before)\n"
                "if sys.argv[1] == 'share':\n"
                "    share_freed_memory()\n"
                "    thread = threading.Thread(target=count)\n"
                "    thread.start()\n"
                "    thread.join()\n"
                "else:\n"
                "    count()\n"
                # The first blocks lie apart, and no gap holds the next one with its alignment.
                "print(kept, max(counts[20:]))\n")

        def run(how):
            result = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True)
            return [int(word) for word in result.stdout.split()]

        _, without = run("leave")
        kept, faults = run("keep")
        if kept < 2 ** 27 or without < 4000:
            self.skipTest(f"a C library that keeps blocks of {kept} bytes, {without} page faults without it")
        self.assertLess(faults, 1000)
        self.assertLess(run("share")[1], 1000)


class StageTest(unittest.TestCase):
    def test_the_encoders_first_stages_can_stay_as_they_are(self):
        for name in ("tiny", "tiny-lite"):
            trainer, samples = trainer_of(name, frozen_stages=2), samples_of(name, 2)
            before = {n: v.clone() for n, v in trainer.network.state_dict().items() if v.is_floating_point()}
            for _ in range(2):
                trainer.train_step(samples)
            moved = {n for n, v in trainer.network.state_dict().items() if n in before
                     and not torch.equal(v, before[n])}
            early = ("encoder.stem.", "encoder.stem_bn.", "encoder.stage1.", "encoder.stage2.")
            self.assertFalse({n for n in moved if n.startswith(early)}, name)
            weights = {n for n, _ in trainer.network.named_parameters() if not n.startswith(early)}
            self.assertTrue(any(n.startswith("encoder.stage3.") for n in weights))
            self.assertEqual(weights - moved, set(), name)

    def test_what_is_frozen_stays_and_the_rest_moves(self):
        trainer, samples = trainer_of("tiny", images=20, recipe="paper"), samples_of("tiny", 2)
        learning = {"glm": ("encoder.", "glm."), "rpn": ("rpn.",), "ilm": ("ilm.", "refine."),
                    "joint": ("encoder.", "glm.", "rpn.", "ilm.", "refine.")}
        seen = []
        for _ in range(10):
            before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
            trainer.train_step(samples)
            stage = trainer.stages[trainer.stage].name
            seen.append(stage)
            for name, value in trainer.network.state_dict().items():
                moved = not torch.equal(value, before[name])
                if not name.startswith(learning[stage]):
                    self.assertFalse(moved, f"{stage}: {name}")
                elif name.endswith((".conv1.weight", ".conv.weight", "running_mean", "fuse.weight")):
                    self.assertTrue(moved, f"{stage}: {name}")
        self.assertEqual(seen, ["glm"] * 2 + ["rpn"] * 2 + ["ilm"] * 2 + ["joint"] * 4)

    def test_a_stage_begins_without_the_momentum_of_the_one_before(self):
        trainer, samples = trainer_of("tiny", images=20, recipe="paper"), samples_of("tiny", 2)
        stem = trainer.network.encoder.stem.weight
        for _ in range(2):
            trainer.train_step(samples)
        self.assertIn(stem, trainer.optimiser.state)
        trainer.train_step(samples)  # of the RPN, with the encoder frozen
        self.assertEqual(trainer.stages[trainer.stage].name, "rpn")
        self.assertNotIn(stem, trainer.optimiser.state)

    def test_statistics_of_a_pretrained_encoder_stay(self):
        trainer = trainer_of("tiny-lite", fixed_statistics=True, encoder_share=0.2)
        before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
        trainer.train_step(samples_of("tiny-lite", 2))
        for name, value in trainer.network.state_dict().items():
            if name.endswith("running_mean"):
                fixed = name.startswith("encoder.") and "fuse" not in name
                self.assertEqual(torch.equal(value, before[name]), fixed, name)
        self.assertFalse(torch.equal(trainer.network.encoder.stem.weight, before["encoder.stem.weight"]))
        shares = {group["share"]: group["lr"] for group in trainer.optimiser.param_groups}
        self.assertAlmostEqual(shares[0.2], 0.2 * shares[1.0])
        for group in trainer.optimiser.param_groups:
            for parameter in group["params"]:
                self.assertEqual(group["weight_decay"] > 0, parameter.dim() > 1)

    def test_folded_statistics_change_nothing_but_the_work(self):
        for name in ("tiny", "tiny-lite"):
            encoder = make_network(configs.named(name)).encoder.double().eval()
            generator = torch.Generator().manual_seed(0)
            with torch.no_grad():
                for key, value in encoder.state_dict().items():
                    if value.is_floating_point() and value.dim() == 1:
                        value.copy_(0.5 + torch.rand(value.shape, generator=generator))
            canvas = torch.randn(2, 3, 64, 64, generator=generator).double()
            parameters = list(encoder.parameters())
            results = []
            for folded in (False, True):
                if folded:
                    fold(encoder)
                    encoder.stem_bn.register_forward_hook(
                        lambda module, inputs, output: self.assertIs(inputs[0], output))
                output = encoder(canvas)
                results.append([output, encode(encoder, canvas), *torch.autograd.grad((output * output).sum(), parameters)])
            for a, b in zip(*results):
                largest = float(a.detach().abs().max())
                self.assertLess(float((a - b).detach().abs().max()), 1e-9 * largest, name)
            self.assertLess(float((results[1][1] - results[0][0]).detach().abs().max()), 1e-9, name)
            encoder.train()
            fold(encoder)  # nothing is in eval mode now: everything is as it was
            self.assertNotIn("forward", encoder.stem.__dict__)
            self.assertNotIn("forward", encoder.stem_bn.__dict__)

    def test_networks_without_a_glm_learn_the_encoder_with_the_proposals(self):
        stages = network_stages(RECIPES["paper"], make_network(configs.named("tiny-arcnn")))
        self.assertEqual([s.name for s in stages], ["rpn", "ilm", "joint"])
        self.assertNotIn("encoder.", stages[0].frozen)
        self.assertIn("encoder.", stages[1].frozen)
        self.assertEqual(stage_starts(stages, 80), [0, 20, 40, 80])

    def test_rates(self):
        recipe = Recipe("adamw", 1.0, 0.0, True, ())
        rates = [learning_rate(recipe, step, 100, 200, 10) for step in (100, 104, 109, 110, 155, 199)]
        self.assertTrue(numpy.allclose(rates[:4], [0.1, 0.5, 1.0, 1.0]))
        self.assertAlmostEqual(rates[4], 0.01 + 0.99 * 0.5)
        self.assertLess(rates[5], 0.011)

    def test_average(self):
        network = make_network(configs.named("tiny"))
        average = Average(network, 0.9)
        old = network.glm.conv3.bias.detach().clone()
        with torch.no_grad():
            network.glm.conv3.bias += 1.0
        average.update(network, 1000)
        self.assertTrue(torch.allclose(average.network.glm.conv3.bias, old + 0.1, atol=1e-6))
        average.update(network, 0)  # early: (1 + 0) / (10 + 0)
        self.assertTrue(torch.allclose(average.network.glm.conv3.bias, old + 0.1 + 0.9 * 0.9, atol=1e-6))


HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


class LogTest(unittest.TestCase):
    def coloured(self, path):
        """Whether each third of a picture of 1500 x 400 has coloured pixels."""
        pixels = numpy.asarray(Image.open(path).convert("RGB")).astype(int)
        self.assertEqual(pixels.shape, (400, 1500, 3))
        return [bool(((third.max(2) - third.min(2)) > 60).any()) for third in numpy.split(pixels, 3, axis=1)]

    @unittest.skipUnless(HAS_MATPLOTLIB, "needs matplotlib")
    def test_curves_of_losses_and_validations(self):
        with tempfile.TemporaryDirectory() as folder:
            path, output = os.path.join(folder, "log.jsonl"), os.path.join(folder, "curves.png")
            log = Log(path, 0)
            for step in range(1, 6):
                log.write({"kind": "train", "step": step, "images": 8 * step, "loss": 4.0 / step, "rpn": 1.0 / step})
            draw_curves(path, output)
            losses = self.coloured(output)
            log.write({"kind": "validation", "step": 5, "images": 40, "best_iou": 0.5, "order_coverage": 0.25})
            log.write({"kind": "validation", "step": 6, "images": 48, "best_iou": 0.6, "order_coverage": 0.5})
            draw_curves(path, output)
            both = self.coloured(output)
            self.assertEqual(sorted(os.listdir(folder)), ["curves.png", "log.jsonl"])
        # Lines are the only coloured things, in three panels side by side.
        self.assertEqual(losses, [True, False, False])
        self.assertEqual(both, [True, True, True])

    def test_a_line_says_how_fast_it_is_and_how_long_it_takes(self):
        said, clock = io.StringIO(), [100.0]
        with mock.patch("models.training.log.time.monotonic", lambda: clock[0]), contextlib.redirect_stdout(said):
            progress = Progress(step=10, total=1000, batch=8)
            for loss in (3.0, 1.0):
                progress.add({"loss": loss})
            clock[0] += 14.0
            progress.paused += 10.0  # a validation
            entry = progress.line(12, 1e-3)
        self.assertEqual((entry["images"], entry["loss"], entry["images_per_second"]), (96, 2.0, 4.0))
        self.assertIn("step 12/1000 images 96: loss 2.000, rate 1.00e-03, 4.00 images/s, 0:32:56 left", said.getvalue())

    def test_without_matplotlib_a_line_says_so(self):
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(sys.modules, {"matplotlib": None}), \
                contextlib.redirect_stderr(said):
            draw_curves(os.path.join(folder, "log.jsonl"), os.path.join(folder, "curves.png"))
            self.assertEqual(os.listdir(folder), [])
        self.assertIn("matplotlib", said.getvalue())


class LoaderTest(unittest.TestCase):
    def test_processes_give_the_same_samples_in_the_same_order(self):
        config = configs.named("tiny")
        source = ComposedSource(None, 64, "train", 0)
        here = Loader(source, config, 5, 3, 9, workers=0)
        ahead = Loader(source, config, 5, 3, 9, workers=2)
        try:
            for a, b in zip(here.take(6), ahead.take(6)):
                for field in ("image", "levels", "boxes", "counts", "positive", "deltas", "negative"):
                    self.assertTrue(numpy.array_equal(getattr(a, field), getattr(b, field)), field)
        finally:
            ahead.close()

    def test_what_was_learnt_outlives_a_scene_that_cannot_be_made(self):
        for workers in (0, 1):
            with self.subTest(workers=workers), tempfile.TemporaryDirectory() as folder:
                run = Run(trainer_of("tiny"), broken_source, [], Pace(folder, workers=workers))
                with self.assertRaisesRegex(LoaderError, "pictures.bin"):
                    run.go()
                self.assertEqual(checkpoint.read_checkpoint(os.path.join(folder, "checkpoint.pt"))["step"], 2)

    def test_an_error_there_is_an_error_here(self):
        loader = Loader(broken_source, configs.named("tiny"), 0, 4, 9, workers=1)
        try:
            loader.take(1)
            with self.assertRaisesRegex(LoaderError, "^pictures.bin: expected 9 bytes, found 3$"):
                loader.take(1)
        finally:
            loader.close()


if __name__ == "__main__":
    unittest.main()

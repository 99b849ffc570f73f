"""What a training says of files and options with which it cannot run, and of those that it goes on from."""

import contextlib
import io
import json
import os
import unittest

import numpy
import torch
from PIL import Image

from models import config as configs
from models.data.store import StoreWriter, split_of
from models.export import export
from models.network import make_network
from models.seeding import seed_weights
from models.training import checkpoint
from models.training.optimiser import RECIPES, learning_rate
from models.training.trainer import Options
from tests.models_test.train_test import Quiet


class ErrorTest(Quiet):
    def error(self, result):
        code, _, err = result
        self.assertEqual(code, 1)
        self.assertTrue(err.startswith("error: ") and err.count("\n") == 1, err)
        return err

    def test_a_run_that_is_there_needs_resume_and_its_own_options(self):
        self.assertEqual(self.run_tiny("run", images=4)[0], 0)
        self.assertIn("--resume goes on with it", self.error(self.run_tiny("run", images=4)))
        self.assertIn("--images: expected 4", self.error(self.run_tiny("run", "--resume", images=8)))
        self.assertIn("config: blocks: expected",
                      self.error(self.run_tiny("run", "--resume", name="tiny-lite", images=4)))
        path = self.path("run", "checkpoint.pt")
        with open(path, "r+b") as file:
            file.truncate(1000)
        self.assertIn(path, self.error(self.run_tiny("run", "--resume", images=4)))

    def test_values_with_which_no_run_is_possible(self):
        for arguments in (("--log-every", "0"), ("--workers", "-1"), ("--validate-every", "-1"), ("--threads", "-1")):
            self.assertIn(f"{arguments[0]}: expected at least", self.error(self.run_tiny("run", *arguments)))
        for arguments in (("--clip", "-1"), ("--clip", "nan"), ("--average", "2"), ("--average", "-0.5"),
                          ("--seed", "-1"), ("--frozen-stages", "5"), ("--rate", "-1"), ("--lambda-g", "nan"), ("--rois", "0"),
                          ("--decay", "nan"), ("--decay", "-5"), ("--seed", str(2 ** 64)), ("--side", "3200000")):
            self.assertIn(f"{arguments[0].lstrip('-')}: expected", self.error(self.run_tiny("run", *arguments)))
        self.assertFalse(os.path.exists(self.path("run", "checkpoint.pt")))

    def test_how_annotated_objects_are_ordered_is_said_once(self):
        Image.new("RGB", (64, 64), (90, 120, 40)).save(self.path("a.png"))
        boxes = [[8, 8, 40, 8, 40, 40, 8, 40], [24, 24, 60, 24, 60, 60, 24, 60]]
        with open(self.path("a.json"), "w", encoding="utf-8") as file:
            json.dump({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
                       "categories": [{"id": 1, "name": "thing"}],
                       "annotations": [{"id": k, "image_id": 1, "category_id": 1, "segmentation": [box]}
                                       for k, box in enumerate(boxes)]}, file)
        code, out, err = self.run_tiny("run", "--annotations", self.path("a.json"), images=2)
        self.assertEqual((code, err), (0, ""))
        notes = [line for line in out.splitlines() if line.startswith("note: ")]
        self.assertEqual(len(notes), 1, out)
        self.assertIn("first = front-most", notes[0])
        with open(self.path("a.json"), encoding="utf-8") as file:
            moved = file.read().replace("[8, 8, 40, 8,", "[9, 8, 40, 8,")
        with open(self.path("a.json"), "w", encoding="utf-8") as file:
            file.write(moved)
        self.assertIn(f"scenes of {self.path('a.json')}: expected annotations ", self.error(self.run_tiny(
            "run", "--annotations", self.path("a.json"), "--resume", images=2)))

    def test_a_folder_that_is_a_file(self):
        with open(self.path("run"), "w", encoding="utf-8"):
            pass
        self.assertIn(f"{self.path('run')}: expected a folder", self.error(self.run_tiny("run", images=4)))

    def test_a_damaged_run_names_its_file_and_the_place(self):
        self.assertEqual(self.run_tiny("run", images=4)[0], 0)
        path = self.path("run", "checkpoint.pt")
        whole = checkpoint.read(path)

        def resumed_with(**changes):
            content = {key: value for key, value in {**whole, **changes}.items() if value is not None}
            checkpoint.write(path, content)
            return self.error(self.run_tiny("run", "--resume", images=4))

        some = {name: tensor for name, tensor in list(whole["model"].items())[1:]}
        options = json.loads(whole["options"])
        for changes, words in (({"model": None}, "found no model"), ({"model": some}, "expected the state of this run"),
                               ({"model": 5}, "expected the state of this run"), ({"step": "x"}, "step: expected"),
                               ({"images": -1}, "images: expected"), ({"options": "{"}, "options: expected JSON"),
                               ({"options": "[]"}, "options: expected an object"), ({"config": "x"}, "config: expected"),
                               ({"config": 4}, "config: expected"), ({"optimizer": {}}, "expected the state of this run"),
                               ({"options": json.dumps({**options, "recipe": "x"})}, "recipe: expected"),
                               ({"options": json.dumps({**options, "rois": "x"})}, "rois: expected int")):
            with self.subTest(changes=str(changes)[:60]):
                text = resumed_with(**changes)
                self.assertIn(words, text)
                self.assertIn("checkpoint.pt", text)
        checkpoint.write(path, whole)
        with open(self.path("run", "log.jsonl"), "a", encoding="utf-8") as file:
            file.write("half an\n")
        self.assertRegex(self.error(self.run_tiny("run", "--resume", images=4)), r"log\.jsonl: line \d+: expected")

    def test_files_to_start_from_that_are_none(self):
        self.assertEqual(self.run_tiny("run", images=4)[0], 0)
        weights = checkpoint.read(self.path("run", "weights.pt"))
        weights["state_dict"]["ilm.conv1.weight"][0, 0, 0, 0] = float("nan")
        checkpoint.write(self.path("nan.pt"), weights)
        self.assertIn("nan.pt: ilm.conv1.weight: expected finite weights",
                      self.error(self.run_tiny("tuned", "--init", self.path("nan.pt"), images=4)))
        torch.save({"state_dict": Options()}, self.path("object.pt"))
        generator = numpy.random.Generator(numpy.random.PCG64(7))
        names = ["object.pt"]
        for number in range(40):  # pickles that begin as such
            names.append(f"{number}.pt")
            with open(self.path(names[-1]), "wb") as file:
                file.write(b"\x80\x02" + generator.integers(0, 256, 40, numpy.uint8).tobytes())
        for name in names:
            text = self.error(self.run_tiny("tuned", "--init", self.path(name), images=4))
            self.assertIn(f"{self.path(name)}: expected a PyTorch file", text)
            self.assertNotIn("weights_only", text)

    def test_a_folder_holds_one_training_at_a_time(self):
        os.makedirs(self.path("run"))
        with checkpoint.held(self.path("run")):
            text = self.error(self.run_tiny("run", images=4))
        self.assertIn("expected no other training in it", text)
        self.assertIn(self.path("run"), text)
        self.assertEqual(os.listdir(self.path("run")), [])
        self.assertEqual(self.run_tiny("run", images=4)[0], 0)

    def test_a_run_goes_on_with_the_scenes_it_began_with(self):
        for name, family in (("first", "lamp"), ("second", "cup"), ("third", "lamp")):
            writer = StoreWriter(self.path(name))
            for seed in range(3):
                rgba = numpy.full((40, 50, 4), 90 * seed, numpy.uint8)
                rgba[4:30, 5:40, 3] = 255
                writer.add_cutout(rgba, family, f"{name}/{seed}", "CC0-1.0", "user")
            writer.close()
        self.assertEqual(split_of("lamp"), "train")
        self.assertEqual(split_of("cup"), "train")

        def run(store, *more):
            return self.run_tiny("run", "--store", self.path(store), "--validation-scenes", "0", *more,
                                 images=4)

        self.assertEqual(run("first", "--stop-at", "2")[0], 0)
        self.assertIn(f"scenes of {self.path('second')}: expected store ", self.error(run("second", "--resume")))
        self.assertIn("found shapes", self.error(self.run_tiny("run", "--resume", images=4)))
        self.assertEqual(run("third", "--resume")[0], 0)  # the same families, collected elsewhere

    def test_init_takes_all_or_names_what_differs(self):
        self.assertEqual(self.run_tiny("run", images=4)[0], 0)
        weights = self.path("run", "weights.pt")
        code, out, _ = self.run_tiny("tuned", "--init", weights, images=4)
        self.assertEqual(code, 0)
        self.assertIn("fixed_statistics=True", out)
        self.assertIn("encoder: expected 'efficientnet-lite0', found 'resnet'",
                      self.error(self.run_tiny("other", "--init", weights, name="tiny-lite", images=4)))
        content = torch.load(weights, weights_only=True)
        del content["config"]
        content["state_dict"]["refine.conv9.weight"] = content["state_dict"].pop("refine.conv3.weight")
        content["state_dict"]["ilm.conv3.bias"] = torch.zeros(4)
        torch.save(content, self.path("changed.pt"))
        err = self.error(self.run_tiny("third", "--init", self.path("changed.pt"), images=4))
        for part in ("changed.pt", "missing ['refine.conv3.weight']", "unknown ['refine.conv9.weight']",
                     "ilm.conv3.bias: expected shape (5,), found (4,)"):
            self.assertIn(part, err)
        self.assertIn("nothing.pt", self.error(self.run_tiny("fourth", "--init", self.path("nothing.pt"))))

    def test_a_run_at_another_side(self):
        self.assertEqual(self.run_tiny("run", "--side", 96, "--stop-at", 2)[0], 0)
        content = torch.load(self.path("run", "checkpoint.pt"), weights_only=True)
        self.assertEqual(json.loads(content["config"])["side"], 96)
        self.assertIn("side: expected 64, found 96", self.error(self.run_tiny("run", "--resume")))
        self.assertEqual(self.run_tiny("run", "--side", 96, "--resume", "--stop-at", 4)[0], 0)
        self.assertEqual(self.run_tiny("whole", "--side", 64, "--init", self.path("run"), "--stop-at", 2)[0], 0)

    def test_a_run_whose_checkpoint_is_lost_goes_on_in_its_schedule(self):
        self.assertEqual(self.run_tiny("run", "--stop-at", 24)[0], 0)
        weights = self.path("run", "weights.pt")
        code, out, _ = self.run_tiny("again", "--init", weights, "--continue-schedule", "--warmup", 4,
                                     "--stop-at", 30)
        self.assertEqual(code, 0)
        self.assertIn("going on after 24 images", out)
        again = torch.load(self.path("again", "checkpoint.pt"), weights_only=True)
        self.assertEqual((again["step"], again["images"]), (30, 30))
        with open(self.path("again", "log.jsonl"), encoding="utf-8") as file:
            rate = json.loads(file.readline())["rate"]
        self.assertAlmostEqual(rate, learning_rate(RECIPES["default"], 30, 0, 40, 4), delta=1e-12)
        self.assertEqual(self.run_tiny("again", "--resume", "--warmup", 4, "--stop-at", 32)[0], 0)
        self.assertIn("images: expected a number below --images (20)", self.error(self.run_tiny(
            "third", "--init", weights, "--continue-schedule", images=20)))
        self.assertIn("expected --init beside it",
                      self.error(self.run_tiny("third", "--continue-schedule")))

    def test_init_takes_an_exported_graph_with_its_normalisation(self):
        network = make_network(configs.named("tiny-lite")).eval()
        seed_weights(network, 3)
        with contextlib.redirect_stderr(io.StringIO()):
            export(network, self.path("kept.onnx"), "seeded:3", "torchscript", keep_batchnorm=True)
            export(network, self.path("folded.onnx"), "seeded:3", "torchscript")
        fresh = make_network(configs.named("tiny-lite"))
        checkpoint.initialise(fresh, self.path("kept.onnx"))
        counters = {k: v for k, v in fresh.state_dict().items() if k.endswith("num_batches_tracked")}
        self.same({**network.state_dict(), **counters}, fresh.state_dict())
        with self.assertRaisesRegex(checkpoint.CheckpointError, "folded.onnx: expected .*--keep-batchnorm"):
            checkpoint.initialise(fresh, self.path("folded.onnx"))
        two = r"one \*.onnx in the folder, found \['folded.onnx', 'kept.onnx'\]"
        with self.assertRaisesRegex(checkpoint.CheckpointError, two):
            checkpoint.initialise(fresh, self.path())
        os.remove(self.path("folded.onnx"))
        checkpoint.initialise(fresh, self.path())

    def test_values_that_cannot_be(self):
        self.assertIn("--batch: expected at least 1, found 0", self.error(self.run_main(
            "--config", "tiny", "--out", self.path("x"), "--batch", 0)))
        self.assertIn("--precision: expected fp32 or bf16 on the CPU", self.error(self.run_main(
            "--config", "tiny", "--out", self.path("x"), "--precision", "fp16", "--device", "cpu")))
        self.assertIn("--val-annotations: expected --annotations", self.error(self.run_main(
            "--config", "tiny", "--out", self.path("x"), "--val-annotations", "a.json")))
        for option in (("--from", "cocoa"), ("--author", "x"), ("--published-decoder",)):
            self.assertIn(f"{option[0]}: expected --annotations beside it", self.error(self.run_main(
                "--config", "tiny", "--out", self.path("x"), *option)))
        self.assertIn("a.json", self.error(self.run_main(
            "--config", "tiny", "--out", self.path("x"), "--annotations", self.path("a.json"), "--images", 1,
            "--workers", 0)))


if __name__ == "__main__":
    unittest.main()

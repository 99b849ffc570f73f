"""The engine against PyTorch itself on the `tiny` network, and against NumPy: Debian's packages are enough.

SLN_CLI names the sln program.
"""

import copy
import os
import subprocess
import sys
import tempfile
import unittest

import numpy
import torch
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)
sys.dont_write_bytecode = True

import compare  # noqa: E402
import decode_numpy  # noqa: E402
import oracle  # noqa: E402
import preprocess  # noqa: E402
import proposals_numpy  # noqa: E402
import rle  # noqa: E402
import safetensors_file  # noqa: E402
import scenes  # noqa: E402
from models import export as exporter  # noqa: E402

CLI = os.environ.get("SLN_CLI", os.path.join(ROOT, "build", "release", "apps", "sln"))
FIXTURES = os.path.join(ROOT, "tests", "fixtures")
SIZES = ((96, 64), (200, 333), (64, 64), (31, 17))


def import_model(onnx: str, output: str) -> None:
    subprocess.run([CLI, "import", onnx, "-o", output], check=True, stdout=subprocess.DEVNULL)


class TinyOracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        torch.set_num_threads(1)
        onnx, cls.model = (os.path.join(cls.folder.name, name) for name in ("tiny.onnx", "tiny.safetensors"))
        # Another seed than the fixtures': nothing here can have been tuned to it.
        cls.network = exporter.build("tiny", 1, None)
        exporter.export(cls.network, onnx, "seeded:1", "torchscript")
        import_model(onnx, cls.model)
        cls.images = []
        for width, height in SIZES:
            cls.images.append(os.path.join(cls.folder.name, f"{width}x{height}.png"))
            Image.fromarray(preprocess.draw_noise(width, height)).save(cls.images[-1])

    def pytorch(self, canvas):
        with torch.no_grad():
            stages = self.network(torch.from_numpy(canvas[None].copy()))
        return {name: tensor.numpy() for name, tensor in stages._asdict().items()}

    def test_stages_and_results_are_those_of_pytorch(self):
        results = oracle.compare_with(self.pytorch, CLI, self.model, self.images, 2)
        for image, reports in results:
            with self.subTest(image=os.path.basename(image)):
                self.assertEqual(oracle.failures_of(reports), [])
                # The comparison saw something: boxes, objects, hidden parts, pairs.
                self.assertGreaterEqual(reports["stages"].figures["matched"], 4)
                self.assertGreaterEqual(reports["end to end"].figures["objects matched"], 3)
        self.assertGreater(sum(r["end to end"].figures["pairs compared"] for _, r in results), 5)

    def test_a_damaged_reference_is_noticed(self):
        """Small faults of each kind in the reference make the comparison fail."""
        def damaged(name, change):
            def backend(canvas):
                stages = self.pytorch(canvas)
                stages[name] = change(stages[name].copy())
                return stages
            return backend

        def move_box(boxes):
            boxes[1, 0] += 0.02
            return boxes

        def raise_level(level):
            level[0] = (level[0] + 1) % 4
            return level

        def exchange(values):
            values[[0, 1]] = values[[1, 0]]
            return values

        faults = {
            "features": lambda x: x * numpy.float32(1.01),
            "rpn_objectness": lambda x: x + numpy.float32(0.1) * numpy.sign(x),
            "boxes": move_box,
            "layers": exchange,
            "confidence": lambda x: x + numpy.float32(2e-4),
            "level": raise_level,
        }
        for name, change in faults.items():
            with self.subTest(stage=name):
                try:
                    (_, reports), = oracle.compare_with(damaged(name, change), CLI, self.model, self.images[:1], 2)
                except ValueError as error:  # a box of no anchor
                    self.assertIn("expected an anchor", str(error))
                else:
                    self.assertNotEqual(oracle.failures_of(reports), [])

    def test_objects_that_surer_ones_show_are_the_dropped_ones(self):
        objects = []
        for limit in (1, 0.5, 0):
            with self.subTest(limit=limit), tempfile.TemporaryDirectory() as folder:
                engine = oracle.run_engine(CLI, self.model, self.images[1], folder, 2,
                                           ("--nms", "1", "--visible-overlap", str(limit)))
                scene = scenes.load(folder)
                planes = oracle.planes_of(engine, engine["anchor_index"].astype(numpy.int64))
                decoded = decode_numpy.decode(planes, scene.frame)
                self.assertEqual(scenes.compare_exact(scene, decoded).failures, [])
                if limit < 1:
                    with self.assertRaisesRegex(ValueError, "visible_overlap: expected 1, found 0"):
                        scenes.compare_objects(scene, decoded, 0)
                objects.append(len(scene.objects))
        self.assertGreater(objects[0], objects[1])
        self.assertGreater(objects[1], objects[2])

    def test_damaged_results_are_noticed(self):
        """What the engine wrote, changed in one place, is no longer what its own planes say."""
        with tempfile.TemporaryDirectory() as folder:
            engine = oracle.run_engine(CLI, self.model, self.images[1], folder, 2)
            scene = scenes.load(folder)
        planes = oracle.planes_of(engine, engine["anchor_index"].astype(numpy.int64))
        decoded = decode_numpy.decode(planes, scene.frame)
        self.assertEqual(scenes.compare_exact(scene, decoded).failures, [])
        pair = next(key for key, value in scene.pairs.items() if value[0] != 0)

        def flip(mask):
            inside = numpy.argwhere(mask)
            mask[tuple(inside[len(inside) // 2])] ^= True

        faults = {
            "amodal": lambda s: flip(s.objects[0].amodal),
            "visible": lambda s: flip(s.objects[-1].visible),
            "score": lambda s: setattr(s.objects[1], "score", s.objects[1].score + 1e-5),
            "box": lambda s: s.objects[0].box.__iadd__(0.02 * max(1.0, max(s.frame.width, s.frame.height) / 64)),
            "levels": lambda s: s.objects[0].level_counts.__setitem__(0, s.objects[0].level_counts[0] + 50),
            "object": lambda s: s.objects.pop(),
            "pair order": lambda s: s.pairs.__setitem__(pair, (-s.pairs[pair][0], *s.pairs[pair][1:])),
            "pair overlap": lambda s: s.pairs.__setitem__(pair, (s.pairs[pair][0], s.pairs[pair][1] + 9,
                                                                 *s.pairs[pair][2:])),
            "pair missing": lambda s: s.pairs.pop(pair),
            "dropped": lambda s: setattr(s, "dropped_by_nms", s.dropped_by_nms + 1),
        }
        for name, change in faults.items():
            with self.subTest(fault=name):
                damaged = copy.deepcopy(scene)
                change(damaged)
                self.assertNotEqual(scenes.compare_exact(damaged, decoded).failures, [])

    def test_canvas_is_that_of_pytorch(self):
        for width, height in preprocess.SIZES:
            path = os.path.join(self.folder.name, f"canvas_{width}x{height}.png")
            Image.fromarray(preprocess.draw_noise(width, height)).save(path)
            with self.subTest(size=(width, height)):
                self.assertEqual(preprocess.check_image(CLI, self.model, path, 2)[1], [])

    def test_both_exporters_give_the_same_weights(self):
        blobs = []
        for name in ("tiny_torchscript", "tiny_dynamo"):
            blobs.append(os.path.join(self.folder.name, name + ".safetensors"))
            import_model(os.path.join(FIXTURES, name + ".onnx"), blobs[-1])
        (a, _), (b, _) = (safetensors_file.load(path) for path in blobs)
        self.assertEqual(list(a), list(b))
        for name in a:
            self.assertLessEqual(numpy.abs(a[name] - b[name]).max(), 1e-6 * numpy.abs(b[name]).max(), name)


class OtherNetworks(unittest.TestCase):
    """The second encoder and the baselines, each against PyTorch."""

    def compare(self, config):
        with tempfile.TemporaryDirectory() as folder:
            torch.set_num_threads(1)
            onnx, model = (os.path.join(folder, f"{config}.{ending}") for ending in ("onnx", "safetensors"))
            network = exporter.build(config, 1, None)
            exporter.export(network, onnx, "seeded:1", "torchscript")
            import_model(onnx, model)

            def pytorch(canvas):
                with torch.no_grad():
                    stages = network(torch.from_numpy(canvas[None].copy()))
                return {name: tensor.numpy() for name, tensor in stages._asdict().items()}

            image = os.path.join(folder, "image.png")
            Image.fromarray(preprocess.draw_noise(200, 133)).save(image)
            (_, reports), = oracle.compare_with(pytorch, CLI, model, [image], 2)
            self.assertEqual(oracle.failures_of(reports), [])
            self.assertGreaterEqual(reports["stages"].figures["matched"], 4)
            self.assertGreaterEqual(reports["end to end"].figures["objects matched"], 2)

    def test_lite_encoder(self):
        self.compare("tiny-lite")

    def test_arcnn(self):
        self.compare("tiny-arcnn")

    def test_arcnn_visible(self):
        self.compare("tiny-arcnn-visible")


class KeepList(unittest.TestCase):
    """The judge of keep lists itself, on three boxes in a row."""

    CONFIG = {"pre_nms": 3, "max_rois": 3, "nms_iou": 0.5, "min_box": 0.1, "side": 100}

    def judge(self, kept, boxes, logits=(3.0, 2.0, 1.0), padding=None):
        candidates = proposals_numpy.Candidates(numpy.asarray(logits), numpy.asarray(boxes, numpy.float64))
        return proposals_numpy.check_keep_list(self.CONFIG, candidates, numpy.asarray(kept), padding)

    def test_right_and_wrong_lists(self):
        boxes = [[0, 0, 20, 20], [0, 0, 20, 19], [50, 50, 80, 80]]
        self.assertEqual(self.judge([0, 2], boxes).violations, [])
        self.assertEqual(sum(self.judge([0, 2], boxes).close.values()), 0)
        for wrong in ([0, 1, 2], [0], [2, 0], [1, 2], [0, 0, 2]):
            self.assertNotEqual(self.judge(wrong, boxes).violations, [], wrong)

    def test_close_decisions_are_counted(self):
        boxes = [[0, 0, 40, 40], [0, 0, 40, 20], [50, 50, 80, 80]]  # IoU is the limit itself
        for dropped in (-1e-4, 1e-4):
            boxes[1][3] = 20 + dropped
            for kept in ([0, 1, 2], [0, 2]):
                found = self.judge(kept, boxes)
                self.assertEqual(found.violations, [])
                right = (len(kept) == 2) == (dropped > 0)
                self.assertEqual(found.close["iou"], 0 if right else 1)

    def test_ties_are_wider_in_the_padding(self):
        """Two boxes suppress each other; the second is kept, though its logit is lower."""
        boxes = [[0, 0, 40, 40], [0, 0, 40, 39], [50, 50, 80, 80]]
        for apart, in_image, in_padding in ((5e-6, "order", "order"), (2e-5, None, "padding"), (5e-5, None, None)):
            for padding, kind in ((numpy.zeros(3, bool), in_image), (numpy.asarray([True, True, False]), in_padding)):
                found = self.judge([1, 2], boxes, (3.0, 3.0 - apart, 1.0), padding)
                self.assertEqual(bool(found.violations), kind is None)
                self.assertEqual({key for key, count in found.close.items() if count}, {kind} - {None})

    def test_order_is_strict_in_the_image(self):
        report = compare.Report()
        rows, logits = numpy.asarray([1, 0, 2]), numpy.asarray([3.0, 3.0 - 2e-5, 1.0])
        compare.count_swaps(report, rows, numpy.arange(3), logits, numpy.asarray([True, True, False]))
        self.assertEqual((report.failures, report.exceptions["padding swaps"]), ([], 1))
        compare.count_swaps(report, rows, numpy.arange(3), logits, numpy.asarray([True, False, False]))
        self.assertEqual((len(report.failures), report.exceptions["swaps"]), (1, 1))

    def test_small_boxes_leave_before_nms(self):
        boxes = [[0, 0, 9, 20], [0, 0, 11, 20], [50, 50, 80, 80]]
        self.assertEqual(self.judge([1, 2], boxes).violations, [])
        self.assertNotEqual(self.judge([0, 2], boxes).violations, [])


class RunLengths(unittest.TestCase):
    def test_by_hand(self):
        mask = numpy.zeros((3, 4), bool)
        self.assertEqual(rle.encode(mask), "<")  # one run of 12
        mask[:, 1] = True
        self.assertEqual(rle.encode(mask), "336")
        mask[0, 0] = True
        self.assertEqual(rle.runs_of(mask), [0, 1, 2, 3, 6])
        self.assertEqual(rle.encode(mask), "01224")  # the fourth and fifth as differences: 3 - 1, 6 - 2

    def test_round_trip(self):
        random = numpy.random.RandomState(0)
        for height, width in ((1, 1), (7, 5), (200, 301)):
            for share in (0.0, 0.02, 0.5, 1.0):
                mask = random.uniform(size=(height, width)) < share
                numpy.testing.assert_array_equal(rle.decode(rle.encode(mask), height, width), mask)
        with self.assertRaises(ValueError):
            rle.decode("<", 3, 5)


if __name__ == "__main__":
    unittest.main()

"""The shipped model: its graph and its blob belong together, and it does on the sample scenes what its card says."""

import json

import support
from support import ROOT, CliTest

MODEL = ROOT / "models" / "demo"
SAMPLES = ROOT / "samples"
# Well below what the card says: other instruction sets may move single pixels, not the figure.
LEAST_BEST_IOU = 0.74
LEAST_HIDDEN_IOU = 0.36
LEAST_ORDER = 0.7


class DemoModelTest(CliTest):
    def test_the_blob_is_the_import_of_the_graph(self):
        blob = self.scratch / "demo.safetensors"
        self.assertEqual(self.sln("import", MODEL / "demo.onnx", "-o", blob).returncode, 0)
        self.assertTrue(blob.read_bytes() == (MODEL / "demo.safetensors").read_bytes())

    def test_both_files_are_small(self):
        size = sum((MODEL / name).stat().st_size for name in ("demo.onnx", "demo.safetensors"))
        self.assertLess(size, 24 << 20)

    def test_samples(self):
        run = self.sln("run", "-m", MODEL / "demo.safetensors", "-o", self.out, "--levels", "--overlay", SAMPLES)
        self.assertEqual(run.returncode, 0, run.stderr)
        report = self.scratch / "report.json"
        evaluated = self.sln("eval", "-g", SAMPLES / "annotations.json", "-r", self.out / "results.json", "--json", report)
        self.assertEqual(evaluated.returncode, 0, evaluated.stderr)
        figures = json.loads(report.read_text())
        self.assertGreater(figures["best_iou"], LEAST_BEST_IOU)
        self.assertGreater(figures["hidden_iou"], LEAST_HIDDEN_IOU)
        self.assertGreater(figures["order_accuracy_decided"], LEAST_ORDER)
        scenes = json.loads((self.out / "scenes.json").read_text())
        self.assertEqual(scenes["model"]["weights"], "trained")
        self.assertTrue(all(scene["objects"] for scene in scenes["images"]))


if __name__ == "__main__":
    support.main()

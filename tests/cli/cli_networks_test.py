"""The command line on the second encoder and on the networks of masks: the same bytes for any number of threads and on
every instruction set with FMA, verification, and tensors that are absent."""

import hashlib

import support
from PIL import Image
from support import CliTest, read_safetensors

NETWORKS = ("tiny-lite", "tiny-arcnn", "tiny-arcnn-visible")
MASK_STAGES = ["canvas", "features", "rpn_objectness", "rpn_deltas", "boxes", "scores", "anchor_index", "layers",
               "confidence", "level"]


class Networks(CliTest):
    def setUp(self):
        super().setUp()
        self.picture = self.scratch / "picture.png"
        gradient = Image.linear_gradient("L").resize((90, 60))
        Image.merge("RGB", (gradient, gradient.rotate(90).resize((90, 60)), Image.effect_mandelbrot(
            (90, 60), (-2, -1, 1, 1), 40))).save(self.picture)

    def import_network(self, name, exporter="torchscript"):
        blob = self.scratch / f"{name}_{exporter}.safetensors"
        self.assert_done(self.sln("import", "--verify", support.FIXTURES / f"{name}_{exporter}.onnx", "-o", blob))
        return blob

    def run_dump(self, blob, threads, **environment):
        """(result, hash of the results, the scenes aside, and of the dump)."""
        dump, out = self.scratch / "dump", self.scratch / "out"
        result = self.sln("run", "-m", blob, "-o", out, "--threads", threads, "--score", 0, "--dump", dump, self.picture,
                          **environment)
        content = (out / "results.json").read_bytes() + dump.read_bytes() if result.returncode == 0 else b""
        return result, hashlib.sha256(content).hexdigest()

    def digests(self, blob, isa):
        """Hashes of runs with 1 to 3 threads and with every buffer in poisoned memory of its own; none without the isa."""
        found = set()
        for threads, arena in ((1, ""), (2, ""), (3, ""), (2, "guard")):
            result, digest = self.run_dump(blob, threads, SLN_ISA=isa, **({"SLN_ARENA": arena} if arena else {}))
            if result.returncode != 0 and "SLN_ISA" in result.stderr:
                return set()  # the machine lacks it
            self.assert_done(result)
            found.add(digest)
        return found

    def test_bytes_do_not_depend_on_threads_or_instruction_set(self):
        for name in NETWORKS:
            blob = self.import_network(name)
            with self.subTest(network=name):
                self.assertEqual(1, len(self.digests(blob, "sse4")))  # without FMA its bytes are others
                self.assertLessEqual(len(self.digests(blob, "avx2") | self.digests(blob, "avx512")), 1)

    def test_what_a_network_does_not_predict_is_absent(self):
        for name, levels in (("tiny-arcnn", 1), ("tiny-arcnn-visible", 2)):
            blob = self.import_network(name, "dynamo")
            result, _ = self.run_dump(blob, 2)
            self.assert_done(result)
            _, tensors = read_safetensors(self.scratch / "dump")
            self.assertEqual(MASK_STAGES, list(tensors))
            count = len(tensors["boxes"])
            self.assertGreater(count, 0)
            self.assertEqual((count, levels + 1, 14, 14), tensors["layers"].shape)
            self.assertLess(abs(tensors["layers"].sum(1) - 1).max(), 1e-6)
            self.assertEqual(levels > 1, bool(tensors["level"].any()))
            result = self.sln("run", "-m", blob, "-o", self.out, "--no-refine", self.picture)
            self.assert_fails(1, result, "refine", name.replace("tiny-", ""))

    def test_info_shows_depthwise_layers_and_masks(self):
        result = self.sln("info", self.import_network("tiny-arcnn"))
        self.assert_done(result)
        for word in ("dw 5x5", "relu6", "encoder.stage7.block0.project", "mask.conv6", "efficientnet-lite0"):
            self.assertIn(word, result.stdout)
        self.assertNotIn("glm", result.stdout)


if __name__ == "__main__":
    support.main()

"""Graphs of the second encoder and of the baselines, and graphs of weights that have been trained."""

import dataclasses
import hashlib
import importlib.util
import json
import pathlib
import tempfile
import unittest

import numpy
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

from models import config as configs
from models import export
from models.fingerprint import STAGES, fingerprint_json, run_probe
from models.network import make_network
from models.probe import probe_canvas
from models.seeding import seed_weights
from tests.models_test.export_test import FIXTURES, attributes, histogram, metadata, run_cli, shapes

HAS_RUNTIME = importlib.util.find_spec("onnxruntime") is not None
EXPORTERS = ("torchscript", "dynamo")
CONFIGS = ("tiny-lite", "tiny-arcnn", "tiny-arcnn-visible")
HEAD_CONVOLUTIONS = {"tiny-lite": 3 + 6, "tiny-arcnn": 6, "tiny-arcnn-visible": 6}


def expected_outputs(config: configs.Config) -> dict:
    planes, side = config.planes, config.map_side
    wanted = {"boxes": ["n", 4], "scores": ["n"], "layers": ["n", planes, 14, 14],
              "confidence": ["n", 14, 14], "level": ["n", 14, 14]}
    return dict(wanted, global_layers=[planes, side, side]) if config.network == "sln" else wanted


def run_graph(path: pathlib.Path, canvas: torch.Tensor) -> dict:
    """What ONNX Runtime makes of a graph, by output name."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": canvas.numpy()})))


class FixtureTest(unittest.TestCase):
    def test_graphs(self):
        for name in CONFIGS:
            for exporter in EXPORTERS:
                with self.subTest(config=name, exporter=exporter):
                    self.check(onnx.load(str(FIXTURES / f"{name}_{exporter}.onnx"), load_external_data=False),
                               configs.named(name), exporter)

    def check(self, model, config, exporter: str):
        self.assertEqual(shapes(model.graph.input), {"image": [1, 3, 64, 64]})
        self.assertEqual(shapes(model.graph.output), expected_outputs(config))
        self.assertEqual({d.domain for d in model.opset_import}, {""})
        self.assertEqual(metadata(model)["sln.config"], config.to_json())
        ops, name = histogram(model), next(n for n in CONFIGS if configs.named(n) == config)
        # Stem, ten blocks of three of which the first does not expand, fuse, RPN, heads.
        self.assertEqual(ops["Conv"], 1 + (10 * 3 - 1) + 1 + 3 + HEAD_CONVOLUTIONS[name])
        convolutions = [attributes(node) for node in model.graph.node if node.op_type == "Conv"]
        self.assertEqual(sum(c.get("group", 1) > 1 for c in convolutions), sum(config.blocks))
        strided = [c for c in convolutions if c["strides"] == [2, 2]]
        padded = [attributes(n) for n in model.graph.node if n.op_type == "Pad"]
        self.assertEqual(len(strided), 5)
        if exporter == "dynamo":  # it writes the padding into the convolutions
            self.assertEqual(sorted(c["pads"] for c in strided), [[0, 0, 1, 1]] * 3 + [[1, 1, 2, 2]] * 2)
        else:
            self.assertEqual([c["pads"] for c in strided], [[0, 0, 0, 0]] * 5)
            self.assertGreaterEqual(len(padded), 5)
        self.assertEqual(ops["BatchNormalization"], 0)

    def test_fingerprints_match_pytorch_here(self):
        for name in CONFIGS:
            here = json.loads(fingerprint_json(run_probe(export.build(name, 0, None))))["stages"]
            for exporter in EXPORTERS:
                model = onnx.load(str(FIXTURES / f"{name}_{exporter}.onnx"), load_external_data=False)
                stored = json.loads(metadata(model)["sln.fingerprint"])["stages"]
                absent = set() if name == "tiny-lite" else {"global_layers", "instance_layers"}
                self.assertEqual(set(stored), set(STAGES) - absent)
                for stage, found in stored.items():
                    with self.subTest(config=name, exporter=exporter, stage=stage):
                        self.assertEqual(found["shape"], here[stage]["shape"])
                        self.assertAlmostEqual(found["mean"], here[stage]["mean"], delta=1e-4)
                        self.assertAlmostEqual(found["rms"], here[stage]["rms"], delta=1e-4)
                        for (i, a), (j, b) in zip(found["samples"], here[stage]["samples"]):
                            self.assertEqual(i, j)
                            self.assertAlmostEqual(a, b, delta=1e-3)

    @unittest.skipUnless(HAS_RUNTIME, "needs onnxruntime")
    def test_runtime_gives_what_pytorch_gives(self):
        for name in CONFIGS:
            stages = run_probe(export.build(name, 0, None))._asdict()
            for exporter in EXPORTERS:
                found = run_graph(FIXTURES / f"{name}_{exporter}.onnx", probe_canvas(configs.named(name)))
                for output, value in found.items():
                    with self.subTest(config=name, exporter=exporter, output=output):
                        limit = 1e-2 if output == "boxes" else 1e-4
                        self.assertLess(numpy.abs(value - stages[output].numpy()).max(), limit)


def train_a_little(network: torch.nn.Module, steps: int = 4) -> None:
    """Steps of SGD on whatever, with BN in training mode, so that its statistics and weights move."""
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    config = network.config
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[4.0, 8.0, 40.0, 60.0], [20.0, 3.0, 60.0, 30.0]])
    for _ in range(steps):
        canvas = torch.randn(2, 3, config.side, config.side, generator=generator)
        features = network.encoder(canvas)
        outputs = list(network.rpn(features))
        rois = torch.cat([network.align(features[i:i + 1], boxes) for i in range(2)])
        logits = network.mask(rois)
        loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        loss = loss + sum(output.square().mean() for output in outputs)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


class TrainedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seeded = make_network(configs.named("tiny-arcnn-visible"))
        seed_weights(cls.seeded, 0)
        cls.network = make_network(configs.named("tiny-arcnn-visible"))
        cls.network.load_state_dict(cls.seeded.state_dict())
        train_a_little(cls.network)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.network.train()  # as the trainer has it

    def test_folded_weights_are_those_of_the_running_statistics(self):
        path = self.folder / "t.onnx"
        export.export(self.network, str(path), "trained", "torchscript")
        stored = sorted((numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer
                         if len(t.dims) == 4), key=lambda a: (a.shape, float(numpy.abs(a).sum())))
        state = {k: v.double().numpy() for k, v in self.network.state_dict().items()}
        folded = []
        for name, weight in state.items():
            if weight.ndim != 4:
                continue
            bn = name[:-len(".weight")]
            bn = bn.replace("conv", "bn") if bn.startswith("mask.") else bn + "_bn"
            if bn + ".running_var" in state:
                variance = state[bn + ".running_var"] + self.network.config.bn_eps
                scale = state[bn + ".weight"] / numpy.sqrt(variance)
                weight = weight * scale[:, None, None, None]
            folded.append(weight)
        folded.sort(key=lambda a: (a.shape, float(numpy.abs(a).sum())))
        self.assertEqual([a.shape for a in stored], [a.shape for a in folded])
        for found, wanted in zip(stored, folded):
            self.assertLess(numpy.abs(found - wanted).max(), 1e-5 * numpy.abs(wanted).max(), wanted.shape)

    def test_training_moved_what_the_graph_must_hold(self):
        moved = {name.rsplit(".", 1)[1] for name, value in self.network.state_dict().items()
                 if not torch.equal(value, self.seeded.state_dict()[name])}
        self.assertEqual(moved, {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})

    @unittest.skipUnless(HAS_RUNTIME, "needs onnxruntime")
    def test_runtime_gives_what_pytorch_gives_in_eval_mode(self):
        stages = run_probe(self.network)._asdict()
        before = run_probe(self.seeded)
        self.assertGreater(float((stages["features"] - before.features).abs().max()), 0.05)
        exporters = EXPORTERS if export.torch_version() >= (2, 6) else EXPORTERS[:1]
        for exporter in exporters:
            self.network.train()
            path = self.folder / f"{exporter}.onnx"
            export.export(self.network, str(path), "trained", exporter)
            for name, value in run_graph(path, probe_canvas(self.network.config)).items():
                with self.subTest(exporter=exporter, output=name):
                    limit = 1e-2 if name == "boxes" else 1e-4
                    self.assertLess(numpy.abs(value - stages[name].numpy()).max(), limit)

    def checkpoint(self, **changes) -> str:
        path = str(self.folder / "checkpoint.pt")
        content = {"format": 1, "config": self.network.config.to_json(), "ema": self.network.state_dict(),
                   "model": self.seeded.state_dict(), "step": 4}
        torch.save(dict(content, **changes), path)
        return path

    def test_of_a_checkpoint_the_averaged_weights_are_taken(self):
        path = self.checkpoint()
        network = export.build("tiny-arcnn-visible", None, path)
        for name, value in network.state_dict().items():
            self.assertTrue(torch.equal(value, self.network.state_dict()[name]), name)
        output = self.folder / "c.onnx"
        status, errors = run_cli("--config", "tiny-arcnn-visible", "--exporter", "torchscript",
                                 "--weights", path, "-o", str(output))
        self.assertEqual((status, errors), (0, ""))
        found = metadata(onnx.load(str(output)))
        self.assertEqual((found["sln.weights"], found["sln.weights_sha256"]),
                         ("trained", hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()))

    def test_a_checkpoint_that_does_not_fit(self):
        for changes, pattern in (({"config": dataclasses.replace(configs.named("tiny"), side=32).to_json()},
                                  "config with network 'arcnn-visible', .*; found network 'sln', .*side 32"),
                                 ({"config": "{}"}, "checkpoint.pt: config: missing keys"),
                                 ({"config": 5}, "checkpoint.pt: "),
                                 ({"ema": {"a": torch.zeros(1)}},
                                  "missing: encoder.fuse.weight, .* more; unknown: a"),
                                 ({"ema": 3}, "checkpoint.pt: expected a state dict")):
            path = self.checkpoint(**changes)
            with self.subTest(pattern), self.assertRaisesRegex(export.ExportError, pattern):
                export.build("tiny-arcnn-visible", None, path)


if __name__ == "__main__":
    unittest.main()

"""The exported graph, the fixtures of both exporters, and the exporter's errors."""

import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import tempfile
import unittest

import numpy
import onnx
import torch
from onnx import numpy_helper

from models import config as configs
from models import export
from models.config import Config
from models.fingerprint import STAGES, fingerprint_json, run_probe
from models.network import DEBUG_OUTPUTS, OUTPUTS

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
FILES = ("tiny_torchscript", "tiny_torchscript_debug", "tiny_keep_bn", "tiny_dynamo", "tiny_dynamo_debug")


def metadata(model) -> dict:
    return {entry.key: entry.value for entry in model.metadata_props}


def histogram(model) -> collections.Counter:
    return collections.Counter(node.op_type for node in model.graph.node)


def shapes(values) -> dict:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def attributes(node) -> dict:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def run_cli(*arguments):
    """Returns (exit status, stderr)."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            status = export.main(list(arguments))
        except SystemExit as exit_:
            status = exit_.code
    return status, errors.getvalue()


class GraphChecks:
    """What every exported graph of `tiny` must hold."""

    def check_graph(self, model, debug: bool, keep_batchnorm: bool = False):
        config = configs.named("tiny")
        self.assertEqual(shapes(model.graph.input), {"image": [1, 3, 64, 64]})
        expected = {"boxes": ["n", 4], "scores": ["n"], "layers": ["n", 5, 14, 14],
                    "confidence": ["n", 14, 14], "level": ["n", 14, 14], "global_layers": [5, 16, 16]}
        if debug:
            expected.update(features=[24, 16, 16], rpn_objectness=[15, 4, 4], rpn_deltas=[60, 4, 4],
                            instance_layers=["n", 5, 14, 14])
        self.assertEqual(shapes(model.graph.output), expected)
        self.assertEqual(tuple(o.name for o in model.graph.output),
                         OUTPUTS + (DEBUG_OUTPUTS if debug else ()))
        self.assertEqual({d.domain for d in model.opset_import}, {""})
        ops = histogram(model)
        self.assertEqual((ops["Conv"], ops["Resize"], ops["RoiAlign"], ops["NonMaxSuppression"], ops["TopK"]),
                         (36, 3, 1, 1, 1))
        self.assertEqual(ops["BatchNormalization"], 30 if keep_batchnorm else 0)
        found = metadata(model)
        self.assertEqual(set(found), {"sln.config", "sln.config_sha256", "sln.weights", "sln.exporter",
                                      "sln.fingerprint"})
        self.assertEqual(found["sln.config"], config.to_json())
        self.assertEqual(found["sln.config_sha256"], config.sha256())
        self.check_glue(model)

    def check_glue(self, model):
        for node in model.graph.node:
            self.assertFalse(node.doc_string)
            values = attributes(node)
            if node.op_type == "RoiAlign":
                self.assertEqual((values["coordinate_transformation_mode"], values["sampling_ratio"],
                                  values["spatial_scale"], values["output_height"], values["mode"]),
                                 (b"half_pixel", 2, 0.25, 14, b"avg"))
            elif node.op_type == "Resize":
                self.assertEqual((values["mode"], values["coordinate_transformation_mode"]),
                                 (b"linear", b"half_pixel"))
                self.assertFalse(values.get("antialias", 0))
            elif node.op_type == "TopK":
                self.assertEqual((values["largest"], values["sorted"]), (1, 1))


class FixtureTest(GraphChecks, unittest.TestCase):
    def test_graphs(self):
        for name in FILES:
            with self.subTest(name):
                model = onnx.load(str(FIXTURES / f"{name}.onnx"), load_external_data=False)
                self.check_graph(model, name.endswith("debug"), name.endswith("keep_bn"))
                dynamo = "dynamo" in name
                self.assertEqual(model.opset_import[0].version, 18 if dynamo else 17)
                self.assertEqual(metadata(model)["sln.exporter"].split()[0],
                                 "dynamo" if dynamo else "torchscript")
                self.assertEqual(metadata(model)["sln.weights"], "seeded:0")

    def test_dynamo_keeps_weights_in_the_file_beside_it(self):
        for name in ("tiny_dynamo", "tiny_dynamo_debug"):
            model = onnx.load(str(FIXTURES / f"{name}.onnx"), load_external_data=False)
            locations, end = set(), 0
            for tensor in model.graph.initializer:
                if tensor.data_location == onnx.TensorProto.EXTERNAL:
                    entry = {e.key: e.value for e in tensor.external_data}
                    locations.add(entry["location"])
                    end = max(end, int(entry["offset"]) + int(entry["length"]))
            self.assertEqual(locations, {f"{name}.onnx.data"})
            self.assertLessEqual(end, (FIXTURES / f"{name}.onnx.data").stat().st_size)

    def test_fingerprints_match_pytorch_here(self):
        """The chain's first link: the fixture's figures are those of this PyTorch's own run."""
        here = json.loads(fingerprint_json(run_probe(export.build("tiny", 0, None))))["stages"]
        for name in FILES:
            model = onnx.load(str(FIXTURES / f"{name}.onnx"), load_external_data=False)
            content = json.loads(metadata(model)["sln.fingerprint"])
            self.assertEqual((content["version"], set(content["stages"])), (1, set(STAGES)))
            for stage, found in content["stages"].items():
                with self.subTest(fixture=name, stage=stage):
                    self.assertEqual(found["shape"], here[stage]["shape"])
                    self.assertAlmostEqual(found["mean"], here[stage]["mean"], delta=1e-4)
                    self.assertAlmostEqual(found["rms"], here[stage]["rms"], delta=1e-4)
                    for (i, a), (j, b) in zip(found["samples"], here[stage]["samples"]):
                        self.assertEqual(i, j)
                        self.assertAlmostEqual(a, b, delta=1e-3)


class ExportTest(GraphChecks, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = export.build("tiny", 0, None)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_torchscript(self):
        path = self.folder / "t.onnx"
        status, errors = run_cli("--config", "tiny", "--exporter", "torchscript", "--debug-outputs",
                                 "-o", str(path))
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(os.listdir(self.folder), ["t.onnx"])
        model = onnx.load(str(path))
        self.check_graph(model, True)
        if export.torch_version() == (1, 13):
            self.compare_with_fixture(model)

    def compare_with_fixture(self, model):
        fixture = onnx.load(str(FIXTURES / "tiny_torchscript_debug.onnx"))
        self.assertEqual([n.op_type for n in model.graph.node], [n.op_type for n in fixture.graph.node])
        self.assertEqual(metadata(model)["sln.config"], metadata(fixture)["sln.config"])
        self.assertEqual(len(model.graph.initializer), len(fixture.graph.initializer))
        for found, wanted in zip(model.graph.initializer, fixture.graph.initializer):
            a, b = numpy_helper.to_array(found), numpy_helper.to_array(wanted)
            self.assertLessEqual(numpy.abs(a - b).max(), 1e-6 * numpy.abs(b).max(), wanted.name)

    def test_keep_batchnorm(self):
        path = self.folder / "bn.onnx"
        export.export(self.network, str(path), "seeded:0", "torchscript", keep_batchnorm=True)
        self.check_graph(onnx.load(str(path)), False, keep_batchnorm=True)

    def test_trained_weights(self):
        weights, path = self.folder / "w.pt", self.folder / "w.onnx"
        torch.save({"state_dict": self.network.state_dict(), "config": self.network.config.to_json()},
                   weights)
        status, errors = run_cli("--config", "tiny", "--exporter", "torchscript", "--weights", str(weights),
                                 "-o", str(path))
        self.assertEqual((status, errors), (0, ""))
        found = metadata(onnx.load(str(path)))
        self.assertEqual((found["sln.weights"], found["sln.weights_sha256"]),
                         ("trained", hashlib.sha256(weights.read_bytes()).hexdigest()))
        self.assertEqual(Config.from_json(found["sln.config"]), self.network.config)

    def test_another_side_than_the_weights_were_trained_at(self):
        weights, path = self.folder / "w.pt", self.folder / "w.onnx"
        torch.save({"state_dict": self.network.state_dict(), "config": self.network.config.to_json()}, weights)
        status, errors = run_cli("--config", "tiny", "--exporter", "torchscript", "--weights", str(weights),
                                 "--side", "96", "-o", str(path))
        self.assertEqual((status, errors), (0, ""))
        found = Config.from_json(metadata(onnx.load(str(path)))["sln.config"])
        self.assertEqual(found, dataclasses.replace(self.network.config, side=96))
        # Without --side, the side beside the weights must be the config's; and there is no side of 97.
        torch.save({"state_dict": self.network.state_dict(), "config": found.to_json()}, weights)
        path.unlink()
        self.expect_error("expected weights for config with side 64; found side 96", "--weights", str(weights))
        self.expect_error("side: expected a positive multiple of 32 up to 8192, found 97", "--weights", str(weights), "--side", "97")

    def expect_error(self, pattern: str, *arguments):
        before = sorted(os.listdir(self.folder))
        status, errors = run_cli("--config", "tiny", "--exporter", "torchscript",
                                 "-o", str(self.folder / "x.onnx"), *arguments)
        self.assertEqual(status, 1)
        self.assertRegex(errors, pattern)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_unreadable_weights(self):
        path = self.folder / "w.pt"
        self.expect_error("w.pt: expected a PyTorch file", "--weights", str(path))
        path.write_bytes(b"not a weight file")
        self.expect_error("w.pt: expected a PyTorch file", "--weights", str(path))
        torch.save([1, 2], path)
        self.expect_error("w.pt: expected a dictionary of tensors, found list", "--weights", str(path))

    def test_weights_of_another_network(self):
        path, state = self.folder / "w.pt", self.network.state_dict()
        torch.save({"state_dict": state, "config": configs.named("r50").to_json()}, path)
        self.expect_error("expected weights for config", "--weights", str(path))
        torch.save({k: v for k, v in state.items() if k != "glm.conv3.bias"}, path)
        self.expect_error("glm.conv3.bias", "--weights", str(path))
        torch.save(dict(state, **{"glm.conv3.bias": torch.zeros(6)}), path)
        self.expect_error("glm.conv3.bias", "--weights", str(path))
        torch.save(dict(state, **{"glm.conv3.bias": torch.full((5,), float("nan"))}), path)
        self.expect_error("glm.conv3.bias: expected finite weights", "--weights", str(path))

    def test_seed_out_of_range(self):
        self.expect_error("seed: expected", "--seed", "-5")

    def test_unwritable_output(self):
        (self.folder / "file").write_text("")
        self.expect_error("error: ", "-o", str(self.folder / "file" / "x.onnx"))
        self.expect_error("error: .*missing", "-o", str(self.folder / "missing" / "x.onnx"))

    def test_dynamo_cannot_keep_batchnorm(self):
        with self.assertRaisesRegex(export.ExportError, "dynamo"):
            export.export(self.network, str(self.folder / "x.onnx"), "seeded:0", "dynamo",
                          keep_batchnorm=True)
        self.assertEqual(os.listdir(self.folder), [])

    def test_data_of_an_earlier_export_is_removed(self):
        (self.folder / "s.onnx.data").write_bytes(b"old")
        export.export(self.network, str(self.folder / "s.onnx"), "seeded:0", "torchscript")
        self.assertEqual(os.listdir(self.folder), ["s.onnx"])

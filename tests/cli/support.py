"""Runs the built `sln` for the tests of the command line: python3 tests/cli/X_test.py PATH_OF_SLN."""

import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
SLN = os.environ.get("SLN_CLI", "")


def main():
    """unittest's main, the program under test being the first argument."""
    global SLN
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        SLN = os.path.abspath(sys.argv.pop(1))
    if not os.access(SLN, os.X_OK):
        sys.exit(f"expected the path of sln, found {SLN!r}")
    unittest.main(module="__main__")


def contents(folder):
    """Every path below a folder, with the bytes of the files."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in pathlib.Path(folder).rglob("*")}


def limited(file_bytes):
    """A preexec function that limits the size of the files that the process writes.

    At least 1: a sanitizer's runtime makes an empty file before main() begins.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


class CliTest(unittest.TestCase):
    """A scratch folder that every test begins with empty, and a model of config `tiny` beside it."""

    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="sln-cli-"))
        cls.model = cls.base / "tiny.safetensors"
        done = cls.sln("import", FIXTURES / "tiny_torchscript.onnx", "-o", cls.model)
        if done.returncode != 0:
            raise AssertionError(f"the tiny model was not imported: {done.stderr}")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def setUp(self):
        self.scratch = self.base / "scratch"
        self.scratch.mkdir()
        self.out = self.scratch / "out"

    def tearDown(self):
        shutil.rmtree(self.scratch)

    @staticmethod
    def sln(*arguments, file_limit=None, **environment):
        """Runs sln to its end; its output is text."""
        return subprocess.run([SLN, *map(str, arguments)], capture_output=True, timeout=300,
                              encoding="utf-8", env={**os.environ, **environment},
                              preexec_fn=limited(file_limit) if file_limit is not None else None)

    def run_images(self, *arguments, **options):
        return self.sln("run", "-m", self.model, "-o", self.out, "--threads", 2, *arguments, **options)

    def assert_done(self, result):
        self.assertEqual((0, ""), (result.returncode, result.stderr))

    def assert_fails(self, status, result, *words):
        """One line on standard error that holds all of the words, and what was expected and found."""
        self.assertEqual(status, result.returncode, result.stderr)
        lines = result.stderr.splitlines()
        self.assertEqual(1, len(lines), result.stderr)
        self.assertTrue(lines[0].startswith("sln: "), lines[0])
        for word in ("expected", "found", *map(str, words)):
            self.assertIn(word, lines[0])

    def results(self):
        return json.loads((self.out / "results.json").read_text())

    def scenes(self):
        return json.loads((self.out / "scenes.json").read_text())


def decode_rle(code):
    """A COCO mask {size, counts}, compressed form, as rows of 0 and 1 (NumPy)."""
    import numpy
    height, width = code["size"]
    runs, value, shift = [], 0, 0
    for character in code["counts"].encode("ascii"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
        value = shift = 0
    ones = numpy.arange(len(runs)) % 2
    return numpy.repeat(ones, runs).reshape(width, height).T


def read_safetensors(path):
    """(metadata, {name: NumPy array})."""
    import numpy
    data = pathlib.Path(path).read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    begin = 8 + length
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[begin + first:begin + last], "<f4").reshape(entry["shape"])
    return metadata, tensors

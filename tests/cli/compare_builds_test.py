"""scripts/compare_builds.py: finds no difference where there is none, finds one byte, and fails where it compared nothing."""

import os
import pathlib
import re
import subprocess
import sys

import support
from PIL import Image
from support import FIXTURES, ROOT, CliTest

GRAPH = FIXTURES / "tiny_torchscript.onnx"
# Runs sln, then changes one byte of a file that it wrote: {file} of the folder after -o, or, if that is ".", the blob.
ALTERED = """#!{python}
import pathlib, subprocess, sys
status = subprocess.run([{sln!r}, *sys.argv[1:]]).returncode
print("seed 123", file=sys.stderr)
path = pathlib.Path(sys.argv[sys.argv.index("-o") + 1]) / {file!r}
if path.is_file():
    content = bytearray(path.read_bytes())
    content[{offset}] ^= 1
    path.write_bytes(content)
sys.exit(status)
"""


class CompareBuilds(CliTest):
    def setUp(self):
        super().setUp()
        self.build = pathlib.Path(support.SLN).resolve().parent.parent
        self.images = self.scratch / "images"
        self.images.mkdir()
        self.picture = self.images / "picture.png"
        Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40).convert("RGB").save(self.picture)

    def compare(self, new, *arguments):
        return subprocess.run([sys.executable, ROOT / "scripts" / "compare_builds.py", self.build, new, *map(str, arguments)],
                              capture_output=True, encoding="utf-8", timeout=300, check=False)

    def compare_bytes(self, new, *arguments):
        return self.compare(new, "--no-samples", "--images", self.images, "--threads", 2, *arguments)

    def write_program(self, text):
        """A build folder of the flat layout, with a program that stands for sln."""
        folder = self.scratch / "fake"
        folder.mkdir(exist_ok=True)
        program = folder / "sln"
        program.write_text(text)
        program.chmod(0o755)
        return folder

    def altered(self, file, offset=100):
        return self.write_program(ALTERED.format(python=sys.executable, sln=os.fspath(support.SLN), file=file, offset=offset))

    def test_a_build_does_what_it_does(self):
        result = self.compare_bytes(self.build, "--model", GRAPH, "--model", self.model)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result.stdout)
        self.assertIn("timings.json, which is excluded", result.stdout)
        # The blob, then 2 files at defaults, 2 at score 0 and 3 with the dump, for each of the models.
        self.assertRegex(result.stdout, r"all: 15 files, \d{6,} bytes, 0 differences\n")
        for setting in ("imported", "defaults, 1 images", "--score 0 --nms 1, 1 images", "--dump, 1 images"):
            self.assertIn(f"{GRAPH.name}, {setting}: ", result.stdout)

    def test_one_byte_is_found(self):
        for file, count in (("results.json", 3), ("scenes.json", 3), ("dump.safetensors", 1)):
            with self.subTest(file=file):
                result = self.compare_bytes(self.altered(file), "--model", self.model)
                self.assertEqual(1, result.returncode, result.stdout)
                found = [line for line in result.stdout.splitlines() if line.startswith("DIFFERS")]
                self.assertEqual(count, len(found), result.stdout)
                self.assertRegex(found[-1], rf"/{re.escape(file)}: first differing byte 100\b.* 1 differ")
                self.assertEqual(count, len(re.findall(r": NEW said: (?:.*\n)*?seed 123\n", result.stdout)), result.stdout)

    def test_what_a_build_says_is_no_difference(self):
        result = self.compare_bytes(self.altered("nothing"), "--model", self.model)
        self.assertEqual((0, 0), (result.returncode, result.stdout.count("seed 123")), result.stdout)

    def test_a_byte_of_a_dump_has_a_tensor(self):
        result = self.compare_bytes(self.altered("dump.safetensors", -1), "--model", self.model)
        self.assertIn("(in level)", result.stdout)

    def test_a_blob_that_differs_is_found(self):
        result = self.compare_bytes(self.altered("."), "--model", GRAPH)
        self.assertEqual(1, result.returncode, result.stdout)
        self.assertIn(f"DIFFERS  {GRAPH.name}, imported: first differing byte 100 (in the header)", result.stdout)

    def test_what_is_missing_or_failed_is_a_difference(self):
        result = self.compare_bytes(self.write_program("#!/bin/sh\nexit 0\n"), "--model", self.model)
        self.assertEqual(1, result.returncode)
        self.assertIn("results.json: missing in NEW", result.stdout)
        result = self.compare_bytes(self.write_program("#!/bin/sh\nexit 3\n"), "--model", GRAPH)
        self.assertEqual(1, result.returncode)
        self.assertIn("one build imports it", result.stdout)
        result = self.compare_bytes(self.build, "--model", self.model, "--new-args", "--threads 0")
        self.assertEqual(1, result.returncode)
        self.assertIn("NEW ended with status 1: sln: ", result.stdout)

    def test_nothing_compared_is_a_failure(self):
        junk = self.scratch / "junk.onnx"
        junk.write_text("no graph")
        result = self.compare_bytes(self.build, "--model", junk)
        self.assertEqual(1, result.returncode)
        self.assertIn("nothing was compared", result.stdout)
        result = self.compare(self.build, "--no-samples", "--model", self.model)
        self.assertEqual(1, result.returncode)
        self.assertIn("nothing was compared", result.stdout)
        for arguments, text in ((("--images", self.out), "No such file"),
                                (("--images", self.scratch), "expected images, found none"),
                                (("--model", self.scratch / "none.onnx"), "expected a blob or a graph, found none")):
            result = self.compare_bytes(self.build, "--model", self.model, *arguments)
            self.assertEqual((1, 1), (result.returncode, result.stderr.count(text)), result.stderr)

    def test_time_and_memory(self):
        result = self.compare(self.build, "--time", self.model, self.picture, "--pairs", 4, "--rounds", 2, "--threads", 2)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        ratio = float(re.search(r"picture\.png.*median of NEW/BASE ([\d.]+), 95 % \[[\d.]+, [\d.]+\], 4 pairs",
                                result.stdout).group(1))
        self.assertTrue(0.1 < ratio < 10, result.stdout)
        result = self.compare(self.build, "--memory", self.model, "--image", self.picture, "--threads", 2)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertEqual(4, len(re.findall(r"VmRSS \d+\.\d .*peak VmHWM \d+\.\d", result.stdout)), result.stdout)


if __name__ == "__main__":
    support.main()

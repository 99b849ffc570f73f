"""Proves the chain PyTorch -> ONNX -> weight blob -> engine on real images: what scripts/truth.sh runs.

For every seed, or for trained weights, both exporters write the network; each graph is imported and verified; the two blobs
must agree; then each image goes through oracle.py against ONNX Runtime. The last lines are the table
of exceptions over all runs. Needs onnxruntime and a current PyTorch; TorchScript exports come from
the Python named by --torchscript-python.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from typing import Dict, List

import numpy

import compare
import oracle
import safetensors_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOB_LIMIT = 1e-6  # of each tensor's largest value
EXPORTERS = ("torchscript", "dynamo")


def run(command: List[str], what: str) -> str:
    """Runs a command in the repository; its output is returned, and shown where it fails."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{what}: exit status {done.returncode}\n{done.stdout}")
    print(f"{what}: {time.monotonic() - begin:.0f} s", flush=True)
    return done.stdout


def compare_blobs(a: str, b: str) -> float:
    """Largest difference of two blobs' tensors, in units of each tensor's largest value."""
    (first, _), (second, _) = safetensors_file.load(a), safetensors_file.load(b)
    if [(n, t.shape) for n, t in first.items()] != [(n, t.shape) for n, t in second.items()]:
        raise RuntimeError(f"{a}, {b}: expected the same tensors, found others")
    return max(float(numpy.abs(first[n] - second[n]).max() / max(float(numpy.abs(second[n]).max()), 1e-30))
               for n in first)


class Truth:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.results: list = []
        self.faults: List[str] = []

    def path(self, seed: int, exporter: str, ending: str) -> str:
        return os.path.join(self.options.work, f"{self.options.config}-{seed}-{exporter}{ending}")

    def fault(self, text: str) -> None:
        self.faults.append(text)
        print(f"error: {text}", file=sys.stderr, flush=True)

    def attempt(self, command: List[str], what: str) -> str:
        try:
            return run(command, what)
        except RuntimeError as error:
            self.fault(str(error))
            return ""

    def make(self, seed: int, exporter: str) -> None:
        """Exports with debug outputs, imports, verifies."""
        python = {"torchscript": self.options.torchscript_python, "dynamo": sys.executable}[exporter]
        onnx, blob = self.path(seed, exporter, ".onnx"), self.path(seed, exporter, ".safetensors")
        label = f"seed {seed}, {exporter}"
        weights = ["--seed", str(seed)] if self.options.weights is None else \
            ["--weights", self.options.weights, "--half"]
        run([python, "-m", "models.export", "--config", self.options.config, *weights, "--exporter", exporter,
             "--debug-outputs", "--threads", str(self.options.threads), "-o", onnx], f"{label}: export")
        command = [self.options.cli, "import", onnx, "-o", blob]
        verify = ["--verify"] if self.options.verify else []
        lines = self.attempt(command + verify, " ".join([f"{label}: import", *verify])).splitlines()
        counts = {word: sum(line.split(" ")[0] == word for line in lines) for word in ("proven", "ok")}
        print("\n".join(line for line in lines if line.split(" ")[0] not in counts))
        print(f"{counts['proven']} items proven, {counts['ok']} comparisons of stages ok\n", flush=True)

    def compare_exports(self, seed: int) -> None:
        found = compare_blobs(*(self.path(seed, exporter, ".safetensors") for exporter in EXPORTERS))
        print(f"seed {seed}: the exporters' blobs differ by {found:.2g} of a tensor's largest value, "
              f"limit {BLOB_LIMIT:g}")
        if not found <= BLOB_LIMIT:
            self.fault(f"seed {seed}: blobs differ by {found:.2g}")

    def compare_images(self, seed: int, exporter: str) -> None:
        def done(image: str, reports: Dict[str, compare.Report]) -> None:
            label = f"{os.path.basename(image)}, seed {seed}, {exporter}"
            print(oracle.row_of(label, reports), flush=True)
            for text in oracle.failures_of(reports):
                self.fault(f"{label}: {text}")

        backend = oracle.onnxruntime_backend(self.path(seed, exporter, ".onnx"), self.options.threads)
        self.results += oracle.compare_with(backend, self.options.cli, self.path(seed, exporter, ".safetensors"),
                                            self.options.images, self.options.threads, done)

    def compare_results(self, seed: int) -> None:
        """Both blobs on the first image: where their tensors are equal, so must be every byte of the results."""
        written = []
        for exporter in EXPORTERS:
            with tempfile.TemporaryDirectory() as folder:
                oracle.run_engine(self.options.cli, self.path(seed, exporter, ".safetensors"), self.options.images[0],
                                  folder, self.options.threads)
                with open(os.path.join(folder, "results.json"), "rb") as file:
                    written.append(file.read())
        same = "the same bytes" if written[0] == written[1] else "other bytes"
        print(f"seed {seed}: results.json of the two exporters' blobs: {same}")
        if written[0] != written[1] and compare_blobs(
                *(self.path(seed, exporter, ".safetensors") for exporter in EXPORTERS)) == 0:
            self.fault(f"seed {seed}: equal blobs, other results")

    def draw_samples(self) -> None:
        folder = os.path.join(self.options.work, "samples")
        run([self.options.torchscript_python, "-m", "models.samples", "-o", folder, "-n", "6"], "draw sample scenes")
        self.options.images = sorted(os.path.join(folder, name) for name in os.listdir(folder))

    def all(self) -> int:
        if not self.options.images:
            self.draw_samples()
        exporters = self.options.exporters
        for seed in self.options.seeds:
            for exporter in exporters:
                self.make(seed, exporter)
            if len(exporters) == 2:
                self.compare_exports(seed)
                self.compare_results(seed)
            print("\n" + oracle.heading())
            for exporter in exporters:
                self.compare_images(seed, exporter)
            print(flush=True)
        model = self.path(self.options.seeds[0], exporters[0], ".safetensors")
        print(self.attempt([sys.executable, os.path.join("tests", "oracle", "preprocess.py"), "--cli", self.options.cli,
                            "--model", model], "canvas and COCO results"))
        print(f"{len(self.results)} runs: {self.options.config}, seeds {self.options.seeds}, {', '.join(exporters)}, "
              f"{len(self.options.images)} images")
        print("\n".join(oracle.worst_of(self.results)))
        print(f"{len(self.faults)} faults")
        return 1 if self.faults else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", required=True, help="the sln program")
    parser.add_argument("--work", required=True, help="folder for graphs and blobs; made if it is missing")
    parser.add_argument("--config", default="r50")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--weights", metavar="FILE",
                        help="trained ones instead of seeds, rounded to halves as those of a shipped model are")
    parser.add_argument("--exporters", type=lambda text: text.split(","), default=list(EXPORTERS))
    parser.add_argument("--torchscript-python", default="/usr/bin/python3", help="a Python with PyTorch 1.13")
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="leave out the double evaluator")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="default: scenes that models.samples draws")
    options = parser.parse_args()
    if options.weights is not None:
        options.weights, options.seeds = os.path.abspath(options.weights), [0]
    if not set(options.exporters) <= set(EXPORTERS):
        parser.error(f"--exporters: expected some of {','.join(EXPORTERS)}, found {','.join(options.exporters)}")
    return options


def main() -> int:
    options = parse_arguments()
    os.makedirs(options.work, exist_ok=True)
    options.work, options.cli = os.path.abspath(options.work), os.path.abspath(options.cli)
    return Truth(options).all()


if __name__ == "__main__":
    sys.exit(main())

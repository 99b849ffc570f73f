#!/usr/bin/python3
"""Tells whether two builds of the engine do the same, and what time and memory they take for it.

scripts/compare_builds.py BASE NEW [--bytes] [--model FILE]... [--images DIR]... [--new-args "--device cuda"]
scripts/compare_builds.py BASE NEW --time MODEL IMAGE... [--pairs 20] [--threads T] [--new-device cuda]
scripts/compare_builds.py BASE NEW --memory MODEL... [--image FILE] [--threads T] [--new-device cuda]

BASE and NEW are build folders: with apps/sln and engine/libsln.so, or with sln and libsln.so in them.

Bytes (what is done unless --time or --memory is given): every model is run on every folder of images at defaults and
with --score 0 --nms 1, and on every image with --dump. Graphs (.onnx) are imported by each build itself, and the blobs
are compared as well; one that neither build imports is skipped. Every file written is compared byte for byte, but for
timings.json. The exit status is 1 where anything differs or is missing, or where nothing was compared.

Time: the sum of the engine's own stage times for one image, in pairs of one run of each build in random order, by two
processes that live for a round of pairs. Both get the canvas that BASE makes of the image. A pair is disturbed, and
tried again, where a process got less than 97 % of the core time that it asked for. Memory: each figure is of a process
of its own that holds the model open; what Python, NumPy and the canvas take is told as well.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import random
import shlex
import struct
import subprocess
import sys
import tempfile
from typing import Dict, List, Optional, Tuple

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from peers import LEAST_SHARE, core_times, status_bytes  # noqa: E402
from sln_library import Engine, Model  # noqa: E402

SETTINGS = {"defaults": [], "--score 0 --nms 1": ["--score", "0", "--nms", "1"], "--dump": ["--dump"]}
EXCLUDED = "timings.json"  # by name: it tells what differs from run to run
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".pnm", ".ppm", ".pgm", ".pbm")  # that sln takes from a folder
WARM_UP = 2  # runs of each, per round and image
RESAMPLES = 10000


@dataclasses.dataclass
class Build:
    """One of the two builds, and how it is to be run."""

    label: str
    folder: pathlib.Path
    arguments: List[str]
    device: str

    def find(self, *names: str) -> str:
        for name in names:
            if (self.folder / name).is_file():
                return str((self.folder / name).resolve())
        raise RuntimeError(f"{self.folder}: expected {' or '.join(names)} in it, found none")

    def sln(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([self.find("apps/sln", "sln"), *map(str, arguments)], capture_output=True,
                              encoding="utf-8", errors="replace", check=False)


def safetensors_header(path: pathlib.Path) -> Tuple[dict, int]:
    """The entries of a .safetensors file, and where its data begin."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), 8 + length


# ---- Bytes ----


class Comparison:
    """Counts what was compared, and prints every difference as it is found."""

    def __init__(self, name: str):
        self.name, self.files, self.bytes, self.differences = name, 0, 0, 0

    def report(self) -> None:
        print(f"{self.name}: {self.files} files, {self.bytes} bytes, {self.differences} differences", flush=True)

    def differ(self, text: str) -> None:
        self.differences += 1
        print(f"DIFFERS  {text}", flush=True)

    def file(self, name: str, base: pathlib.Path, new: pathlib.Path) -> None:
        missing = [label for label, path in (("BASE", base), ("NEW", new)) if not path.is_file()]
        if missing:
            return self.differ(f"{name}: missing in {' and '.join(missing)}")
        a, b = (numpy.fromfile(path, numpy.uint8) for path in (base, new))
        self.files += 1
        self.bytes += min(len(a), len(b))
        if not numpy.array_equal(a, b):
            length = min(len(a), len(b))
            unequal = a[:length] != b[:length]
            first = int(unequal.argmax()) if unequal.any() else length
            self.differ(f"{name}: first differing byte {first}{place(base, first)}, of {len(a)} and {len(b)} bytes, "
                        f"{int(unequal.sum())} differ")

    def folder(self, name: str, base: pathlib.Path, new: pathlib.Path) -> None:
        """Every file that is in either folder, but for the excluded one; what each run writes must be in both."""
        found = {str(path.relative_to(top)) for top in (base, new) for path in top.rglob("*") if path.is_file()}
        for path in sorted({"results.json", "scenes.json"} | found):
            if os.path.basename(path) != EXCLUDED:
                self.file(f"{name}{path}", base / path, new / path)


def place(path: pathlib.Path, offset: int) -> str:
    """Which tensor a byte of a .safetensors file belongs to, in words; nothing for other files."""
    if path.suffix != ".safetensors":
        return ""
    header, begin = safetensors_header(path)
    names = [name for name, entry in header.items() if name != "__metadata__" and
             entry["data_offsets"][0] <= offset - begin < entry["data_offsets"][1]]
    return f" (in {names[0]})" if names else " (in the header)" if offset < begin else ""


def images_of(folder: pathlib.Path) -> List[pathlib.Path]:
    """The images that sln takes from a folder."""
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not images:
        raise RuntimeError(f"{folder}: expected images, found none")
    return images


def imported(builds: List[Build], graph: pathlib.Path, scratch: pathlib.Path,
             comparison: Comparison) -> Optional[List[pathlib.Path]]:
    """Each build's own blob of a graph; None where either imports none."""
    blobs = [scratch / build.label / f"{graph.stem}.safetensors" for build in builds]
    done = [build.sln("import", graph, "-o", blob) for build, blob in zip(builds, blobs)]
    if all(result.returncode == 0 for result in done):
        comparison.file(f"{graph.name}, imported", *blobs)
        return blobs
    for build, result in zip(builds, done):
        if result.returncode != 0:
            print(f"{graph.name}: {build.label} does not import it: {result.stderr.strip()}")
    if any(result.returncode == 0 for result in done):
        comparison.differ(f"{graph.name}: one build imports it, the other does not")
    return None


def run_both(builds: List[Build], blobs: List[pathlib.Path], name: str, arguments: List[str], inputs: pathlib.Path,
             comparison: Comparison) -> None:
    """Runs each build into a folder of its own, with a dump where arguments end with --dump, and compares the folders."""
    with tempfile.TemporaryDirectory(prefix="compare-builds-") as top:
        folders = [pathlib.Path(top) / build.label for build in builds]
        before, told = comparison.differences, []
        for build, blob, folder in zip(builds, blobs, folders):
            folder.mkdir()
            dump = [folder / "dump.safetensors"] if arguments[-1:] == ["--dump"] else []
            result = build.sln("run", "-m", blob, "-o", folder, *arguments, *dump, *build.arguments, inputs)
            if result.returncode != 0:
                comparison.differ(f"{name}: {build.label} ended with status {result.returncode}: {result.stderr.strip()}")
            elif result.stderr.strip():
                told.append(f"{name}: {build.label} said: {result.stderr.strip()}")
        comparison.folder(name + "/", *folders)
        if comparison.differences > before:  # perhaps what it takes to have the difference again
            print(*told, sep="\n", end="\n" if told else "", flush=True)


def compare_model(builds: List[Build], model: pathlib.Path, folders: List[pathlib.Path], scratch: pathlib.Path,
                  threads: List[str]) -> List[Comparison]:
    """Compares all that the builds make of one model, a comparison for each setting, and prints a line for each."""
    comparisons = [Comparison(f"{model.name}, imported")]
    blobs = [model, model]
    if model.suffix == ".onnx":
        blobs = imported(builds, model, scratch, comparisons[0])
        if blobs is None:
            print(f"{model.name}: skipped")
            return comparisons
        comparisons[0].report()
    images = [image for folder in folders for image in images_of(folder)]
    for setting, arguments in SETTINGS.items():
        comparison = Comparison(f"{model.name}, {setting}, {len(images)} images")
        for inputs in images if setting == "--dump" else folders:
            run_both(builds, blobs, f"{model.name}, {setting}, {inputs.name}", threads + arguments, inputs, comparison)
        comparison.report()
        comparisons.append(comparison)
    return comparisons


def compare_bytes(builds: List[Build], options) -> int:
    models = options.model or [ROOT / "models/demo/demo.safetensors", *sorted(ROOT.glob("tests/fixtures/*.onnx"))]
    folders = ([] if options.no_samples else [ROOT / "samples"]) + options.images
    for model in (model for model in models if not model.is_file()):
        raise RuntimeError(f"{model}: expected a blob or a graph, found none")
    threads = ["--threads", str(options.threads)] if options.threads else []
    total = Comparison("all")
    print(f"Every file but {EXCLUDED}, which is excluded by its name since it holds times.")
    with tempfile.TemporaryDirectory(prefix="compare-builds-") as top:
        scratch = pathlib.Path(top)
        for build in builds:
            (scratch / build.label).mkdir()
        for model in models:
            for comparison in compare_model(builds, model, folders, scratch, threads):
                for key in ("files", "bytes", "differences"):
                    setattr(total, key, getattr(total, key) + getattr(comparison, key))
    total.report()
    if total.files == 0:
        print("FAILS    nothing was compared")
    return int(total.differences > 0 or total.files == 0)


# ---- Workers: two builds' libraries must not share a process ----


def work(settings: dict) -> int:
    """Makes engines of one model, and answers each line of stdin, the number of a canvas, with one line of JSON: every
    engine has run the canvas; the figures are of the last."""
    canvases = [numpy.load(path) for path in settings["canvases"]]
    before = status_bytes("VmRSS:")
    model = Model(settings["library"], settings["model"])
    engines = [Engine(settings["library"], model, settings["threads"], score_threshold=settings["score"],
                      device=settings["device"]) for _ in range(settings["engines"])]
    print(json.dumps({"before": before, "version": engines[0].version(), **engines[0].info()}), flush=True)
    for line in sys.stdin:
        begin = core_times()
        for engine in engines:
            engine.run(canvases[int(line)])
        cpu, wait = (after - earlier for earlier, after in zip(begin, core_times()))
        memory = {key: status_bytes(f"{key}:") for key in ("VmRSS", "RssFile", "VmHWM")}
        print(json.dumps({"stages": engines[-1].stages(), "rois": engines[-1].proposals(),
                          "share": cpu / max(cpu + wait, 1e-9), **memory}), flush=True)
    return 0


class Worker:
    """A process with engines of one build."""

    def __init__(self, build: Build, model: pathlib.Path, canvases: List[str], options, engines: int = 1):
        self._label = build.label
        settings = {"library": build.find("engine/libsln.so", "libsln.so"), "model": str(model), "canvases": canvases,
                    "threads": options.threads or os.cpu_count(), "score": options.score, "device": build.device,
                    "engines": engines}
        self._process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", json.dumps(settings)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.info = self._read()

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._label}: expected an answer of its process, found it ended with status "
                               f"{self._process.wait()}")
        return json.loads(line)

    def run(self, canvas: int) -> dict:
        self._process.stdin.write(f"{canvas}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def save_canvas(build: Build, model: pathlib.Path, image: pathlib.Path, path: pathlib.Path) -> str:
    """Saves as .npy what a build puts on the network's canvas for an image."""
    dump = path.with_suffix(".safetensors")
    result = build.sln("run", "-m", model, "-o", path.parent / "canvas", "--dump", dump, image)
    if result.returncode != 0:
        raise RuntimeError(f"{image}: expected a canvas of {build.label}, found: {result.stderr.strip()}")
    header, begin = safetensors_header(dump)
    first, last = header["canvas"]["data_offsets"]
    canvas = numpy.fromfile(dump, "<f4", (last - first) // 4, offset=begin + first)
    numpy.save(path, canvas.reshape(header["canvas"]["shape"]))
    dump.unlink()
    return str(path)


# ---- Time ----


def least_share(pair: Dict[str, dict]) -> float:
    """Of the core time that the processes asked for, what the worse off of them got."""
    return min(sample["share"] for sample in pair.values())


def interval(ratios: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Of the median of (rounds, pairs), 95 %. Rounds are drawn anew, and pairs in each, so that what two processes differ
    by as long as they live, or the machine for a while, is not taken for the builds'."""
    draw, (rounds, pairs) = numpy.random.default_rng(seed), ratios.shape
    chosen = draw.integers(rounds, size=(RESAMPLES, rounds, 1)), draw.integers(pairs, size=(RESAMPLES, rounds, pairs))
    return numpy.quantile(numpy.median(ratios[chosen], axis=(1, 2)), (0.025, 0.975))


def timed_pairs(workers: Dict[str, Worker], canvas: int, count: int, order: random.Random) -> List[Dict[str, dict]]:
    """Pairs of samples; where the machine disturbed some, the least disturbed of up to three times as many."""
    turns = [turn for _ in range(2 * count) for first in [order.sample(sorted(workers), 2)]
             for turn in (first, first[::-1])]  # each build as often first as second
    for label in turns[0] * WARM_UP:
        workers[label].run(canvas)
    pairs = []
    while len(pairs) < 3 * count and sum(least_share(pair) >= LEAST_SHARE for pair in pairs) < count:
        pairs.append({label: workers[label].run(canvas) for label in turns[len(pairs)]})
    return sorted(pairs, key=least_share, reverse=True)[:count]


def report_times(name: str, rounds: List[List[Dict[str, dict]]], seed: int) -> None:
    pairs = [pair for round_pairs in rounds for pair in round_pairs]
    base, new = ([{stage: seconds for stage, seconds, _ in pair[label]["stages"]} for pair in pairs]
                 for label in ("BASE", "NEW"))
    a, b = (numpy.array([sum(stages.values()) for stages in side]) for side in (base, new))
    low, high = interval((b / a).reshape(len(rounds), -1), seed)
    rois = " and ".join(str(count) for count in sorted({sample["rois"] for pair in pairs for sample in pair.values()}))
    print(f"{name}, {rois} RoIs: BASE {numpy.median(a):.6f} s, NEW {numpy.median(b):.6f} s, median of NEW/BASE "
          f"{numpy.median(b / a):.4f}, 95 % [{low:.4f}, {high:.4f}], {len(pairs)} pairs, "
          f"{sum(least_share(pair) < LEAST_SHARE for pair in pairs)} disturbed")
    for stage in dict.fromkeys(key for side in (base, new) for key in side[0]):
        x, y = (numpy.array([stages.get(stage, numpy.nan) for stages in side]) for side in (base, new))
        print(f"  {stage:<12} BASE {numpy.median(x):.6f} s, NEW {numpy.median(y):.6f} s, "
              f"{numpy.median(y / numpy.maximum(x, 1e-9)):.4f}")


def compare_times(builds: List[Build], options) -> int:
    model, *images = options.time
    samples, order = [[] for _ in images], random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="compare-builds-") as top:
        canvases = [save_canvas(builds[0], model, image, pathlib.Path(top) / f"{number}.npy")
                    for number, image in enumerate(images)]
        for number in range(options.rounds):
            workers = {build.label: Worker(build, model, canvases, options) for build in builds}
            for label, worker in workers.items() if number == 0 else ():
                print("{}: sln {version}, {device}, {isa}, {threads} threads".format(label, **worker.info))
            for canvas, rounds in enumerate(samples):
                rounds.append(timed_pairs(workers, canvas, -(-options.pairs // options.rounds), order))
            for worker in workers.values():
                worker.close()
    for image, rounds in zip(images, samples):
        report_times(f"{model.name}, {image.name}", rounds, options.seed)
    return 0


# ---- Memory ----


def compare_memory(builds: List[Build], options) -> int:
    print("MB (10^6 bytes) of a process that holds the model open and has run the image with each of its engines;\n"
          "mapped files, the model's too where a build maps it, are part of VmRSS and VmHWM.")
    for model in options.memory:
        with tempfile.TemporaryDirectory(prefix="compare-builds-") as top:
            canvas = save_canvas(builds[0], model, options.image, pathlib.Path(top) / "canvas.npy")
            for build in builds:
                for engines in (1, 2):
                    worker = Worker(build, model, [canvas], options, engines)
                    found = worker.run(0)
                    worker.close()
                    print(f"{model.name}, {build.label}, {engines} engine{'s' * (engines > 1)}: "
                          f"VmRSS {found['VmRSS'] / 1e6:.1f} (mapped files {found['RssFile'] / 1e6:.1f}), "
                          f"peak VmHWM {found['VmHWM'] / 1e6:.1f}, before the library {worker.info['before'] / 1e6:.1f}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    path = pathlib.Path
    parser.add_argument("base", type=path, metavar="BASE")
    parser.add_argument("new", type=path, metavar="NEW")
    parser.add_argument("--bytes", action="store_true", help="compare bytes also beside --time or --memory")
    parser.add_argument("--model", type=path, action="append", metavar="FILE", help="a blob or graph to compare bytes "
                        "of; default: models/demo/demo.safetensors and tests/fixtures/*.onnx")
    parser.add_argument("--images", type=path, action="append", default=[], metavar="DIR", help="besides samples/")
    parser.add_argument("--no-samples", action="store_true", help="only the folders of --images")
    parser.add_argument("--base-args", type=shlex.split, default=[], metavar="ARGS", help="more arguments of sln run")
    parser.add_argument("--new-args", type=shlex.split, default=[], metavar="ARGS")
    parser.add_argument("--time", type=path, nargs="+", metavar=("MODEL", "IMAGE"))
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4, help="in how many pairs of new processes")
    parser.add_argument("--seed", type=int, default=0, help="of the order within pairs, and of the interval")
    parser.add_argument("--memory", type=path, nargs="+", metavar="MODEL")
    parser.add_argument("--image", type=path, default=ROOT / "samples/scene_1.jpg", help="that memory is measured with")
    parser.add_argument("--threads", type=int, help="default: the machine's cores")
    parser.add_argument("--score", type=float, default=0.0, help="score threshold for time and memory (default 0: all RoIs)")
    parser.add_argument("--base-device", default="auto", metavar="DEVICE", help="for time and memory")
    parser.add_argument("--new-device", default="auto", metavar="DEVICE")
    options = parser.parse_args()
    if options.time and len(options.time) < 2:
        parser.error("--time: expected MODEL IMAGE..., found no image")
    if not 1 <= options.rounds <= options.pairs:
        parser.error(f"--rounds: expected 1 to {options.pairs}, the pairs, found {options.rounds}")
    return options


def main() -> int:
    if sys.argv[1:2] == ["--worker"]:
        return work(json.loads(sys.argv[2]))
    options = parse_arguments()
    builds = [Build("BASE", options.base, options.base_args, options.base_device),
              Build("NEW", options.new, options.new_args, options.new_device)]
    jobs = [job for job, asked in ((compare_bytes, options.bytes or not (options.time or options.memory)),
                                   (compare_times, options.time), (compare_memory, options.memory)) if asked]
    try:
        return max(job(builds, options) for job in jobs)
    except (RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Compares `sln run --dump` with ONNX Runtime on the same ONNX graph and the same canvas.

python3 tests/oracle/oracle.py --cli build/release/apps/sln --onnx X.onnx --model X.safetensors IMAGE...

X.onnx comes from models.export with --debug-outputs, X.safetensors from `sln import` of it (or of the
same network without debug outputs). For each image three comparisons: the stages, the engine's results
against a NumPy decode of the engine's own planes, and the engine's results against a NumPy decode of
ONNX Runtime's planes. Exit status 1 where anything differs beyond its limits.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy

import compare
import decode_numpy
import proposals_numpy
import safetensors_file
import scenes

Backend = Callable[[numpy.ndarray], Dict[str, numpy.ndarray]]

# The columns of the table: (heading, comparison, kind, key).
COLUMNS = (
    ("n", "stages", "figures", "boxes"),
    ("matched", "stages", "figures", "matched"),
    ("box px", "stages", "figures", "boxes max"),
    ("swaps", "stages", "exceptions", "swaps"),
    ("padding", "stages", "exceptions", "padding swaps"),
    ("close", "stages", "exceptions", "close decisions"),
    ("unmatched", "stages", "exceptions", "unmatched"),
    ("features", "stages", "figures", "features max"),
    ("rpn logits", "stages", "figures", "rpn_objectness max"),
    ("C p99", "stages", "figures", "confidence p99"),
    ("C max", "stages", "figures", "confidence max"),
    ("L cells", "stages", "figures", "level cells differing"),
    ("own pixels", "own planes", "exceptions", "close pixels"),
    ("objects", "end to end", "figures", "objects"),
    ("matched", "end to end", "figures", "objects matched"),
    ("masks", "end to end", "figures", "mask pixels differing"),
    ("few-pixel", "end to end", "exceptions", "few-pixel masks"),
    ("score", "end to end", "figures", "object scores max"),
    ("jumps", "end to end", "exceptions", "score jumps"),
    ("pairs", "end to end", "figures", "pairs compared"),
    ("pairs off", "end to end", "exceptions", "pairs"),
)


def onnxruntime_backend(path: str, threads: int) -> Backend:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    config = json.loads(session.get_modelmeta().custom_metadata_map["sln.config"])
    missing = sorted(set(compare.stages_of(config, compare.DENSE_STAGES + compare.ROI_STAGES)) - set(names))
    if missing:
        raise ValueError(f"{path}: expected an export with --debug-outputs, found no {', '.join(missing)}")
    return lambda canvas: dict(zip(names, session.run(names, {"image": canvas[None]})))


def run_engine(cli: str, model: str, image: str, folder: str, threads: int,
               options: Sequence[str] = ()) -> Dict[str, numpy.ndarray]:
    """Runs `sln run --dump` into the folder and returns the stage tensors."""
    dump = os.path.join(folder, "dump.safetensors")
    command = [cli, "run", "-m", model, "-o", folder, "--threads", str(threads), "--dump", dump, *options, image]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    return safetensors_file.load(dump)[0]


def planes_of(tensors: Dict[str, numpy.ndarray], anchors: numpy.ndarray) -> decode_numpy.Planes:
    return decode_numpy.Planes(tensors["boxes"], tensors["scores"], tensors["layers"], tensors["confidence"], anchors)


def compare_image(config: dict, engine: Dict[str, numpy.ndarray], reference: Dict[str, numpy.ndarray],
                  folder: str) -> Dict[str, compare.Report]:
    """engine: the dump; reference: another implementation's stages; folder: what `sln run` wrote."""
    scene = scenes.load(folder)
    reports = {"stages": compare.compare_stages(config, engine, reference, scene.frame.scaled)}
    own = decode_numpy.decode(planes_of(engine, engine["anchor_index"].astype(numpy.int64)), scene.frame)
    reports["own planes"] = scenes.compare_exact(scene, own)
    candidates = proposals_numpy.decode(config, reference["rpn_objectness"], reference["rpn_deltas"])
    anchors = proposals_numpy.recover_anchors(candidates, reference["boxes"], reference["scores"])
    frame = dataclasses.replace(scene.frame, close=scenes.CLOSE)
    other = decode_numpy.decode(planes_of(reference, anchors), frame)
    differ = reports["stages"].exceptions["unmatched"]
    reports["end to end"] = scenes.compare_objects(scene, other, differ)
    return reports


def compare_with(backend: Backend, cli: str, model: str, images: List[str], threads: int,
                 done: Optional[Callable[[str, Dict[str, compare.Report]], None]] = None
                 ) -> List[Tuple[str, Dict[str, compare.Report]]]:
    """All comparisons for every image; `done` is called after each."""
    config = json.loads(safetensors_file.load(model)[1]["config"])
    results = []
    for image in images:
        with tempfile.TemporaryDirectory() as folder:
            engine = run_engine(cli, model, image, folder, threads)
            reports = compare_image(config, engine, backend(numpy.ascontiguousarray(engine["canvas"])), folder)
        results.append((image, reports))
        if done:
            done(image, reports)
    return results


def row_of(label: str, reports: Dict[str, compare.Report]) -> str:
    cells = [label]
    for _, comparison, kind, key in COLUMNS:
        value = getattr(reports[comparison], kind).get(key)
        cells.append("-" if value is None else f"{value:.1e}" if isinstance(value, float) and value else f"{value:g}")
    cells.append("ok" if all(r.ok for r in reports.values()) else "FAIL")
    return "| " + " | ".join(cells) + " |"


def heading() -> str:
    names = ["image"] + [name for name, *_ in COLUMNS] + ["result"]
    return "| " + " | ".join(names) + " |\n|" + "---|" * len(names)


def failures_of(reports: Dict[str, compare.Report]) -> List[str]:
    return [f"{name}: {text}" for name, report in reports.items() for text in report.failures]


def worst_of(results: List[Tuple[str, Dict[str, compare.Report]]]) -> List[str]:
    """One line per figure: the largest value over all images; and per kind of exception, its sum and largest."""
    lines = []
    for comparison in ("stages", "own planes", "end to end"):
        reports = [r[comparison] for _, r in results]
        for key in {key: None for r in reports for key in r.figures}:
            values = [r.figures[key] for r in reports if key in r.figures]
            lines.append(f"{comparison}: {key}: largest {max(values):.4g}, least {min(values):.4g}")
        for key in {key: None for r in reports for key in r.exceptions}:
            values = [r.exceptions[key] for r in reports if key in r.exceptions]
            used = sum(value > 0 for value in values)
            lines.append(f"{comparison}: exceptions, {key}: in {used} of {len(values)} runs, "
                         f"largest {max(values):.4g}, sum {sum(values):.4g}")
        for key in {key: None for r in reports for key in r.margins}:
            closest = min(r.margins[key] for r in reports if key in r.margins)
            lines.append(f"{comparison}: closest distance to a threshold, {key}: {closest:.3g}")
    return lines


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", required=True, help="the sln program")
    parser.add_argument("--onnx", required=True, help="an export with --debug-outputs")
    parser.add_argument("--model", required=True, help="the weight blob of the same network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write every figure to this file")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    return parser.parse_args()


def as_json(results: List[Tuple[str, Dict[str, compare.Report]]]) -> list:
    fields = ("figures", "exceptions", "margins", "failures")
    return [{"image": os.path.basename(image),
             **{name: {field: getattr(report, field) for field in fields} for name, report in reports.items()}}
            for image, reports in results]


def main() -> int:
    options = parse_arguments()
    print(heading())

    def done(image: str, reports: Dict[str, compare.Report]) -> None:
        print(row_of(os.path.basename(image), reports), flush=True)
        for text in failures_of(reports):
            print(f"error: {image}: {text}", file=sys.stderr, flush=True)

    backend = onnxruntime_backend(options.onnx, options.threads)
    results = compare_with(backend, options.cli, options.model, options.images, options.threads, done)
    print("\n" + "\n".join(worst_of(results)))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(as_json(results), file, indent=1)
    return 0 if all(report.ok for _, reports in results for report in reports.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

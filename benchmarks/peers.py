"""Times the engine, ONNX Runtime, OpenVINO and PyTorch on the same network and canvas, interleaved.

python3 benchmarks/peers.py --library build/release/engine/libsln.so --model X.safetensors --onnx X.onnx
                            [--peers engine,onnxruntime,openvino,pytorch] [--rounds N] [--results RESULTS.md]

Every peer lives in its own process and runs only when it is told to, so that memory has an owner and
one works at a time: one run each, in turn, for every round. The results are compared before anything
is timed. A sample is dropped where the process got less than 97 % of the core time that it asked for
(CPU time / (CPU time + time ready to run but not running), from the scheduler's statistics); where
too few are left, the least disturbed ones are taken, and the report says so.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from typing import Dict, List

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LEAST_SHARE = 0.97
LEAST_SAMPLES = 5
SETTLE_SECONDS = 0.3  # for the threads of the last peer to go to sleep
OUTPUTS = ("boxes", "scores", "layers", "confidence", "level")
SETTINGS = {
    "engine": "C API, sln_engine_run_canvas, score threshold 0; includes masks, mask NMS and depth order",
    "onnxruntime": "intra_op_num_threads, all graph optimisations, spinning as by default",
    "openvino": "INFERENCE_PRECISION_HINT f32, PERFORMANCE_HINT LATENCY, NUM_STREAMS 1, INFERENCE_NUM_THREADS",
    "pytorch": "eager, channels_last, no_grad",
}


# ---- The peers: each a function canvas -> {output: array} and a version. They live in a child process. ----


def make_engine(options):
    from sln_library import Engine

    engine = Engine(options.library, options.model, options.threads, capture=options.capture)
    canvas = numpy.load(options.canvas)

    def run():
        engine.run(canvas)
        extra = {"stages": engine.stages(), "rois": engine.proposals(), **engine.info()}
        return engine.tensors() if options.capture else {}, extra

    return run, engine.version()


def make_onnxruntime(options):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(options.onnx, settings, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = {"image": numpy.load(options.canvas)[None]}
    return lambda: (dict(zip(names, session.run(names, feed))), {}), onnxruntime.__version__


def make_openvino(options):
    import openvino

    core = openvino.Core()
    model = core.compile_model(options.onnx, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(options.threads)})
    names = [output.get_any_name() for output in model.outputs]
    request, canvas = model.create_infer_request(), numpy.load(options.canvas)[None]

    def run():
        request.infer({"image": canvas})
        return {name: request.get_tensor(name).data.copy() for name in names}, {}

    return run, openvino.__version__


def make_pytorch(options):
    import torch

    sys.path.insert(0, ROOT)
    from models.export import build

    torch.set_num_threads(options.threads)
    network = build(options.config, options.seed, None).to(memory_format=torch.channels_last)
    canvas = torch.from_numpy(numpy.load(options.canvas)[None]).contiguous(memory_format=torch.channels_last)

    def run():
        with torch.no_grad():
            return {name: tensor.numpy() for name, tensor in network(canvas)._asdict().items()}, {}

    return run, torch.__version__


PEERS = {"engine": make_engine, "onnxruntime": make_onnxruntime, "openvino": make_openvino, "pytorch": make_pytorch}


def status_bytes(field: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(field))


def core_times():
    """CPU seconds of this process, and seconds its threads were ready to run but did not."""
    wait = 0
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/schedstat", encoding="ascii") as file:
                wait += int(file.read().split()[1])
        except (OSError, IndexError):
            pass  # the thread is gone, or the kernel keeps no statistics
    return time.process_time(), wait * 1e-9


def child(options) -> int:
    """Answers each line of stdin with one line of JSON: "run", or "save PATH" for the outputs of a run."""
    before = status_bytes("VmHWM:")
    run, version = PEERS[options.child](options)
    print(json.dumps({"version": version, "baseline_bytes": before}), flush=True)
    for line in sys.stdin:
        words = line.split()
        cpu, wait = core_times()
        begin = time.perf_counter()
        outputs, extra = run()
        wall = time.perf_counter() - begin
        after = core_times()
        if words[0] == "save":
            numpy.savez(words[1], **{name: outputs[name] for name in OUTPUTS})
        print(json.dumps({"wall": wall, "cpu": after[0] - cpu, "wait": after[1] - wait,
                          "peak_bytes": status_bytes("VmHWM:"), **extra}), flush=True)
    return 0


# ---- The parent ----


class Peer:
    """A child process that runs one implementation when told to."""

    def __init__(self, name: str, options, capture: bool = False):
        self.name, self.samples = name, []
        command = [sys.executable, os.path.abspath(__file__), "--child", name]
        for key in ("library", "model", "onnx", "threads", "canvas", "config", "seed"):
            command += [f"--{key}", str(getattr(options, key))]
        self._process = subprocess.Popen(command + (["--capture"] if capture else []), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        hello = self._read()
        self.version, self.baseline_bytes = hello["version"], hello["baseline_bytes"]

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: ended with status {self._process.wait()}")
        return json.loads(line)

    def ask(self, line: str) -> dict:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def load_outputs(peer: Peer, folder: str) -> Dict[str, numpy.ndarray]:
    path = os.path.join(folder, peer.name + ".npz")
    peer.ask(f"save {path}")
    return dict(numpy.load(path))


def agreement(name: str, a: Dict[str, numpy.ndarray], b: Dict[str, numpy.ndarray]) -> Dict[str, float]:
    """Matches boxes by place; raises where the results are not the same to rounding."""
    distance = numpy.abs(a["boxes"][:, None] - b["boxes"][None]).max(2)
    rows = distance.argmin(1)
    matched = distance[numpy.arange(len(rows)), rows] <= 0.01
    if not matched.any():
        raise RuntimeError(f"{name}: expected the engine's boxes, found none of them")
    error = numpy.abs(a["confidence"][matched] - b["confidence"][rows[matched]])
    found = {"boxes": len(a["boxes"]), "matched": int(matched.sum()),
             "confidence p99": float(numpy.percentile(error, 99)), "confidence max": float(error.max())}
    same = len(a["boxes"]) == len(b["boxes"]) and found["matched"] >= 0.95 * len(b["boxes"])
    if not same or not found["confidence p99"] <= 1e-4:
        raise RuntimeError(f"{name}: expected the engine's results, found {found}")
    return found


def undisturbed(samples: List[dict]) -> List[dict]:
    def share(sample):
        return sample["cpu"] / max(sample["cpu"] + sample["wait"], 1e-9)

    ranked = sorted(samples, key=share, reverse=True)
    good = [s for s in ranked if share(s) >= LEAST_SHARE]
    return good if len(good) >= LEAST_SAMPLES else ranked[:LEAST_SAMPLES]


def summary_of(peer: Peer) -> dict:
    kept = undisturbed(peer.samples)
    walls = sorted(s["wall"] for s in kept)
    shares = [s["cpu"] / max(s["cpu"] + s["wait"], 1e-9) for s in kept]
    summary = {
        "version": peer.version, "settings": SETTINGS[peer.name], "samples": len(kept),
        "dropped": len(peer.samples) - len(kept), "disturbed": min(shares) < LEAST_SHARE, "least_share": min(shares),
        "median": float(numpy.median(walls)), "p90": walls[-(-9 * len(walls) // 10) - 1], "least": walls[0],
        "peak_bytes": peer.samples[-1]["peak_bytes"], "baseline_bytes": peer.baseline_bytes,
    }
    if "stages" in kept[0]:
        stages = [name for name, _, _ in kept[0]["stages"]]
        summary["stages"] = {name: float(numpy.median([s["stages"][i][1] for s in kept]))
                             for i, name in enumerate(stages)}
        summary["gmacs"] = {name: kept[0]["stages"][i][2] / 1e9 for i, name in enumerate(stages)}
        for key in ("isa", "arena_bytes", "weight_bytes", "rois"):
            summary[key] = kept[0][key]
    return summary


def machine() -> Dict[str, object]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    try:
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                                check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(), "commit": commit, "date": time.strftime("%Y-%m-%d")}


def make_canvas(options) -> numpy.ndarray:
    """The probe canvas, or an image scaled onto the canvas: the same input for all, so the filter does not matter."""
    sys.path.insert(0, ROOT)
    from models.config import named
    from models.probe import probe_canvas

    config = named(options.config)
    canvas = probe_canvas(config).numpy()[0]
    if options.image:
        from PIL import Image

        with Image.open(options.image) as image:
            scale = config.side / max(image.size)
            size = [max(1, int(extent * scale + 0.5)) for extent in image.size]
            pixels = numpy.asarray(image.convert("RGB").resize(size, Image.BILINEAR), numpy.float32).transpose(2, 0, 1)
        canvas = numpy.zeros_like(canvas)
        mean, std = (numpy.asarray(v, numpy.float32)[:, None, None] for v in (config.mean, config.std))
        canvas[:, :size[1], :size[0]] = (pixels - mean) / std
    return numpy.ascontiguousarray(canvas, numpy.float32)


def markdown(report: dict) -> str:
    host, peers = report["machine"], report["peers"]
    base = peers["engine"]["median"]
    lines = [
        f"## Peers: `{report['config']}`, {report['threads']} threads, {report['rois']} RoIs\n",
        f"{host['cpu']}, {host['cores']} cores, {host['system']}; engine {host['commit']} ({peers['engine']['isa']}), "
        f"{host['date']}. {report['rounds']} rounds, one run of each in turn.\n",
        "| | version | median s | p90 s | least s | against the engine | peak memory MB | samples (dropped) |",
        "|---|---|---|---|---|---|---|---|"]
    for name, peer in peers.items():
        note = ", disturbed" if peer["disturbed"] else ""
        lines.append(f"| {name} | {peer['version']} | {peer['median']:.3f} | {peer['p90']:.3f} | {peer['least']:.3f} | "
                     f"{peer['median'] / base:.2f} x | {peer['peak_bytes'] / 1e6:.0f} | "
                     f"{peer['samples']} ({peer['dropped']}){note} |")
    lines.append("\nEngine by stage, median s (GMAC, GFLOP/s): " + ", ".join(
        f"{name} {seconds:.3f} ({peers['engine']['gmacs'][name]:.1f}, "
        f"{2 * peers['engine']['gmacs'][name] / max(seconds, 1e-9):.0f})"
        for name, seconds in peers["engine"]["stages"].items()) + ".")
    lines.append(f"Of its memory, the arena has {peers['engine']['arena_bytes'] / 1e6:.0f} MB and the packed weights "
                 f"{peers['engine']['weight_bytes'] / 1e6:.0f} MB; every process has about "
                 f"{peers['engine']['baseline_bytes'] / 1e6:.0f} MB of Python and NumPy in it.")
    lines.append("Results compared first: " + "; ".join(
        f"{name}: {found['matched']} of {found['boxes']} boxes within 0.01 px, C p99 {found['confidence p99']:.1e}, "
        f"max {found['confidence max']:.1e}" for name, found in report["agreement"].items()) + ".")
    lines.append("Settings: " + "; ".join(f"{name}: {peer['settings']}" for name, peer in peers.items()) + ".")
    lines.append(f"A sample is dropped where its process got less than {LEAST_SHARE:.0%} of the core time it asked for.")
    lines.append(f"Command: `{report['command']}`")
    return "\n".join(lines) + "\n"


def write_results(path: str, key: str, text: str) -> None:
    """Puts the text between the markers of this key, at the end where there are none; the rest stays."""
    begin, end = f"<!-- peers {key} begin -->\n", f"<!-- peers {key} end -->\n"
    content = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            content = file.read()
    if begin in content and end in content:
        head, tail = content.split(begin)[0], content.split(end)[1]
    else:
        head, tail = (content.rstrip("\n") + "\n\n" if content else "# Results\n\n"), ""
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + text + end + tail)


def measure(options, folder: str) -> dict:
    options.canvas = os.path.join(folder, "canvas.npy")
    numpy.save(options.canvas, make_canvas(options))
    reference = Peer("engine", options, capture=True)
    expected = load_outputs(reference, folder)
    reference.close()
    peers = [Peer(name, options) for name in options.peers]
    agreements = {p.name: agreement(p.name, load_outputs(p, folder), expected) for p in peers if p.name != "engine"}
    for _ in range(options.warm_up):
        for peer in peers:
            peer.ask("run")
    for number in range(options.rounds):
        for peer in peers:
            time.sleep(SETTLE_SECONDS)
            peer.samples.append(peer.ask("run"))
        print(f"round {number + 1}: " + ", ".join(f"{p.name} {p.samples[-1]['wall']:.3f} s" for p in peers),
              file=sys.stderr, flush=True)
    report = {"config": options.config, "seed": options.seed, "threads": options.threads, "rounds": options.rounds,
              "rois": len(expected["boxes"]), "machine": machine(), "agreement": agreements,
              "peers": {peer.name: summary_of(peer) for peer in peers}, "command": options.command}
    for peer in peers:
        peer.close()
    return report


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="libsln.so")
    parser.add_argument("--model", required=True, help="the weight blob")
    parser.add_argument("--onnx", required=True, help="the graph it came from, without debug outputs")
    parser.add_argument("--config", default="r50", help="its config")
    parser.add_argument("--seed", type=int, default=0, help="its seed, for the peer pytorch")
    parser.add_argument("--peers", default="engine,onnxruntime,openvino", help="some of " + ",".join(PEERS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--image", default="", help="default: the probe canvas")
    parser.add_argument("--json", help="write every figure to this file")
    parser.add_argument("--results", help="write the table into this Markdown file, in place of the last one")
    parser.add_argument("--child", choices=sorted(PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--canvas", help=argparse.SUPPRESS)
    parser.add_argument("--capture", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.child:
        return child(options)
    options.peers = options.peers.split(",")
    if "engine" not in options.peers or not set(options.peers) <= set(PEERS):
        print(f"error: --peers: expected engine and some of {','.join(PEERS)}, found {','.join(options.peers)}",
              file=sys.stderr)
        return 1
    # Paths mean nothing elsewhere: only names go into the report.
    options.command = " ".join(["python3", "benchmarks/peers.py"] + [
        os.path.basename(word) if os.sep in word else word for word in sys.argv[1:]])
    with tempfile.TemporaryDirectory() as folder:
        report = measure(options, folder)
    text = markdown(report)
    print(text)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if options.results:
        write_results(options.results, f"{options.config} {options.threads} threads", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

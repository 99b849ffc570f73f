"""What a run says while it goes on: lines for people, JSONL for programs, curves for both."""

import json
import os
import sys
import time
from typing import Any, Dict, List

CURVES = (("losses", ("loss", "rpn", "global", "instance", "final")),
          ("validation", ("best_iou", "best_iou_occluded", "recall50", "hidden_iou")),
          ("depth order", ("order_accuracy_decided", "order_coverage")))


def read_log(path: str) -> List[Dict[str, Any]]:
    """The entries of a JSONL file; a last line that was cut off while written is left out."""
    entries = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    continue
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict) or not isinstance(entry.get("step"), int):
                    raise ValueError(f"{path}: line {number}: expected an entry with a step, found {line[:80]!r}")
                entries.append(entry)
    return entries


class Log:
    """DIR/log.jsonl, one entry per line with "step" and "images"; appended to after a resume."""

    def __init__(self, path: str, step: int):
        """Entries after `step` are dropped: the run goes on from there and will write them again."""
        self.path = path
        kept = [entry for entry in read_log(path) if entry["step"] <= step]
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in kept)
        os.replace(path + ".tmp", path)

    def write(self, entry: Dict[str, Any]) -> None:
        """Appends an entry and flushes it."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def duration(seconds: float) -> str:
    """Hours, minutes, seconds: 3:07:09."""
    whole = int(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Progress:
    """Means of the losses since the last line, speed and time left."""

    def __init__(self, step: int, total: int, batch: int):
        self.total, self.batch, self.begin, self.start = total, batch, step, time.monotonic()
        self.paused = 0.0  # seconds of validation, which say nothing of the speed
        self._restart(step)

    def _restart(self, step: int) -> None:
        self.sums: Dict[str, float] = {}
        self.last, self.since, self.paused_before = step, time.monotonic(), self.paused

    def add(self, values: Dict[str, float]) -> None:
        """Takes in one step's values."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def line(self, step: int, rate: float) -> Dict[str, Any]:
        """Prints a line for the steps since the last one and returns it as an entry."""
        count = max(1, step - self.last)
        seconds = time.monotonic() - self.since - (self.paused - self.paused_before)
        speed = self.batch * count / max(1e-9, seconds)
        means = {name: value / count for name, value in self.sums.items()}
        left = (self.total - step) * self.batch / speed
        losses = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        print(f"step {step}/{self.total} images {step * self.batch}: {losses}, rate {rate:.2e}, "
              f"{speed:.2f} images/s, {duration(left)} left", flush=True)
        self._restart(step)
        return {"kind": "train", "step": step, "images": step * self.batch, "rate": rate,
                "images_per_second": speed, **means}


def draw_curves(log: str, output: str) -> None:
    """A PNG of a run's losses and validation figures; says so and goes on without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("curves: matplotlib is not there, none are drawn", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot
    entries = read_log(log)
    figure, axes = pyplot.subplots(1, len(CURVES), figsize=(15, 4))
    for axis, (title, names) in zip(axes, CURVES):
        for name in names:
            points = [(entry["images"], entry[name]) for entry in entries if name in entry]
            if points:
                axis.plot(*zip(*points), label=name)
        axis.set_title(title)
        axis.set_xlabel("images")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(output + ".tmp", format="png", dpi=100)
    pyplot.close(figure)
    os.replace(output + ".tmp", output)

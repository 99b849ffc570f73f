"""Compares two implementations of the network on one canvas, as the description of the network asks.

Boxes are matched by anchor; what comes after the boxes is compared per RoI. Where rounding may decide
(an order, a suppression, a level), a difference is an exception: it is counted, it must lie within its
tolerance of its threshold, and the count has a limit. Anything else is a failure.
"""

import dataclasses
from typing import Dict, List, Tuple

import numpy

import proposals_numpy

DENSE_STAGES = ("features", "global_layers", "rpn_objectness", "rpn_deltas")
ROI_STAGES = ("instance_layers", "layers", "confidence")
SLN_STAGES = ("global_layers", "instance_layers")  # that only the network "sln" predicts

# Of values. Dense stages that are not probabilities are measured in their own RMS.
P99_LIMIT, MAX_LIMIT = 1e-4, 1e-3
BOX_LIMIT = 0.01  # canvas pixels
SCORE_LIMIT = 1e-4
SWAP_LOGIT = 1e-5  # two boxes may change places if their logits are nearer than this
LEVEL_TIE = 1e-3  # the level may differ if the two best planes are nearer than this

# Of exceptions, for one image. Shares are of the cells of all matched RoIs.
EXCEPTION_LIMITS = {
    "swaps": 4,  # pairs of boxes in another order
    "padding swaps": 400,  # pairs in another order, both in the padding, where whole rows are tied
    "padding decisions": 20,  # of the proposals: which of two tied boxes in the padding is kept
    "close decisions": 4,  # of the proposals: close to the IoU, size or candidate threshold
    "unmatched": 8,  # anchors that only one list has: they follow from the close decisions
    "level ties": 1e-3,  # share of cells whose level differs, the best planes tied
}


@dataclasses.dataclass
class Report:
    """Figures, exceptions and failures of one comparison."""

    figures: Dict[str, float] = dataclasses.field(default_factory=dict)
    exceptions: Dict[str, float] = dataclasses.field(default_factory=dict)
    margins: Dict[str, float] = dataclasses.field(default_factory=dict)  # closest distance to a threshold
    failures: List[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures

    def limit(self, name: str, value: float, limit: float) -> None:
        """Records a figure that must not exceed its limit; NaN exceeds every limit."""
        self.figures[name] = float(value)
        if not value <= limit:
            self.failures.append(f"{name}: expected at most {limit:g}, found {value:.4g}")

    def exception(self, name: str, count: float, limit: float) -> None:
        self.exceptions[name] = count
        if not count <= limit:
            self.failures.append(f"{name}: expected at most {limit:g} exceptions, found {count:.4g}")


def _largest(values: numpy.ndarray) -> float:
    return float(values.max()) if values.size else 0.0


def _p99(values: numpy.ndarray) -> float:
    return float(numpy.percentile(values, 99)) if values.size else 0.0


def compare_values(report: Report, name: str, a: numpy.ndarray, b: numpy.ndarray, unit: float) -> None:
    """|a - b| in the given unit, at p99 and at most."""
    if a.shape != b.shape:
        report.failures.append(f"{name}: expected shape {b.shape}, found {a.shape}")
        return
    error = numpy.abs(a.astype(numpy.float64) - b) / unit
    report.limit(f"{name} p99", _p99(error), P99_LIMIT)
    report.limit(f"{name} max", _largest(error), MAX_LIMIT)


def stages_of(config: dict, names: Tuple[str, ...]) -> Tuple[str, ...]:
    """Those of the names that the config's network predicts."""
    return tuple(name for name in names if config["network"] == "sln" or name not in SLN_STAGES)


def check_absent(report: Report, config: dict, tensors: dict) -> None:
    """What a network does not predict must not be there."""
    for name in SLN_STAGES:
        if config["network"] != "sln" and name in tensors:
            report.failures.append(f"{name}: expected none of network {config['network']}, found one")


def compare_dense(report: Report, config: dict, a: dict, b: dict) -> None:
    for name in stages_of(config, DENSE_STAGES):
        reference = b[name].astype(numpy.float64)
        rms = 1.0 if name == "global_layers" else float(numpy.sqrt(numpy.mean(reference ** 2)))
        compare_values(report, name, a[name], b[name], rms)


def judge_lists(report: Report, config: dict, lists: dict, padding: numpy.ndarray) -> None:
    """lists: {name: (anchors, Candidates)}. Every list must be right for its own numbers and for the last one's.

    How the order differs between the two is count_swaps' business.
    """
    reference = list(lists.values())[-1][1]
    close = tied = 0
    for name, (anchors, own) in lists.items():
        for numbers in [own] if own is reference else [own, reference]:
            found = proposals_numpy.check_keep_list(config, numbers, anchors, padding, in_order=numbers is own)
            tied += found.close["padding"]
            close += sum(found.close.values()) - found.close["padding"]
            report.failures += [f"keep list of {name}: {text}" for text in found.violations[:5]]
            for kind, margin in found.margins.items():
                report.margins[kind] = min(margin, report.margins.get(kind, numpy.inf))
    report.exception("padding decisions", tied, EXCEPTION_LIMITS["padding decisions"])
    report.exception("close decisions", close, EXCEPTION_LIMITS["close decisions"])


def count_swaps(report: Report, rows_a: numpy.ndarray, rows_b: numpy.ndarray, logits: numpy.ndarray,
                padding: numpy.ndarray) -> None:
    """Counts the pairs of common boxes in another order; each must be tied.

    rows: places in the two lists; logits, padding: of the same boxes.
    """
    order = numpy.argsort(rows_b)
    places, values, empty = rows_a[order], logits[order], padding[order]
    counts, widest = {True: 0, False: 0}, {True: 0.0, False: 0.0}
    for i in range(len(places)):
        for j in numpy.flatnonzero(places[i + 1:] < places[i]) + i + 1:
            both, apart = bool(empty[i] and empty[j]), abs(values[i] - values[j])
            counts[both] += 1
            widest[both] = max(widest[both], apart)
    for both, name, limit in ((False, "swaps", SWAP_LOGIT), (True, "padding swaps", proposals_numpy.PADDING_TOLERANCE)):
        report.limit(f"{name} widest", widest[both], limit)
        report.exception(name, counts[both], EXCEPTION_LIMITS[name])


def compare_levels(report: Report, a: dict, b: dict, rows_a: numpy.ndarray, rows_b: numpy.ndarray) -> None:
    level_a, level_b = a["level"][rows_a], b["level"][rows_b]
    differs = level_a != level_b
    ties = 0
    if differs.any():
        best = numpy.sort(b["layers"][rows_b][:, 1:], axis=1)[:, -2:]
        gap = (best[:, 1] - best[:, 0])[differs]
        ties = int((gap < LEVEL_TIE).sum())
        if ties < len(gap):
            report.failures.append(f"level: {len(gap) - ties} cells differ with the two best planes up to "
                                   f"{gap.max():.3g} apart")
        # Stricter than asked for: where all planes are small, all are within LEVEL_TIE of each other.
        report.figures["level widest relative tie"] = float((gap / numpy.maximum(best[:, 1][differs], 1e-30)).max())
    report.figures["level cells differing"] = int(differs.sum())
    report.exception("level ties", ties / max(1, differs.size), EXCEPTION_LIMITS["level ties"])


def compare_stages(config: dict, a: dict, b: dict, scaled: Tuple[int, int]) -> Report:
    """a, b: {stage name: array}; a has anchor_index, b may. The numbers of b are the reference.

    scaled: width and height of the image's part of the canvas.
    """
    report, padding = Report(), proposals_numpy.padding_of(config, scaled)
    check_absent(report, config, a)
    compare_dense(report, config, a, b)
    candidates = [proposals_numpy.decode(config, t["rpn_objectness"], t["rpn_deltas"]) for t in (a, b)]
    anchors = [t["anchor_index"].astype(numpy.int64) if "anchor_index" in t
               else proposals_numpy.recover_anchors(c, t["boxes"], t["scores"])
               for t, c in zip((a, b), candidates)]
    lists = {"the first": (anchors[0], candidates[0]), "the second": (anchors[1], candidates[1])}
    judge_lists(report, config, lists, padding)
    for t, c, own in zip((a, b), candidates, anchors):
        # The index is proven: it is the anchor whose box this is.
        report.limit("boxes from rpn", _largest(numpy.abs(t["boxes"] - c.boxes[own])), BOX_LIMIT)
    _, rows_a, rows_b = numpy.intersect1d(anchors[0], anchors[1], return_indices=True)
    report.figures["boxes"] = len(anchors[1])
    report.figures["matched"] = len(rows_a)
    report.exception("unmatched", len(anchors[0]) + len(anchors[1]) - 2 * len(rows_a), EXCEPTION_LIMITS["unmatched"])
    common = anchors[1][rows_b]
    count_swaps(report, rows_a, rows_b, candidates[1].logits[common], padding[common])
    report.limit("boxes max", _largest(numpy.abs(a["boxes"][rows_a] - b["boxes"][rows_b])), BOX_LIMIT)
    report.limit("scores max", _largest(numpy.abs(a["scores"][rows_a] - b["scores"][rows_b])), SCORE_LIMIT)
    for name in stages_of(config, ROI_STAGES):
        compare_values(report, name, a[name][rows_a], b[name][rows_b], 1.0)
    compare_levels(report, a, b, rows_a, rows_b)
    return report

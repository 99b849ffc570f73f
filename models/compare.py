"""One table of several comparisons: python3 -m models.compare --first NAME OTHER=REPORT.json [OTHER=REPORT.json ...]

Each report is what `sln eval -g ... -r FIRST -r OTHER --json REPORT.json` wrote, all with the same first file.
Prints Markdown: a row per figure, a column per results file; of the others with the difference from the first and
its 95 % paired interval.
"""

import argparse
import sys
from typing import Any, Dict, List, Optional, Tuple

from models.readers import ReadError
from models.readers.common import load_json

FIGURES = (("AP", "AP"), ("AR100", "AR100"), ("ARN", "AR100, not occluded"), ("ARP", "AR100, partly occluded"),
           ("ARH", "AR100, heavily occluded"), ("order_accuracy", "order, all pairs"),
           ("order_accuracy_decided", "order, decided pairs"), ("order_coverage", "order, coverage"), ("best_iou", "best IoU"),
           ("best_iou_occluded", "best IoU, occluded"), ("hidden_iou", "hidden IoU"))


class CompareError(ValueError):
    """A report that cannot be used; the text is the whole message."""


def read_report(path: str) -> Dict[str, Any]:
    """A report of two files. Raises CompareError for anything else, ReadError for what is no JSON."""
    report = load_json(path)
    for key in ("results", "other", "differences"):
        if not isinstance(report, dict) or not isinstance(report.get(key), dict):
            raise CompareError(f"{path}: expected a report of sln eval on two results files, found no \"{key}\" in it")
    for key, _ in FIGURES:
        one = report["differences"].get(key)
        numbers = [report.get(key), report["other"].get(key)]
        numbers += [one.get(part) for part in ("difference", "low", "high", "shown")] if isinstance(one, dict) else []
        whole = one is None or isinstance(one, dict) and None not in numbers
        if not whole or not all(value is None or isinstance(value, (int, float)) for value in numbers):
            raise CompareError(f"{path}: {key}: expected figures and their difference, found {numbers}")
    return report


def check_alike(path: str, one: Dict[str, Any], other: Dict[str, Any]) -> None:
    """Raises CompareError unless two reports are of one first file, one annotation file, and one way to count."""
    def listed(report: Dict[str, Any]) -> Dict[str, Any]:
        return {"results": report["results"].get("sha256"), "flags": report.get("flags"),
                "annotations": report.get("annotations", {}).get("sha256")}

    for key, wanted in listed(one).items():
        found = listed(other)[key]
        if wanted != found:
            raise CompareError(f"{path}: {key}: expected those of the reports before it, {wanted}, found {found}")


def value_text(value: Optional[float]) -> str:
    """A figure with three digits, "-" for what is not defined, which AP and AR write as -1."""
    return "-" if value is None or value == -1.0 else digits(value)


def digits(value: float) -> str:
    """Three digits of a figure or of a difference of two."""
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)  # + 0.0: no -0


def other_text(report: Dict[str, Any], key: str) -> str:
    """The second file's figure with its difference from the first's."""
    value, one = value_text(report["other"].get(key)), report["differences"].get(key)
    if one is None:
        return value
    low, high = digits(one["low"]), digits(one["high"])
    if not one["shown"]:
        return f"{value} (no difference shown: [{low}, {high}])"
    sign = "+" if one["difference"] > 0 else ""
    return f"{value} ({sign}{digits(one['difference'])} [{low}, {high}])"


def table(first: str, reports: List[Tuple[str, Dict[str, Any]]]) -> str:
    """The Markdown of reports (name of the second file, report)."""
    lines = ["| | " + " | ".join([first] + [name for name, _ in reports]) + " |",
             "|---" * (2 + len(reports)) + "|"]
    for key, title in FIGURES:
        cells = [value_text(reports[0][1].get(key))] + [other_text(report, key) for _, report in reports]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m models.compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", required=True, metavar="NAME", help="what the reports' first file is called")
    parser.add_argument("reports", nargs="+", metavar="OTHER=REPORT.json")
    options = parser.parse_args(arguments)
    try:
        reports = []
        for word in options.reports:
            name, equals, path = word.partition("=")
            if not equals:
                raise CompareError(f"{word}: expected OTHER=REPORT.json")
            reports.append((name, read_report(path)))
            check_alike(path, reports[0][1], reports[-1][1])
    except (CompareError, ReadError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(options.first, reports), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

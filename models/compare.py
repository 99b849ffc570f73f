"""One table of several comparisons: python3 -m models.compare --first NAME OTHER=REPORT.json [OTHER=REPORT.json ...]

Each report is what `sln eval -g ... -r FIRST -r OTHER --json REPORT.json` wrote, all with the same first file. Prints
Markdown: a row per figure, a column per results file; of the others with the difference from the first and its 95 % paired
interval.
"""

import argparse
import json
import sys
from typing import Any, Dict, List, Optional, Tuple

FIGURES = (("AP", "AP"), ("AR100", "AR100"), ("ARN", "AR100, not occluded"), ("ARP", "AR100, partly occluded"),
           ("ARH", "AR100, heavily occluded"), ("order_accuracy_decided", "order, decided pairs"),
           ("order_coverage", "order, coverage"), ("best_iou", "best IoU"), ("best_iou_occluded", "best IoU, occluded"),
           ("hidden_iou", "hidden IoU"))


class CompareError(ValueError):
    """A report that cannot be used; the text is the whole message."""


def read_report(path: str) -> Dict[str, Any]:
    """A report of two files. Raises CompareError for anything else."""
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except (OSError, ValueError) as error:
        raise CompareError(f"{path}: expected a report of sln eval --json, found: {error}") from None
    for key in ("results", "other", "differences"):
        if not isinstance(report, dict) or not isinstance(report.get(key), dict):
            raise CompareError(f"{path}: expected a report of sln eval on two results files, found no \"{key}\" in it")
    return report


def value_text(value: Optional[float]) -> str:
    """Three digits, "-" for what is not defined, which AP and AR write as -1."""
    if value is None or value == -1.0:
        return "-"
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)  # + 0.0: no -0


def other_text(report: Dict[str, Any], key: str) -> str:
    """The second file's figure with its difference from the first's."""
    value, one = value_text(report["other"].get(key)), report["differences"].get(key)
    if one is None:
        return value
    low, high = value_text(one["low"]), value_text(one["high"])
    if not one["shown"]:
        return f"{value} (no difference shown: [{low}, {high}])"
    sign = "+" if one["difference"] > 0 else ""
    return f"{value} ({sign}{value_text(one['difference'])} [{low}, {high}])"


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
            one, same = reports[0][1]["results"].get("sha256"), reports[-1][1]["results"].get("sha256")
            if one != same:
                raise CompareError(f"{path}: results: expected the same first file as the other reports', "
                                   f"sha256 {one}, found {same}")
    except CompareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(options.first, reports), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

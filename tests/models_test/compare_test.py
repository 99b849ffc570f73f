"""One table of several reports of sln eval."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest

from models import compare


def report(first, second, differences, sha256="a"):
    return {**first, "results": {"sha256": sha256}, "other": second, "differences": differences}


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, value):
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)

    def run_main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = compare.main(list(arguments))
        return status, out.getvalue(), err.getvalue()

    def test_figures_differences_and_what_is_not_defined(self):
        first = {"AP": 0.5416, "ARH": 0.25, "order_coverage": 0.5, "best_iou": 1.0}
        a = report(first, {"AP": 0.5, "ARH": 0.3, "order_coverage": None, "best_iou": 1.0},
                   {"AP": {"difference": -0.0416, "low": -0.0501, "high": -0.03, "shown": True},
                    "ARH": {"difference": 0.05, "low": 0.01, "high": 0.0904, "shown": True}, "order_coverage": None})
        b = report(first, {"AP": 0.54, "ARH": -1.0},
                   {"AP": {"difference": -0.0016, "low": -0.01, "high": -0.0004, "shown": False}})
        status, out, _ = self.run_main("--first", "one", "two=" + self.write("a.json", a),
                                       "three=" + self.write("b.json", b))
        self.assertEqual(status, 0)
        lines = out.splitlines()
        self.assertEqual(lines[:3], [
            "| | one | two | three |", "|---|---|---|---|",
            "| AP | .542 | .500 (-.042 [-.050, -.030]) | .540 (no difference shown: [-.010, .000]) |"])
        self.assertIn("| AR100, heavily occluded | .250 | .300 (+.050 [.010, .090]) | - |", lines)
        self.assertIn("| order, coverage | .500 | - | - |", lines)
        self.assertIn("| best IoU | 1.000 | 1.000 | - |", lines)
        self.assertEqual(len(lines), 2 + len(compare.FIGURES))

    def test_a_difference_of_one(self):
        path = self.write("a.json", report({"AP": 1.0}, {"AP": 0.0}, {
            "AP": {"difference": -1.0, "low": -1.0, "high": -0.2, "shown": True}}))
        self.assertIn("| AP | 1.000 | .000 (-1.000 [-1.000, -.200]) |",
                      self.run_main("--first", "one", "two=" + path)[1])

    def test_what_is_no_report_is_named(self):
        good = self.write("good.json", report({}, {}, {}))
        for name, content, words in (("missing.json", None, ("missing.json", "expected")),
                                     ("text.json", "{", ("text.json", "expected JSON")),
                                     ("list.json", [], ("list.json", "two results files", "results")),
                                     ("single.json", {"results": {}, "AP": 1}, ("single.json", "other")),
                                     ("word.json", report({"AP": "x"}, {}, {}), ("word.json: AP: expected",)),
                                     ("part.json", report({"AP": 1}, {"AP": 1}, {"AP": {"low": 1}}),
                                      ("part.json: AP: expected",)),
                                     ("flags.json", {**report({}, {}, {}), "flags": {"mask": "hidden"}},
                                      ("flags.json: flags: expected", "hidden")),
                                     ("else.json", report({}, {}, {}, "b"), ("else.json", "results", "found b"))):
            path = str(self.folder / name) if content is None else self.write(name, content)
            status, out, err = self.run_main("--first", "one", "two=" + good, "three=" + path)
            self.assertEqual((status, out), (1, ""), name)
            for word in words:
                self.assertIn(word, err)
        self.assertEqual(self.run_main("--first", "one", good)[0], 1)


if __name__ == "__main__":
    unittest.main()

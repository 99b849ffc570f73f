"""`sln eval` as a program: tables, JSON and CSV of the committed scenes, two files, errors in one line."""

import csv
import hashlib
import io
import json
import pathlib
import sys

import numpy
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import support  # noqa: E402
from support import CliTest, contents  # noqa: E402

SCENES = support.ROOT / "tests" / "evaluation" / "scenes"
KEYS = ["AP", "AP50", "AP75", "AR1", "AR10", "AR100", "ARN", "ARP", "ARH", "order_accuracy", "order_coverage",
        "order_accuracy_decided", "best_iou", "best_iou_occluded", "hidden_iou"]


def golden(*arguments):
    for case in json.loads((SCENES / "golden.json").read_text()):
        if case["arguments"] == ["-g", "annotations.json", *arguments]:
            return case["figures"]
    raise AssertionError(f"no golden case {arguments}")


class Eval(CliTest):
    def eval(self, *arguments, annotations=SCENES / "annotations.json", **options):
        return self.sln("eval", "-g", annotations, *arguments, **options)

    def report(self, *arguments, **options):
        result = self.eval(*arguments, "--json", **options)
        self.assert_done(result)
        return json.loads(result.stdout)

    def test_json_holds_figures_flags_and_hashes(self):
        report = self.report("-r", SCENES / "results.json")
        self.assertEqual(KEYS, list(report)[:len(KEYS)])
        for key in KEYS:
            self.assertAlmostEqual(golden("-r", "results.json")["/" + key], report[key], delta=1e-12)
        self.assertEqual("strict", report["mode"])
        self.assertEqual({"mode": "strict", "regions": "all", "mask": "amodal", "max_detections": 100,
                          "author": None}, report["flags"])
        for name, part in (("annotations.json", report["annotations"]), ("results.json", report["results"])):
            self.assertEqual(hashlib.sha256((SCENES / name).read_bytes()).hexdigest(), part["sha256"])
        self.assertIsNone(report["results"]["run"])

    def test_table_shows_what_the_json_says(self):
        result = self.eval("-r", SCENES / "results.json", "--things", "--mode", "sln-compat")
        self.assert_done(result)
        report = self.report("-r", SCENES / "results.json", "--things", "--mode", "sln-compat")
        for key in KEYS:
            self.assertIn(f"{report[key]:.6f}", result.stdout, key)
        self.assertIn("mode sln-compat, only things", result.stdout)

    def test_files_are_written_beside_the_table(self):
        table = self.eval("-r", SCENES / "results.json", "--json", self.scratch / "r.json",
                          "--csv", self.scratch / "i.csv")
        self.assert_done(table)
        self.assertIn("AR100", table.stdout)
        report = json.loads((self.scratch / "r.json").read_text())
        self.assertEqual(self.report("-r", SCENES / "results.json"), report)
        rows = list(csv.DictReader(io.StringIO((self.scratch / "i.csv").read_text())))
        self.assertEqual(9, len(rows))
        self.assertEqual(report["order"]["all"]["right"], sum(int(row["pairs_right"]) for row in rows))
        self.assertEqual(report["results"]["detections"], sum(int(row["detections"]) for row in rows))
        best = sum(float(row["best_iou"]) * int(row["regions"]) for row in rows if row["best_iou"])
        self.assertAlmostEqual(report["best_iou"], best / report["annotations"]["regions"], delta=1e-12)

    def test_a_csv_instead_of_the_tables(self):
        result = self.eval("-r", SCENES / "results.json", "--csv", "-")
        self.assert_done(result)
        self.assert_done(self.eval("-r", SCENES / "results.json", "--csv", self.scratch / "i.csv"))
        self.assertEqual((self.scratch / "i.csv").read_text(), result.stdout)
        self.assert_fails(1, self.eval("-r", SCENES / "results.json", "--csv", "-", "--json"), "--json, --csv")

    def test_two_files_are_compared(self):
        arguments = ("-r", SCENES / "results.json", "-r", SCENES / "other.json", "--resamples", "60")
        report = self.report(*arguments)
        difference = report["differences"]["AP"]["difference"]
        self.assertAlmostEqual(report["other"]["AP"] - report["AP"], difference)
        table = self.eval(*arguments).stdout
        self.assertIn("no difference shown", table)
        self.assertEqual(table, self.eval(*arguments, "--threads", 1).stdout)
        self.assert_done(self.eval(*arguments, "--csv", self.scratch / "i.csv"))
        self.assertEqual(19, len((self.scratch / "i.csv").read_text().splitlines()))
        same = self.report("-r", SCENES / "results.json", "-r", SCENES / "results.json", "--resamples", "20")
        self.assertFalse(any(same["differences"][key]["shown"] for key in KEYS))

    def test_what_one_of_two_files_lacks_is_in_the_table(self):
        for first, second in (("results.json", "plain.json"), ("plain.json", "results.json")):
            result = self.eval("-r", SCENES / first, "-r", SCENES / second, "--resamples", "20")
            self.assert_done(result)
            rows = [line.split() for line in result.stdout.split("second minus first")[1].splitlines()]
            row = next(row for row in rows if row[:1] == ["order_accuracy_decided"])
            absent = 2 if second == "plain.json" else 1
            self.assertEqual(["-"] * 4, [row[absent]] + row[3:])
            self.assertRegex(row[3 - absent], r"^0\.\d+$")

    def test_a_visible_mask_that_is_not_level_0_is_an_error(self):
        entries = json.loads((SCENES / "results.json").read_text())
        place = next(i for i, entry in enumerate(entries)
                     if entry["visible_segmentation"] != entry["segmentation"] and entry["score"] > 0.5)
        entries[place]["visible_segmentation"] = entries[place]["segmentation"]
        path = self.scratch / "wrong.json"
        path.write_text(json.dumps(entries))
        self.assert_fails(1, self.eval("-r", path), "wrong.json", f"entry {place}.visible_segmentation",
                          "expected the", "level_segmentations[0]", "found")

    def test_without_level_masks_order_is_absent(self):
        result = self.eval("-r", SCENES / "plain.json")
        self.assert_done(result)
        self.assertIn("Depth order is absent", result.stdout)
        self.assertIn("Hidden IoU is absent", result.stdout)
        report = self.report("-r", SCENES / "plain.json")
        for key in ("order_accuracy", "order_coverage", "order_accuracy_decided", "hidden_iou", "order"):
            self.assertIsNone(report[key], key)

    def test_masks_that_results_lack_are_an_error(self):
        for mask in ("visible", "hidden"):
            self.assert_fails(1, self.eval("-r", SCENES / "plain.json", "--mask", mask), "plain.json",
                              f"--mask {mask}", "visible_segmentation")

    def test_no_file_is_written_over_another(self):
        results = self.scratch / "results.json"
        results.write_bytes((SCENES / "results.json").read_bytes())
        same = self.scratch / "same"
        for arguments in (("--csv", results), ("--json", results), ("--json", same, "--csv", same)):
            self.assert_fails(1, self.eval("-r", results, *arguments), "a file of its own")
        self.assertEqual((SCENES / "results.json").read_bytes(), results.read_bytes())

    def test_a_hidden_part_beyond_the_whole_is_cut(self):
        """By pixels, hand-drawn parts reach beyond the object; the region still counts."""
        whole = {"segmentation": [10, 10, 20, 10, 20, 20, 10, 20], "isStuff": 0, "order": 1,
                 "invisible_mask": [10, 10, 40, 10, 40, 20, 10, 20]}
        annotations, results = self.scratch / "a.json", self.scratch / "r.json"
        annotations.write_text(json.dumps({
            "images": [{"id": 1, "width": 50, "height": 50, "file_name": "x.png"}],
            "annotations": [{"id": 1, "image_id": 1, "regions": [whole]}]}))
        results.write_text(json.dumps([{"image_id": 1, "category_id": 1, "score": 0.5,
                                        "segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}]))
        report = self.scratch / "report.json"
        self.assert_done(self.sln("eval", "-g", annotations, "-r", results, "--json", report))
        figures = json.loads(report.read_text())
        self.assertEqual((1.0, 1.0), (figures["AR100"], figures["ARH"]))

    def test_detections_beyond_a_hundred_are_in_the_csv(self):
        """The lines of the CSV count what the run counts: up to --max-detections."""
        square = [[10, 10, 20, 10, 20, 20, 10, 20]]
        other = [[30, 30, 40, 30, 40, 40, 30, 40]]
        annotations, results, csv = (self.scratch / name for name in ("a.json", "r.json", "c.csv"))
        annotations.write_text(json.dumps({
            "images": [{"id": 1, "width": 50, "height": 50, "file_name": "x.png"}],
            "annotations": [{"id": 1, "image_id": 1, "regions": [{"segmentation": square[0], "order": 1}]}]}))
        results.write_text(json.dumps([{"image_id": 1, "category_id": 1, "score": 1 - i / 1000,
                                        "segmentation": square if i == 150 else other} for i in range(160)]))
        self.assert_done(self.sln("eval", "-g", annotations, "-r", results, "--csv", csv, "--max-detections", "1000"))
        head, line = (row.split(",") for row in csv.read_text().splitlines())
        row = dict(zip(head, line))
        self.assertEqual(("1", "159", "1"), (row["found50"], row["false50"], row["recall"]))

    def test_an_author_leaves_the_rest_out(self):
        report = self.report("-r", SCENES / "results.json", "--author", "second")
        self.assertEqual((2, "second"), (report["annotations"]["images"], report["flags"]["author"]))
        self.assertGreater(report["results"]["left_out"], 0)

    def test_results_of_a_run(self):
        """What `sln run` writes is read, its options are named, and equal masks are found."""
        y, x = numpy.mgrid[0:60, 0:90]
        pixels = numpy.stack([x * 2, y * 4, 255 * ((x // 9 + y // 9) % 2)], axis=-1).astype(numpy.uint8)
        Image.fromarray(pixels).save(self.scratch / "3.png")
        self.assert_done(self.run_images("--score", 0, "--nms", 1, "--levels", self.scratch / "3.png"))
        entries = self.results()
        regions = [{"segmentation": entry["segmentation"], "visible_mask": entry["visible_segmentation"],
                    "order": n} for n, entry in enumerate(entries)]
        self.write("a.json", {"images": [{"id": 3, "width": 90, "height": 60}],
                              "annotations": [{"image_id": 3, "regions": regions}]})
        report = self.report("-r", self.out / "results.json", annotations=self.scratch / "a.json")
        self.assertEqual((1, 1, 1), (report["AP50"], report["AR100"], report["best_iou"]))
        self.assertIsNotNone(report["order_accuracy"])
        self.assertEqual(self.scenes()["options"], report["results"]["run"]["options"])
        self.assertEqual(self.scenes()["model"], report["results"]["run"]["model"])

    def write(self, name, value):
        (self.scratch / name).write_text(value if isinstance(value, str) else json.dumps(value))
        return self.scratch / name

    def assert_refused(self, result, *words):
        self.assert_fails(1, result, *words)
        self.assertEqual("", result.stdout)

    def test_errors(self):
        first = json.loads((SCENES / "results.json").read_text())[0]
        none = ("-r", SCENES / "none.json")

        def refused_entry(text, *words):
            self.assert_refused(self.eval("-r", self.write("x.json", text)), "x.json", *words)

        refused_entry("[{]", "JSON")
        refused_entry([{**first, "image_id": 1}], "entry 0.image_id")
        refused_entry('[{"image_id": 17, "score": NaN}]', "JSON")
        larger = {"size": [99, 99], "counts": "`9"}
        refused_entry([{**first, "segmentation": larger}], "entry 0.segmentation.size", "[99,99]")
        self.assert_refused(self.eval("-r", self.scratch / "none.json"), "none.json", "No such file")
        self.assert_refused(self.eval(*none, annotations=self.scratch), "a folder")
        self.assert_refused(self.eval(*none, annotations=self.write("a.json", {"images": []})), "a.json")
        self.assert_refused(self.eval(*none, "--author", "nobody"), "\"nobody\"", "\"first\", \"second\"")
        self.assert_refused(self.eval(*none, "--things", "--stuff"), "--things")
        self.assert_refused(self.eval(*none * 3), "--results", "3")
        self.assert_refused(self.eval(*none, "--resamples", "0"), "--resamples")
        self.assert_refused(self.eval(*none, "--csv", self.scratch / "no" / "x.csv"), "x.csv")
        for arguments in (("--mode", "loose"), ("--mask", "modal"), ("--max-detections", "7")):
            self.assertEqual(1, self.eval(*none, *arguments).returncode)

    def test_a_failure_leaves_the_files_as_they_were(self):
        self.write("r.json", "old")
        broken = self.write("x.json", "[3]")
        before = contents(self.scratch)
        self.assert_refused(self.eval("-r", broken, "--json", self.scratch / "r.json",
                                      "--csv", self.scratch / "i.csv"))
        self.assertEqual(before, contents(self.scratch))


if __name__ == "__main__":
    support.main()

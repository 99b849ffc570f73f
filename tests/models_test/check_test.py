"""Each kind of fault in annotations is found, and named by file, image and region."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import numpy
from PIL import Image

from models import check

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")


def run(*arguments):
    """(exit status, lines of standard output, standard error) of the program."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = check.main(list(arguments))
    return status, output.getvalue().splitlines(), errors.getvalue()


class CheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(os.path.join(FIXTURES, "cocoa.json"), encoding="utf-8") as file:
            self.document = json.load(file)
        self.annotation = self.document["annotations"][0]
        self.regions = self.annotation["regions"]
        self.path = os.path.join(self.folder, "some.json")

    def findings(self, *more):
        """The findings in the changed document, without the image that begins each."""
        with open(self.path, "w", encoding="ascii") as file:
            json.dump(self.document, file)
        status, lines, errors = run(self.path, *more)
        self.assertEqual(errors, "")
        found = [line for line in lines if not line.startswith("note: ")][:-1]
        self.assertEqual(status, 2 if found else 0)
        start = f"{self.path}: image seven.png (id 7): "
        for line in found:
            self.assertTrue(line.startswith(start), line)
        self.assertIn(f": {len(found)} findings in {int(bool(found))} images", lines[-1])
        return [line[len(start):] for line in found]

    def test_nothing_to_find(self):
        self.assertEqual(self.findings(), [])

    def test_circle(self):
        self.regions[2]["segmentation"] = [3, 2, 7, 2, 7, 5, 3, 5]
        self.regions[2].pop("invisible_mask")
        self.annotation["depth_constraint"] = "1-2,2-3,3-1"
        self.assertEqual(self.findings(), ["regions 1, 2, 3: expected an order from front to back, "
                                           "found the circle 1 before 2 before 3 before 1"])

    def test_pair_both_ways(self):
        self.annotation["depth_constraint"] = "1-2,2-1,2-3"
        found = self.findings()
        self.assertEqual(len(found), 2)
        self.assertIn("depth_constraint: expected one order of regions 1 and 2, found both", found[0])
        self.assertIn("regions 1 and 2: expected an order, found none where they share 4 pixels", found[1])

    def test_duplicate_order(self):
        self.regions[1]["order"] = 1
        found = self.findings()
        self.assertIn("region 2: expected an order of its own, found 1 as in region 1", found[0])
        self.assertIn("regions 1 and 2: expected an order", found[1])

    def test_overlap_without_order(self):
        self.annotation["depth_constraint"] = "1-2"
        self.assertEqual(self.findings(), ["regions 2 and 3: expected an order, found none where they share "
                                           "1 pixels"])
        self.assertEqual(self.findings("--overlap", "2"), [])

    def test_masks(self):
        self.regions[0]["segmentation"] = [20, 20, 30, 20, 30, 30]
        self.regions[1]["visible_mask"]["counts"] = [0, 1, 47]
        self.regions[2]["segmentation"] = {"size": [5, 8], "counts": [40]}
        found = self.findings()
        for words in (
                "region 3: segmentation: size: expected [6, 8] (the image's), found [5, 8]",
                "region 1: segmentation: expected corners inside of 8 x 6, found one 24.0 pixels outside",
                "region 1: expected an amodal mask inside of the image, found an empty one",
                "region 2: expected a visible mask inside of the amodal one, found 1 pixels outside"):
            self.assertTrue(any(line.startswith(words) for line in found), words)
        self.assertEqual(len(found), 4)

    def test_images(self):
        Image.new("RGB", (8, 6)).save(os.path.join(self.folder, "nine.png"))
        found = self.findings("--images", self.folder)
        self.assertEqual(found, [f"expected the image under {self.folder}, found none"])
        Image.new("RGB", (6, 6)).save(os.path.join(self.folder, "seven.png"))
        self.assertIn("expected 8 x 6 pixels as annotated, found 6 x 6",
                      self.findings("--images", self.folder)[0])

    def test_unreadable_file(self):
        status, lines, errors = run(os.path.join(self.folder, "none.json"))
        self.assertEqual((status, lines), (1, []))
        self.assertRegex(errors, "^error: .*none.json: expected a readable file, found: No such file.*\n$")
        self.assertEqual(run(os.path.join(FIXTURES, "coco.json"), "--overlap", "0")[0], 1)


class CyclesTest(unittest.TestCase):
    def front(self, count, pairs):
        front = numpy.zeros((count, count), bool)
        for i, j in pairs:
            front[i, j] = True
        return front

    def test_none(self):
        self.assertEqual(check.find_cycles(self.front(4, [(0, 1), (1, 2), (0, 3), (3, 2)])), [])
        self.assertEqual(check.find_cycles(self.front(0, [])), [])

    def test_circles_with_tails(self):
        pairs = [(4, 0), (0, 2), (2, 1), (1, 0), (1, 3), (5, 6), (6, 5)]
        self.assertEqual(check.find_cycles(self.front(7, pairs)), [[0, 2, 1], [5, 6]])


if __name__ == "__main__":
    unittest.main()

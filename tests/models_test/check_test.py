"""Each kind of fault in annotations is found, and named by file, image and region."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from unittest import mock

import numpy
from PIL import Image

from models import check, readers, rle

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

    def save(self):
        with open(self.path, "w", encoding="ascii") as file:
            json.dump(self.document, file)

    def findings(self, *more):
        """The findings in the changed document, without the image that begins each."""
        self.save()
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
        self.assertEqual(self.findings(), [
            'regions 3 and 1: expected one order, found "3-1" in depth_constraint and the orders 4 and 1 '
            "(depth_constraint taken)",
            "regions 1, 2, 3: expected an order from front to back, found the circle 1 before 2 before 3 before 1"])

    def test_constraint_against_order(self):
        self.annotation["depth_constraint"] = "2-1,2-3"
        self.assertEqual(self.findings(), [
            'regions 2 and 1: expected one order, found "2-1" in depth_constraint and the orders 3 and 1 '
            "(depth_constraint taken)"])
        del self.regions[0]["order"]
        self.assertEqual(self.findings(), [])

    def test_orders_that_are_no_places(self):
        self.regions[2]["segmentation"] = [0, 5, 2, 5, 2, 6, 0, 6]  # where it meets nothing
        del self.regions[2]["invisible_mask"]
        for value, text in (("abc", "'abc'"), (-3, "-3"), (1.5, "1.5"), (True, "True"), ([1], "\\[1\\]"),
                            (10 ** 400, "1000")):
            self.regions[2]["order"] = value
            with self.subTest(value):
                found = self.findings()
                self.assertEqual(len(found), 1)
                self.assertRegex(found[0], "^region 3: order: expected a whole number of at least 0, "
                                           f"found {text}")
        for value in ("4", ""):  # a number as text is one, and an empty text is none at all
            self.regions[2]["order"] = value
            self.assertEqual(self.findings(), [])

    def test_texts_that_may_mean_something_else_are_one_finding(self):
        with open(os.path.join(FIXTURES, "coco.json"), encoding="utf-8") as file:
            document = json.load(file)
        image = document["annotations"][0]["image_id"]
        for annotation in document["annotations"]:
            annotation.pop("z_order", None)
            annotation["attributes"] = {"order": "Carnivora" if annotation["image_id"] == image else ""}
            annotation.pop("order", None)
        with open(self.path, "w", encoding="ascii") as file:
            json.dump(document, file)
        _, lines, _ = run(self.path)
        found = [line for line in lines if "order: expected" in line]
        self.assertEqual(len(found), 1, lines)
        self.assertRegex(found[0], "found 'Carnivora', and [1-9] more like it$")

    def test_what_covers_an_object_may_reach_beyond_it(self):
        with open(os.path.join(FIXTURES, "d2sa.json"), encoding="utf-8") as file:
            document = json.load(file)
        annotation = document["annotations"][0]
        size = next(image for image in document["images"] if image["id"] == annotation["image_id"])
        del annotation["invisible_mask"]  # which would be looked at in its place
        annotation["bg_object_segmentation"] = [[0, 0, 3 * size["width"], 0, 3 * size["width"], 3 * size["height"]]]
        with open(self.path, "w", encoding="ascii") as file:
            json.dump(document, file)
        found = [line for line in run(self.path)[1] if "bg_object" in line and size["file_name"] in line]
        self.assertEqual(found, [])

    def test_numbers_of_the_other_formats(self):
        for name, key, value, words in (
                ("d2sa.json", "order", -1, "region 1: order: expected a whole number of at least 0, found -1"),
                ("kins_2020.json", "ico_id", "x", "region 1: ico_id: expected a number, found 'x'"),
                ("kins_2019.json", "layer_order", [], "region 1: layer_order: expected a number, found []"),
                ("coco.json", "order", 1.5, "region 1: order: expected a whole number of at least 0, found 1.5"),
                ("coco.json", "z_order", "x", "region 1: z_order: expected a number, found 'x'"),
                ("labelme.json", "order", "x", "region 1: order: expected a whole number of at least 0, found 'x'")):
            with open(os.path.join(FIXTURES, name), encoding="utf-8") as file:
                document = json.load(file)
            (document.get("annotations") or document["shapes"])[0][key] = value
            with open(self.path, "w", encoding="ascii") as file:
                json.dump(document, file)
            with self.subTest(name, key=key):
                self.assertIn(words, "\n".join(run(self.path)[1]))

    def halves(self):
        """A region of 20 x 20 px in an image of 40 x 40 whose left half is visible."""
        self.document["images"][0].update(width=40, height=40)
        square = {"segmentation": [10, 10, 30, 10, 30, 30, 10, 30], "order": 1,
                  "visible_mask": self.box(10, 10, 20, 30)}
        self.annotation["regions"], self.annotation["depth_constraint"] = [square], ""
        return square

    @staticmethod
    def box(left, top, right, bottom):
        mask = numpy.zeros((40, 40), bool)
        mask[top:bottom, left:right] = True
        return rle.encode(mask)

    def test_hidden_masks(self):
        square = self.halves()
        neither = "region 1: expected each pixel of the amodal mask in one of visible_mask and invisible_mask, " \
                  "found 200 in both or none (visible_mask taken)"
        outside = "region 1: invisible_mask: expected a part of the amodal mask, found 200 pixels outside (cut off)"
        for mask, findings in (
                ({"size": [40, 40], "counts": [7]}, ["region 1: invisible_mask: counts: expected a sum of 40 * 40 = "
                                                     "1600, found 7 (not used)"]),
                (self.box(20, 10, 30, 30), []), (self.box(0, 0, 0, 0), [neither]), (self.box(10, 10, 30, 30), [neither]),
                (self.box(20, 10, 40, 30), [outside]), ([[20, 10, 30, 10, 30, 30, 20, 30]], []),
                ([[20, 10, 30, 10]], ["region 1: invisible_mask: expected polygons of at least 3 corners, found 1 of "
                                      "fewer (left out)", neither])):
            square["invisible_mask"] = mask
            with self.subTest(str(mask)[:60]):
                self.assertEqual(self.findings(), findings)
        del square["visible_mask"]  # and where it is all that is given
        square["invisible_mask"] = self.box(20, 10, 40, 30)
        self.assertEqual(self.findings(), [outside])
        square["invisible_mask"] = {"size": [40, 40], "counts": [7]}
        self.assertEqual(self.findings(), ["region 1: invisible_mask: counts: expected a sum of 40 * 40 = 1600, found 7"])

    def test_hidden_masks_may_miss_by_a_little(self):
        """Parts drawn along their outermost pixels leave a seam between them."""
        square = self.halves()
        for left, findings in ((21, 0), (22, 0), (27, 1)):  # columns of 20 px that nobody has
            square["invisible_mask"] = self.box(left, 10, 30, 30)
            with self.subTest(left):
                self.assertEqual(len(self.findings()), findings)

    def test_reading_leaves_out_what_only_a_check_needs(self):
        square = self.halves()
        square["invisible_mask"] = {"size": [40, 40], "counts": [7]}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.document, file)
        entry = readers.read(self.path).entries[0]
        with mock.patch.object(rle, "from_segmentation", wraps=rle.from_segmentation) as read:
            draft = entry.draft()
        self.assertEqual(read.call_count, 2)  # segmentation, visible_mask
        self.assertEqual((draft.faults, draft.remarks), ([], []))
        self.assertEqual(len([finding for look in draft.later for finding in look()]), 1)

    def test_corners_as_points(self):
        for segmentation, words in (
                ([[1, 1], [5, 1], [5, 4], [1, 4]], "found corners as lists of their own"),
                ([[[1, 1], [5, 1], [5, 4], [1, 4]]], "found corners as lists of their own"),
                ([[1, 1, 5, 1, 5, 4, 1, 4], 7], "found numbers beside lists")):
            self.regions[0]["segmentation"] = segmentation
            with self.subTest(segmentation):
                found = self.findings()
                self.assertEqual(len(found), 1)
                self.assertRegex(found[0], f"^region 1: segmentation: polygon: expected a flat list .*{words}$")

    def test_names_that_no_file_can_have(self):
        for name in ("a\0b.jpg", "a\ud800b.jpg", "", "."):
            self.document["images"][0]["file_name"] = name
            self.save()
            with self.subTest(name):
                status, lines, errors = run(self.path)
                self.assertEqual((status, errors, len(lines)), (2, "", 3))
                self.assertEqual(lines[1], f"{self.path}: image {ascii(name) if name != '.' else name} (id 7): "
                                           f"file_name: expected a name that a file can have, found {ascii(name)}")
                "\n".join(lines).encode("utf-8")  # can be printed

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
                "region 2: expected a visible mask inside of the amodal one, found 1 pixels outside",
                "region 2: expected each pixel of the amodal mask in one of visible_mask and invisible_mask, found 8"):
            self.assertTrue(any(line.startswith(words) for line in found), words)
        self.assertEqual(len(found), 5)

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

    def test_names_that_are_too_long(self):
        for name, found in (("\u00e4" * 126 + ".jpg", 256), ("a/" + "b" * 257 + "\\c.jpg", 257)):
            self.document["images"][0]["file_name"] = name
            self.save()
            with self.subTest(name):
                status, lines, errors = run(self.path)
                self.assertEqual((status, errors), (2, ""))
                self.assertEqual([line for line in lines if "file_name" in line], [
                    f"{self.path}: image {name} (id 7): file_name: expected at most 255 bytes between slashes, "
                    f"found {found}"])
        self.document["images"][0]["file_name"] = "a" * 255 + "/" + "b" * 255
        self.save()
        self.assertEqual(run(self.path)[0], 0)


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

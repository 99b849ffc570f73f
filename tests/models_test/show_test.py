"""Pictures of annotations: what each panel shows, and which regions count as the worst."""

import contextlib
import io
import json
import os
import shutil
import tempfile
import unittest

import numpy
from PIL import Image

from models import panels, readers, rle, show

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
SIDE = 160  # pixels of a panel: 20 for each of the fixtures'


def run(*arguments):
    """(exit status, lines of standard output, standard error) of the program."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = show.main(list(arguments))
    return status, output.getvalue().splitlines(), errors.getvalue()


def saturation(picture):
    return picture.max(axis=2).astype(int) - picture.min(axis=2)


class ShowTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.annotations = os.path.join(self.folder, "cocoa.json")
        shutil.copy(os.path.join(FIXTURES, "cocoa.json"), self.annotations)
        os.mkdir(self.path("images"))
        for name in ("seven.png", "nine.png"):
            Image.new("RGB", (8, 6), (90, 90, 90)).save(os.path.join(self.path("images"), name))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def results(self, entries):
        with open(self.path("results.json"), "w", encoding="ascii") as file:
            json.dump(entries, file)
        return self.path("results.json")

    def test_panels_show_what_they_say(self):
        found = readers.read(self.annotations)
        shown = show.scene_panels(found[0], SIDE)
        self.assertEqual([picture.shape for _, picture in shown], [(120, 160, 3)] * 5)
        image, seen, whole, hidden, _ = (saturation(picture) for _, picture in shown)
        self.assertEqual(image.max(), 0)
        # Column 3, row 2 of the annotation is under A: coloured where something is seen, or hidden.
        inside = slice(2 * 20 + 4, 3 * 20 - 4), slice(3 * 20 + 4, 4 * 20 - 4)
        self.assertGreater(seen[inside].min(), 40)
        self.assertGreater(hidden[inside].min(), 20)  # tinted, and hatched on some pixels only
        self.assertGreater(hidden[inside].max(), 150)
        only_a = slice(1 * 20 + 4, 2 * 20 - 4), slice(1 * 20 + 4, 2 * 20 - 4)
        self.assertGreater(whole[only_a].min(), 40)
        self.assertEqual(hidden[only_a].max(), 0)
        nothing = slice(5 * 20 + 4, 6 * 20 - 4), slice(4 * 20 + 4, 8 * 20 - 4)
        for picture in (seen, whole, hidden):
            self.assertEqual(picture[nothing].max(), 0)
        self.assertEqual(shown[3][0], "hidden parts: 2 of 3 objects")

    def test_a_picture_per_image(self):
        status, lines, errors = run(self.annotations, "-o", self.path("out"), "--side", str(SIDE))
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["nine.show.png", "seven.show.png"])
        with Image.open(self.path("out", "seven.show.png")) as picture:
            self.assertEqual(picture.size, (3 * 168 + 8, 22 + 2 * (120 + 22 + 8)))
        self.assertIn("2 of 2 images", lines[-1])
        self.assertEqual(run(self.annotations, "-o", self.path("one"), "--limit", "1")[0], 0)
        self.assertEqual(os.listdir(self.path("one")), ["seven.show.png"])

    def change_names(self, *names):
        with open(self.annotations, encoding="utf-8") as file:
            document = json.load(file)
        for record, name in zip(document["images"], names):
            record["file_name"] = name
        with open(self.annotations, "w", encoding="ascii") as file:
            json.dump(document, file)

    def test_no_picture_replaces_another(self):
        self.change_names("x/same.jpg", "x/same.png")
        status, lines, errors = run(self.annotations, "-o", self.path("out"), "--side", "40")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["x__same.show.png", "x__same_2.show.png"])
        self.assertIn("2 of 2 images", lines[-1])

    def test_numbered_names_differ_from_all_others(self):
        entries = [readers.Entry("a.json", name, 1, 8, 6) for name in ("a.jpg", "a_2.jpg", "a.png", "a_2.png", "a.bmp")]
        found = readers.SceneList("a.json", "cocoa", entries)
        self.assertEqual(show._names(found), ["a", "a_2", "a_3", "a_2_2", "a_4"])

    def test_names_that_no_file_can_have(self):
        self.change_names("a\0b.jpg", "a\ud800b.jpg")
        status, lines, errors = run(self.annotations, "-o", self.path("out"), "--side", "40")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["a_b.show.png", "a_b_2.show.png"])
        status, lines, errors = run(self.annotations, "--pred", self.results([]), "-o", self.path("worst"),
                                    "--side", "40")
        self.assertEqual((status, errors.count("\n")), (0, 1))
        self.assertRegex(errors, "^note: .*results.json: no detection in 2 of 2 images")
        "\n".join(lines).encode("utf-8")  # can be printed
        self.change_names("", ".")
        status, lines, errors = run(self.annotations, "-o", self.path("none"), "--side", "40")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(sorted(os.listdir(self.path("none"))), ["image.show.png", "image_2.show.png"])

    def test_best_matches(self):
        scene = readers.read(self.annotations)[0]
        a, b = scene.objects[0].amodal, scene.objects[1].amodal
        detections = [show.Detection(score, mask, None)
                      for score, mask in ((0.9, a & b), (0.8, b), (0.8, b), (0.1, numpy.zeros_like(a)))]
        matches = show.best_matches(scene, detections, 5, [1, 2, 4])
        self.assertEqual([(match.scene, match.region, match.detection) for match in matches],
                         [(5, 1, 0), (5, 2, 1), (5, 4, 1)])
        for match, expected in zip(matches, (4 / 12, 1.0, 1 / 19)):
            self.assertAlmostEqual(match.iou, expected)
        self.assertEqual([match.detection for match in show.best_matches(scene, [], 0, [1, 2, 3])], [-1] * 3)

    def test_worst_come_first(self):
        objects = readers.read(self.annotations)[0].objects
        coded = [rle.encode(item.amodal) for item in objects]
        seen = rle.encode(objects[1].visible)
        path = self.results([
            {"image_id": 7, "category_id": 1, "score": 0.5, "segmentation": coded[0]},
            {"image_id": 7, "category_id": 1, "score": 0.75, "segmentation": coded[1],
             "visible_segmentation": seen}])
        status, lines, errors = run("--gt", self.annotations, "--pred", path, "--worst", "4", "-o",
                                    self.path("worst"), "--side", str(SIDE))
        self.assertEqual((status, errors), (0, f"note: {path}: no detection in 1 of 2 images, whose regions come first, "
                                               "with IoU 0\n"))
        # Image 9 has no detections; C of image 7 shares one pixel with B.
        self.assertEqual(sorted(os.listdir(self.path("worst"))),
                         ["001_0.000_nine_region1.png", "002_0.000_nine_region2.png",
                          "003_0.053_seven_region3.png", "004_1.000_seven_region1.png"])
        self.assertIn("4 of 5 regions, mean best IoU 0.4105", lines[-1])
        path = self.results([{"image_id": number, "score": 0.5, "segmentation": coded[0]} for number in (7, 9)])
        status, lines, errors = run("--gt", self.annotations, "--pred", path, "-o", self.path("all"), "--side", "40")
        self.assertEqual((status, errors), (0, ""))

    def test_a_name_that_is_too_long_stops_its_image_only(self):
        path = self.results([{"image_id": number, "score": 0.5, "segmentation": {"size": [6, 8], "counts": [0, 48]}}
                             for number in (7, 9)])
        for more, kept in (((), ["nine.show.png"]), (("--pred", path), None)):
            for name in ("s" * 252 + ".png", "s" * 400, "/".join(["s" * 100] * 3)):
                with self.subTest(name, more=more), tempfile.TemporaryDirectory() as output:
                    self.change_names(name)
                    status, lines, errors = run(self.annotations, "-o", output, "--side", "40", *more)
                    self.assertEqual(status, 2)
                    self.assertRegex(errors, rf"^(error: .*cocoa.json: image {name} \(id 7\): expected a name that a "
                                             r"file can have, found one of \d{3} bytes for it\n)+$")
                    written = sorted(os.listdir(output))
                    if kept is None:
                        self.assertRegex(" ".join(written), r"^\d{3}_0.\d{3}_nine_region\d.png "
                                                            r"\d{3}_0.\d{3}_nine_region\d.png$")
                        self.assertIn("2 of 5 regions", lines[-1])
                    else:
                        self.assertEqual(written, kept)
                        self.assertIn("1 of 2 images", lines[-1])

    def test_match_panels(self):
        scene = readers.read(self.annotations)[0]
        item = scene.objects[1]
        shown = show.match_panels(scene, 1, show.Detection(0.75, item.amodal, item.visible), SIDE)
        self.assertEqual([caption for caption, _ in shown][2], "found, score 0.750")
        self.assertGreater(saturation(shown[2][1]).max(), 200)  # yellow
        self.assertEqual(saturation(shown[1][1]).max(), 0)  # white
        self.assertEqual(shown[1][1].max(), 255)
        self.assertEqual(show.match_panels(scene, 1, None, SIDE)[2][0], "found: nothing")

    def test_errors_are_one_line(self):
        entry = {"image_id": 7, "score": 0.5, "segmentation": {"size": [5, 8], "counts": [40]}}
        for content, words in (({"a": 1}, "expected a list of results, found dict"), ([{"a": 1}], "found a"),
                               ([{**entry, "image_id": [7]}], "\\[0\\]: image_id: expected .*found \\[7\\]"),
                               ([{**entry, "score": 10 ** 400}], "\\[0\\]: score: expected a number, found 1000"),
                               ([{**entry, "score": float("nan")}], "\\[0\\]: score: expected a number, found nan"),
                               ([{**entry, "segmentation": [[0, 0, 10 ** 400, 0, 2, 2]]}], "polygon: expected coord"),
                               ([entry], "\\[0\\]: image seven.png: size: expected \\[6, 8\\]")):
            status, _, errors = run(self.annotations, "--pred", self.results(content), "-o", self.path("x"))
            self.assertEqual((status, len(errors.splitlines())), (1, 1), errors)
            self.assertRegex(errors, f"^error: .*results.json: .*{words}")
        os.remove(self.path("images", "nine.png"))
        status, _, errors = run(self.annotations, "-o", self.path("y"), "--images", self.path("images"))
        self.assertEqual(status, 2)
        self.assertIn("nine.png (id 9): expected the image under", errors)


class PanelsTest(unittest.TestCase):
    def test_centre_lies_in_the_widest_part(self):
        mask = numpy.zeros((60, 100), bool)
        mask[:, :40] = True
        mask[28:32, :] = True
        x, y = panels.centre_of(mask)
        self.assertTrue(15 <= x <= 25 and 20 <= y <= 40, (x, y))
        mask = numpy.zeros((5, 5), bool)
        mask[4, 4] = True
        self.assertEqual(panels.centre_of(mask), (4, 4))

    def test_label_stays_inside(self):
        picture = numpy.zeros((40, 60, 3), numpy.uint8)
        panels.label(picture, "12", 59, 0, (0, 255, 0))
        self.assertTrue((picture[:, :, 1] == 255).any())
        panels.label(numpy.zeros((4, 4, 3), numpy.uint8), "12", 2, 2, (0, 255, 0))  # smaller than the plate

    def test_colours_differ(self):
        self.assertEqual(len(set(panels.colours(60))), 60)


if __name__ == "__main__":
    unittest.main()

"""What is converted reads back as the same objects, visible parts, levels and pairs."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy

from models import convert, readers
from models import scene as scenes
from models.data.write_cocoa import save_whole
from models.readers.common import overlaps
from models.scene import Scene, SceneObject

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(FIXTURES)))


def run(*arguments):
    """(exit status, standard output, standard error) of the program."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = convert.main(list(arguments))
    return status, output.getvalue(), errors.getvalue()


def by_masks(scene):
    """What must survive: per object, by its amodal mask, levels and whom it covers."""
    keys = [item.amodal.tobytes() for item in scene.objects]
    levels = scenes.level_maps(scene)
    meets = overlaps([item.amodal for item in scene.objects]) > 0
    return {keys[i]: (levels[i].tobytes(), {keys[j] for j in numpy.flatnonzero(scene.front[i] & meets[i])})
            for i in range(len(keys))}


class ConvertTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def name_first(self, name):
        """Writes named.json: the images seven.png and nine.png, of which the first is called `name`."""
        with open(os.path.join(FIXTURES, "cocoa.json"), encoding="utf-8") as file:
            document = json.load(file)
        document["images"][0]["file_name"] = name
        with open(self.path("named.json"), "w", encoding="ascii") as file:
            json.dump(document, file)

    def test_round_trips_of_all_fixtures(self):
        for name in sorted(os.listdir(FIXTURES)):
            if not name.endswith(".json"):
                continue
            source = readers.read(os.path.join(FIXTURES, name))
            for target, output in (("cocoa", self.path(name)), ("npz", self.path(name + "_npz"))):
                with self.subTest(name, to=target):
                    status, printed, errors = run(os.path.join(FIXTURES, name), "-o", output,
                                                  "--to", target)
                    self.assertEqual((status, errors), (0, ""))
                    found = readers.read(output)
                    self.assertEqual(found.format, target)
                    self.assertEqual(len(found), len(source))
                    for scene in source:
                        again = next(other for other in found if os.path.splitext(other.file_name)[0] ==
                                     os.path.splitext(scene.file_name)[0])
                        self.assertEqual(by_masks(again), by_masks(scene))
                    self.assertIn(f"{len(source)} images", printed)

    def test_cocoa_keeps_names_categories_stuff_and_authors(self):
        run(os.path.join(FIXTURES, "cocoa.json"), "-o", self.path("a.json"), "--to", "cocoa",
            "--author", "first")
        with open(self.path("a.json"), encoding="ascii") as file:
            document = json.load(file)
        self.assertEqual([annotation["author"] for annotation in document["annotations"]], ["first", "first"])
        regions = document["annotations"][0]["regions"]
        self.assertEqual([(r["name"], r["isStuff"], r["order"], r["area"]) for r in regions],
                         [("a", 0, 1, 12), ("b", 0, 2, 12), ("c", 1, 3, 8)])
        self.assertEqual([round(r["occlude_rate"], 4) for r in regions], [0.0, 0.3333, 0.125])
        self.assertEqual(document["annotations"][0]["depth_constraint"], "1-2,2-3")
        run(os.path.join(FIXTURES, "d2sa.json"), "-o", self.path("b.json"), "--to", "cocoa")
        found = readers.read(self.path("b.json"))
        self.assertEqual([item.category for item in found[0].objects], [20, 19, 20])

    def scene(self, visible):
        """Two squares that meet at a pixel, without an order."""
        masks = numpy.zeros((2, 4, 5), bool)
        masks[0, :2, :2] = masks[1, 1:3, 1:4] = True
        return Scene(None, "two.png", 3, 5, 4, [SceneObject(masks[0], visible), SceneObject(masks[1])],
                     numpy.zeros((2, 2), bool))

    def write(self, scene):
        annotation = convert.cocoa_annotation(scene)
        with open(self.path("scene.json"), "w", encoding="ascii") as file:
            json.dump({"images": [{"id": 3, "width": 5, "height": 4, "file_name": "two.png"}],
                       "annotations": [annotation]}, file)
        return readers.read(self.path("scene.json"))[0]

    def test_no_order_stays_none(self):
        scene = self.scene(None)
        self.assertFalse(self.write(scene).front.any())
        self.assertEqual(by_masks(self.write(scene)), by_masks(scene))

    def test_hidden_without_order_stays_level_1(self):
        visible = numpy.zeros((4, 5), bool)
        visible[0, :2] = True
        scene = self.scene(visible)
        again = self.write(scene)
        self.assertEqual(scenes.level_maps(again)[0].tolist()[1][:2], [1, 1])
        self.assertEqual(by_masks(again), by_masks(scene))

    def test_seen_against_the_order_stays_seen(self):
        scene = self.scene(None)
        scene.front[1, 0] = True
        scene.objects[0].visible = scene.objects[0].amodal.copy()
        again = self.write(scene)
        self.assertEqual(int(scenes.visible_masks(again)[1].sum()), 4)
        self.assertEqual(by_masks(again), by_masks(scene))

    def test_npz_holds_32_objects(self):
        masks = [numpy.zeros((6, 6), bool) for _ in range(33)]
        for index, mask in enumerate(masks):
            mask[index // 6, index % 6] = True
        scene = Scene(None, "many.png", 1, 6, 6, [SceneObject(mask) for mask in masks[:32]],
                      scenes.list_order(32))
        self.assertEqual(int(convert.layer_codes(scene)[5, 1]), 1 << 31)
        scene.objects.append(SceneObject(masks[32]))
        scene.front = scenes.list_order(33)
        with self.assertRaisesRegex(convert.ConvertError, "many.png .*at most 32 objects, found 33"):
            convert.layer_codes(scene)

    def test_bad_scenes_are_named_and_the_others_written(self):
        with open(os.path.join(FIXTURES, "cocoa.json"), encoding="utf-8") as file:
            document = json.load(file)
        document["annotations"][0]["regions"][1]["segmentation"]["counts"] = [3]
        with open(self.path("bad.json"), "w", encoding="ascii") as file:
            json.dump(document, file)
        status, printed, errors = run(self.path("bad.json"), "-o", self.path("out.json"), "--to", "cocoa")
        self.assertEqual(status, 2)
        self.assertEqual([line.startswith("error: ") for line in errors.splitlines()], [True, True])
        self.assertIn("seven.png (id 7): region 2: segmentation: counts", errors)
        self.assertEqual([scene.image_id for scene in readers.read(self.path("out.json"))], [9])
        document["annotations"].pop()
        with open(self.path("bad.json"), "w", encoding="ascii") as file:
            json.dump(document, file)
        status, printed, errors = run(self.path("bad.json"), "-o", self.path("none.json"), "--to", "cocoa")
        self.assertEqual((status, os.path.exists(self.path("none.json"))), (1, False))

    def test_an_image_without_a_name_has_no_file(self):
        """It is named, the other is written, and nothing is left of what could not be."""
        for name in ("", ".", "a\0b.png", "a\ud800b.png"):
            self.name_first(name)
            with self.subTest(name), tempfile.TemporaryDirectory() as output:
                status, _, errors = run(self.path("named.json"), "-o", output, "--to", "npz")
                self.assertEqual((status, len(errors.splitlines())), (2, 2), errors)
                self.assertRegex(errors, "^error: .*\\(id [79]\\): expected a name that a file can have, found none")
                self.assertEqual(len(os.listdir(output)), 1, os.listdir(output))
                self.assertIn(os.listdir(output)[0], ("seven.npz", "nine.npz"))

    def test_a_name_that_is_too_long_stops_its_image_only(self):
        for name in ("s" * 252 + ".png", "s" * 400, "/".join(["s" * 100] * 3)):
            self.name_first(name)
            size = len(os.path.splitext(name.replace("/", "__"))[0]) + 4
            with self.subTest(name), tempfile.TemporaryDirectory() as output:
                status, printed, errors = run(self.path("named.json"), "-o", output, "--to", "npz")
                self.assertEqual(status, 2)
                self.assertEqual(errors.splitlines(), [
                    f"error: {self.path('named.json')}: image {name} (id 7): expected a name that a file can have, "
                    f"found one of {size} bytes for it",
                    f"error: {self.path('named.json')}: 1 of 2 images could not be converted"])
                self.assertEqual(os.listdir(output), ["nine.npz"])
        self.name_first("s" * 251 + ".jpg")
        self.assertEqual(run(self.path("named.json"), "-o", self.path("out"), "--to", "npz")[0], 0)
        self.assertIn("s" * 251 + ".npz", os.listdir(self.path("out")))

    def test_what_is_there_keeps_its_mode_and_its_links(self):
        def write(path, text):
            def save(part):
                with open(part, "w", encoding="utf-8") as file:
                    file.write(text)
            save_whole(path, save)

        with tempfile.TemporaryDirectory() as folder:
            target, link = os.path.join(folder, "target"), os.path.join(folder, "link")
            write(target, "first")
            os.chmod(target, 0o600)
            os.symlink("target", link)
            write(link, "second")
            self.assertTrue(os.path.islink(link))
            with open(target, encoding="utf-8") as file:
                self.assertEqual(file.read(), "second")
            self.assertEqual(os.stat(target).st_mode & 0o777, 0o600)
            os.mkfifo(os.path.join(folder, "pipe"))
            for name, words in (("pipe", "expected a file or none.*pipe"), (".", "expected a file or none"),
                                ("none/file", "No such file or directory: '.*none/file'")):
                with self.assertRaisesRegex(OSError, words):
                    write(os.path.join(folder, name), "third")
            self.assertEqual(sorted(os.listdir(folder)), ["link", "pipe", "target"])

    def test_a_killed_run_leaves_nothing_that_is_read(self):
        """Neither beside layer-coded files nor beside labelme's, and both stay as they were."""
        shutil.copy(os.path.join(FIXTURES, "labelme.json"), self.path("labelme.json"))
        run(os.path.join(FIXTURES, "cocoa.json"), "-o", self.path("out"), "--to", "npz")
        for folder, name in ((self.folder, "new.json"), (self.path("out"), "seven.npz")):
            before = len(readers.read(folder))
            script = ("import os, sys; from models.data.write_cocoa import save_whole\n"
                      "def write(path):\n"
                      "    open(path, 'wb').write(b'half')\n"
                      "    os.kill(os.getpid(), 9)\n"
                      "save_whole(sys.argv[1], write)")
            ended = subprocess.run([sys.executable, "-c", script, os.path.join(folder, name)], cwd=ROOT)
            self.assertEqual(ended.returncode, -9)
            self.assertEqual(sum(name.endswith(".part") for name in os.listdir(folder)), 1)
            self.assertEqual(len(readers.read(folder)), before)
        status, _, errors = run(os.path.join(FIXTURES, "cocoa.json"), "-o", self.path("out"), "--to", "npz")
        self.assertEqual((status, errors, len(readers.read(self.path("out")))), (0, "", 2))

    def test_published_levels_survive_in_npz(self):
        """Blocks that show 1 in front of 0, 2 in front of both, and 0."""
        codes = numpy.array([2 | 1 << 32, 4 | 3 << 32, 1], numpy.uint64)[None].repeat(8, axis=0).repeat(8, axis=1)
        numpy.savez(self.path("a.npz"), layer=codes)
        status, _, errors = run(self.path("a.npz"), "--published-decoder", "-o", self.path("out"), "--to", "npz")
        self.assertEqual((status, errors), (0, ""))
        with numpy.load(self.path("out/a.npz")) as content:
            numpy.testing.assert_array_equal(content["layer"], codes)
        run(self.path("a.npz"), "--published-decoder", "-o", self.path("a.json"), "--to", "cocoa")
        scene = readers.read(self.path("a.json"))[0]
        self.assertEqual([mask[0, ::8].tolist() for mask in scenes.visible_masks(scene)],
                         [[False, False, True], [True, False, False], [False, True, False]])
        numpy.testing.assert_array_equal(scene.front, scenes.list_order(3))

    def test_corners_as_points_are_an_error(self):
        with open(os.path.join(FIXTURES, "cocoa.json"), encoding="utf-8") as file:
            document = json.load(file)
        document["annotations"][0]["regions"][0]["segmentation"] = [[1, 1], [5, 1], [5, 4], [1, 4]]
        with open(self.path("points.json"), "w", encoding="ascii") as file:
            json.dump(document, file)
        status, _, errors = run(self.path("points.json"), "-o", self.path("out.json"), "--to", "cocoa")
        self.assertEqual(status, 2)
        self.assertIn("seven.png (id 7): region 1: segmentation: polygon: expected a flat list", errors)

    def test_errors_are_one_line(self):
        for arguments, words in (
                (("no.json", "-o", self.path("x.json"), "--to", "cocoa"),
                 "no.json: expected a readable file"),
                ((os.path.join(FIXTURES, "kins_2019.json"), "-o", self.path("x.json"), "--to", "cocoa", "--author", "a"),
                 "kins_2019.json: expected cocoa, the only format with authors, to take those of 'a', found kins"),
                ((os.path.join(FIXTURES, "coco.json"), "-o", self.path("no/x.json"), "--to", "cocoa"),
                 "expected to write there, found: No such file or directory")):
            status, _, errors = run(*arguments)
            self.assertEqual((status, len(errors.splitlines())), (1, 1), errors)
            self.assertIn(words, errors)


if __name__ == "__main__":
    unittest.main()

"""Scenes: reproducible in any process and order, exact masks, the wanted mixture, files that tell all."""

import contextlib
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy
from PIL import Image

from models import rle
from models import scene as scenes
from models.data import augment, compose, contact_sheet, placement, shapes, write_cocoa
from models.data.own import grown

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIDE = 96  # pixels; small, so that many scenes cost little
STORE = shapes.ShapeStore()  # each shape is drawn once for all tests

# Run in a process of its own: another order, and other scenes before.
OTHER_PROCESS = f"""
from tests.models_test.compose_test import digest, maker
made = maker()
made.scene(7)
print(*[digest(made.scene(n)) for n in (4, 0)])
"""


def maker(split: str = "train", seed: int = 3) -> compose.SceneMaker:
    return compose.SceneMaker(STORE, SIDE, split, seed)


def digest(scene: scenes.Scene) -> str:
    """Over all bytes of a scene."""
    total = hashlib.sha256(scene.image.tobytes() + scene.front.tobytes())
    for item in scene.objects:
        total.update(item.amodal.tobytes() + item.name.encode("utf-8"))
    return total.hexdigest()


class SceneMakerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        made = maker()
        cls.scenes = [made.scene(number) for number in range(40)]

    def test_same_bytes_in_another_process_and_order(self):
        found = subprocess.run([sys.executable, "-c", OTHER_PROCESS], cwd=ROOT, check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split()
        self.assertEqual(found, [digest(self.scenes[4]), digest(self.scenes[0])])

    def test_seed_and_split_matter(self):
        self.assertNotEqual(digest(maker(seed=4).scene(0)), digest(self.scenes[0]))
        # Not only the cut-outs differ: sizes and backgrounds are drawn anew for each split.
        sizes = [[(scene.width, scene.height) for scene in (maker(split).scene(n) for n in range(8))]
                 for split in compose.SPLITS]
        self.assertTrue(sizes[0] != sizes[1] != sizes[2] != sizes[0])

    def test_numbers_that_are_no_scene(self):
        made = maker()
        self.assertEqual(made.scene(2**32 - 1).image_id, 2**32 - 1)
        for number in (-1, 2**32):
            with self.assertRaisesRegex(compose.ComposeError, f"a number of 0 to 4294967295, found {number}"):
                made.scene(number)

    def test_scenes_are_sound(self):
        for scene in self.scenes:
            scenes.validate(scene)
            self.assertEqual(max(scene.width, scene.height), SIDE)
            self.assertTrue(2 <= len(scene.objects) <= 15)
            self.assertTrue(numpy.array_equal(scene.front, scenes.list_order(len(scene.objects))))
            self.assertGreater(scene.image.std(), 3.0)

    def test_small_scenes_have_objects_enough(self):
        again = 0
        for side, numbers in ((32, range(50)), (64, (163, 257)), (SIDE, (98,))):
            made, same = (compose.SceneMaker(STORE, side, "train", 0) for _ in range(2))
            arrange, found = made._try, []

            def noted(*arguments):
                found.append(arrange(*arguments))
                return found[-1]
            with mock.patch.object(made, "_try", noted):
                for number in numbers:
                    found.clear()
                    scene = made.scene(number)
                    scenes.validate(scene)
                    self.assertTrue(2 <= len(scene.objects) <= 15, (side, number))
                    for visible in scenes.visible_masks(scene):
                        self.assertGreaterEqual(visible.sum(), compose.MIN_VISIBLE_PIXELS)
                    # What has objects enough is not arranged again.
                    self.assertTrue(all(len(layers) < 2 for layers in found[:-1]), (side, number))
                    if len(found) > 1:
                        again += 1
                        self.assertEqual(digest(same.scene(number)), digest(scene))
        self.assertGreater(again, 3)

    def test_cut_outs_of_which_no_scene_can_be_made(self):
        store = shapes.ShapeStore(10)
        rod = numpy.zeros((90, 90, 4), numpy.uint8)
        rod[:, 44:46] = 255
        made = compose.SceneMaker(store, 32)
        with mock.patch.object(store, "pixels", return_value=rod):
            with self.assertRaisesRegex(compose.ComposeError, "2 objects show at least 30 px, found 32, too small"):
                made.scene(0)

    def test_enough_of_each_object_is_visible(self):
        for scene in self.scenes:
            for item, visible in zip(scene.objects, scenes.visible_masks(scene)):
                least = max(compose.MIN_VISIBLE_PIXELS, compose.MIN_VISIBLE_SHARE * item.amodal.sum())
                self.assertGreaterEqual(visible.sum(), least)

    def test_mixture(self):
        rates, touching = [], 0
        for scene in self.scenes:
            masks = numpy.stack([item.amodal for item in scene.objects])
            rates += [hidden.sum() / mask.sum() for hidden, mask in zip(scenes.hidden_masks(scene), masks)]
            count = masks.sum(axis=0)
            touching += sum(1 for mask in masks if ((count - mask)[grown(mask, 1)] > 0).any())
        rates = numpy.array(rates)
        self.assertTrue(0.5 < (rates == 0).mean() < 0.8)
        self.assertTrue(0.08 < ((rates > 0) & (rates <= 0.25)).mean() < 0.3)
        self.assertTrue(0.08 < (rates > 0.25).mean() < 0.3)
        self.assertTrue(0.4 < touching / len(rates) < 0.6)
        self.assertTrue({scene.width == scene.height for scene in self.scenes} == {True, False})
        self.assertTrue(any(item.amodal[0].any() or item.amodal[:, 0].any() for scene in self.scenes
                            for item in scene.objects))

    def test_splits_share_no_family(self):
        names = {split: {item.name for n in range(8) for item in maker(split).scene(n).objects}
                 for split in compose.SPLITS}
        self.assertFalse(names["train"] & names["val"] or names["train"] & names["test"]
                         or names["val"] & names["test"])

    def test_unusable_stores(self):
        with self.assertRaisesRegex(compose.ComposeError, "split 'train', found none among 0"):
            compose.SceneMaker(shapes.ShapeStore(0))
        with self.assertRaisesRegex(compose.ComposeError, "licence GPL, found none among 9"):
            compose.SceneMaker(shapes.ShapeStore(9), licences=["GPL"])

    def test_a_licence_is_itself_in_any_version(self):
        for found, wanted, same in (("CC-BY-3.0", "CC-BY", True), ("CC-BY-SA-3.0", "CC-BY", False),
                                    ("CC-BY-3.0-US", "CC-BY-3", True), ("CC0", "CC0", True), ("CC0-1.0", "CC0", True),
                                    ("GPL-2.0-or-later", "GPL", True), ("CC-BY-3.0", "CC-BY-4.0", False)):
            self.assertEqual(compose.of_licence(found, wanted), same, (found, wanted))
        with self.assertRaisesRegex(compose.ComposeError, "split: expected one of train, val, test"):
            compose.SceneMaker(None, split="trial")


class PartsTest(unittest.TestCase):
    def test_mask_is_alpha_above_a_half_cut_at_the_border(self):
        alpha = numpy.array([[0, 127, 128], [255, 200, 20]], numpy.uint8)
        layer = compose.Layer(numpy.full((2, 3, 3), 200.0, numpy.float32), alpha, left=-1, top=1)
        self.assertEqual(compose.mask_of(layer, 3, 2).astype(int).tolist(), [[0, 0, 0], [0, 1, 0]])
        canvas = numpy.zeros((2, 3, 3), numpy.float32)
        compose.blend(canvas, layer)
        expected = 200.0 * numpy.array([[0, 0, 0], [127 / 255, 128 / 255, 0]])
        self.assertTrue(numpy.allclose(canvas[..., 0], expected, atol=1e-3))

    def test_a_layer_far_outside_changes_nothing(self):
        opaque = numpy.full((2, 2), 255, numpy.uint8)
        layer = compose.Layer(numpy.zeros((2, 2, 3), numpy.float32), opaque, 9, -7)
        canvas = numpy.ones((4, 4, 3), numpy.float32)
        compose.blend(canvas, layer)
        self.assertTrue((canvas == 1.0).all() and not compose.mask_of(layer, 4, 4).any())

    def test_shares_by_hand(self):
        cover = numpy.zeros((5, 6), numpy.float32)
        cover[2:4, 3:5] = 1.0
        piece = numpy.array([[1, 1], [1, 0]], numpy.float32)
        hidden, inside = placement.shares(cover, piece)
        self.assertEqual(hidden.shape, (6, 7))
        for row in range(6):
            for column in range(7):
                window = [(row - 1 + y, column - 1 + x) for y, x in ((0, 0), (0, 1), (1, 0))]
                there = [p for p in window if 0 <= p[0] < 5 and 0 <= p[1] < 6]
                self.assertAlmostEqual(float(inside[row, column]), len(there) / 3.0, 5)
                if there:
                    expected = sum(cover[place] for place in there) / len(there)
                    self.assertAlmostEqual(float(hidden[row, column]), expected, 5)

    def test_place_hits_the_wanted_share(self):
        random = numpy.random.RandomState(0)
        union = numpy.zeros((126, 126), bool)
        union[30:80, 40:90] = True
        mask = numpy.ones((40, 30), bool)
        cell = placement.cell_size(126, 126)
        for low, high in ((0.0, 0.0), (0.1, 0.15), (0.4, 0.5), (0.7, 0.8)):
            for _ in range(10):
                wish = placement.Wish((low, high), (1.0, 1.0))
                left, top = placement.place(random, placement.coarse(union, cell), mask, cell, wish)
                share = union[max(top, 0):top + 40, max(left, 0):left + 30].mean()
                self.assertTrue(low - 0.16 <= share <= high + 0.16, (low, share))

    def test_edges_never_reach_beyond_the_alpha(self):
        alpha = numpy.zeros((24, 24), numpy.uint8)
        alpha[4:20, 4:20] = 255
        alpha[4, 4:20] = 90
        for kind in augment.EDGES:
            treated = augment.treat_edge(kind, alpha)
            self.assertEqual((treated.dtype, treated.shape), (numpy.uint8, alpha.shape), kind)
            self.assertEqual(int(treated[12, 12]), 255, kind)
            self.assertFalse(treated[alpha == 0].any(), kind)
        self.assertEqual(sorted(set(augment.treat_edge("hard", alpha).ravel())), [0, 255])
        self.assertLess((augment.treat_edge("eroded", alpha) > 127).sum(), (alpha > 127).sum())
        with self.assertRaises(ValueError):
            augment.treat_edge("sawn", alpha)

    def test_recolour_by_hand(self):
        image = numpy.array([[[10.0, 100.0, 250.0]]], numpy.float32)
        matrix = numpy.array([[0, 1, 0], [0.5, 0, 0], [0, 0, 2]], numpy.float32)
        found = augment.recolour(image, matrix, numpy.array([5, 6, 7], numpy.float32), 1.0)
        self.assertEqual(found[0, 0].tolist(), [105.0, 11.0, 255.0])
        self.assertAlmostEqual(float(augment.recolour(image, numpy.eye(3, dtype=numpy.float32),
                                                      numpy.zeros(3, numpy.float32), 2.0)[0, 0, 1]), 39.2157, 3)

    def test_grain_has_its_deviation(self):
        grain = augment.grain(numpy.random.RandomState(0), 80, 90, 3, 5.0)
        self.assertEqual(grain.shape, (80, 90, 3))
        self.assertTrue(abs(grain.mean()) < 0.1 and abs(grain.std() - 5.0) < 0.1)

    def test_trim(self):
        rgba = numpy.zeros((6, 7, 4), numpy.uint8)
        rgba[2:4, 3:6, 3] = 1
        self.assertEqual(shapes.trim(rgba).shape, (2, 3, 4))
        self.assertEqual(shapes.trim(numpy.zeros((2, 2, 4), numpy.uint8)).shape, (2, 2, 4))


class FilesTest(unittest.TestCase):
    def run_main(self, *arguments: str) -> int:
        with contextlib.redirect_stderr(io.StringIO()) as self.stderr:
            return compose.main(list(arguments))

    def test_levels_rebuilt_from_the_json_equal_the_stored_ones(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(self.run_main("-o", folder, "-n", "5", "--side", str(SIDE), "--first", "2"), 0)
            names = sorted(path.name for path in pathlib.Path(folder).iterdir())
            self.assertEqual(names, ["annotations.json", "credits.json", "levels.npz"]
                             + [f"test_{n:06d}.png" for n in range(2, 7)])
            found = json.loads(pathlib.Path(folder, "annotations.json").read_text())
            stored = numpy.load(pathlib.Path(folder, "levels.npz"))
            self.assertLess(pathlib.Path(folder, "levels.npz").stat().st_size, 5 * 15 * SIDE * SIDE / 10)
            hidden_pixels = 0
            for entry, annotation in zip(found["images"], found["annotations"]):
                with Image.open(pathlib.Path(folder, entry["file_name"])) as image:
                    self.assertEqual(image.size, (entry["width"], entry["height"]))
                levels = self.rebuilt(annotation, entry)
                hidden_pixels += int(((levels > 0) & (levels < scenes.OUTSIDE)).sum())
                self.assertTrue(numpy.array_equal(levels, stored[str(entry["id"])]))
            self.assertGreater(hidden_pixels, 0)
            credits = json.loads(pathlib.Path(folder, "credits.json").read_text())
            self.assertEqual({credit["licence"] for credit in credits}, {"CC0"})

    def rebuilt(self, annotation, entry) -> numpy.ndarray:
        """Level maps from the JSON alone, with checks of its redundant parts."""
        masks = [rle.decode(region["segmentation"]) for region in annotation["regions"]]
        front = numpy.zeros((len(masks), len(masks)), bool)
        for pair in filter(None, annotation["depth_constraint"].split(",")):
            i, j = (int(number) - 1 for number in pair.split("-"))
            self.assertTrue((masks[i] & masks[j]).any())
            front[i, j] = True
        order = [region["order"] for region in annotation["regions"]]
        self.assertEqual(order, list(range(1, len(masks) + 1)))
        scene = scenes.Scene(None, "", entry["id"], entry["width"], entry["height"],
                             [scenes.SceneObject(mask) for mask in masks], front)
        for region, mask, hidden in zip(annotation["regions"], masks, scenes.hidden_masks(scene)):
            self.assertEqual((region["area"], region["isStuff"]), (int(mask.sum()), 0))
            self.assertAlmostEqual(region["occlude_rate"], hidden.sum() / mask.sum(), 12)
            self.assertEqual("invisible_mask" in region, bool(hidden.any()))
            if hidden.any():
                self.assertTrue(numpy.array_equal(rle.decode(region["invisible_mask"]), hidden))
                self.assertTrue(numpy.array_equal(rle.decode(region["visible_mask"]), mask & ~hidden))
        return scenes.level_maps(scene)

    def test_order_follows_the_pairs_not_the_list(self):
        left, right = numpy.array([[1, 1, 0]], bool), numpy.array([[0, 1, 1]], bool)
        scene = scenes.Scene(None, "drawn", 4, 3, 1, [scenes.SceneObject(left, name="back"),
                                                      scenes.SceneObject(right, name="front", is_stuff=True)],
                             numpy.array([[0, 0], [1, 0]], bool))
        annotation = write_cocoa.annotation_of(scene)
        self.assertEqual([region["name"] for region in annotation["regions"]], ["front", "back"])
        self.assertEqual([region["isStuff"] for region in annotation["regions"]], [1, 0])
        self.assertEqual(annotation["depth_constraint"], "1-2")
        self.assertEqual(annotation["regions"][1]["occlude_rate"], 0.5)
        cycle = numpy.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], bool)
        self.assertEqual(write_cocoa.ranks(cycle), [1, 2, 3])

    def test_contact_sheet(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/sheet.png"
            self.assertEqual(self.run_main("--contact-sheet", path, "-n", "7", "--side", str(SIDE)), 0)
            with Image.open(path) as image:
                self.assertEqual(image.size, (6 * (SIDE + 4), 2 * (SIDE + 4)))
                self.assertEqual(image.size, contact_sheet.size_of(7, SIDE))
            # In a folder that is only made for the scenes.
            path = folder + "/new/sheet.JPG"
            self.assertEqual(self.run_main("-o", folder + "/new/scenes", "--contact-sheet", path, "-n", "1",
                                           "--side", str(SIDE)), 0)
            with Image.open(path) as image:
                self.assertEqual(image.size, (SIDE + 4, SIDE + 4))
                self.assertEqual(image.size, contact_sheet.size_of(1, SIDE))

    def test_errors_are_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            for arguments, text in (((), "expected -o DIR"),
                                    (("-o", folder, "-n", "0"), "expected at least 1"),
                                    (("-o", folder, "--store", folder + "/none"), "none"),
                                    (("-o", folder, "--side", "8"), "at least 32")):
                self.assertEqual(self.run_main(*arguments), 1)
                self.assertRegex(self.stderr.getvalue(), f"^error: .*{text}.*\n$")

    def test_what_cannot_be_written_is_found_before_any_scene(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(compose.SceneMaker, "scene", side_effect=AssertionError("a scene was made")):
            pathlib.Path(folder, "file").touch()
            small = ("-n", "6000", "--side", "32")
            for arguments, text in (
                    (("-o", folder + "/file"), "file: expected a folder, found a file"),
                    (("-o", folder, "--first", "5000000000"), "scenes of 0 to 4294967295, found one of 5000000023"),
                    (("-o", folder, "--first", str(2**32 - 1), "-n", "2"), "found one of 4294967296"),
                    (("--contact-sheet", folder + "/sheet"), "sheet.png, found no ending"),
                    (("--contact-sheet", folder + "/sheet.xyz"), "sheet.xyz: expected .* found the ending .xyz"),
                    (("--contact-sheet", folder + "/sheet.xbm"), "found the ending .xbm"),  # holds no colours
                    (("--contact-sheet", folder + "/s.webp", *small), "holds 216 x 36000 px.* the ending .webp"),
                    (("--contact-sheet", folder + "/s.gif", "-n", "12000", "--side", "32"), "the ending .gif"),
                    (("--contact-sheet", folder + "/none/sheet.png"), "expected a folder to write it into, found none"),
                    (("-o", folder + "/a", "--contact-sheet", folder + "/ab/s.png"), "a folder to write it into"),
                    (("--contact-sheet", folder + "/s.png", "-n", "400000000"), "a sheet of at most 536870912 px, found"),
                    (("--contact-sheet", folder), "expected the name of a picture, found a folder")):
                self.assertEqual(self.run_main(*arguments), 1, arguments)
                self.assertRegex(self.stderr.getvalue(), f"^error: .*{text}.*\n$")
            self.assertEqual([path.name for path in pathlib.Path(folder).iterdir()], ["file"])


if __name__ == "__main__":
    unittest.main()

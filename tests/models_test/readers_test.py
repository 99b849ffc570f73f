"""Readers of other projects' annotations, on files written by hand (fixtures/README.md)."""

import base64
import copy
import io
import json
import os
import random
import tempfile
import unittest
import zlib

import numpy
from PIL import Image, PngImagePlugin

from models import readers
from models import scene as scenes
from models.readers import ReadError

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")

# The three shapes of the fixtures, and what is hidden of them.
A = ["........", ".xxxx...", ".xxxx...", ".xxxx...", "........", "........"]
B = ["........", "........", "...xxxx.", "...xxxx.", "...xxxx.", "........"]
C = ["......xx", "......xx", "......xx", "........", "........", "xx......"]
B_HIDDEN = ["........", "........", "...xx...", "...xx...", "........", "........"]
C_HIDDEN = ["........", "........", "......x.", "........", "........", "........"]
NONE = ["........"] * 6
MANY_DIGITS = "a number of many digits"  # written as one, which Python's own json would not do


def mask_of(rows):
    return numpy.array([[character == "x" for character in row] for row in rows])


def picture_of(width, height):
    """A white PNG, in base64."""
    content = io.BytesIO()
    Image.new("L", (width, height), 255).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode("ascii")


def fixture(name):
    with open(os.path.join(FIXTURES, name), encoding="utf-8") as file:
        return json.load(file)


class ReadersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def read(self, name, **options):
        return readers.read(os.path.join(FIXTURES, name), **options)

    def write(self, document, name="changed.json"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(document).replace(json.dumps(MANY_DIGITS), "9" * 5000))
        return path

    def assert_masks(self, masks, expected):
        self.assertEqual(len(masks), len(expected))
        for mask, rows in zip(masks, expected):
            numpy.testing.assert_array_equal(mask, mask_of(rows))

    def assert_scene(self, scene, amodal, hidden, pairs):
        self.assert_masks([item.amodal for item in scene.objects], amodal)
        self.assert_masks(scenes.hidden_masks(scene), hidden)
        self.assertEqual({(int(i), int(j)) for i, j in numpy.argwhere(scene.front)}, set(pairs))


class CocoaTest(ReadersTest):
    def test_polygons_rle_gaps_and_hidden_parts(self):
        found = self.read("cocoa.json")
        self.assertEqual((found.format, len(found)), ("cocoa", 2))
        self.assert_scene(found[0], [A, B, C], [NONE, B_HIDDEN, C_HIDDEN], {(0, 1), (0, 2), (1, 2)})
        self.assertEqual([(item.name, item.is_stuff) for item in found[0].objects],
                         [("a", False), ("b", False), ("c", True)])
        self.assertEqual((found[0].file_name, found[0].image_id, found[0].width, found[0].height),
                         ("seven.png", 7, 8, 6))

    def test_given_and_derived_masks_agree(self):
        scene = self.read("cocoa.json")[0]
        derived = copy.deepcopy(scene)
        for item in derived.objects:
            item.visible = None
        numpy.testing.assert_array_equal(scenes.level_maps(scene), scenes.level_maps(derived))

    def test_constraint_is_before_order(self):
        document = fixture("cocoa.json")
        regions = document["annotations"][2]["regions"]
        regions[0]["order"], regions[1]["order"] = 1, 2
        self.assert_scene(readers.read(self.write(document))[1], [B, A], [B_HIDDEN, NONE], {(1, 0)})

    def test_author(self):
        found = self.read("cocoa.json", author="second")
        self.assertEqual([[item.name for item in scene.objects] for scene in found], [["only"]])
        with self.assertRaisesRegex(ReadError, "expected an author out of first, second, found 'third'"):
            self.read("cocoa.json", author="third")
        with self.assertLogs("models.readers", "INFO") as log:
            self.read("cocoa.json")
        self.assertIn("1 annotations by further authors", log.output[0])

    def test_an_author_is_of_cocoa_only(self):
        for name in ("coco", "d2sa", "kins_2019", "kins_2020", "labelme"):
            form = name.split("_")[0]
            with self.subTest(name), self.assertRaisesRegex(
                    ReadError, f"{name}.json: expected cocoa, the only format with authors, to take those of 'first', "
                    f"found {form}$"):
                self.read(f"{name}.json", author="first")
        with self.assertRaisesRegex(ReadError, "cocoa.json: expected npz, .* found cocoa"):
            self.read("cocoa.json", published_decoder=True)

    def test_faults_name_image_and_region(self):
        for change, words in (
                (lambda r: r[1]["segmentation"].update(size=[6, 9]), "region 2: segmentation: size"),
                (lambda r: r[1]["visible_mask"].update(counts="4"), "region 2: visible_mask: counts"),
                (lambda r: r[0].update(segmentation="x"), "region 1: segmentation: .*found str"),
                (lambda r: r.append(7), "region 4: expected an object, found int")):
            document = fixture("cocoa.json")
            change(document["annotations"][0]["regions"])
            path = self.write(document)
            with self.subTest(words), self.assertRaisesRegex(ReadError, f"seven.png \\(id 7\\): {words}"):
                readers.read(path)[0]

    def test_constraints_that_cannot_be(self):
        for text, words in (("1-4", "'1-4'"), ("0-1", "'0-1'"), ("2-2", "'2-2'"), ("1>2", "'1>2'"),
                            (3, "found int")):
            document = fixture("cocoa.json")
            document["annotations"][0]["depth_constraint"] = text
            with self.subTest(text), self.assertRaisesRegex(ReadError, f"constraint: expected .*{words}"):
                readers.read(self.write(document))[0]

    def test_constraint_both_ways_gives_no_order(self):
        document = fixture("cocoa.json")
        document["annotations"][0]["depth_constraint"] = "1-2,2-1,2-3"
        found = readers.read(self.write(document))
        self.assertEqual(numpy.argwhere(found[0].front).tolist(), [[1, 2]])
        self.assertIn("found both (neither used)", found.entries[0].draft().remarks[0])

    def test_empty_masks_and_visible_outside_are_mended_and_named(self):
        document = fixture("cocoa.json")
        regions = document["annotations"][0]["regions"]
        regions[0]["segmentation"] = [20, 20, 30, 20, 30, 30]
        regions[1]["visible_mask"] = {"size": [6, 8], "counts": [0, 1, 47]}
        found = readers.read(self.write(document))
        draft = found.entries[0].draft()
        self.assertEqual(draft.regions, [2, 3])
        self.assertEqual(len(draft.remarks), 3)
        for remark, words in zip(draft.remarks, (
                "region 1: segmentation: expected corners inside of 8 x 6, found one 24.0",
                "region 1: expected an amodal mask inside of the image, found an empty one",
                "region 2: expected a visible mask inside of the amodal one, found 1 ")):
            self.assertIn(words, remark)
        self.assertFalse(found[0].objects[0].visible.any())
        self.assertEqual(numpy.argwhere(found[0].front).tolist(), [[0, 1]])

    def test_size_from_rle_or_image(self):
        document = fixture("cocoa.json")
        for record in document["images"]:
            del record["width"], record["height"]
        path = self.write(document)
        with self.assertRaisesRegex(ReadError, "nine.png .*expected a width and a height"):
            readers.read(path)
        Image.new("RGB", (8, 6)).save(os.path.join(self.folder, "nine.png"))
        self.assertEqual([(scene.width, scene.height) for scene in readers.read(path)], [(8, 6), (8, 6)])


class InstancesTest(ReadersTest):
    def test_d2sa_masks_decide_the_order(self):
        found = self.read("d2sa.json")
        self.assertEqual(found.format, "d2sa")
        self.assert_scene(found[0], [B, A, C], [B_HIDDEN, NONE, C_HIDDEN], {(1, 0), (0, 2), (1, 2)})
        self.assertEqual([(item.category, item.name) for item in found[0].objects],
                         [(19, "coffee"), (20, "tea"), (20, "tea")])

    def test_d2sa_other_names_of_masks(self):
        self.assert_scene(self.read("d2sa.json")[1], [B, A], [B_HIDDEN, NONE], {(1, 0)})

    def test_d2sa_constraint_is_before_masks(self):
        document = fixture("d2sa.json")
        for annotation in document["annotations"][:3]:
            annotation["amodal_base"]["depth_constraint"] = "1-2"
        scene = readers.read(self.write(document))[0]
        self.assertEqual(numpy.argwhere(scene.front).tolist(), [[0, 1]])

    def test_kins_2019(self):
        found = self.read("kins_2019.json")
        self.assertEqual(found.format, "kins")
        self.assert_scene(found[0], [B, A], [B_HIDDEN, NONE], {(1, 0)})

    def test_kins_2020_clusters(self):
        found = self.read("kins_2020.json")
        self.assertEqual((found.format, len(found)), ("kins", 1))  # image 8 has no annotations
        # B (cluster 1, place 2) is behind A (place 1); C is alone in cluster 2, so that its masks decide.
        self.assert_scene(found[0], [B, A, C], [B_HIDDEN, NONE, C_HIDDEN], {(1, 0), (0, 2)})
        self.assertEqual(found.entries[0].draft().order_rule, "ico_id, else visible masks")

    def test_kins_places_count_within_a_cluster_only(self):
        document = fixture("kins_2020.json")
        document["annotations"][0]["ico_id"] = 0  # B now in front, whatever the masks say
        scene = readers.read(self.write(document))[0]
        self.assertEqual(numpy.argwhere(scene.front).tolist(), [[0, 1], [0, 2]])
        document["annotations"][1]["oco_id"] = 3  # other clusters: the masks decide
        scene = readers.read(self.write(document))[0]
        self.assertEqual(numpy.argwhere(scene.front).tolist(), [[0, 2], [1, 0]])

    def test_kins_keys_of_2020_come_first(self):
        """Where a record has both sets, each mask is of the first of its keys that is not null."""
        document = fixture("kins_2020.json")
        older = fixture("kins_2019.json")["annotations"]
        for annotation in document["annotations"]:
            annotation.update(segmentation=older[1]["segmentation"], inmodal_seg=older[1]["inmodal_seg"])
        scene = readers.read(self.write(document))[0]
        self.assert_scene(scene, [B, A, C], [B_HIDDEN, NONE, C_HIDDEN], {(1, 0), (0, 2)})
        document["annotations"][0].update(a_segm=None, segmentation=older[0]["segmentation"])
        document["annotations"][2].update(i_segm=None, inmodal_seg={"size": [6, 8], "counts": [48]})
        scene = readers.read(self.write(document))[0]
        self.assert_scene(scene, [B, A, C], [B_HIDDEN, NONE, C], {(1, 0), (0, 2)})

    def test_kins_layer_order(self):
        document = fixture("kins_2019.json")
        document["annotations"][0]["layer_order"], document["annotations"][1]["layer_order"] = 0, 1
        self.assertEqual(numpy.argwhere(readers.read(self.write(document))[0].front).tolist(), [[0, 1]])

    def test_hidden_without_any_order_is_level_1(self):
        document = fixture("kins_2019.json")
        del document["annotations"][1]  # what hides B is not annotated
        scene = readers.read(self.write(document))[0]
        self.assertFalse(scene.front.any())
        levels = scenes.level_maps(scene)[0]
        numpy.testing.assert_array_equal(levels == 1, mask_of(B_HIDDEN))
        self.assertEqual(numpy.count_nonzero(levels == 0), 8)

    def test_coco_list_order_is_named(self):
        with self.assertLogs("models.readers", "INFO") as log:
            found = self.read("coco.json")
        self.assertIn("depth order: the list's own, first = front-most", "\n".join(log.output))
        self.assertIn("1 annotations marked as crowd or ignored", "\n".join(log.output))
        self.assert_scene(found[0], [A, B], [NONE, B_HIDDEN], {(0, 1)})

    def test_coco_order_and_z_order(self):
        for values, pairs, rule in (
                ({"order": (2, 1)}, [[1, 0]], "order, 1"),
                ({"z_order": (0, 5)}, [[1, 0]], "z_order, highest"),
                ({"order": (1, 2), "z_order": (0, 5)}, [[0, 1]], "order, 1"),
                ({"order": (3, 3)}, [], "order, 1")):
            document = fixture("coco.json")
            for name, numbers in values.items():
                for annotation, value in zip(document["annotations"], numbers):
                    annotation.setdefault("attributes", {})[name] = value
            with self.subTest(values), self.assertLogs("models.readers", "INFO") as log:
                scene = readers.read(self.write(document))[0]
            self.assertEqual(numpy.argwhere(scene.front).tolist(), pairs)
            self.assertIn(f"depth order: {rule}", "\n".join(log.output))

    def test_structure_errors(self):
        for change, words in (
                (lambda d: d["annotations"][0].update(image_id=99), "annotations\\[0\\].*found 99"),
                (lambda d: d["images"].append(d["images"][0]), "images\\[2\\].*found 1 again"),
                (lambda d: d["images"][0].pop("file_name"), "images\\[0\\].*file_name"),
                (lambda d: d.update(images=3), "list of images .*found int"),
                (lambda d: d.update(annotations=[]), "expected annotations as .*found keys annotations"),
                (lambda d: d.update(categories=5), "list of categories")):
            document = fixture("coco.json")
            change(document)
            with self.subTest(words), self.assertRaisesRegex(ReadError, words):
                readers.read(self.write(document))


class LabelmeTest(ReadersTest):
    def test_shapes_groups_and_list_order(self):
        with self.assertLogs("models.readers", "INFO") as log:
            found = self.read("labelme.json")
        self.assertIn("the list's own", log.output[0])
        self.assert_scene(found[0], [A, B, C], [NONE, B_HIDDEN, C_HIDDEN], {(0, 1), (0, 2), (1, 2)})
        self.assertEqual((found[0].file_name, found[0].image_id), ("desk12.png", 12))
        self.assertIn("region 5: expected one of polygon, rectangle, circle, mask, found 'point'",
                      found.entries[0].draft().remarks[0])

    def test_z_order_in_flags(self):
        document = fixture("labelme.json")
        for value, shape in enumerate(document["shapes"]):
            shape["flags"] = {"z_order": value}
        scene = readers.read(self.write(document))[0]
        self.assertEqual(numpy.argwhere(scene.front).tolist(), [[1, 0], [2, 0], [2, 1]])

    def test_circle_and_mask(self):
        document = fixture("labelme.json")
        patch = io.BytesIO()
        Image.fromarray(numpy.array([[255, 0], [255, 255]], numpy.uint8)).save(patch, "PNG")
        coded = base64.b64encode(patch.getvalue()).decode("ascii")
        document["shapes"] = [
            {"label": "disc", "points": [[4, 3], [6, 3]], "shape_type": "circle"},
            {"label": "in", "points": [[2, 1], [3, 2]], "shape_type": "mask", "mask": coded},
            {"label": "cut", "points": [[-1, 5], [0, 6]], "shape_type": "mask", "mask": coded}]
        scene = readers.read(self.write(document))[0]
        rows = ["........", "...xx...", "..xxxx..", "..xxxx..", "...xx...", "........"]
        self.assert_masks([scene.objects[0].amodal], [rows])
        self.assertEqual(numpy.argwhere(scene.objects[1].amodal).tolist(), [[1, 2], [2, 2], [2, 3]])
        self.assertEqual(len(scene.objects), 2)  # of the last only its empty upper right corner is inside

    def test_folder_is_one_set(self):
        for name in ("b2", "a10"):
            document = fixture("labelme.json")
            document["imagePath"] = f"{name}.png"
            self.write(document, f"{name}.json")
        found = readers.read(self.folder)
        self.assertEqual([(scene.file_name, scene.image_id) for scene in found],
                         [("a10.png", 10), ("b2.png", 2)])

    def test_image_inside_of_the_file(self):
        document, content = fixture("labelme.json"), io.BytesIO()
        Image.new("RGB", (8, 6), (1, 2, 3)).save(content, "PNG")
        document["imageData"] = base64.b64encode(content.getvalue()).decode("ascii")
        self.assertEqual(readers.read(self.write(document))[0].image[0, 0].tolist(), [1, 2, 3])

    def test_bad_image_inside_of_the_file(self):
        for data in ("\u00e9", 5, "%%", [1], picture_of(8, 6)[:40]):
            document = fixture("labelme.json")
            document["imageData"] = data
            with self.subTest(data), self.assertRaisesRegex(ReadError, "changed.json: imageData: expected "):
                readers.read(self.write(document))[0]

    def test_bad_shapes(self):
        for shape, words in (({"points": [[1, 1], [2]]}, "region 1: expected \"points\""),
                             ({"points": None}, "found 'None'"),
                             ({"points": [[1, 1]], "shape_type": "circle"}, "2 points of a circle"),
                             ({"points": [[1, 1]], "shape_type": "mask", "mask": "%%"}, "expected a PNG"),
                             ({"points": [[1, 1]], "shape_type": "mask", "mask": "\u00e9"}, "expected a PNG"),
                             ({"points": [[float("inf"), 0]], "shape_type": "mask", "mask": picture_of(3, 3)},
                              "region 1: expected \"points\""),
                             ({"points": [[0, 0], [10 ** 400, 3], [0, 3]]}, "region 1: expected \"points\"")):
            document = fixture("labelme.json")
            document["shapes"] = [shape]
            with self.subTest(words), self.assertRaisesRegex(ReadError, words):
                readers.read(self.write(document))[0]


def damage(document, source, values):
    """Replaces, removes or doubles one value somewhere in the document."""
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = source.choice(keys)
        if not isinstance(place[key], (dict, list)) or source.random() < 0.15:
            break
        place = place[key]
    kind = source.random()
    if kind < 0.7:
        place[key] = copy.deepcopy(source.choice(values))
    elif kind < 0.85 or isinstance(place, dict):
        del place[key]
    else:
        place.append(copy.deepcopy(place[key]))


def numbers_in(place):
    """All numbers of a document, as the list or object that holds each and where in it."""
    found = []
    for key in place if isinstance(place, dict) else range(len(place)):
        if isinstance(place[key], (dict, list)):
            found += numbers_in(place[key])
        elif isinstance(place[key], (int, float)):
            found.append((place, key))
    return found


class ReadTest(ReadersTest):
    def test_images_are_found_loaded_and_checked(self):
        found = self.read("cocoa.json")
        self.assertIsNone(found[0].image)
        path = self.write(fixture("cocoa.json"))
        with self.assertRaisesRegex(ReadError, "seven.png .*expected the image under"):
            readers.read(path, images=self.folder)[0]
        os.mkdir(os.path.join(self.folder, "images"))
        name = os.path.join(self.folder, "images", "seven.png")
        Image.new("L", (8, 6), 9).save(name)
        self.assertEqual(readers.read(path)[0].image[5, 7].tolist(), [9, 9, 9])
        self.assertEqual(readers.read(path).scene(0, with_image=False).image, None)
        Image.new("L", (6, 8), 9).save(name)
        with self.assertRaisesRegex(ReadError, "seven.png: expected 8 x 6 pixels as annotated, found 6 x 8"):
            readers.read(path)[0]

    def test_damaged_images_are_named(self):
        path = self.write(fixture("cocoa.json"))
        name = os.path.join(self.folder, "seven.png")
        comment = zlib.compress(b"x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1))  # kilobytes that become a megabyte
        information = PngImagePlugin.PngInfo()
        information.add(b"zTXt", b"Comment\0\0" + comment)
        Image.new("RGB", (8, 6)).save(name, pnginfo=information)
        with self.assertRaisesRegex(ReadError, "seven.png: expected an image, found: \\S"):
            readers.read(path)[0]
        with self.assertRaisesRegex(ReadError, "seven.png: expected an image, found: \\S"):
            readers.common.image_size(name)

    def test_slices_stay_lists_of_scenes(self):
        found = self.read("cocoa.json")[1:]
        self.assertEqual([scene.image_id for scene in found], [9])

    def test_format_can_be_named(self):
        self.assertEqual(self.read("kins_2019.json", format="coco").format, "coco")
        with self.assertRaisesRegex(ReadError, "expected a format out of auto, cocoa, .*found 'voc'"):
            self.read("coco.json", format="voc")

    def test_damaged_files_give_errors_or_scenes(self):
        """Values replaced, removed and doubled at random: nothing but ReadError may come of it.

        Among them are whole numbers too large for a float, and such that Python does not read at all.
        """
        values = (None, 0, -1, 7, 1e300, 2 ** 70, "", "x", "1-2", [], {}, [[]], [1, 2], True, [None],
                  {"size": [6, 8], "counts": "x"}, {"size": [6, 8], "counts": [2 ** 70]}, [0, 0, 4, 0, 4, 4],
                  10 ** 400, MANY_DIGITS, "\0", "\ud800", [[0, 0], [4, 0], [4, 4]])
        numbers = (10 ** 400, -10 ** 400, MANY_DIGITS, float("inf"), float("nan"))
        names = sorted(name for name in os.listdir(FIXTURES) if name.endswith(".json"))
        outcomes = {"read": 0, "refused": 0}
        for seed in range(600):
            source = random.Random(seed)
            document = fixture(source.choice(names))
            if seed % 3 == 0:  # any number is as likely as any other, which those deep in the document else are not
                place, key = source.choice(numbers_in(document))
                place[key] = source.choice(numbers)
            else:
                for _ in range(source.randint(1, 3)):
                    damage(document, source, values)
            try:
                for scene in readers.read(self.write(document)):
                    scenes.level_maps(scene)
                outcomes["read"] += 1
            except ReadError as error:
                self.assertIn("changed.json", str(error))
                outcomes["refused"] += 1
        self.assertGreater(min(outcomes.values()), 50, outcomes)

    def test_errors_name_the_file(self):
        text = os.path.join(self.folder, "text.json")
        with open(text, "w", encoding="utf-8") as file:
            file.write("{")
        digits = self.write([MANY_DIGITS], "digits.json")
        for path, words in ((text, "text.json: expected JSON"), (digits, "digits.json: expected JSON"),
                            (os.path.join(self.folder, "no.json"), "no.json: expected a readable file"),
                            (self.write([1, 2], "list.json"), "list.json: expected .*found a list"),
                            (self.write({"a": 1}, "keys.json"), "keys.json: expected .*found keys a")):
            with self.subTest(words), self.assertRaisesRegex(ReadError, words):
                readers.read(path)
        with tempfile.TemporaryDirectory() as empty:
            with self.assertRaisesRegex(ReadError, "expected a folder of .npz"):
                readers.read(empty)
        with self.assertRaisesRegex(ReadError, "nowhere: expected a folder of images"):
            self.read("coco.json", images="nowhere")


if __name__ == "__main__":
    unittest.main()

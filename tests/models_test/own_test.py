"""What is said of annotations that are no instances of COCO's."""

import json
import os
import tempfile
import unittest

import numpy
from PIL import Image

from models.data import own

COCOA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "cocoa.json")


class OwnTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name in ("seven.png", "nine.png"):
            Image.fromarray(numpy.zeros((6, 8, 3), numpy.uint8)).save(os.path.join(self.folder, name))

    def test_cocoa_is_told_from_instances(self):
        with self.assertRaisesRegex(own.OwnError, r"^.*cocoa.json: annotation \d+: expected 'segmentation', which all "
                                    r"annotations of a COCO instances file have, found only 'author', "
                                    r"'depth_constraint', 'id', 'image_id', 'regions'"):
            list(own.from_coco(COCOA, self.folder))

    def test_segmentations_that_are_none(self):
        path = os.path.join(self.folder, "a.json")
        for segmentation, words in ((None, "found segmentation: expected polygons or RLE, found NoneType"),
                                    ({"size": [6, 8]}, "found counts: expected .*, found NoneType"),
                                    ([{"size": [6, 8], "counts": [48]}], "found an object \\(such as an RLE\\)")):
            with open(path, "w", encoding="ascii") as file:
                json.dump({"images": [{"id": 1, "file_name": "seven.png", "width": 8, "height": 6}],
                           "annotations": [{"id": 2, "image_id": 1, "segmentation": segmentation}]}, file)
            with self.subTest(words), self.assertRaisesRegex(
                    own.OwnError, f"a.json: annotation 2: expected a segmentation, .*{words}"):
                list(own.from_coco(path, self.folder))


if __name__ == "__main__":
    unittest.main()

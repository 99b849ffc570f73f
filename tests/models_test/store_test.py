"""The store of cut-outs: what is written comes back, splits are by family, damage is named."""

import json
import os
import tempfile
import unittest

import numpy as np

from models.data.store import CUTOUT_PIXELS, INDEX, CutoutStore, StoreError, StoreWriter, split_of


def picture(seed: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


class StoreTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "store")

    def write(self):
        writer = StoreWriter(self.path)
        for i in range(5):
            writer.add_cutout(
                picture(i, 7 + i, 320 - i, 4), f"family{i // 2}", f"package/{i}.png", "CC0-1.0", "photo"
            )
        for i in range(3):
            writer.add_background(picture(10 + i, 20 + i, 9, 3), f"wall/{i}.jpg", "CC-BY-3.0", f"wall{i}")
        writer.close()

    def test_pictures_come_back(self):
        self.write()
        store = CutoutStore(self.path)
        self.assertEqual((len(store.cutouts), len(store.backgrounds)), (5, 3))
        for i, info in enumerate(store.cutouts):
            self.assertEqual((info.index, info.height, info.width), (i, 7 + i, 320 - i))
            self.assertEqual((info.family, info.source), (f"family{i // 2}", f"package/{i}.png"))
            self.assertEqual((info.licence, info.kind), ("CC0-1.0", "photo"))
            self.assertEqual(info.split, split_of(info.family))
            np.testing.assert_array_equal(store.pixels(i), picture(i, 7 + i, 320 - i, 4))
            self.assertFalse(store.pixels(i).flags.writeable)
        for i, info in enumerate(store.backgrounds):
            self.assertEqual((info.split, info.licence), (split_of(f"wall{i}"), "CC-BY-3.0"))
            np.testing.assert_array_equal(store.background(i), picture(10 + i, 20 + i, 9, 3))

    def test_no_store_before_close(self):
        writer = StoreWriter(self.path)
        writer.add_cutout(picture(0, 4, 4, 4), "a", "a.png", "CC0-1.0", "user")
        with self.assertRaisesRegex(
            StoreError, "index.json: expected the index of a store, found no such file"
        ):
            CutoutStore(self.path)
        writer.close()
        self.assertEqual(len(CutoutStore(self.path).cutouts), 1)
        with self.assertRaisesRegex(StoreError, "expected a new folder, found a store"):
            StoreWriter(self.path)

    def test_damage_is_named(self):
        self.write()
        pixels = os.path.join(self.path, CUTOUT_PIXELS)
        os.truncate(pixels, os.path.getsize(pixels) - 1)
        with self.assertRaisesRegex(StoreError, "cutouts.rgba: expected 11 x 316 x 4 bytes"):
            CutoutStore(self.path)
        index_path = os.path.join(self.path, INDEX)
        with open(index_path, encoding="utf-8") as file:
            index = json.load(file)
        del index["cutouts"][0]["licence"]
        for text, message in (
            (json.dumps(index), r"index.json: cutouts\[0\]: expected a text 'licence', found none"),
            ("[" * 100000, "expected the index of a store"),
            ('{"format": 9}', "expected format 1, found 9"),
            ("[]", "expected format 1, found list"),
            ("{", "expected the index of a store"),
        ):
            with open(index_path, "w", encoding="utf-8") as file:
                file.write(text)
            with self.assertRaisesRegex(StoreError, message):
                CutoutStore(self.path)

    def test_fields_of_another_type_are_named(self):
        self.write()
        index_path = os.path.join(self.path, INDEX)
        with open(index_path, encoding="utf-8") as file:
            index = json.load(file)
        for key, field, value, message in (
            ("cutouts", "width", "318", "a whole number 'width', found '318'"),
            ("cutouts", "offset", 1.5, "a whole number 'offset', found 1.5"),
            ("cutouts", "height", True, "a whole number 'height', found True"),
            ("cutouts", "family", None, "a text 'family', found None"),
            ("cutouts", "licence", [1], r"a text 'licence', found \[1\]"),
            ("cutouts", "kind", {}, "a text 'kind', found {}"),
            ("backgrounds", "height", None, "a whole number 'height', found None"),
            ("backgrounds", "offset", "0", "a whole number 'offset', found '0'"),
            ("backgrounds", "split", 3, "a text 'split', found 3"),
        ):
            damaged = json.loads(json.dumps(index))
            damaged[key][2][field] = value
            with open(index_path, "w", encoding="utf-8") as file:
                json.dump(damaged, file)
            with self.assertRaisesRegex(StoreError, rf"index.json: {key}\[2\]: expected {message}$"):
                CutoutStore(self.path)
        for key, value, message in (
            ("cutouts", 5, "a list 'cutouts', found int"),
            ("backgrounds", [7], "an object, found int"),
        ):
            with open(index_path, "w", encoding="utf-8") as file:
                json.dump({**index, key: value}, file)
            with self.assertRaisesRegex(StoreError, message):
                CutoutStore(self.path)

    def test_a_split_may_be_named(self):
        writer = StoreWriter(self.path)
        splits = [writer.add_cutout(picture(0, 4, 4, 4), "desk", "a.png", "CC0-1.0", "user", split)
                  for split in (None, "train", "val")]
        with self.assertRaisesRegex(StoreError, "a.png: expected a split of"):
            writer.add_cutout(picture(0, 4, 4, 4), "desk", "a.png", "CC0-1.0", "user", "trial")
        writer.close()
        self.assertEqual(splits, ["test", "train", "val"])
        self.assertEqual([info.split for info in CutoutStore(self.path).cutouts], splits)

    def test_bad_pictures_are_refused(self):
        writer = StoreWriter(self.path)
        self.addCleanup(writer.close)
        for bad in (picture(0, 4, 4, 3), picture(0, 321, 4, 4), picture(0, 4, 4, 4).astype(np.float32)):
            with self.assertRaisesRegex(StoreError, "a.png: expected"):
                writer.add_cutout(bad, "a", "a.png", "CC0-1.0", "photo")
        with self.assertRaisesRegex(StoreError, "a kind of"):
            writer.add_cutout(picture(0, 4, 4, 4), "a", "a.png", "CC0-1.0", "painting")

    def test_splits_are_stable_and_80_10_10(self):
        self.assertEqual([split_of(f) for f in ("chair", "apple", "desk")], ["train", "val", "test"])
        splits = [split_of(f"family{i}") for i in range(4000)]
        for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            self.assertAlmostEqual(splits.count(split) / 4000, share, delta=0.02)


if __name__ == "__main__":
    unittest.main()

"""The reader of layer-coded .npz files, and what the published decoder makes of them."""

import io
import os
import random
import unittest
import zipfile

import numpy

from models import readers
from models import scene as scenes
from models.readers import ReadError, layers
from tests.models_test import readers_test


def codes_of(visible, hidden):
    """Codes from drawings: a character is an object's number, hexadecimal; `hidden` are several drawings."""
    codes = numpy.zeros((len(visible), len(visible[0])), numpy.uint64)
    for drawing, shift in [(visible, 0)] + [(layer, 32) for layer in hidden]:
        for y, row in enumerate(drawing):
            for x, character in enumerate(row):
                if character != ".":
                    codes[y, x] |= numpy.uint64(1 << (int(character, 16) + shift))
    return codes


class LayersTest(readers_test.ReadersTest):
    def save(self, codes, name="scene_000012.npz"):
        path = os.path.join(self.folder, name)
        numpy.savez_compressed(path, layer=codes)
        return path

    def test_levels_are_places_among_the_hidden(self):
        codes = codes_of(["0000..", "000011", "222211"],
                         [["1122..", "112...", "......"], ["22....", "......", "......"]])
        scene = readers.read(self.save(codes))[0]
        self.assertEqual((scene.image_id, scene.file_name), (12, "scene_000012.jpg"))
        self.assertEqual([int(item.amodal.sum()) for item in scene.objects], [8, 8, 9])
        levels = scenes.level_maps(scene).astype(int)
        numpy.testing.assert_array_equal(levels[0][:2, :4], 0)
        numpy.testing.assert_array_equal(levels[1][:2, :2], 1)
        # Object 2 at (0, 0): hidden with 1, the second of them; at (0, 2): alone.
        self.assertEqual(levels[2][0].tolist(), [2, 2, 1, 1, 255, 255])
        self.assertEqual(levels[2][1].tolist(), [255, 255, 1, 255, 255, 255])
        self.assertEqual(levels[2][2].tolist(), [0, 0, 0, 0, 255, 255])

    def test_what_a_pixel_shows_is_before_the_numbers(self):
        scene = readers.read(self.save(codes_of(["11.."], [["0..."]]) | codes_of(["..00"], [])))[0]
        self.assertEqual(numpy.argwhere(scene.front).tolist(), [[1, 0]])

    def test_object_31_and_hidden_31(self):
        codes = numpy.array([[1 << 31, (1 << 63) | 1]], numpy.uint64)
        scene = readers.read(self.save(codes))[0]
        self.assertEqual([item.amodal.tolist() for item in scene.objects], [[[False, True]], [[True, True]]])
        self.assertEqual(scene.objects[1].visible.tolist(), [[True, False]])

    def test_published_decoder_ends_at_a_missing_number(self):
        wide = 10
        codes = codes_of(["0" * wide] * 10 + ["2" * wide] * 10, [])
        path = self.save(codes)
        self.assertEqual(len(readers.read(path)[0].objects), 2)
        self.assertEqual(len(readers.read(path, published_decoder=True)[0].objects), 1)

    def test_published_decoder_erases_codes_in_small_pieces(self):
        codes = codes_of(["0" * 16] * 4 + ["1" * 9 + "." * 7] * 7 + ["." * 10 + "1" * 6], [])
        codes[11, 8:10] = 2  # joins 63 pixels above to 6 beside
        path = self.save(codes)
        published = readers.read(path, published_decoder=True)[0]
        self.assertEqual([int(item.amodal.sum()) for item in published.objects], [64, 63 + 2 + 6])
        codes[11, 8:10] = 0  # pieces of 63 and 6
        published = readers.read(self.save(codes), published_decoder=True)[0]
        self.assertEqual([int(item.amodal.sum()) for item in published.objects], [64])
        self.assertEqual([int(item.amodal.sum()) for item in readers.read(path)[0].objects], [64, 69])

    def test_published_count_is_of_what_is_not_erased(self):
        """Number 1 is in a piece of 63 pixels only: without it the list ends before 2."""
        codes = codes_of(["0" * 16] * 4 + ["1" * 9 + "." * 7] * 7 + ["2" * 16] * 4, [])
        self.assertEqual(layers.published_count(codes), 3)
        scene = readers.read(self.save(codes), published_decoder=True)[0]
        self.assertEqual([int(item.amodal.sum()) for item in scene.objects], [64])
        self.assertTrue(scene.objects[0].amodal[:4].all())
        codes[4:11, 9] = 2  # 70 pixels
        scene = readers.read(self.save(codes), published_decoder=True)[0]
        self.assertEqual([int(item.amodal.sum()) for item in scene.objects], [64, 70, 64])

    def test_published_levels_against_the_numbers(self):
        """Blocks that show 1 in front of 0, 2 in front of both, and 0: the places among the hidden ones stay."""
        codes = numpy.repeat(codes_of(["120"] * 8, [["00."] * 8, [".1."] * 8]), 8, axis=1)
        path = self.save(codes)
        scene = readers.read(path)[0]
        self.assertEqual(scenes.level_maps(scene)[:, 0, 12].tolist(), [2, 1, 0])
        scene = readers.read(path, published_decoder=True)[0]
        levels = scenes.level_maps(scene)
        self.assertEqual(levels[:, 0, ::8].T.tolist(), [[1, 0, 255], [1, 2, 0], [0, 255, 255]])
        numpy.testing.assert_array_equal(levels, numpy.repeat(levels[:, :1, ::8].repeat(8, axis=1), 8, axis=2))
        numpy.testing.assert_array_equal(scene.front, scenes.list_order(3))

    def test_published_levels_of_any_codes(self):
        """Per pixel 0 for a visible bit, else the place among the hidden bits, from 1."""
        counts = set()
        for seed in range(60):
            source = numpy.random.RandomState(seed)
            cells = source.randint(0, 16, (4, 5)) | source.randint(0, 16, (4, 5)) << 32
            codes = cells.astype(numpy.uint64).repeat(8, axis=0).repeat(8, axis=1)
            scene = readers.read(self.save(codes), published_decoder=True)[0]
            count = layers.published_count(codes)
            counts.add(count)
            self.assertEqual(len(scene.objects), count)
            levels = scenes.level_maps(scene)[:, ::8, ::8]
            for y, x in numpy.ndindex(4, 5):
                code = int(cells[y, x])
                hidden = [i for i in range(32) if code >> (32 + i) & 1]
                self.assertEqual(levels[:, y, x].tolist(), [
                    0 if code >> i & 1 else hidden.index(i) + 1 if i in hidden else 255 for i in range(count)])
        self.assertEqual(max(counts), 4)

    def test_pieces_against_flood_fill(self):
        for seed in range(40):
            source = numpy.random.RandomState(seed)
            mask = source.random_sample((source.randint(1, 14), source.randint(1, 14))) < 0.55
            left, largest = {(int(y), int(x)) for y, x in numpy.argwhere(mask)}, 0
            while left:
                queue, size = [left.pop()], 0
                while queue:
                    y, x = queue.pop()
                    size += 1
                    for point in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                        if point in left:
                            left.remove(point)
                            queue.append(point)
                largest = max(largest, size)
            self.assertEqual(layers.largest_piece(mask), largest, seed)

    def test_visible_and_hidden_at_once_is_named(self):
        path = self.save(numpy.array([[1 | (1 << 32), 1]], numpy.uint64))
        draft = readers.read(path).entries[0].draft()
        self.assertIn("region 1: expected pixels visible or hidden, found 1 that are both", draft.remarks[0])

    def test_bad_files(self):
        not_zip = os.path.join(self.folder, "not.npz")
        with open(not_zip, "wb") as file:
            file.write(b"no zip")
        other = os.path.join(self.folder, "other.npz")
        numpy.savez(other, codes=numpy.zeros((2, 2), numpy.uint64))
        deep = self.save(numpy.zeros((2, 2, 1), numpy.uint64), "a.npz")
        array = os.path.join(self.folder, "array.npz")
        with open(array, "wb") as file:
            numpy.save(file, numpy.zeros((2, 2), numpy.uint64))
        loose = os.path.join(self.folder, "loose.npz")
        with zipfile.ZipFile(loose, "w") as archive:
            archive.writestr("layer", b"no array")
        empty = os.path.join(self.folder, "none.npz")
        with open(empty, "wb"):
            pass
        pickled = self.save(numpy.array([["a", None]], object), "c.npz")
        for path, words in ((not_zip, "expected a .npz file, which is a zip .*, found one that begins with b'no zi"),
                            (empty, "expected a .npz file, which is a zip archive, found one that is empty"),
                            (pickled, "layer: expected \\(height, width\\) uint64, found Python objects$"),
                            (other, "array named \"layer\", found codes"),
                            (array, "found a single array"), (loose, "uint64, found no array"),
                            (self.sized("huge.npz", (10 ** 7, 10 ** 7)), "expected a .npz file, found: \\S"),
                            (self.sized("empty.npz", (0, 5)), "expected 1 to 65535 rows .*found \\(0, 5\\)"),
                            (self.save(numpy.zeros((1, 65536), numpy.uint64), "long.npz"), "found \\(1, 65536\\)"),
                            (deep, "found \\(2, 2, 1\\) uint64"),
                            (self.save(numpy.zeros((2, 2)), "b.npz"), "found \\(2, 2\\) float64")):
            with self.subTest(words), self.assertRaisesRegex(ReadError, words):
                readers.read(path)

    def test_json_is_no_archive(self):
        """NumPy's own error advises to load what it takes for a pickle."""
        path = os.path.join(readers_test.FIXTURES, "coco.json")
        with self.assertRaisesRegex(ReadError, r"coco.json: expected a .npz file, .* begins with b'\{\"imag'$"):
            readers.read(path, format="npz")

    def test_no_authors(self):
        path = self.save(numpy.ones((2, 2), numpy.uint64))
        with self.assertRaisesRegex(ReadError, "expected cocoa, .* found npz"):
            readers.read(path, author="first")

    def sized(self, name, shape):
        """A file whose array has this shape by its header, and no content."""
        header = io.BytesIO()
        numpy.lib.format.write_array_header_1_0(header, {"descr": "<u8", "fortran_order": False, "shape": shape})
        path = os.path.join(self.folder, name)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("layer.npy", header.getvalue())
        return path

    def test_damaged_archives_give_errors_or_scenes(self):
        """Bytes replaced and ends cut off at random: nothing but ReadError, of one line, may come of it."""
        path = self.save(numpy.arange(4096, dtype=numpy.uint64).reshape(64, 64) % numpy.uint64(7))
        with open(path, "rb") as file:
            whole = file.read()
        causes = set()
        for seed in range(400):
            source, content = random.Random(seed), bytearray(whole)
            for _ in range(source.randint(1, 4)):
                content[source.randrange(len(content))] = source.randrange(256)
            if source.random() < 0.2:
                del content[source.randrange(len(content)):]
            with open(path, "wb") as file:
                file.write(content)
            try:
                scenes.level_maps(readers.read(path)[0])
                causes.add("none")
            except ReadError as error:
                self.assertRegex(str(error), "^.*scene_000012.npz: .*expected .*$")
                causes.add(type(error.__cause__).__name__)
        self.assertLessEqual({"none", "error", "BadZipFile", "ValueError"}, causes)  # "error" is zlib's

    def test_levels_where_nobody_is_seen(self):
        """What hides them there is not annotated: the first has that in front of it, the second one more."""
        scene = readers.read(self.save(numpy.array([[7 << 32, 1, 2, 4]], numpy.uint64)))[0]
        self.assertEqual(scenes.level_maps(scene)[:, 0, 0].tolist(), [1, 2, 3])


if __name__ == "__main__":
    unittest.main()

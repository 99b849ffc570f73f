"""Backgrounds of scenes: of their own split and licence, by rule in a third at least, mirrored, blurred."""

import unittest
from unittest import mock

import numpy

from models.data import augment, compose, shapes, store, textures

SIDE = 48
SHAPES = shapes.ShapeStore(60)  # each shape is drawn once for all tests
LICENCES = ("CC0-1.0", "CC-BY-SA-3.0")


class PictureStore(shapes.ShapeStore):
    """Drawn shapes, and five backgrounds of each split and licence; it notes what is asked for."""

    def __init__(self):
        super().__init__(60)
        kinds = [(split, licence) for split in store.SPLITS for licence in LICENCES] * 5
        self.backgrounds = [store.BackgroundInfo(i, f"picture-{i}", licence, split, 60, 50)
                            for i, (split, licence) in enumerate(kinds)]
        self.asked, self.shapes_asked = set(), set()

    def pixels(self, index: int) -> numpy.ndarray:
        self.shapes_asked.add(index)
        return SHAPES.pixels(index)

    def background(self, index: int) -> numpy.ndarray:
        self.asked.add(index)
        return numpy.full((50, 60, 3), 8 * index, numpy.uint8)


class SplitTest(unittest.TestCase):
    def asked(self, split: str, licences=None):
        """Splits and licences of the backgrounds of 30 scenes, how many there were, and the cut-outs' splits."""
        pictures = PictureStore()
        made = compose.SceneMaker(pictures, SIDE, split, licences=licences)
        for number in range(30):
            made.scene(number)
        infos = [pictures.backgrounds[i] for i in pictures.asked]
        return {info.split for info in infos}, {info.licence for info in infos}, len(infos), \
            {pictures.cutouts[i].split for i in pictures.shapes_asked}

    def test_scenes_take_backgrounds_and_cut_outs_of_their_own_split(self):
        for split in store.SPLITS:
            self.assertEqual(self.asked(split), ({split}, set(LICENCES), 10, {split}))

    def test_a_licence_holds_for_backgrounds_too(self):
        self.assertEqual(self.asked("train", ["CC0"]), ({"train"}, {"CC0-1.0"}, 5, {"train"}))


class MixtureTest(unittest.TestCase):
    def shares(self, backgrounds, count: int = 2000):
        """Shares of backgrounds by rule, blurred beyond recognition, and windows of pictures."""
        random, pictures = numpy.random.RandomState(0), PictureStore()
        names = ("procedural", "smeared", "crop")
        stubs = {name: mock.Mock(return_value=numpy.zeros((1, 1, 3), numpy.float32)) for name in names}
        with mock.patch.multiple(textures, **stubs), \
                mock.patch.multiple(augment, recolour=lambda image, *_: image, gaussian_blur=lambda image, _: image):
            for _ in range(count):
                textures.background(random, pictures, range(9), backgrounds, 8, 8)
        self.assertEqual(sum(stub.call_count for stub in stubs.values()), count)
        return [stubs[name].call_count / count for name in names]

    def test_a_third_at_least_is_made_by_rule(self):
        by_rule, blurred, windows = self.shares([0, 1, 2])
        self.assertTrue(1.0 / 3.0 <= by_rule < 0.4, by_rule)
        self.assertAlmostEqual(blurred, 0.16, delta=0.03)
        self.assertAlmostEqual(windows, 0.48, delta=0.03)

    def test_without_pictures_the_rest_is_by_rule(self):
        by_rule, blurred, windows = self.shares([])
        self.assertAlmostEqual(by_rule, 0.84, delta=0.03)
        self.assertEqual(windows, 0.0)

    def test_scenes_have_them_in_that_share(self):
        made = compose.SceneMaker(PictureStore(), SIDE)
        drawn = []
        for name in ("procedural", "smeared", "crop"):
            def note(*arguments, name=name):
                drawn.append(name)
                return numpy.zeros((arguments[-1], arguments[-2], 3), numpy.float32)
            patch = mock.patch.object(textures, name, note)
            patch.start()
            self.addCleanup(patch.stop)
        with mock.patch.object(made, "_patches"), mock.patch.object(made, "_arrange", return_value=[]):
            for number in range(300):
                made.scene(number)
        self.assertEqual(len(drawn), 300)
        self.assertGreaterEqual(drawn.count("procedural") / 300, 1.0 / 3.0)
        self.assertGreater(drawn.count("crop") / 300, 0.35)


class WindowTest(unittest.TestCase):
    def test_half_of_the_windows_are_mirrored(self):
        random = numpy.random.RandomState(1)
        picture = numpy.repeat(numpy.linspace(0, 255, 90).astype(numpy.uint8)[None, :, None], 60, axis=0)
        picture = numpy.repeat(picture, 3, axis=2)
        slopes = [numpy.asarray(textures.crop(random, picture, 30, 20), float)[10, :, 0] for _ in range(200)]
        mirrored = sum(line[0] > line[-1] for line in slopes) / len(slopes)
        self.assertTrue(0.4 < mirrored < 0.6, mirrored)
        self.assertGreater(len({line.tobytes() for line in slopes}), 150)

    def test_no_thing_is_left_where_a_picture_is_blurred(self):
        random = numpy.random.RandomState(2)
        bars = numpy.zeros((60, 90, 3), numpy.uint8)
        bars[:, ::2] = 255
        pictures = PictureStore()
        with mock.patch.object(pictures, "background", return_value=bars), \
                mock.patch.object(pictures, "pixels", return_value=numpy.dstack((bars, bars[..., :1]))):
            for _ in range(20):
                found = textures.smeared(random, textures._picture(random, pictures, [3], [0]), 90, 60)
                self.assertLess(numpy.abs(numpy.diff(found, axis=1)).max(), 24.0)

    def test_what_lies_under_the_alpha_of_a_blurred_cut_out_is_not_seen(self):
        rgba = numpy.zeros((20, 20, 4), numpy.uint8)
        rgba[..., 1] = 255
        rgba[5:15, 5:15] = (255, 0, 0, 255)
        pictures = PictureStore()
        with mock.patch.object(pictures, "pixels", return_value=rgba), \
                mock.patch.object(textures, "_colour", return_value=numpy.array((0.0, 0.0, 255.0))):
            found = numpy.asarray(textures._picture(numpy.random.RandomState(3), pictures, [0], []))
        self.assertEqual(found[..., 1].max(), 0)
        self.assertEqual(found[10, 10].tolist(), [255, 0, 0])


if __name__ == "__main__":
    unittest.main()

"""The sample scenes: reproducible, in the stated sizes, worth looking at."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import numpy
from PIL import Image

from models import samples


class SamplesTest(unittest.TestCase):
    def test_reproducible(self):
        first = samples.draw_scene(5, 3)
        self.assertEqual((first.shape, first.dtype), ((480, 640, 3), numpy.uint8))
        self.assertTrue(numpy.array_equal(first, samples.draw_scene(5, 3)))
        self.assertFalse(numpy.array_equal(first, samples.draw_scene(6, 3)))

    def test_scene_is_no_plain_field(self):
        scene = samples.draw_scene(0, 3).astype(float)
        self.assertGreater(scene.std(axis=(0, 1)).min(), 15.0)

    def test_shape_is_one_on_its_outline(self):
        shape = samples.Shape(numpy.random.RandomState(1), 640, 480)
        shape.lobes, shape.power = 0, 2.0
        u, v = numpy.array([[1.0, 0.0, 0.6]]), numpy.array([[0.0, -1.0, 0.8]])
        self.assertTrue(numpy.allclose(shape.radius(u, v), 1.0))

    def test_blur_keeps_the_sum_inside(self):
        plane = numpy.zeros((60, 60))
        plane[30, 30] = 1.0
        blurred = samples.blur(plane, 4)
        self.assertEqual(blurred.shape, plane.shape)
        self.assertAlmostEqual(blurred.sum(), 1.0, 9)
        self.assertLess(blurred.max(), 0.02)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(samples.main(["-o", folder + "/scenes", "-n", "2"]), 0)
            names = sorted(p.name for p in pathlib.Path(folder, "scenes").iterdir())
            self.assertEqual(names, ["scene_01.png", "scene_02.jpg"])
            with Image.open(pathlib.Path(folder, "scenes", names[0])) as image:
                self.assertEqual((image.size, image.mode), ((480, 640), "RGB"))

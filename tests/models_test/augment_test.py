"""The camera: how often light, colour, blur, noise, enlarging and JPEG come, and what each does."""

import unittest
from unittest import mock

import numpy
from PIL import Image

from models.data import augment

COUNT = 300  # pictures that are developed
# Each part of the camera: one that changes nothing, one that leaves black, and how often it is to come.
PARTS = {
    "slope_of_light": (lambda *_: 1.0, lambda *_: 0.0, 0.5),
    "recolour": (lambda image, *_: image, lambda image, *_: 0.0 * image, 0.7),
    "gaussian_blur": (lambda image, _: image, lambda image, _: 0.0 * image, 0.3),
    "grain": (lambda *_: 0.0, lambda *_: -1000.0, 0.5),
    "_jpeg": (lambda image, _: image, lambda image, _: Image.new("RGB", image.size), 0.5),
}


def board(side: int = 24) -> numpy.ndarray:
    """(side, side, 3) float32: squares of single pixels, 120 and 180."""
    squares = numpy.indices((side, side)).sum(axis=0) % 2
    return numpy.repeat(120.0 + 60.0 * squares[..., None], 3, axis=2).astype(numpy.float32)


class DevelopTest(unittest.TestCase):
    def developed(self, marked: str = ""):
        """Pictures of a camera of which only enlarging is left, and one part that leaves black."""
        stubs = {name: black if name == marked else idle for name, (idle, black, _) in PARTS.items()}
        with mock.patch.multiple(augment, **stubs):
            return [augment.develop(numpy.random.RandomState(n), board()) for n in range(COUNT)]

    def test_how_often_each_part_comes(self):
        for name, (_, _, often) in PARTS.items():
            share = sum(not picture.any() for picture in self.developed(name)) / COUNT
            self.assertAlmostEqual(share, often, delta=0.08, msg=name)

    def test_some_are_enlarged_from_a_smaller_picture(self):
        pictures = self.developed()
        same = [numpy.array_equal(picture, board()) for picture in pictures]
        self.assertAlmostEqual(1.0 - sum(same) / COUNT, 0.15, delta=0.06)
        self.assertTrue(all(picture.std() < 0.8 * board().std() for picture, equal in zip(pictures, same) if not equal))

    def test_no_two_pictures_are_alike(self):
        pictures = [augment.develop(numpy.random.RandomState(n), board()) for n in range(40)]
        for picture in pictures:
            self.assertEqual((picture.dtype, picture.shape), (numpy.uint8, (24, 24, 3)))
        self.assertGreater(len({picture.tobytes() for picture in pictures}), 36)

    def test_jpeg_loses_more_the_lower_its_quality(self):
        noise = Image.fromarray(numpy.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(numpy.uint8))
        losses = [numpy.abs(numpy.asarray(augment._jpeg(noise, quality), float) - numpy.asarray(noise)).mean()
                  for quality in (95, 70, 45)]
        self.assertTrue(1.0 < losses[0] < losses[1] < losses[2], losses)

    def test_blur_keeps_the_mean_and_takes_the_contrast(self):
        blurred = [augment.gaussian_blur(board(), sigma) for sigma in (0.3, 1.1)]
        self.assertTrue(board().std() > blurred[0].std() > 4.0 * blurred[1].std())
        self.assertAlmostEqual(float(blurred[1].mean()), 150.0, delta=1.0)


if __name__ == "__main__":
    unittest.main()

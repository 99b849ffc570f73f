"""Annotated images as training scenes: cut, resized, shuffled."""

import contextlib
import dataclasses
import io
import json
import os
import tempfile
import unittest

import numpy
from PIL import Image

from models.readers import ReadError
from models.scene import Scene, SceneObject, level_maps, list_order, visible_masks
from models.training.resample import fit, fitted_size, resample, vary
from models.training.sources import AnnotatedSource


def two_squares():
    """A front square over a back one, 60 x 40, and one that sees no light."""
    masks = [numpy.zeros((40, 60), bool) for _ in range(3)]
    masks[0][10:30, 10:30] = True
    masks[1][10:30, 20:50] = True
    masks[2][12:20, 22:28] = True
    image = numpy.zeros((40, 60, 3), numpy.uint8)
    image[..., 0] = numpy.arange(60) * 4
    return Scene(image, "two", 7, 60, 40, [SceneObject(m) for m in masks], list_order(3))


class ResampleTest(unittest.TestCase):
    def test_the_whole_scene_doubled(self):
        scene = fit(two_squares(), 120)
        self.assertEqual((scene.width, scene.height, scene.image.shape), (120, 80, (80, 120, 3)))
        self.assertEqual(len(scene.objects), 2)  # of the third nothing can be seen
        doubled = numpy.kron(two_squares().objects[1].amodal, numpy.ones((2, 2), bool))
        self.assertTrue(numpy.array_equal(scene.objects[1].amodal, doubled))
        self.assertEqual(scene.front.tolist(), [[False, True], [False, False]])

    def test_a_mirrored_crop(self):
        scene = resample(two_squares(), (20, 10, 60, 40), 40, 30, flip=True)
        front = two_squares().objects[0].amodal
        self.assertTrue(numpy.array_equal(scene.objects[0].amodal, front[10:40, 59:19:-1]))
        self.assertTrue(numpy.array_equal(scene.image, two_squares().image[10:40, 59:19:-1]))
        self.assertEqual(len(resample(two_squares(), (35, 0, 60, 40), 25, 40).objects), 1)

    def test_slivers_at_the_cut_are_left_out(self):
        count = (lambda right: len(resample(two_squares(), (0, 0, right, 40), right, 40).objects))
        self.assertEqual([count(31), count(32)], [1, 2])  # 20 pixels of 400 seen; 40

    def test_given_visible_masks_stay_parts_of_the_whole(self):
        scene = two_squares()
        scene.objects[1].visible = visible_masks(scene)[1]
        small = resample(scene, (3, 1, 58, 38), 17, 11)
        self.assertFalse((small.objects[1].visible & ~small.objects[1].amodal).any())
        self.assertEqual(set(numpy.unique(level_maps(small)[1])), {0, 1, 255})

    def test_given_levels_go_along(self):
        scene = two_squares()
        scene.objects[1].levels = numpy.where(scene.objects[0].amodal, numpy.uint8(3), numpy.uint8(0))
        crop = resample(scene, (20, 10, 60, 40), 40, 30, flip=True)
        self.assertTrue(numpy.array_equal(level_maps(crop)[1], level_maps(scene)[1][10:40, 59:19:-1]))
        self.assertEqual(set(numpy.unique(level_maps(crop)[1])), {0, 3, 255})

    def test_sizes(self):
        self.assertEqual(fitted_size(640, 427, 256), (256, 171))
        self.assertEqual(fitted_size(3, 1000, 64), (1, 64))

    def test_views_fit_and_are_functions_of_their_generator(self):
        sizes = set()
        for number in range(20):
            a, b = (vary(two_squares(), 64, numpy.random.default_rng(number)) for _ in range(2))
            self.assertTrue(numpy.array_equal(a.image, b.image))
            self.assertLessEqual(max(a.width, a.height), 64)
            self.assertEqual(a.image.shape, (a.height, a.width, 3))
            sizes.add((a.width, a.height))
        self.assertGreater(len(sizes), 3)


class AnnotatedSourceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, images, annotations = folder.name, [], []
        for k in range(5):
            Image.new("RGB", (60, 40), (40 * k, 0, 0)).save(os.path.join(self.folder, f"{k}.png"))
            images.append({"id": k, "file_name": f"{k}.png", "width": 60, "height": 40})
            # Image k has k + 1 objects side by side.
            regions = [{"segmentation": [8 * i, 5, 8 * i + 6, 5, 8 * i + 6, 30, 8 * i, 30],
                        "order": i + 1, "name": "a"} for i in range(k + 1)]
            annotations.append({"id": k, "image_id": k, "depth_constraint": "", "author": "x",
                                "regions": regions})
        self.path = os.path.join(self.folder, "annotations.json")
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump({"images": images, "annotations": annotations}, file)

    def test_an_epoch_has_every_image_once(self):
        make = AnnotatedSource(self.path, None, 64, seed=3)()
        epochs = [[make(number).image_id for number in range(start, start + 5)] for start in (0, 5, 10)]
        for epoch in epochs:
            self.assertEqual(sorted(epoch), [0, 1, 2, 3, 4])
        self.assertGreater(len({tuple(epoch) for epoch in epochs}), 1)
        again = AnnotatedSource(self.path, None, 64, seed=3)()(7)
        self.assertTrue(numpy.array_equal(again.image, make(7).image))

    def test_validation_takes_whole_images(self):
        source = AnnotatedSource(self.path, None, 64, 0, validation_path=self.path)
        scenes = source.validation(3)
        self.assertEqual([len(s.objects) for s in scenes], [1, 3, 5])
        self.assertEqual((scenes[0].width, scenes[0].height), (64, 43))
        self.assertEqual(AnnotatedSource(self.path, None, 64, 0).validation(3), [])

    def test_what_cannot_be_read_is_named_and_left_out(self):
        os.remove(os.path.join(self.folder, "2.png"))
        Image.new("RGB", (59, 40)).save(os.path.join(self.folder, "4.png"))
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            source = AnnotatedSource(self.path, None, 64, seed=3).checked()
        self.assertRegex(said.getvalue(), "(?s)2.png: expected the image.*4.png: expected 60 x 40 pixels")
        make = source()
        order = [make(number).image_id for number in range(5)]
        for name in ("2.png", "4.png"):
            Image.new("RGB", (60, 40)).save(os.path.join(self.folder, name))
        whole = [AnnotatedSource(self.path, None, 64, seed=3)()(number).image_id for number in range(5)]
        self.assertEqual(order, [{2: 3, 4: 0}.get(image, image) for image in whole])
        self.assertEqual(source.identity(), AnnotatedSource(self.path, None, 64, seed=3).identity())
        for k in range(5):
            os.remove(os.path.join(self.folder, f"{k}.png"))
        with contextlib.redirect_stderr(said), self.assertRaisesRegex(ReadError, "none that can be read"):
            source.checked()

    def test_other_annotations_are_another_source(self):
        source = AnnotatedSource(self.path, None, 64, seed=3)
        first = source.identity()
        self.assertEqual(dataclasses.replace(source, seed=5).identity(), first)
        self.assertEqual(dataclasses.replace(source, format="cocoa").identity(), first)
        self.assertNotEqual(dataclasses.replace(source, author="x").identity(), first)
        with open(self.path, encoding="utf-8") as file:
            text = file.read()
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text.replace("[0, 5, 6, 5,", "[0, 5, 7, 5,", 1))
        self.assertNotEqual(source.identity(), first)

    def test_validation_images_of_another_format(self):
        numpy.savez(os.path.join(self.folder, "0.npz"), layer=numpy.ones((40, 60), numpy.uint64))
        source = AnnotatedSource(self.path, None, 64, 0, os.path.join(self.folder, "0.npz"), author="x")
        Image.new("RGB", (60, 40)).save(os.path.join(self.folder, "0.jpg"))
        self.assertEqual([len(scene.objects) for scene in source.validation(3)], [1])
        own = dataclasses.replace(source, validation_path=self.path)
        self.assertEqual(len(own.validation(3)), 3)
        with self.assertRaisesRegex(ReadError, "out of x, found 'nobody'"):
            dataclasses.replace(own, author="nobody").validation(3)

    def test_an_author_is_asked_for(self):
        self.assertEqual(len(AnnotatedSource(self.path, None, 64, 3, author="x")._read()), 5)
        with self.assertRaisesRegex(ReadError, "nobody"):
            AnnotatedSource(self.path, None, 64, 3, author="nobody").checked()

    def test_an_image_that_is_not_there_is_named(self):
        os.remove(os.path.join(self.folder, "2.png"))
        make = AnnotatedSource(self.path, None, 64, seed=3)()
        with self.assertRaisesRegex(ReadError, "2.png: expected the image"):
            for number in range(5):
                make(number)


if __name__ == "__main__":
    unittest.main()

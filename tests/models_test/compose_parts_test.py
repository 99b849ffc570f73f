"""What is drawn for each object and each scene: kinds, mirrors, edges, colours under alpha, shadows, patches."""

import dataclasses
import unittest
from unittest import mock

import numpy
from PIL import Image

from models import scene as scenes
from models.data import augment, compose, shapes, textures

SIDE = 64
STYLE = compose.Style(edge="bilinear", upright=True, shadow=0.5, shadow_kind="cast", shift=(0.1, 0.1), softness=0.08,
                      tilt=0.0, scale=1.0, heap=False)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def store_of(kinds) -> shapes.ShapeStore:
    """Drawn shapes of several kinds in turn."""
    store = shapes.ShapeStore(120)
    store.cutouts = [dataclasses.replace(info, kind=kinds[info.index // 10 % len(kinds)]) for info in store.cutouts]
    return store


def disc(inside, outside, side: int = 80) -> numpy.ndarray:
    """(side, side, 4) uint8: an opaque disc of one colour, another colour under the alpha of 0 around it."""
    y, x = numpy.mgrid[:side, :side] - (side - 1) / 2.0
    within = numpy.hypot(x, y) < 0.45 * side
    rgb = numpy.where(within[..., None], numpy.array(inside), numpy.array(outside))
    return numpy.concatenate((rgb, 255 * within[..., None]), axis=2).astype(numpy.uint8)


def halves(first, second, axis: int) -> numpy.ndarray:
    """(60, 60, 4) uint8, opaque: one colour in the first half along an axis, another in the second."""
    rgba = numpy.full((60, 60, 4), 255, numpy.uint8)
    upper, lower = numpy.split(rgba[..., :3], 2, axis=axis)
    upper[...], lower[...] = first, second
    return rgba


class KindsTest(unittest.TestCase):
    def shares(self, kinds):
        made = compose.SceneMaker(store_of(kinds), SIDE)
        random = numpy.random.RandomState(0)
        drawn = [made.store.cutouts[made._pick(random, [])].kind for _ in range(3000)]
        return {kind: drawn.count(kind) / len(drawn) for kind in kinds}

    def test_drawings_are_rare(self):
        shares = self.shares(("photo", "render", "clipart"))
        self.assertTrue(0.04 < shares["clipart"] <= 0.1, shares)
        self.assertTrue(abs(shares["photo"] - 0.48) < 0.04 and abs(shares["render"] - 0.44) < 0.04, shares)

    def test_own_pictures_outweigh_all_others(self):
        shares = self.shares(("photo", "render", "clipart", "user"))
        self.assertTrue(0.6 < shares["user"] < 0.73, shares)
        self.assertTrue(0.0 < shares["clipart"] <= 0.1, shares)


class WarpTest(unittest.TestCase):
    def mirrored(self, rgba: numpy.ndarray, upright: bool, axis: int) -> float:
        """The share of warps without a turn after which the red half is the second along an axis."""
        random = numpy.random.RandomState(1)
        style = dataclasses.replace(STYLE, upright=upright)
        times, count = 0, 200
        with mock.patch.object(compose, "_homography", lambda drawn, width, height, angle:
                               ((width, height), (1, 0, 0, 0, 1, 0, 0, 0))):
            for _ in range(count):
                red = numpy.asarray(compose.warp(random, rgba, 30.0, style), float)[..., 0]
                first, second = numpy.array_split(red, 2, axis=axis)
                times += second.mean() > first.mean()
        return times / count

    def test_half_are_mirrored(self):
        for upright in (True, False):
            self.assertTrue(0.4 < self.mirrored(halves(RED, BLUE, 1), upright, 1) < 0.6)

    def test_only_what_is_turned_at_will_is_upside_down(self):
        self.assertEqual(self.mirrored(halves(RED, BLUE, 0), True, 0), 0.0)
        self.assertTrue(0.03 < self.mirrored(halves(RED, BLUE, 0), False, 0) < 0.2)

    def test_colours_outside_of_the_alpha_do_not_bleed_in(self):
        random = numpy.random.RandomState(2)
        for longest in (17.0, 60.0, 100.0):
            image = compose.warp(random, disc(RED, GREEN), longest, dataclasses.replace(STYLE, tilt=20.0))
            for picture in (image, augment.blur_patch(image, 1.0)):
                rgba = numpy.asarray(picture).astype(int)
                rim = (rgba[..., 3] > 32) & (rgba[..., 3] < 224)
                self.assertGreater(rim.sum(), 10)
                self.assertLess(rgba[rgba[..., 3] > 32][:, 1].max(), 16)
                self.assertGreater(rgba[rgba[..., 3] > 32][:, 0].min(), 224)  # no dark fringe either

    def test_a_rim_over_a_background_is_between_both(self):
        random = numpy.random.RandomState(3)
        canvas = numpy.zeros((70, 70, 3), numpy.float32)
        canvas[:] = BLUE
        patch = numpy.asarray(compose.warp(random, disc(RED, GREEN), 60.0, STYLE))
        compose.blend(canvas, compose.Layer(patch[..., :3].astype(numpy.float32), patch[..., 3], 2, 2))
        self.assertLess(canvas[..., 1].max(), 16)
        self.assertTrue(numpy.allclose(canvas[..., 0] + canvas[..., 2], 255, atol=16))


class EdgeTest(unittest.TestCase):
    def edges(self, style: compose.Style):
        """The treatments of 100 layers, and how many were blurred."""
        random = numpy.random.RandomState(4)
        pixels = disc(RED, GREEN, 20)
        with mock.patch.object(augment, "treat_edge", wraps=augment.treat_edge) as treated, \
                mock.patch.object(augment, "blur_patch", wraps=augment.blur_patch) as blurred:
            for _ in range(100):
                compose.make_layer(random, pixels, 12.0, style)
        kinds = [call[0][0] for call in treated.call_args_list]
        self.assertEqual(blurred.call_count, kinds.count("blurred"))
        return kinds

    def test_objects_have_edges_of_all_kinds(self):
        kinds = self.edges(dataclasses.replace(STYLE, edge=None))
        self.assertEqual(set(kinds), set(augment.EDGES))
        self.assertLess(max(kinds.count(kind) for kind in augment.EDGES), 40)

    def test_a_scene_may_have_one_edge(self):
        self.assertEqual(set(self.edges(dataclasses.replace(STYLE, edge="eroded"))), {"eroded"})
        random = numpy.random.RandomState(5)
        drawn = [compose._draw_style(random).edge for _ in range(300)]
        self.assertEqual(set(drawn), {None, *augment.EDGES})
        self.assertTrue(0.4 < drawn.count(None) / len(drawn) < 0.6)

    def test_a_blurred_object_has_a_wider_rim(self):
        random = numpy.random.RandomState(9)
        rims = {}
        for edge in ("bilinear", "blurred"):
            layers = [compose.make_layer(random, disc(RED, GREEN), 40.0, dataclasses.replace(STYLE, edge=edge))
                      for _ in range(20)]
            rims[edge] = sum(((layer.alpha > 16) & (layer.alpha < 240)).sum() for layer in layers)
        self.assertGreater(rims["blurred"], 1.3 * rims["bilinear"])

    def test_no_two_treatments_are_alike(self):
        alpha = numpy.asarray(Image.fromarray(disc(RED, GREEN)).resize((25, 25), Image.BILINEAR))[..., 3]
        alpha = numpy.pad(alpha, 2)
        treated = [augment.treat_edge(kind, alpha).tobytes() for kind in augment.EDGES if kind != "blurred"]
        self.assertEqual(len(set(treated)), len(augment.EDGES) - 1)


class ShadowTest(unittest.TestCase):
    def shadow(self, style: compose.Style) -> numpy.ndarray:
        """How much of a white canvas (90, 90) a disc's shadow takes away, 0..1."""
        canvas = numpy.ones((90, 90, 3), numpy.float32)
        alpha = disc(RED, GREEN, 40)[..., 3]
        compose.cast_shadow(canvas, compose.Layer(numpy.zeros((40, 40, 3), numpy.float32), alpha, 25, 20), style)
        self.assertTrue((canvas[..., 0] == canvas[..., 2]).all())
        return 1.0 - canvas[..., 0]

    def test_shadows_are_soft_and_as_dark_as_asked(self):
        for kind in ("cast", "contact"):
            for darkness in (0.2, 0.6):
                taken = self.shadow(dataclasses.replace(STYLE, shadow=darkness, shadow_kind=kind))
                self.assertTrue(0.7 * darkness < taken.max() <= darkness + 1e-5, (kind, darkness, taken.max()))
                steps = max(numpy.abs(numpy.diff(taken, axis=axis)).max() for axis in (0, 1))
                self.assertLess(steps, 0.3 * darkness, (kind, darkness))
                self.assertEqual(taken[:3].max(), 0.0)

    def test_a_cast_shadow_lies_to_the_side_and_a_contact_shadow_at_the_foot(self):
        style = dataclasses.replace(STYLE, shift=(0.25, 0.1))
        for kind, x, y in (("cast", 44.5 + 10, 39.5 + 4), ("contact", 44.5, 58.0)):
            taken = self.shadow(dataclasses.replace(style, shadow_kind=kind))
            rows, columns = numpy.indices(taken.shape)
            self.assertAlmostEqual((taken * columns).sum() / taken.sum(), x, delta=1.5)
            self.assertAlmostEqual((taken * rows).sum() / taken.sum(), y, delta=3.0)

    def test_how_often(self):
        random = numpy.random.RandomState(6)
        styles = [compose._draw_style(random) for _ in range(400)]
        shaded = [style for style in styles if style.shadow]
        self.assertTrue(0.65 < len(shaded) / len(styles) < 0.85)
        self.assertTrue(all(0.1 <= style.shadow <= 0.6 and style.softness >= 0.02 for style in shaded))
        self.assertEqual({style.shadow_kind for style in shaded}, {"cast", "contact"})


class SceneTest(unittest.TestCase):
    """Parts of scenes, which the camera does not touch here."""

    def setUp(self):
        patch = mock.patch.object(augment, "develop", side_effect=lambda random, canvas: canvas.copy())
        self.camera = patch.start()
        self.addCleanup(patch.stop)
        self.maker = compose.SceneMaker(None, SIDE)

    def scene(self, number: int, **changes) -> scenes.Scene:
        """A scene whose style is changed after it was drawn."""
        draw = compose._draw_style
        with mock.patch.object(compose, "_draw_style", lambda random: dataclasses.replace(draw(random), **changes)):
            return self.maker.scene(number)

    def test_shadows_darken_what_lies_behind_and_nothing_else(self):
        on_objects = 0
        for number in range(6):
            dark, light = self.scene(number, shadow=0.6), self.scene(number, shadow=0.0)
            difference = (light.image - dark.image).max(axis=2)
            self.assertGreaterEqual(difference.min(), -1e-3)
            covered = numpy.any([item.amodal for item in dark.objects], axis=0)
            self.assertGreater((difference[~covered] > 5.0).sum(), 20)
            self.assertTrue(all((a.amodal == b.amodal).all() for a, b in zip(dark.objects, light.objects)))
            visible = scenes.visible_masks(dark)
            # Nothing lies in front of the first, so that no shadow falls on it but through its translucent rim.
            self.assertLess((difference[visible[0]] > 40.0).mean(), 0.1)
            on_objects += sum((difference[mask] > 5.0).sum() for mask in visible[1:])
        self.assertGreater(on_objects, 100)

    def test_patches_lie_in_a_third_of_the_scenes_behind_all_objects(self):
        random = numpy.random.RandomState(7)
        shares = []
        for _ in range(60):
            canvas = numpy.full((SIDE, SIDE, 3), 1000.0, numpy.float32)  # no patch holds such a colour
            self.maker._patches(random, canvas, STYLE)
            shares.append((canvas != 1000.0).any(axis=2).mean())
        self.assertTrue(0.2 < numpy.count_nonzero(shares) / len(shares) < 0.5, shares)
        self.assertTrue(0.01 < max(shares) < 0.9)

        def paint(random, canvas, style):
            canvas[:] = GREEN
        with mock.patch.object(self.maker, "_patches", paint):
            scene = self.scene(0, shadow=0.0, edge="hard")
        covered = numpy.any([item.amodal for item in scene.objects], axis=0)
        self.assertTrue((scene.image[~covered] == GREEN).all())
        self.assertFalse((scene.image[covered] == GREEN).all())

    def test_patches_have_edges_like_objects(self):
        random = numpy.random.RandomState(8)
        with mock.patch.object(compose, "make_layer", wraps=compose.make_layer) as made:
            for _ in range(30):
                self.maker._patches(random, numpy.zeros((SIDE, SIDE, 3), numpy.float32), STYLE)
        self.assertGreater(made.call_count, 5)
        self.assertTrue(all(call[0][3] is STYLE for call in made.call_args_list))

    def test_the_background_is_the_one_that_was_drawn(self):
        def background(random, store, cutouts, backgrounds, width, height):
            return numpy.full((height, width, 3), BLUE, numpy.float32)
        with mock.patch.object(textures, "background", background), mock.patch.object(self.maker, "_patches"):
            scene = self.scene(1, shadow=0.0, edge="hard")
        covered = numpy.any([item.amodal for item in scene.objects], axis=0)
        self.assertTrue((scene.image[~covered] == BLUE).all())

    def test_the_camera_takes_the_whole_picture(self):
        self.camera.side_effect = lambda random, canvas: numpy.full(canvas.shape, 7, numpy.uint8)
        self.assertTrue((self.scene(2).image == 7).all())


if __name__ == "__main__":
    unittest.main()

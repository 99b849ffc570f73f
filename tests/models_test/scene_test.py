"""Levels, visible and hidden parts on a scene drawn by hand."""

import unittest

import numpy

from models import scene as scenes

#   A is in front of B, B in front of C, A in front of C; all in one row of pixels.
ROW = {"a": ".AAA....", "b": "..BBBB..", "c": "...CCCCC"}


def mask_of(row: str) -> numpy.ndarray:
    return numpy.array([[letter != "." for letter in row]])


def scene_of(rows, front) -> scenes.Scene:
    width = len(rows[0])
    return scenes.Scene(None, "drawn", 1, width, 1, [scenes.SceneObject(mask_of(row)) for row in rows],
                        numpy.array(front, bool))


def text_of(level) -> str:
    return "".join("." if value == scenes.OUTSIDE else str(value) for value in level[0])


class SceneTest(unittest.TestCase):
    def setUp(self):
        self.scene = scene_of(list(ROW.values()), [[0, 1, 1], [0, 0, 1], [0, 0, 0]])

    def test_levels_of_a_full_order(self):
        levels = scenes.level_maps(self.scene)
        self.assertEqual((levels.dtype, levels.shape), (numpy.uint8, (3, 1, 8)))
        self.assertEqual([text_of(level) for level in levels], [".000....", "..1100..", "...21100"])

    def test_visible_and_hidden(self):
        visible, hidden = scenes.visible_masks(self.scene), scenes.hidden_masks(self.scene)
        for found, expected in zip(visible, (".AAA....", "....BB..", "......CC")):
            self.assertTrue(numpy.array_equal(found, mask_of(expected)))
        for found, expected in zip(hidden, ("........", "..BB....", "...CCC..")):
            self.assertTrue(numpy.array_equal(found, mask_of(expected)))

    def test_only_stated_pairs_count(self):
        # Nothing is said about A and C: C's level is B's share alone, though A, B, C are a chain.
        self.scene.front[0, 2] = False
        self.assertEqual(text_of(scenes.level_maps(self.scene)[2]), "...11100")

    def test_order_need_not_follow_the_list(self):
        scene = scene_of([ROW["c"], ROW["a"]], [[0, 0], [1, 0]])
        self.assertEqual([text_of(level) for level in scenes.level_maps(scene)], ["...10000", ".000...."])

    def test_given_visible_without_order_is_level_1(self):
        self.scene.front[:] = False
        self.scene.objects[2].visible = mask_of("......CC")
        self.assertEqual([text_of(level) for level in scenes.level_maps(self.scene)],
                         [".000....", "..0000..", "...11100"])
        self.assertTrue(numpy.array_equal(scenes.hidden_masks(self.scene)[2], mask_of("...CCC..")))

    def test_given_visible_wins_over_the_order(self):
        self.scene.objects[2].visible = mask_of("....CCCC")
        self.assertEqual(text_of(scenes.level_maps(self.scene)[2]), "...20000")

    def test_what_covers_all_is_one_more_in_front(self):
        """Here at 2 and 3; those who state no visible mask of their own are behind it too."""
        self.scene.objects[0].visible = mask_of(".A......")
        for _ in range(2):
            self.assertEqual([text_of(level) for level in scenes.level_maps(self.scene)],
                             [".011....", "..2200..", "...31100"])
            for item, visible in zip(self.scene.objects[1:], ("....BB..", "......CC")):
                item.visible = mask_of(visible)

    def test_levels_of_an_object_itself_are_taken(self):
        self.scene.objects[1].levels = numpy.array([[9, 9, 3, 0, 4, 1, 9, 9]], numpy.uint8)
        scenes.validate(self.scene)
        self.assertEqual([text_of(level) for level in scenes.level_maps(self.scene)],
                         [".000....", "..3041..", "...21100"])

    def test_count(self):
        count = scenes.count_map(self.scene)
        self.assertEqual((count.dtype, count[0].tolist()), (numpy.uint8, [0, 1, 2, 3, 2, 2, 1, 1]))

    def test_no_objects(self):
        scene = scenes.Scene(None, "empty", 1, 3, 2, [], numpy.zeros((0, 0), bool))
        scenes.validate(scene)
        self.assertEqual(scenes.level_maps(scene).shape, (0, 2, 3))
        self.assertEqual(scenes.count_map(scene).tolist(), [[0, 0, 0], [0, 0, 0]])

    def test_list_order(self):
        self.assertEqual(scenes.list_order(3).tolist(),
                         [[False, True, True], [False, False, True], [False, False, False]])

    def test_validate_names_the_fault(self):
        scenes.validate(self.scene)
        faults = {"object 1: amodal": lambda s: setattr(s.objects[1], "amodal", numpy.zeros((2, 8), bool)),
                  "object 0: visible": lambda s: setattr(s.objects[0], "visible", mask_of("A.......")),
                  "object 2: levels": lambda s: setattr(s.objects[2], "levels", numpy.zeros((1, 8), numpy.int64)),
                  "object 1: levels": lambda s: setattr(s.objects[1], "levels", numpy.zeros((1, 7), numpy.uint8)),
                  "found both": lambda s: s.front.__setitem__((1, 0), True),
                  "front: expected": lambda s: setattr(s, "front", numpy.zeros((2, 2), bool)),
                  "image: expected": lambda s: setattr(s, "image", numpy.zeros((8, 1, 3), numpy.uint8))}
        for text, spoil in faults.items():
            self.setUp()
            spoil(self.scene)
            with self.assertRaisesRegex(scenes.SceneError, text):
                scenes.validate(self.scene)

    def test_outline(self):
        mask = numpy.zeros((7, 7), bool)
        mask[1:6, 1:6] = True
        self.assertEqual(int(scenes.outline(mask, 1).sum()), 16)
        self.assertEqual(int(scenes.outline(mask, 2).sum()), 24)
        self.assertEqual(int(scenes.outline(numpy.ones((4, 4), bool), 1).sum()), 12)  # the image's border too


if __name__ == "__main__":
    unittest.main()

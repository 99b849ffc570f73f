"""Run lengths and polygons against texts computed by hand, pycocotools' results, and a scalar walk."""

import math
import random
import unittest

import numpy

from models import rle
from models.rle import RleError

# height, width, polygon, counts as pycocotools 2.0.11 gives them (merge(frPyObjects([polygon], h, w))).
POLYGONS = (
    (12, 17, [5.51, 1.81, 11.07, 0.87, 9.11, 4.39], "e22:1O00NY2"),
    (20, 15, [0.9, 10.1, 0.6, 8.7, 1.0, 1.8, 6.4, 16.5, 1.9, 4.5], "g04a8"),
    (9, 9, [6.6, 11.8, 5.7, 2.8, 12.2, -2.8, 10.3, 1.1, -1.3, -1.7, 1.4, 9.6, -0.7, 5.8, 6.8, 2.4],
     "051M033O100O10072G0"),
    (33, 21, [11.904, -3.699, -2.448, 2.915, 15.804, 13.155, 5.036, 20.453, 9.124, 7.249, 19.155, 25.694],
     "22n02O1N101O0BJ17KK65FO:;1FCO>2AN?91KAGc077LVONi052N2M3NY1"),
    (16, 16, [4.0, 9.0, 8.0, 14.0, 12.0, 5.0, 16.0, 2.0], "Y21>2N2O1N10N1N3N1000n0"),
    (1, 30, [7.6, 1.3, -16.3, 0.5, -26.5, 1.0, 38.8, 0.7, 48.8, -0.1], "n0"),
    (30, 1, [0.89, 20.66, 0.66, 12.37, 1.18, 41.68, 0.45, 24.85, -0.38, 27.09], "f053"),
    (40, 50, [32.4, 39.7, 41.1, 11.4, 19.3, 26.7, 1.1, 18.5, 8.4, 4.7, 2.9, 30.7, 6.5, 9.9, 19.5, 34.9,
              4.0, 18.0, 27.5, 35.3],
     "j11U12N3M2ROIi055LTO4f0MYO7m0MQOJo081O1O1O1KmN2U10NNmN2R1OoN1P1OQO0n01SONm0142N2O1N1O2N2O1N1O2O1N2N2N"
     "10M2N2N3L3N2N3M2No:"),
)


def mask_of(rows):
    return numpy.array([[character == "1" for character in row] for row in rows])


def scalar_polygon(polygon, height, width):
    """The rule again, point by point, as a check on the vectorised one."""
    x = [int(5.0 * value + 0.5) for value in polygon[0::2]]
    y = [int(5.0 * value + 0.5) for value in polygon[1::2]]
    points = []
    for i in range(len(x)):
        a, b = (x[i], y[i]), (x[(i + 1) % len(x)], y[(i + 1) % len(x)])
        wide = abs(a[0] - b[0]) >= abs(a[1] - b[1])
        axis = 0 if wide else 1
        flip = a[axis] > b[axis]
        low, high = (b, a) if flip else (a, b)
        length = high[axis] - low[axis]
        slope = (high[1 - axis] - low[1 - axis]) / length if length else 0.0
        for step in (range(length, -1, -1) if flip else range(length + 1)):
            major, minor = low[axis] + step, int(low[1 - axis] + slope * step + 0.5)
            points.append((major, minor) if wide else (minor, major))
    toggles = [0] * (height * width + 1)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 == x1:
            continue
        column = ((x1 if x1 < x0 else x1 - 1) + 0.5) / 5.0 - 0.5
        if column != math.floor(column) or column < 0 or column > width - 1:
            continue
        row = math.ceil(min(max((min(y0, y1) + 0.5) / 5.0 - 0.5, 0.0), height))
        toggles[int(column) * height + row] ^= 1
    inside = numpy.cumsum(toggles[:-1]) % 2 == 1
    return inside.reshape(width, height).T


class TextTest(unittest.TestCase):
    # Each text by hand: differences to the count two before, from the fourth on; groups of 5 bits.
    CASES = (
        (["000", "010", "000"], "414"),  # 4 1 4
        (["111", "111"], "06"),  # the first run is empty
        (["00", "00", "00"], "6"),
        # 5 zeros, 3 ones, 2 zeros, 1 one (1 - 3 = -2: 11110 = 30, code 78), 1 zero (1 - 2 = -1: 31, code 79).
        (["000001110010"], "532NO"),
        (["0" * 16 + "1"], "`01"),  # 16 = 10000: the group alone would read as -16, so a second follows
        (["0" * 100], "T3"),  # 100 = 3 * 32 + 4: 4 + 32 + 48 = 84, 3 + 48
        # 0 zeros, 17 ones (17 = 10001: two groups), 1 zero, 1 one (1 - 17 = -16 = 10000: one group, code 64).
        (["1" * 17 + "0" + "1"], "0a01@"),
    )

    def test_texts_by_hand(self):
        for rows, text in self.CASES:
            with self.subTest(text):
                mask = mask_of(rows)
                self.assertEqual(rle.encode(mask), {"size": list(mask.shape), "counts": text})
                numpy.testing.assert_array_equal(rle.decode({"size": list(mask.shape), "counts": text}), mask)

    def test_columns_come_first(self):
        self.assertEqual(rle.encode(mask_of(["01", "01"]))["counts"], "22")
        self.assertEqual(rle.encode(mask_of(["00", "11"]))["counts"], "1110")

    def test_round_trip_and_area(self):
        for seed in range(60):
            random_state = numpy.random.RandomState(seed)
            shape = random_state.randint(1, 70, 2)
            mask = random_state.random_sample(shape) < random_state.random_sample()
            coded = rle.encode(mask)
            numpy.testing.assert_array_equal(rle.decode(coded), mask)
            self.assertEqual(rle.area(coded), mask.sum())
            plain = {"size": coded["size"], "counts": rle.counts_of(coded).tolist()}
            numpy.testing.assert_array_equal(rle.decode(plain), mask)

    def test_large_counts(self):
        mask = numpy.zeros((3000, 2000), bool)
        mask[2999, 1999] = mask[0, 1000] = True
        numpy.testing.assert_array_equal(rle.decode(rle.encode(mask)), mask)

    def test_bad_texts_are_named(self):
        for counts, words in (("", "empty"), ("41", "sum of 3 \\* 3 = 9, found 5"), ("41d", "complete"),
                              ("4~4", "found code 126 at 1"), ("4\u00e94", "ASCII"), ("4O6", "at least 0"),
                              ("o" * 13 + "0", "under 13"), (7, "found int"), ([4, 1.5, 4], "whole numbers")):
            with self.subTest(counts), self.assertRaisesRegex(RleError, words):
                rle.decode({"size": [3, 3], "counts": counts})
        for size in (None, [3], [3, -1], "3x3"):
            with self.subTest(size), self.assertRaisesRegex(RleError, "size: expected"):
                rle.decode({"size": size, "counts": "9"})


class PolygonTest(unittest.TestCase):
    def test_square_by_hand(self):
        # Corners 5..15 on the fine grid: columns 1 and 2, rows ceil((5 + .5) / 5 - .5) = 1 up to 3.
        mask = rle.from_polygons([[1, 1, 3, 1, 3, 3, 1, 3]], 5, 5)
        numpy.testing.assert_array_equal(mask, mask_of(["00000", "01100", "01100", "00000", "00000"]))
        self.assertEqual(rle.encode(mask)["counts"], "62309")  # 6 2 3 2 12

    def test_triangle_and_union(self):
        triangle = mask_of(["11100", "11000", "10000", "00000", "00000"])
        numpy.testing.assert_array_equal(rle.from_polygons([[0, 0, 4, 0, 0, 4]], 5, 5), triangle)
        both = rle.from_polygons([[0, 0, 4, 0, 0, 4], [1, 1, 3, 1, 3, 3, 1, 3]], 5, 5)
        self.assertEqual(int(both.sum()), 6 + 4 - 1)

    def test_golden_polygons(self):
        for height, width, polygon, counts in POLYGONS:
            with self.subTest(polygon):
                mask = rle.from_polygons([polygon], height, width)
                self.assertEqual(rle.encode(mask)["counts"], counts)

    def test_equals_the_scalar_walk(self):
        source = random.Random(11)
        for _ in range(150):
            height, width = source.randint(1, 40), source.randint(1, 40)
            polygon = [source.choice((1.0, 0.25)) * source.randint(-60, 120)
                       for _ in range(2 * source.randint(3, 9))]
            polygon += polygon[-2:] + polygon[:2]  # repeated corners: edges of length 0
            numpy.testing.assert_array_equal(rle.from_polygons([polygon], height, width),
                                             scalar_polygon(polygon, height, width))

    def test_bad_polygons_are_named(self):
        for polygon, words in (([1, 2, 3, 4], "3 corners, found 4"), ([1, 2, 3, 4, 5, 6, 7], "found 7"),
                               ([0, 0, 4, 0, float("nan"), 4], "at most 100000, found one beyond"),
                               ([0, 0, 10 ** 400, 0, 4, 4], "at most 100000, found one beyond"),
                               ([0, 0, 4, 0, 1e12, 4], "beyond"),
                               ([0, 0, "a", 0, 1, 4], "list of numbers")):
            with self.subTest(polygon), self.assertRaisesRegex(RleError, words):
                rle.from_polygons([polygon], 5, 5)

    def test_any_segmentation(self):
        square = [1, 1, 3, 1, 3, 3, 1, 3]
        expected = rle.from_polygons([square], 5, 5)
        for segmentation in (square, [square], {"size": [5, 5], "counts": "62309"},
                             {"size": [5, 5], "counts": [6, 2, 3, 2, 12]}):
            numpy.testing.assert_array_equal(rle.from_segmentation(segmentation, 5, 5), expected)
        for segmentation, words in (([], "empty list"), ("x", "found str"), (None, "found NoneType"),
                                    ({"size": [5, 6], "counts": "n0"}, "the image's")):
            with self.subTest(segmentation), self.assertRaisesRegex(RleError, words):
                rle.from_segmentation(segmentation, 5, 5)

    def test_corners_that_are_no_flat_lists(self):
        """None of them may count as polygons of too few corners, which are left out."""
        points, square = [[0, 0], [4, 0], [4, 4]], [1, 1, 3, 1, 3, 3, 1, 3]
        coded = {"size": [5, 5], "counts": "62309"}
        for polygons, words in ((points, "corners as lists of their own"), ([points], "corners as lists of their own"),
                                ([square, points], "corners as lists of their own"),
                                ([[1, [2, 3]]], "corners as lists of their own"),
                                ([square, 7], "numbers beside lists"), ([7, square], "numbers beside lists"),
                                ([square, "7"], "found str beside lists"), ([None, square], "found NoneType beside"),
                                ([square, coded], "found an object \\(such as an RLE\\) in the list"),
                                ([coded, square], "found an object .*"), ([coded], "found an object .*"),
                                (["a", 1], "list of numbers"), ([square, [None]], "list of numbers")):
            with self.subTest(polygons):
                with self.assertRaisesRegex(RleError, f"polygon: expected .*{words}"):
                    rle.with_corners(polygons)
                with self.assertRaisesRegex(RleError, "polygon: expected "):
                    rle.from_segmentation(polygons, 5, 5)

    def test_with_corners(self):
        square = [1, 1, 3, 1, 3, 3, 1, 3]
        for polygons, expected in ((square, ([square], 0)), ([square, [1, 1], [2, 2, 3, 3]], ([square], 2)),
                                   ([[1, 1], [2, 2]], ([], 2)), ([1, 2, 3, 4], ([], 1)), ([], ([], 0)),
                                   ([[]], ([], 1))):
            with self.subTest(polygons):
                self.assertEqual(rle.with_corners(polygons), expected)


class IouTest(unittest.TestCase):
    def test_iou(self):
        a, b = mask_of(["1100"]), mask_of(["0110"])
        self.assertEqual(rle.iou(a, b), 1 / 3)
        self.assertEqual(rle.iou(a, a), 1.0)
        self.assertEqual(rle.iou(a & b & False, b & False), 0.0)


if __name__ == "__main__":
    unittest.main()

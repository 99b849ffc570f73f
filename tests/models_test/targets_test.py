"""Training targets on scenes drawn by hand, and the RoIs that are sampled for the heads."""

import dataclasses
import unittest

import numpy
import torch
from torchvision.ops import roi_align

from models import config as configs
from models.config import Config
from models.network import make_network
from models.proposals import decode_boxes, make_anchors
from models.scene import OUTSIDE, Scene, SceneObject, list_order
from models.targets import (TargetError, assign_anchors, box_iou, cell_counts, encode_boxes, make_sample,
                            roi_planes, sample_anchors, tight_box)
from models.training.batches import collate, normalise, roi_random, roi_targets, sample_rois
from models.training.forward import choose_negatives, encode, flatten_rpn
from models.training.roi_align import align
from models.training.trainer import initialise_weights


def rectangle(height, width, x0, y0, x1, y1):
    mask = numpy.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def drawn_scene(boxes, width=64, height=64):
    """Rectangles, the first in front."""
    image = numpy.arange(height * width * 3, dtype=numpy.uint32).astype(numpy.uint8).reshape(height, width, 3)
    return Scene(image, "drawn", 1, width, height, [SceneObject(rectangle(height, width, *b)) for b in boxes],
                 list_order(len(boxes)))


def sample_of(scene, config=configs.named("tiny"), seed=0):
    return make_sample(scene, config, make_anchors(config).numpy(), numpy.random.default_rng(seed))


class CellCountsTest(unittest.TestCase):
    def test_most_frequent_count_lowest_of_equals_capped(self):
        counts = numpy.zeros((8, 8), numpy.uint8)
        counts[0:4, 0:2] = 1  # 8 of 16 pixels: a tie with 0
        counts[0:4, 4:7] = 2  # 12 of 16
        counts[4:8, 0:4] = 6  # above the cap
        counts[4:8, 4:8] = [[1, 1, 2, 2], [3, 3, 3, 0], [3, 3, 3, 0], [0, 0, 1, 2]]
        self.assertEqual(cell_counts(counts, 4).tolist(), [[0, 2], [4, 3]])

    def test_padding_counts_nothing(self):
        sample = sample_of(drawn_scene([(0, 0, 64, 30)], width=64, height=30))
        self.assertEqual(sample.counts[:7].tolist(), numpy.ones((7, 16)).tolist())
        # Row 7 holds two rows of the image and two of padding: a tie, so 0.
        self.assertEqual(int(sample.counts[7:].sum()), 0)


class SampleTest(unittest.TestCase):
    def test_levels_boxes_and_image_of_a_stack(self):
        scene = drawn_scene([(20, 20, 30, 30), (16, 16, 40, 32), (8, 24, 44, 40)], width=64, height=48)
        sample = sample_of(scene)
        self.assertEqual(sample.boxes.tolist(), [[20, 20, 30, 30], [16, 16, 40, 32], [8, 24, 44, 40]])
        last = sample.levels[2]
        self.assertEqual([int(last[y, x]) for x, y in ((25, 26), (35, 26), (10, 30), (5, 5), (10, 60))],
                         [2, 1, 0, OUTSIDE, OUTSIDE])
        self.assertTrue(numpy.array_equal(sample.image[:48], scene.image))
        self.assertEqual(int(sample.image[48:].sum()), 0)
        self.assertEqual((sample.width, sample.height), (64, 48))

    def test_objects_without_pixels_leave_no_target(self):
        sample = sample_of(drawn_scene([(10, 10, 10, 10), (10, 10, 30, 30)]))
        self.assertEqual(sample.boxes.tolist(), [[10, 10, 30, 30]])
        empty = sample_of(drawn_scene([]))
        self.assertEqual((empty.boxes.shape, empty.levels.shape, len(empty.deltas)), ((0, 4), (0, 64, 64), 0))
        self.assertEqual((len(empty.positive), len(empty.negative)), (0, 240))

    def test_what_does_not_fit_is_refused(self):
        with self.assertRaisesRegex(TargetError, "at most 64, found 65x40"):
            sample_of(drawn_scene([(0, 0, 9, 9)], width=65, height=40))
        with self.assertRaisesRegex(TargetError, "its image, found none"):
            sample_of(dataclasses.replace(drawn_scene([]), image=None))

    def test_tight_box(self):
        mask = numpy.zeros((9, 12), bool)
        mask[3, 4] = mask[7, 2] = True
        self.assertEqual(tight_box(mask), (2, 3, 5, 8))


class AnchorTest(unittest.TestCase):
    def test_iou_by_hand(self):
        a = numpy.array([[0, 0, 4, 4], [5, 5, 5, 5]], numpy.float32)
        b = numpy.array([[2, 2, 6, 6], [0, 0, 4, 4], [8, 8, 9, 9]], numpy.float32)
        self.assertTrue(numpy.allclose(box_iou(a, b), [[4 / 28, 1, 0], [0, 0, 0]]))

    def test_positive_negative_between_and_the_best_of_a_lonely_object(self):
        # cx cy w h against the boxes (0,0,10,10) and (40,0,50,40); the second has IoU 0.25 at best.
        anchors = numpy.array([[5, 5, 10, 10], [5, 5, 10, 6], [5, 5, 10, 4], [5, 5, 10, 2],
                               [45, 5, 10, 10], [45, 15, 10, 10], [45, 25, 10, 8]], numpy.float32)
        boxes = numpy.array([[0, 0, 10, 10], [40, 0, 50, 40]], numpy.float32)
        self.assertEqual(assign_anchors(anchors, boxes).tolist(), [0, 0, -2, -1, 1, 1, -1])
        self.assertEqual(assign_anchors(anchors, boxes[:0]).tolist(), [-1] * 7)

    def test_sampling_is_bounded_and_a_function_of_the_generator(self):
        owner = numpy.array([0] * 300 + [-1] * 900 + [-2] * 50)
        positive, negative = sample_anchors(owner, numpy.random.default_rng(3))
        self.assertEqual((len(positive), len(negative)), (128, 900))
        self.assertTrue((owner[positive] >= 0).all() and (owner[negative] == -1).all())
        again = sample_anchors(owner, numpy.random.default_rng(3))
        self.assertTrue(numpy.array_equal(positive, again[0]) and numpy.array_equal(negative, again[1]))
        positive, negative = sample_anchors(owner[295:], numpy.random.default_rng(3))
        self.assertEqual((len(positive), len(negative)), (5, 900))
        self.assertEqual(len(sample_anchors(numpy.full(9000, -1), numpy.random.default_rng(3))[1]), 4096)

    def test_every_object_has_its_share_of_the_positive_anchors(self):
        owner = numpy.array([2] * 3 + [0] * 200 + [-1] * 900 + [1] * 97)
        positive, _ = sample_anchors(owner, numpy.random.default_rng(0))
        counts = numpy.bincount(owner[positive])
        # The smallest gives all that it has; the others share the rest, the odd one goes to either.
        self.assertEqual((int(counts[2]), sorted(counts[:2].tolist())), (3, [62, 63]))
        self.assertEqual(len(set(positive.tolist())), 128)

    def test_deltas_invert_the_decoder(self):
        anchors = torch.tensor([[20.0, 20, 16, 8], [30, 40, 10, 40]])
        boxes = numpy.array([[3, 5, 22, 31], [25, 30, 40, 61]], numpy.float32)
        deltas = torch.from_numpy(encode_boxes(anchors.numpy(), boxes))
        self.assertTrue(numpy.allclose(decode_boxes(anchors, deltas, 64).numpy(), boxes, atol=1e-4))

    def test_batch_indices_meet_the_networks_own_order(self):
        config = configs.named("tiny")
        cells, a = config.grid ** 2, config.anchors_per_cell
        objectness = torch.arange(2 * a * cells, dtype=torch.float32).reshape(2, a, config.grid, config.grid)
        deltas = torch.arange(8 * a * cells, dtype=torch.float32).reshape(2, 4 * a, config.grid, config.grid)
        logits, rows = flatten_rpn(config, objectness, deltas)
        y, x, k = 1, 2, 4
        index = cells * a + (y * config.grid + x) * a + k  # of the second image
        self.assertEqual(float(logits[index]), float(objectness[1, k, y, x]))
        self.assertEqual(rows[index].tolist(), deltas[1, 4 * k:4 * k + 4, y, x].tolist())


class RoiPlanesTest(unittest.TestCase):
    def test_cells_of_a_pixel_each_are_the_levels(self):
        sample = sample_of(drawn_scene([(20, 20, 30, 30), (16, 16, 40, 32), (8, 24, 44, 40)]))
        planes = roi_planes(sample.levels[2], (10, 20, 38, 48), 28, 4)
        expected = numpy.zeros((28, 28), int)
        expected[4:20] = 1  # rows 24..39; columns 10..37 lie inside of 8..44
        expected[4:12, 6:28] = 2  # under the second: columns 16..39, rows ..31
        expected[4:10, 10:20] = 3  # under both
        self.assertEqual(planes.tolist(), expected.tolist())
        self.assertEqual(int(roi_planes(sample.levels[2], (10, 20, 38, 48), 28, 2).max()), 2)

    def test_cells_are_read_at_their_centres(self):
        levels = numpy.full((16, 16), OUTSIDE, numpy.uint8)
        levels[4, 6] = 0
        # Four cells over x = 5..9, y = 3.5..5.5: centres x = 5.5, 6.5, .. and y = 3.75, 4.25, 4.75, 5.25.
        planes = roi_planes(levels, (5.0, 3.5, 9.0, 5.5), 4, 4)
        self.assertEqual(planes.tolist(), [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])


class RoiSamplingTest(unittest.TestCase):
    def setUp(self):
        self.config = configs.named("tiny")
        self.sample = sample_of(drawn_scene([(4, 4, 24, 24), (30, 10, 60, 30), (10, 40, 50, 60)]))

    def test_counts_owners_and_repeatability(self):
        proposals = numpy.array([[5, 5, 25, 25], [0, 0, 64, 64], [40, 40, 63, 63]], numpy.float32)
        boxes, owners = sample_rois(self.sample, proposals, 12, self.config, roi_random(7, 3))
        self.assertEqual((boxes.shape, int((owners < 0).sum())), ((12, 4), 3))
        iou = box_iou(boxes, self.sample.boxes)
        for row, owner in zip(iou, owners):
            self.assertEqual(int(owner), int(row.argmax()) if row.max() >= 0.5 else -1)
        # Nine positive ones of three objects: each has its three.
        self.assertEqual(numpy.bincount(owners[owners >= 0]).tolist(), [3, 3, 3])
        again = sample_rois(self.sample, proposals, 12, self.config, roi_random(7, 3))
        self.assertTrue(numpy.array_equal(boxes, again[0]) and numpy.array_equal(owners, again[1]))
        other = sample_rois(self.sample, proposals, 12, self.config, roi_random(7, 4))
        self.assertFalse(numpy.array_equal(boxes, other[0]))

    def test_objects_with_many_proposals_are_not_preferred(self):
        sample = sample_of(drawn_scene([(8 + 14 * (i % 4), 8 + 18 * (i // 4), 18 + 14 * (i % 4), 22 + 18 * (i // 4))
                                        for i in range(12)]))
        proposals = numpy.concatenate((numpy.repeat(sample.boxes[:1], 15, axis=0), sample.boxes[1:]))
        counts = numpy.zeros(12)
        for scene in range(300):
            _, owners = sample_rois(sample, proposals, 8, self.config, roi_random(0, scene))
            counts += numpy.bincount(owners[owners >= 0], minlength=12)
        self.assertEqual(int(counts.sum()), 300 * 6)  # six positive places of twelve objects
        self.assertLess(abs(counts / 300 - 0.5).max(), 0.12)  # four standard deviations

    def test_overlapping_objects_come_twice_as_readily(self):
        rows = [(4 + 15 * (i % 4), 2 + 20 * (i // 4), 14 + 15 * (i % 4), 16 + 20 * (i // 4)) for i in range(12)]
        # Two small things in front hide a corner of the first and the second.
        sample = sample_of(drawn_scene([(12, 12, 15, 18), (27, 12, 30, 18), *rows]))
        first = numpy.zeros(14)
        for scene in range(400):
            _, owners = sample_rois(sample, sample.boxes, 1 + 1, self.config, roi_random(0, scene))
            first[owners[owners >= 0]] += 1
        overlapping, single = first[:4].mean(), first[4:].mean()
        self.assertTrue(1.5 < overlapping / single < 2.5, first)

    def test_shared_cells_are_the_object_s_own_under_or_over_another(self):
        config = configs.named("tiny")
        # The third touches the second's box without a common pixel.
        sample = sample_of(drawn_scene([(4, 4, 24, 24), (14, 14, 42, 34), (42, 20, 60, 30)]))
        self.assertEqual(sample.overlapping.tolist(), [True, True, False])
        boxes = numpy.array([(4, 4, 18, 18), (14, 14, 28, 28), (50, 18, 64, 32), (0, 40, 14, 54)], numpy.float32)
        planes, shared = roi_targets(sample, boxes, numpy.array([0, 1, 2, -1]), config)
        expected = numpy.zeros((4, 14, 14), bool)  # a pixel each
        expected[0, 10:, 10:] = True  # 14..17: visible, in front of the second
        expected[1, :10, :10] = True  # 14..23: hidden
        self.assertEqual(shared.tolist(), expected.tolist())
        self.assertEqual((set(planes[0][shared[0]]), set(planes[1][shared[1]])), ({1}, {2}))

    def test_negatives_have_empty_targets(self):
        boxes, owners = sample_rois(self.sample, numpy.zeros((0, 4), numpy.float32), 8, self.config,
                                    roi_random(0, 0))
        planes, shared = roi_targets(self.sample, boxes, owners, self.config)
        self.assertFalse(shared.any())
        self.assertEqual(planes.shape, (8, 14, 14))
        for plane, owner in zip(planes, owners):
            self.assertEqual(bool(plane.any()), owner >= 0)

    def test_images_without_objects_give_negatives_only(self):
        boxes, owners = sample_rois(sample_of(drawn_scene([])), numpy.zeros((0, 4), numpy.float32), 8,
                                    self.config, roi_random(0, 0))
        self.assertEqual((len(boxes), set(owners.tolist())), (8, {-1}))


class BatchTest(unittest.TestCase):
    def test_normalised_inside_zero_outside(self):
        config = configs.named("tiny")
        images = torch.full((1, 64, 64, 3), 200, dtype=torch.uint8)
        canvas = normalise(images, [(40, 20)], config)
        expected = (200.0 - numpy.array(config.mean)) / numpy.array(config.std)
        self.assertTrue(numpy.allclose(canvas[0, :, 19, 39].numpy(), expected, atol=1e-5))
        self.assertEqual(float(canvas[0, :, 20:].abs().max()) + float(canvas[0, :, :, 40:].abs().max()), 0.0)

    def test_anchors_of_the_second_image_follow_those_of_the_first(self):
        config: Config = configs.named("tiny")
        samples = [sample_of(drawn_scene([(4, 4, 24, 24)])),
                   sample_of(drawn_scene([(30, 30, 60, 62)]), seed=1)]
        batch = collate(samples, config, torch.device("cpu"))
        per_image = config.grid ** 2 * config.anchors_per_cell
        for field in ("positive", "negative"):
            for i, (found, sample) in enumerate(zip(getattr(batch, field), samples)):
                self.assertTrue(numpy.array_equal(found.numpy(), getattr(sample, field) + i * per_image))
        # In one order, so that anchors and deltas belong together.
        self.assertTrue(numpy.array_equal(batch.deltas.numpy(), numpy.concatenate([s.deltas for s in samples])))
        self.assertEqual(sum(len(found) for found in batch.positive), len(batch.deltas))

    def test_half_of_the_negatives_are_the_surest_that_are_left(self):
        logits = torch.tensor([0.0, 5.0, 1.0, 4.0, 3.0, 9.0, 2.0, 4.0])
        pool = torch.tensor([1, 0, 2, 3, 4, 6, 7])  # the fifth anchor is not among them
        self.assertEqual(choose_negatives(logits, pool, 5).tolist(), [1, 0, 2, 3, 7])
        self.assertEqual(choose_negatives(logits, pool, 4).tolist(), [1, 0, 3, 7])
        self.assertEqual(choose_negatives(logits, pool[:3], 8).tolist(), [1, 0, 2])
        self.assertEqual(choose_negatives(logits, pool[:0], 8).tolist(), [])


class TrainingPassTest(unittest.TestCase):
    def test_roi_align_by_matrices_and_its_gradient(self):
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(2, 5, 16, 16, generator=generator, dtype=torch.float64).requires_grad_()
        boxes = torch.tensor([[0, 0.0, 0, 64, 64], [0, 10.3, 20.7, 33.3, 29.1], [1, -9.0, 50, 3, 75.5],
                              [1, 60.0, 61, 60.5, 61.5]], dtype=torch.float64)
        ours, theirs = align(features, boxes, 14), roi_align(features, boxes, (14, 14), 0.25, 2, True)
        self.assertLess(float((ours - theirs).abs().max()), 1e-12)
        weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
        a, b = (torch.autograd.grad((x * weights).sum(), features)[0] for x in (ours, theirs))
        self.assertLess(float((a - b).abs().max()), 1e-12)

    def test_fusing_before_the_resize_is_the_encoder(self):
        for name in ("tiny", "tiny-lite"):
            network = make_network(configs.named(name)).eval()
            initialise_weights(network, 0)
            canvas = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
            with torch.no_grad():
                expected, found = network.encoder(canvas), encode(network.encoder, canvas)
            self.assertLess(float((expected - found).abs().max()), 1e-5 * float(expected.abs().max()), name)


if __name__ == "__main__":
    unittest.main()

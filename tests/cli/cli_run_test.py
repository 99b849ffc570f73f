"""What `sln run` writes: schemas, names, ids, orientation, the same bytes each time."""

import json
import pathlib
import signal
import subprocess
import sys

import numpy
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import support  # noqa: E402
from support import CliTest, decode_rle, read_safetensors  # noqa: E402


def write_picture(path, width=96, height=64, **options):
    """A picture with edges, the same every time."""
    y, x = numpy.mgrid[0:height, 0:width]
    pixels = numpy.stack([(x * 5 + y) % 256, 255 * ((x // 16 + y // 16) % 2), (y * 3 + x * x // 50) % 256], axis=-1)
    Image.fromarray(pixels.astype(numpy.uint8)).save(path, **options)
    return path


class Run(CliTest):
    def test_schemas_agree_with_each_other(self):
        write_picture(self.scratch / "scene_12.png")
        self.assert_done(self.run_images("--score", 0, "--nms", 1, self.scratch / "scene_12.png"))
        scenes, results = self.scenes(), self.results()
        self.assertEqual({"sln_version", "model", "options", "images"}, set(scenes))
        self.assertEqual({"score_threshold": 0.0, "mask_nms": 1.0, "visible_overlap": 1.0, "mask_threshold": 0.5,
                          "score_mode": "mask", "refine": True, "apply_orientation": True}, scenes["options"])
        image, = scenes["images"]
        self.assertEqual(("scene_12.png", 12, 96, 64, 1),
                         tuple(image[key] for key in ("file", "image_id", "width", "height", "orientation_applied")))
        self.assertEqual(len(results), len(image["objects"]))
        self.assertGreater(len(results), 1)
        self.assertEqual(0, image["dropped_by_nms"])
        self.assertEqual(image["proposals"], len(results) + image["dropped_empty"])
        levels = scenes["model"]["levels"]
        for number, (entry, item) in enumerate(zip(results, image["objects"])):
            self.assertEqual({"image_id", "category_id", "bbox", "score", "segmentation", "visible_segmentation",
                              "level_counts"}, set(entry))
            self.assertEqual((12, 1, number), (entry["image_id"], entry["category_id"], item["id"]))
            self.assertEqual((entry["bbox"], entry["score"]), (item["bbox"], item["score"]))
            amodal, visible = decode_rle(entry["segmentation"]), decode_rle(entry["visible_segmentation"])
            self.assertEqual((64, 96), amodal.shape)
            self.assertEqual(item["amodal_area"], amodal.sum())
            self.assertEqual(item["visible_area"], visible.sum())
            self.assertFalse((visible & ~amodal & 1).any())
            self.assertEqual(levels, len(entry["level_counts"]))
            self.assertEqual([item["amodal_area"], item["visible_area"]], [sum(entry["level_counts"]), entry["level_counts"][0]])
            x, y, width, height = entry["bbox"]
            self.assertTrue(0 <= x <= x + width <= 96 and 0 <= y <= y + height <= 64, entry["bbox"])
        scores = [entry["score"] for entry in results]
        self.assertEqual(sorted(scores, reverse=True), scores)
        self.assert_depths(image)
        timings = json.loads((self.out / "timings.json").read_text())
        self.assertEqual(2, timings["threads"])
        self.assertEqual(["preprocess", "encoder", "glm", "rpn", "proposals", "roi_align", "ilm", "refine", "decode"],
                         [stage["name"] for stage in timings["images"][0]["stages"]])

    def assert_depths(self, image):
        count = len(image["objects"])
        self.assertEqual(list(range(1, count + 1)), sorted(item["depth"] for item in image["objects"]))
        self.assertTrue(image["pairs"])
        for pair in image["pairs"]:
            self.assertTrue(0 <= pair["front"] < count and 0 <= pair["behind"] < count and pair["front"] != pair["behind"])
            self.assertGreaterEqual(pair["overlap"], pair["largest_region"])
            self.assertEqual(pair["decided"], pair["regions"] > 0)

    def test_bytes_depend_on_nothing_but_the_input(self):
        write_picture(self.scratch / "a.png", 300, 200)
        write_picture(self.scratch / "b.bmp", 50, 400)
        (self.scratch / "both.txt").write_text("a.png\nb.bmp\n")
        runs = []
        for number, options in enumerate((("--threads", 1), ("--threads", 2), ("--threads", 2), ("--threads", 5))):
            out = self.scratch / f"out{number}"
            self.assert_done(self.sln("run", "-m", self.model, "-o", out, "--score", 0, "--overlay", *options,
                                      self.scratch / "both.txt", LC_ALL="de_DE.UTF-8"))
            dump = self.scratch / f"dump{number}"
            self.assert_done(self.sln("run", "-m", self.model, "-o", out / "one", "--dump", dump, *options, self.scratch / "a.png"))
            runs.append([(out / name).read_bytes() for name in ("results.json", "scenes.json", "a.png.overlay.png",
                                                                 "b.bmp.overlay.png")] + [dump.read_bytes()])
        for other in runs[1:]:
            self.assertTrue(runs[0] == other)
        self.assertNotIn(str(self.base).encode(), b"".join(runs[0]))

    def test_dump_holds_every_stage(self):
        write_picture(self.scratch / "a.png")
        dump = self.scratch / "dump.safetensors"
        self.assert_done(self.run_images("--dump", dump, self.scratch / "a.png"))
        metadata, tensors = read_safetensors(dump)
        self.assertEqual("a.png", metadata["file"])
        scenes = self.scenes()
        side, levels = scenes["model"]["side"], scenes["model"]["levels"]
        count = scenes["images"][0]["proposals"]
        self.assertEqual(["canvas", "features", "global_layers", "rpn_objectness", "rpn_deltas", "boxes", "scores",
                          "anchor_index", "instance_layers", "layers", "confidence", "level"], list(tensors))
        self.assertEqual((3, side, side), tensors["canvas"].shape)
        self.assertEqual((levels + 1, side // 4, side // 4), tensors["global_layers"].shape)
        self.assertEqual((count, 4), tensors["boxes"].shape)
        roi = tensors["layers"].shape[-1]
        self.assertEqual((count, levels + 1, roi, roi), tensors["layers"].shape)
        self.assertEqual((count, roi, roi), tensors["level"].shape)
        numpy.testing.assert_allclose(tensors["layers"].sum(axis=1), 1, atol=1e-5)
        self.assertTrue(all(numpy.isfinite(tensor).all() for tensor in tensors.values()))

    def test_orientation_is_applied_unless_annotations_are_given(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        write_picture(self.scratch / "7.jpg", 90, 60, quality=95, exif=exif)
        self.assert_done(self.run_images("--score", 0, self.scratch / "7.jpg"))
        image, = self.scenes()["images"]
        self.assertEqual((60, 90, 6), (image["width"], image["height"], image["orientation_applied"]))
        turned = self.results()
        with Image.open(self.scratch / "7.jpg") as stored:
            stored.transpose(Image.Transpose.ROTATE_270).save(self.scratch / "upright_7.png")
        self.assert_done(self.run_images("--score", 0, self.scratch / "upright_7.png"))
        for one, other in zip(turned, self.results()):  # two JPEG decoders differ by a grey level or so
            numpy.testing.assert_allclose(one["score"], other["score"], atol=0.05)
        (self.scratch / "coco.json").write_text(json.dumps({"images": [{"id": 99, "file_name": "7.jpg", "width": 90, "height": 60}]}))
        self.assert_done(self.run_images("--annotations", self.scratch / "coco.json", self.scratch / "7.jpg"))
        image, = self.scenes()["images"]
        self.assertEqual((99, 90, 60, 1), tuple(image[key] for key in ("image_id", "width", "height", "orientation_applied")))

    def test_decoders_agree_with_pil(self):
        """16 bit, grey, alpha and CMYK end in the pixels that they should: the canvas is that of a plain PNG."""
        write_picture(self.scratch / "rgb.png", 64, 64)
        plain = Image.open(self.scratch / "rgb.png")
        grey = plain.convert("L")
        high = numpy.asarray(grey).astype(numpy.uint16) * 256 + 201  # the low byte must not matter
        Image.fromarray(high).save(self.scratch / "high.png")
        grey.save(self.scratch / "grey.png")
        Image.merge("RGB", (grey, grey, grey)).save(self.scratch / "grey3.bmp")
        see_through = plain.copy()
        see_through.putalpha(grey)
        see_through.save(self.scratch / "alpha.png")
        plain.convert("CMYK").save(self.scratch / "cmyk.jpg", quality=100, subsampling=0)
        Image.open(self.scratch / "cmyk.jpg").convert("RGB").save(self.scratch / "cmyk_rgb.png")
        canvas = {}
        for name in ("rgb.png", "alpha.png", "grey.png", "grey3.bmp", "high.png", "cmyk.jpg", "cmyk_rgb.png"):
            dump = self.scratch / (name + ".safetensors")
            self.assert_done(self.run_images("--dump", dump, self.scratch / name))
            canvas[name] = read_safetensors(dump)[1]["canvas"]
        for one, other in (("rgb.png", "alpha.png"), ("grey.png", "grey3.bmp"), ("grey.png", "high.png")):
            self.assertTrue((canvas[one] == canvas[other]).all(), (one, other))
        difference = numpy.abs(canvas["cmyk.jpg"] - canvas["cmyk_rgb.png"]) * 58  # back to grey levels
        self.assertLess(difference.mean(), 2)

    def test_extreme_shapes_keep_their_size(self):
        for width, height in ((4000, 3000), (30, 2000), (2000, 7), (1, 1)):
            write_picture(self.scratch / "x.bmp", width, height)
            self.assert_done(self.run_images("--score", 0, "--overlay", self.scratch / "x.bmp"))
            for entry in self.results():
                self.assertEqual([height, width], entry["segmentation"]["size"])
                self.assertEqual((height, width), decode_rle(entry["visible_segmentation"]).shape)
            with Image.open(self.out / "x.bmp.overlay.png") as overlay:
                self.assertEqual((width, height), overlay.size)

    def test_overlay_says_that_weights_are_untrained(self):
        write_picture(self.scratch / "x.png", 320, 240)
        self.assert_done(self.run_images("--score", 0, "--overlay", self.scratch / "x.png"))
        with Image.open(self.out / "x.png.overlay.png") as overlay:
            self.assertEqual((200, 0, 0), overlay.getpixel((0, 0)))

    def test_score_mode_and_thresholds_do_something(self):
        write_picture(self.scratch / "x.png", 320, 240)
        self.assert_done(self.run_images("--score", 0, "--nms", 1, "--score-mode", "objectness", self.scratch / "x.png"))
        objects = self.scenes()["images"][0]["objects"]
        self.assertTrue(all(item["score"] == item["objectness"] for item in objects))
        limit = sorted(item["objectness"] for item in objects)[len(objects) // 2]
        self.assert_done(self.run_images("--score", limit, "--nms", 1, self.scratch / "x.png"))
        fewer = self.scenes()["images"][0]["objects"]
        self.assertEqual(sum(item["objectness"] >= limit for item in objects), len(fewer))
        self.assert_done(self.run_images("--score", 0, "--nms", 0, self.scratch / "x.png"))
        self.assertGreater(self.scenes()["images"][0]["dropped_by_nms"], 0)
        self.assert_done(self.run_images("--score", 0, "--nms", 1, "--visible-overlap", 0, self.scratch / "x.png"))
        image, = self.scenes()["images"]
        self.assertEqual(image["proposals"], len(image["objects"]) + image["dropped_empty"] + image["dropped_by_nms"])
        self.assertGreater(image["dropped_by_nms"], 0)

    def test_levels_make_up_the_mask(self):
        write_picture(self.scratch / "x.png", 120, 90)
        self.assert_done(self.run_images("--score", 0, self.scratch / "x.png"))
        plain = self.results()
        self.assert_done(self.run_images("--score", 0, "--levels", self.scratch / "x.png"))
        entries = self.results()
        for entry in entries:
            levels = [decode_rle(level) for level in entry["level_segmentations"]]
            self.assertEqual(entry["level_counts"], [int(level.sum()) for level in levels])
            self.assertTrue((sum(levels) == decode_rle(entry["segmentation"])).all())
            self.assertEqual(entry["visible_segmentation"], entry.pop("level_segmentations")[0])
        self.assertEqual(plain, entries)

    def test_planes_before_the_refinement(self):
        write_picture(self.scratch / "x.png", 120, 90)
        self.assert_done(self.run_images("--score", 0, self.scratch / "x.png"))
        refined = self.results()
        dump = self.scratch / "x.safetensors"
        self.assert_done(self.run_images("--no-refine", "--dump", dump, self.scratch / "x.png"))
        self.assertFalse(self.scenes()["options"]["refine"])
        self.assertNotEqual(refined, self.results())
        tensors = read_safetensors(dump)[1]
        self.assertTrue((tensors["layers"] == tensors["instance_layers"]).all())

    def test_interruption_leaves_nothing(self):
        write_picture(self.scratch / "x.bmp", 1500, 1500)
        (self.scratch / "x.bmp").rename(self.scratch / "pixels")
        for number in range(200):
            (self.scratch / f"{number}.bmp").symlink_to("pixels")
        run = subprocess.Popen([support.SLN, "run", "-m", str(self.model), "-o", str(self.out), str(self.scratch)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.assertIn("[1/200]", run.stdout.readline())
        run.send_signal(signal.SIGTERM)
        _, errors = run.communicate(timeout=60)
        self.assertEqual(1, run.returncode)
        self.assertIn("interruption", errors)
        self.assertFalse(self.out.exists())


class Bench(CliTest):
    def test_json_report(self):
        result = self.sln("bench", "-m", self.model, "--threads", 2, "--seconds", 0.2, "--json")
        self.assert_done(result)
        report = json.loads(result.stdout)
        self.assertGreaterEqual(report["samples"], 5)
        self.assertEqual(report["rois"] == report["max_rois"], report["all_rois"])
        self.assertGreater(report["peak_resident_bytes"], report["arena_bytes"])
        self.assertEqual(report["macs"], sum(stage["macs"] for stage in report["stages"]))
        self.assertLessEqual(report["least_seconds"], report["median_seconds"])
        self.assertLessEqual(report["median_seconds"], report["p90_seconds"])

    def test_a_run_of_fewer_rois_says_so(self):
        result = self.sln("bench", "-m", self.model, "--threads", 1, "--seconds", 0, "--score", 1)
        self.assert_done(result)
        self.assertIn("heads: only 0 of at most", result.stdout)
        result = self.sln("bench", "-m", self.model, "--threads", 1, "--seconds", 0, "--json", "--score", 1)
        self.assertFalse(json.loads(result.stdout)["all_rois"])


class Info(CliTest):
    def test_tables_and_checksums(self):
        result = self.sln("info", self.model)
        self.assert_done(result)
        for word in ("feature_channels", "GMAC", "encoder.stem", "config_sha256", "source_sha256", "crc32c"):
            self.assertIn(word, result.stdout)
        self.assertNotIn("encoder.stem", self.sln("info", "--no-layers", self.model).stdout)


class Import(CliTest):
    def test_both_exporters_and_verification(self):
        for name in ("tiny_torchscript", "tiny_dynamo"):
            blob = self.scratch / "blob.safetensors"
            result = self.sln("import", "--verify", support.FIXTURES / f"{name}.onnx", "-o", blob)
            self.assert_done(result)
            self.assertTrue(blob.exists())
            self.assertEqual([blob], list(self.scratch.iterdir()))
            blob.unlink()


if __name__ == "__main__":
    support.main()

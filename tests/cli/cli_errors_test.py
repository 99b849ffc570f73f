"""Every error of the command line: one clear line on standard error, a non-zero status, nothing left behind."""

import io
import json
import pathlib
import random
import shutil
import struct
import sys
import unittest

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import support  # noqa: E402
from support import FIXTURES, CliTest, contents  # noqa: E402


def picture(width=40, height=30, mode="RGB"):
    """Something with edges."""
    image = Image.new("RGB", (width, height), (40, 90, 160))
    image.paste((220, 60, 30), (width // 4, height // 4, width // 2 + 1, height - height // 5))
    image.paste((30, 200, 80), (width // 3, height // 2, width, height))
    return image.convert(mode)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def crc32c(data, table=[]):
    if not table:
        for i in range(256):
            for _ in range(8):
                i = (i >> 1) ^ (0x82F63B78 if i & 1 else 0)
            table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Blob:
    """A weight blob taken apart; bytes() puts it together with the header's checksum made right again."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        length, = struct.unpack("<Q", data[:8])
        self.header = json.loads(data[8:8 + length])
        self.data = data[8 + length:]

    def bytes(self):
        self.header["__metadata__"]["header_crc32c"] = "0" * 8
        text = json.dumps(self.header, separators=(",", ":")).encode()
        text += b" " * (-(len(text) + 8) % 64)
        start = struct.pack("<Q", len(text)) + text
        return start.replace(b'"header_crc32c":"00000000"',
                             b'"header_crc32c":"%08x"' % crc32c(start)) + self.data

    def tensors(self):
        return [name for name in self.header if name != "__metadata__"]


def protobuf(*fields):
    """Length-delimited and varint fields of a message, by number."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            value = value.encode() if isinstance(value, str) else value
            out += bytes([number << 3 | 2]) + bytes(
                [len(value)] if len(value) < 128 else [len(value) & 127 | 128, len(value) >> 7]) + value
    return out


def other_network(metadata=()):
    """The ONNX file of a network that is one Relu."""
    dims = b"".join(protobuf((1, protobuf((1, d)))) for d in (1, 3, 64, 64))
    kind = protobuf((1, protobuf((1, 1), (2, dims))))
    graph = protobuf((1, protobuf((1, "image"), (2, "out"), (3, "relu"), (4, "Relu"))), (2, "g"),
                     (11, protobuf((1, "image"), (2, kind))), (12, protobuf((1, "out"), (2, kind))))
    return protobuf((1, 8), (7, graph), (8, protobuf((2, 17))),
                    *((14, protobuf((1, key), (2, value))) for key, value in metadata))


class Images(CliTest):
    def assert_refused(self, name, data, *words):
        path = self.scratch / name
        path.write_bytes(data)
        before = contents(self.scratch)
        self.assert_fails(2, self.run_images(path), name, *words)
        self.assertEqual(before, contents(self.scratch))

    def test_unreadable(self):
        self.assert_fails(2, self.run_images(self.scratch / "none.jpg"), "none.jpg", "No such file")
        (self.scratch / "loop.png").symlink_to("loop.png")
        self.assert_fails(2, self.run_images(self.scratch / "loop.png"), "loop.png", "symbolic links")
        self.assertFalse(self.out.exists())

    def test_not_an_image(self):
        self.assert_refused("empty.jpg", b"", "an empty file")
        self.assert_refused("text.png", b"hello world\n", "JPEG, PNG, BMP or PNM", "68 65 6c 6c")
        self.assert_refused("gif.jpg", encoded(picture(), "GIF"), "47 49 46 38")

    def test_truncated(self):
        for name, data in (("x.jpg", encoded(picture(), "JPEG")),
                           ("p.jpg", encoded(picture(), "JPEG", progressive=True)),
                           ("x.png", encoded(picture(), "PNG")),
                           ("x.bmp", encoded(picture(), "BMP")),
                           ("x.ppm", encoded(picture(), "PPM"))):
            for length in (1, 5, 20, len(data) // 2, len(data) - 30, len(data) - 1):
                with self.subTest(name=name, length=length):
                    self.assert_refused(name, data[:length])

    def test_zero_sized(self):
        self.assert_refused("zero.ppm", b"P6 0 5 255\n", "at least 1 x 1", "0 x 5")
        header = encoded(picture(), "BMP")
        self.assert_refused("zero.bmp", header[:18] + struct.pack("<i", 0) + header[22:], "0 x 30")

    def test_too_large(self):
        self.assert_refused("wide.ppm", b"P5 65536 1 255\n" + b"x" * 65536, "65535", "65536 x 1")

    def test_four_components_without_adobe_marker(self):
        data = bytearray(encoded(picture(mode="CMYK"), "JPEG"))
        at = data.index(b"\xff\xee")
        del data[at:at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]]
        self.assert_refused("cmyk.jpg", bytes(data), "4 components")

    def test_flipped_bits_are_an_error_or_a_picture(self):
        draw = random.Random(1)
        for kind, suffix in (("JPEG", "jpg"), ("BMP", "bmp")):
            good = encoded(picture(), kind)
            for _ in range(40):
                data = bytearray(good)
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                path = self.scratch / f"flip.{suffix}"
                path.write_bytes(bytes(data))
                result = self.run_images(path)
                with self.subTest(kind=kind, differs=[i for i in range(len(data)) if data[i] != good[i]]):
                    self.assertIn(result.returncode, (0, 2), result.stderr)
                    if result.returncode == 2:
                        self.assert_fails(2, result, path.name)

    def test_unusual_but_good(self):
        high = Image.new("I;16", (20, 10), 0x1234)
        for name, data, size in (("1x1.png", encoded(picture(1, 1), "PNG"), (1, 1)),
                                 ("high.png", encoded(high, "PNG"), (20, 10)),
                                 ("grey.jpg", encoded(picture(mode="L"), "JPEG"), (40, 30)),
                                 ("greya.png", encoded(picture(mode="LA"), "PNG"), (40, 30)),
                                 ("alpha.png", encoded(picture(mode="RGBA"), "PNG"), (40, 30)),
                                 ("palette.png", encoded(picture(mode="P"), "PNG"), (40, 30)),
                                 ("cmyk.jpg", encoded(picture(mode="CMYK"), "JPEG"), (40, 30)),
                                 ("slow.jpg", encoded(picture(), "JPEG", progressive=True), (40, 30))):
            with self.subTest(name=name):
                (self.scratch / name).write_bytes(data)
                self.assert_done(self.run_images(self.scratch / name, "--score", 0))
                image, = self.scenes()["images"]
                self.assertEqual(size, (image["width"], image["height"]))

    def test_bad_ones_in_a_list_are_skipped_and_counted(self):
        (self.scratch / "good1.png").write_bytes(encoded(picture(), "PNG"))
        (self.scratch / "bad2.png").write_bytes(b"\x89PNG")
        (self.scratch / "good4.bmp").write_bytes(encoded(picture(30, 50), "BMP"))
        (self.scratch / "all.txt").write_text("good1.png\nbad2.png\nnone3.jpg\ngood4.bmp\n")
        result = self.run_images("--score", 0, "--overlay", self.scratch / "all.txt")
        self.assertEqual(2, result.returncode)
        lines = result.stderr.splitlines()
        self.assertEqual(3, len(lines), result.stderr)
        self.assertIn("bad2.png: expected", lines[0])
        self.assertIn("none3.jpg: expected", lines[1])
        self.assertIn("2 of 4 images failed", lines[2])
        self.assertEqual(["good1.png", "good4.bmp"], [image["file"] for image in self.scenes()["images"]])
        self.assertEqual({1, 4}, {entry["image_id"] for entry in self.results()})
        self.assertEqual({"results.json", "scenes.json", "timings.json", "good1.png.overlay.png",
                          "good4.bmp.overlay.png"}, {path.name for path in self.out.iterdir()})

    def test_nothing_is_written_where_every_image_fails(self):
        (self.scratch / "all.txt").write_text("a.png\nb.png\n")
        result = self.run_images(self.scratch / "all.txt")
        self.assertEqual(2, result.returncode)
        self.assertIn("2 of 2 images failed", result.stderr.splitlines()[-1])
        self.assertFalse(self.out.exists())


class Inputs(CliTest):
    def test_folder_without_images(self):
        (self.scratch / "photos").mkdir()
        (self.scratch / "photos" / "readme.txt").write_text("nothing here")
        self.assert_fails(1, self.run_images(self.scratch / "photos"), "photos", "folder with JPEG")
        self.assertFalse(self.out.exists())

    def test_unknown_kind_of_input(self):
        self.assert_fails(1, self.run_images(self.model), "tiny.safetensors")
        self.assert_fails(1, self.run_images(self.scratch / "none"), "none", "nothing there")
        self.assert_fails(1, self.run_images(self.scratch / "none.txt"), "none.txt")

    def test_collisions_are_found_before_any_work(self):
        for name in ("a/1.png", "a/x1.png", "b/1.png"):
            path = self.scratch / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encoded(picture(), "PNG"))
        self.assert_fails(1, self.run_images(self.scratch / "a"), "image_id", "x1.png")
        self.assert_fails(1, self.run_images(self.scratch / "a/1.png", self.scratch / "b/1.png"), "output name")
        self.assertFalse(self.out.exists())

    def test_annotations(self):
        (self.scratch / "x.png").write_bytes(encoded(picture(), "PNG"))
        coco = self.scratch / "coco.json"
        for content, words in (("[]", ["coco.json"]), ("{", ["coco.json"]), ('{"images": []}', ["coco.json", "x.png"]),
                               ('{"images": [{"id": "7", "file_name": "x.png"}]}', ["coco.json"])):
            coco.write_text(content)
            self.assert_fails(1, self.run_images("--annotations", coco, self.scratch / "x.png"), *words)
        coco.write_text('{"images": [{"id": 7, "file_name": "x.png", "width": 30, "height": 40}]}')
        self.assert_fails(2, self.run_images("--annotations", coco, self.scratch / "x.png"), "x.png", "30 x 40", "40 x 30")
        self.assert_fails(1, self.run_images("--annotations", self.scratch / "no.json", self.scratch / "x.png"), "no.json")
        self.assertFalse(self.out.exists())

    def test_dump_takes_one_image(self):
        (self.scratch / "1.png").write_bytes(encoded(picture(), "PNG"))
        (self.scratch / "2.png").write_bytes(encoded(picture(), "PNG"))
        dump = self.scratch / "dump.safetensors"
        self.assert_fails(1, self.run_images("--dump", dump, self.scratch), "--dump", "one image")
        self.assert_fails(1, self.run_images("--dump", dump, "--score", 0.5, self.scratch / "1.png"), "--score")
        self.assertFalse(dump.exists())
        self.assertFalse(self.out.exists())


class Usage(CliTest):
    def assert_usage(self, *arguments, words=(), **environment):
        result = self.sln(*arguments, **environment)
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertEqual(1, len(result.stderr.splitlines()), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse(self.out.exists())

    def test_wrong_options(self):
        (self.scratch / "x.png").write_bytes(encoded(picture(), "PNG"))
        good = ("run", "-m", self.model, "-o", self.out, self.scratch / "x.png")
        self.assert_usage()
        self.assert_usage("frobnicate")
        self.assert_usage("run", "-o", self.out, self.scratch / "x.png", words=["--model"])
        self.assert_usage("run", "-m", self.model, self.scratch / "x.png", words=["--output"])
        self.assert_usage("run", "-m", self.model, "-o", self.out, words=["inputs"])
        self.assert_usage(*good, "--unknown", words=["--unknown"])
        for option, value in (("--score", "x"), ("--score", "1.5"), ("--score", "0,5"), ("--score", "nan"), ("--nms", "2"),
                              ("--nms", ""), ("--visible-overlap", "1.5"), ("--visible-overlap", "nan"), ("--mask-threshold", "0"), ("--mask-threshold", "1"), ("--threads", "0"),
                              ("--threads", "1e3"), ("--threads", "257"), ("--device", "tpu"), ("--score-mode", "best")):
            with self.subTest(option=option, value=value):
                self.assert_usage(*good, f"{option}={value}", words=[option])

    def test_instruction_set(self):
        (self.scratch / "x.png").write_bytes(encoded(picture(), "PNG"))
        result = self.run_images(self.scratch / "x.png", SLN_ISA="mmx")
        self.assert_fails(1, result, "SLN_ISA", "mmx")
        self.assertFalse(self.out.exists())

    def test_help_and_version(self):
        for arguments in (("--help",), ("run", "--help"), ("--version",)):
            result = self.sln(*arguments)
            self.assertEqual((0, ""), (result.returncode, result.stderr))
            self.assertTrue(result.stdout)

    def test_full_standard_output(self):
        import subprocess
        with open("/dev/full", "w") as full:
            done = subprocess.run([support.SLN, "info", str(self.model)], stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
        self.assertEqual(1, done.returncode)
        self.assertIn("standard output", done.stderr)


class Blobs(CliTest):
    def assert_refused(self, data, *words):
        path = self.scratch / "bad.safetensors"
        path.write_bytes(data)
        self.assert_fails(1, self.sln("info", path), "bad.safetensors", *words)
        (self.scratch / "x.png").write_bytes(encoded(picture(), "PNG"))
        self.assert_fails(1, self.sln("run", "-m", path, "-o", self.out, self.scratch / "x.png"), "bad.safetensors", *words)
        self.assertFalse(self.out.exists())

    def test_the_surgery_itself_is_sound(self):
        path = self.scratch / "same.safetensors"
        path.write_bytes(Blob(self.model).bytes())
        self.assert_done(self.sln("info", path))

    def test_missing_or_another_file(self):
        self.assert_fails(1, self.sln("info", self.scratch / "none.safetensors"), "none.safetensors")
        self.assert_fails(1, self.sln("info", self.scratch), "scratch")
        self.assert_refused(encoded(picture(), "PNG"))
        self.assert_refused(b"")

    def test_wrong_version(self):
        blob = Blob(self.model)
        for version in ("2", "0", "", "one"):
            blob.header["__metadata__"]["format_version"] = version
            self.assert_refused(blob.bytes(), "version")
        del blob.header["__metadata__"]["format_version"]
        self.assert_refused(blob.bytes(), "version")

    def test_truncated_or_longer(self):
        data = self.model.read_bytes()
        length, = struct.unpack("<Q", data[:8])
        for size in (1, 7, 8, 9, 100, 8 + length - 1, 8 + length, 8 + length + 1, len(data) // 2, len(data) - 4, len(data) - 1):
            with self.subTest(size=size):
                self.assert_refused(data[:size])
        self.assert_refused(data + b"\0")

    def test_every_kind_of_flipped_bit(self):
        data = self.model.read_bytes()
        length, = struct.unpack("<Q", data[:8])
        draw = random.Random(2)
        places = [*range(8), *(8 + draw.randrange(length) for _ in range(20)),
                  *(8 + length + draw.randrange(len(data) - 8 - length) for _ in range(20)), len(data) - 1]
        for place in places:
            flipped = bytearray(data)
            flipped[place] ^= 1 << draw.randrange(8)
            path = self.scratch / "bad.safetensors"
            path.write_bytes(bytes(flipped))
            with self.subTest(place=place):
                self.assert_fails(1, self.sln("info", path), "bad.safetensors")

    def test_missing_tensor(self):
        blob = Blob(self.model)
        name = blob.tensors()[-1]
        begin, end = blob.header.pop(name)["data_offsets"]
        blob.header["__metadata__"].pop("crc32c." + name)
        blob.data = blob.data[:begin]
        self.assertEqual(end - begin, len(Blob(self.model).data) - begin)
        self.assert_refused(blob.bytes())

    def test_extra_tensor(self):
        blob = Blob(self.model)
        blob.header["extra.weight"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(blob.data), len(blob.data) + 4]}
        blob.data += b"\0\0\0\0"
        blob.header["__metadata__"]["crc32c.extra.weight"] = "%08x" % crc32c(b"\0\0\0\0")
        self.assert_refused(blob.bytes())

    def test_overlapping_tensors(self):
        blob = Blob(self.model)
        first, second = blob.tensors()[:2]
        begin, end = blob.header[second]["data_offsets"]
        blob.header[second]["data_offsets"] = [begin - 4, end - 4]
        blob.header["__metadata__"]["crc32c." + second] = "%08x" % crc32c(blob.data[begin - 4:end - 4])
        self.assert_refused(blob.bytes())

    def test_wrong_shape_type_or_value(self):
        blob = Blob(self.model)
        name = blob.tensors()[0]
        entry = blob.header[name]
        entry["shape"] = [*reversed(entry["shape"])]
        self.assert_refused(blob.bytes(), name)
        blob = Blob(self.model)
        blob.header[name]["dtype"] = "I32"
        self.assert_refused(blob.bytes(), name)
        blob = Blob(self.model)
        begin, end = blob.header[name]["data_offsets"]
        blob.data = blob.data[:begin] + struct.pack("<f", float("nan")) + blob.data[begin + 4:]
        blob.header["__metadata__"]["crc32c." + name] = "%08x" % crc32c(blob.data[begin:end])
        self.assert_refused(blob.bytes(), name)

    def test_changed_config(self):
        blob = Blob(self.model)
        config = json.loads(blob.header["__metadata__"]["config"])
        config["nms_iou"] = 0.65
        blob.header["__metadata__"]["config"] = json.dumps(config, sort_keys=True, separators=(",", ":"))
        self.assert_refused(blob.bytes(), "config")


class OnnxFiles(CliTest):
    def assert_refused(self, path, *words):
        before = contents(self.scratch)
        result = self.sln("import", path, "-o", self.scratch / "blob.safetensors")
        self.assert_fails(1, result, pathlib.Path(path).name, *words)
        self.assertEqual(before, contents(self.scratch))

    def write(self, name, data):
        (self.scratch / name).write_bytes(data)
        return self.scratch / name

    def test_another_network(self):
        self.assert_refused(self.write("other.onnx", other_network()))
        config = json.loads(Blob(self.model).header["__metadata__"]["config"])
        text = json.dumps(config, sort_keys=True, separators=(",", ":"))
        self.assert_refused(self.write("relu.onnx", other_network([("sln.config", text)])))

    def test_not_an_onnx_file(self):
        self.assert_refused(self.scratch / "none.onnx", "No such file")
        self.assert_refused(self.scratch)
        self.assert_refused(self.write("empty.onnx", b""))
        self.assert_refused(self.write("text.onnx", b"hello world\n" * 20))
        self.assert_refused(self.model)

    def test_truncated(self):
        data = (FIXTURES / "tiny_torchscript.onnx").read_bytes()
        for size in (1, 100, len(data) // 2, len(data) - 1):
            with self.subTest(size=size):
                self.assert_refused(self.write("cut.onnx", data[:size]))

    def test_external_data_missing_or_short(self):
        shutil.copy(FIXTURES / "tiny_dynamo.onnx", self.scratch)
        self.assert_refused(self.scratch / "tiny_dynamo.onnx", "tiny_dynamo.onnx.data")
        data = (FIXTURES / "tiny_dynamo.onnx.data").read_bytes()
        self.write("tiny_dynamo.onnx.data", data[:-1000])
        self.assert_refused(self.scratch / "tiny_dynamo.onnx", "tiny_dynamo.onnx.data")


class Outputs(CliTest):
    def setUp(self):
        super().setUp()
        self.image = self.scratch / "x.png"
        self.image.write_bytes(encoded(picture(200, 150), "PNG"))
        self.file = self.scratch / "file"
        self.file.write_text("a regular file")
        self.before = contents(self.scratch)

    def assert_nothing_left(self):
        self.assertEqual(self.before, contents(self.scratch))

    def test_below_a_regular_file(self):
        onnx = FIXTURES / "tiny_torchscript.onnx"
        self.assert_fails(1, self.sln("import", onnx, "-o", self.file / "x" / "blob"), "blob", "is a regular file")
        self.assert_fails(1, self.sln("run", "-m", self.model, "-o", self.file / "deep" / "out", self.image), "deep/out",
                          "is a regular file")
        self.assert_fails(1, self.sln("run", "-m", self.model, "-o", self.file, self.image), "is a regular file")
        self.assert_fails(1, self.run_images("--dump", self.file / "dump", self.image), "dump", "is a regular file")
        self.assert_nothing_left()

    def test_in_the_way(self):
        self.assert_fails(1, self.sln("import", FIXTURES / "tiny_torchscript.onnx", "-o", self.scratch), "a folder")
        self.assert_fails(1, self.sln("import", FIXTURES / "tiny_torchscript.onnx", "-o", self.scratch / "no" / "blob"), "No such")
        (self.out / "results.json").mkdir(parents=True)
        self.before = contents(self.scratch)
        self.assert_fails(1, self.run_images(self.image), "results.json", "a folder")
        self.assert_nothing_left()

    def test_results_of_an_earlier_run_survive_a_failure(self):
        self.assert_done(self.run_images("--score", 0, self.image))
        self.before = contents(self.scratch)
        self.assert_fails(1, self.run_images("--score", 0, self.image, file_limit=100), "File too large")
        self.assert_nothing_left()

    def test_full_disk_at_import(self):
        size = self.model.stat().st_size
        for limit in (1, 2, 4096, size // 2, size - 1):
            with self.subTest(limit=limit):
                blob = self.scratch / "blob.safetensors"
                result = self.sln("import", FIXTURES / "tiny_torchscript.onnx", "-o", blob, file_limit=limit)
                self.assert_fails(1, result, "blob.safetensors", "File too large")
                self.assert_nothing_left()
        blob = self.scratch / "blob.safetensors"
        self.assert_done(self.sln("import", FIXTURES / "tiny_torchscript.onnx", "-o", blob, file_limit=size))
        self.assertEqual(self.model.read_bytes(), blob.read_bytes())

    def test_full_disk_at_run(self):
        arguments = ("--overlay", "--dump", self.scratch / "dump.safetensors", self.image)
        self.assert_done(self.run_images(*arguments))
        sizes = {path.name: path.stat().st_size for path in [*self.out.iterdir(), self.scratch / "dump.safetensors"]}
        shutil.rmtree(self.out)
        (self.scratch / "dump.safetensors").unlink()
        for limit in (1, 2, *(size - 1 for name, size in sizes.items() if name != "timings.json")):
            with self.subTest(limit=limit, sizes=sizes):
                self.assert_fails(1, self.run_images(*arguments, file_limit=limit), "File too large")
                self.assert_nothing_left()


if __name__ == "__main__":
    support.main()

"""Collectors of cut-outs: families, trimming, what is refused, OBJ meshes, people's own pictures."""

import contextlib
import importlib.util
import io
import json
import os
import struct
import tempfile
import unittest
import zlib
from unittest import mock

import numpy as np
from PIL import Image

from models.data import backgrounds, clipart, collect, cutout, meshes, obj, own, packages, stamps
from models.data.render import Renderer
from models.data.store import CutoutStore, split_of

CUBE = """mtllib cube.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
vt 0 0
vt 1 0
vt 1 1
vn 0 0 1
usemtl red brick
f 1/1/1 2/2/1 3/3/1
f 1/1/1 3/3/1 4/1/1 -1/2/-1
usemtl plain
f 1 2 \\
 5
"""
MATERIALS = """newmtl red brick
Kd 2 0.5 0
Ks 0.1 0.2 0.3
d 0.4
map_Kd -s 2 2 1 sub dir\\Brick.PNG
newmtl plain
Ns 7
"""


def disc(side: int, radius: float, colour=(220, 90, 70)) -> np.ndarray:
    """(side, side, 4): an opaque disc with a little shading on transparent ground."""
    y, x = np.mgrid[:side, :side]
    centre = side / 2 - 0.5
    inside = (y - centre) ** 2 + (x - centre) ** 2 <= radius**2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., 3] = np.where(inside, 255, 0)
    for channel in range(3):
        rgba[..., channel] = np.where(inside, np.clip(colour[channel] - y * 60 // side, 0, 255), 0)
    return rgba


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is of this size, and holds no pixels."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class CutoutTest(unittest.TestCase):
    def test_families(self):
        for family, names in {
            "door": ("door", "doorLeft", "door2", "door_right_3"),
            "grave": ("grave-a", "grave-j"),
            "fireman": ("fireman200b", "fireman240a"),
            "pig-golden": ("pig_golden", "pig_golden2"),
            "arm-chair": ("armChair2", "arm_chair"),
        }.items():
            self.assertEqual([cutout.family_of(name) for name in names], [family] * len(names))
        # Of one thing in two spellings or numbers, each may fall into a split of its own.
        for name, family, other in (
            ("armchair1", "armchair", "armChair2"),
            ("grape", "grape", "grapes"),
            ("GrassHopper", "grass-hopper", "grasshopper"),
        ):
            self.assertEqual(cutout.family_of(name), family)
            self.assertNotEqual(cutout.family_of(other), family)
            self.assertNotEqual(split_of(cutout.family_of(other)), split_of(family))
        self.assertEqual(cutout.family_of("747"), "747")
        self.assertNotEqual(cutout.family_of("bedsideTable"), cutout.family_of("bed"))

    def test_components_are_those_of_a_flood(self):
        rng = np.random.default_rng(3)
        for share in (0.2, 0.4, 0.6):
            mask = rng.uniform(size=(23, 31)) < share
            labels = cutout.components(mask)
            np.testing.assert_array_equal(labels > 0, mask)
            seen = np.zeros_like(mask)
            for label in range(1, labels.max() + 1):
                part = labels == label
                flood = np.zeros_like(mask)
                flood[tuple(np.argwhere(part)[0])] = True
                while True:
                    larger = own.grown(flood, 1) & mask
                    if (larger == flood).all():
                        break
                    flood = larger
                np.testing.assert_array_equal(flood, part)
                seen |= part
            np.testing.assert_array_equal(seen, mask)

    def test_fit_trims_drops_specks_and_keeps_colour(self):
        rgba = disc(1000, 300, (250, 10, 10))
        rgba[..., :3][rgba[..., 3] == 0] = (0, 255, 0)  # a colour under alpha 0 that must not reach the edge
        rgba[5:9, 5:9] = (0, 0, 255, 255)
        small = cutout.fit(rgba)
        self.assertEqual(small.shape, (320, 320, 4))
        seen = small[small[..., 3] > 0].astype(int)
        self.assertLess(seen[:, 1].max(), 16)
        self.assertLess(seen[:, 2].max(), 16)
        self.assertAlmostEqual(small[..., 3].sum() / 255, np.pi * 160**2, delta=400)
        rgba[..., 3] = np.minimum(rgba[..., 3], 150)
        faint = cutout.fit(rgba)
        middle = faint[faint[..., 3] > 140].astype(int)
        self.assertTrue(150 < middle[:, 0].min() and middle[:, 0].max() <= 252, "as bright as where it is opaque")
        self.assertEqual(cutout.fit(np.zeros((9, 9, 4), np.uint8)).size, 0)
        self.assertEqual(cutout.fit(disc(100, 30)).shape, (60, 60, 4))

    def test_pictures_far_too_large_keep_their_colour_at_the_rim(self):
        rgba = disc(1300, 600, (250, 10, 10))
        rgba[..., :3][rgba[..., 3] == 0] = (0, 255, 0)
        with tempfile.TemporaryDirectory() as folder:
            Image.fromarray(rgba).save(os.path.join(folder, "a.png"), compress_level=1)
            small = cutout.read_rgba(os.path.join(folder, "a.png"))
        self.assertEqual(small.shape, (650, 650, 4))
        seen = small[small[..., 3] > 64].astype(int)
        self.assertLess(seen[:, 1].max(), 16)
        self.assertGreater(seen[:, 0].min(), 180)

    def test_faults(self):
        self.assertEqual(cutout.fault(cutout.fit(disc(100, 40))), "")
        self.assertEqual(cutout.fault(np.zeros((0, 0, 4), np.uint8)), "empty")
        self.assertEqual(cutout.fault(cutout.fit(disc(100, 9))), "small")
        glass = disc(100, 40)
        glass[20:60, 20:60, 3] //= 2
        self.assertEqual(cutout.fault(glass), "see-through")
        wire = disc(100, 45)
        wire[..., 3] = np.where(np.arange(100)[None, :] % 8 < 3, wire[..., 3], 0)
        self.assertEqual(cutout.fault(wire), "thin")

        edge = np.zeros((100, 8, 4), np.uint8)
        edge[:, 2:6] = (90, 50, 20, 255)
        self.assertEqual(cutout.fault(edge), "sliver")

    def test_families_of_meshes(self):
        for name in ("rounded-antenna", "square-plug-TypeB", "RJ-45-whites"):
            self.assertEqual(meshes.mesh_family(name), "socket")
        self.assertEqual(meshes.mesh_family("armChair2"), "arm-chair")

    def test_faults_of_renders(self):
        shaded = disc(100, 40)
        self.assertEqual(meshes.render_fault(shaded), "")
        for colour, reason in (
            ((255, 255, 255), "overexposed"),
            ((215, 215, 215), "white"),
            ((8, 8, 8), "dark"),
            ((90, 20, 160), "flat"),
        ):
            plain = shaded.copy()
            plain[plain[..., 3] > 0, :3] = colour
            self.assertEqual(meshes.render_fault(plain), reason)

    def test_faults_of_drawings(self):
        self.assertEqual(clipart.drawing_fault(disc(100, 49)[1:99, 1:99]), "")
        page = disc(100, 90)
        self.assertEqual(clipart.drawing_fault(page), "rectangle")
        for colour, reason in (((7, 7, 7), "grey"), ((90, 20, 160), "flat")):
            plain = disc(100, 49)
            plain[plain[..., 3] > 0, :3] = colour
            self.assertEqual(clipart.drawing_fault(plain), reason)

    def test_which_stamps_are_photographs(self):
        for path in ("animals/birds/owl.png", "food/fruit/kiwi.png", "symbols/money/us/coins/010dime.png"):
            self.assertTrue(stamps.is_photograph(path), path)
        for path in (
            "food/fruit/cartoon/kiwi.png",
            "military/vehicles/bradley_mirror.png",
            "animals/mammals/whale.png",
            "symbols/alphabets/asl/a.png",
            "town/flags/redflag.png",
        ):
            self.assertFalse(stamps.is_photograph(path), path)
        self.assertEqual(stamps.stamp_family("symbols/money/euro/coins/010.png"), "coin")


class StampsTest(unittest.TestCase):
    def test_a_damaged_stamp_is_left_out(self):
        with tempfile.TemporaryDirectory() as share:
            fruit = os.path.join(share, "tuxpaint", "stamps", "food", "fruit")
            os.makedirs(fruit)
            for name in ("kiwi.png", "pear.png"):
                Image.fromarray(disc(90, 40)).save(os.path.join(fruit, name))
            pear = os.path.join(fruit, "pear.png")
            os.truncate(pear, os.path.getsize(pear) // 2)
            with mock.patch.object(packages, "SHARE", share):
                kiwi, pear = stamps.collect()
        self.assertEqual((kiwi.rejected, kiwi.rgba.shape), ("", (80, 80, 4)))
        self.assertEqual((pear.source, pear.rejected), (f"{stamps.PACKAGE}/food/fruit/pear.png", "unreadable"))


class ClipartTest(unittest.TestCase):
    def test_drawings_are_a_tenth_of_the_cut_outs_at_most(self):
        with tempfile.TemporaryDirectory() as root:
            drawings = os.path.join(root, "openclipart", "png", "food")
            os.makedirs(drawings)
            for number in range(8):
                Image.fromarray(disc(100, 45)).save(os.path.join(drawings, f"cake_{number}.png"))
            photo = cutout.fit(disc(60, 25))
            for photographs, most in ((0, 8), (5, 0), (9, 1), (26, 2), (27, 3), (90, 8)):
                candidates = [cutout.Candidate("a", "plate", "CC0-1.0", "photo", photo)] * photographs
                options = collect.parse(["-o", f"{root}/{photographs}", "--only", "stamps", "clipart"])
                with mock.patch.object(packages, "SHARE", root), \
                        mock.patch.object(stamps, "collect", lambda: iter(candidates)):
                    collect.collect(options)
                kinds = [info.kind for info in CutoutStore(options.output).cutouts]
                self.assertEqual((kinds.count("photo"), kinds.count("clipart")), (photographs, most))
        self.assertLessEqual(collect.CLIPART_SHARE, 0.1)


class ListTest(unittest.TestCase):
    def test_the_list_of_backgrounds(self):
        listed, regions = backgrounds.regions()
        self.assertGreater(len(regions), 150)
        for region in regions:
            self.assertIn(region["package"], listed)
            self.assertLessEqual(set(region), {"package", "file", "crop", "blur", "licence", "family"})
            left, top, right, bottom = region.get("crop", (0, 0, 1, 1))
            self.assertTrue(0 <= left < right <= 1 and 0 <= top < bottom <= 1, region)
        self.assertEqual(len({json.dumps(region, sort_keys=True) for region in regions}), len(regions))

    def test_shades_of_one_picture_are_one_family(self):
        _, regions = backgrounds.regions()
        families = {region["file"]: backgrounds.region_family(region) for region in regions}
        shades = [f for name, f in families.items() if "Ubuntu-Mate" in name]
        self.assertEqual((len(shades), len(set(shades))), (2, 1))
        cakes = {f for name, f in families.items() if "/cake_" in name}
        self.assertEqual(cakes, {"sweethome3d-furniture/cake_texture"})
        self.assertNotEqual(families["nature/Wood.jpg"], families["wood-d.webp"])

    def test_regions_are_cut_and_blurred(self):
        pixels = np.zeros((700, 1400, 3), np.uint8)
        pixels[:, 700:] = 255
        image = Image.fromarray(pixels)
        right = backgrounds.prepared(image, {"crop": [0.5, 0, 1, 1]})
        self.assertEqual((right.shape, right.min()), ((512, 512, 3), 255))
        self.assertEqual(backgrounds.prepared(image, {}).shape, (512, 1024, 3))
        blurred = backgrounds.prepared(image, {"blur": True})
        self.assertLess(np.abs(np.diff(blurred[256, :, 0].astype(int))).max(), 12)
        self.assertEqual(backgrounds.prepared(Image.new("RGB", (90, 60)), {}).shape, (320, 480, 3))

    def test_a_missing_package_is_named(self):
        with self.assertRaisesRegex(
            packages.MissingPackage, "expected the folder of Debian's package nothing-there"
        ):
            packages.folder("nothing-there", "nothing", "there")


class ObjTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = os.path.join(scratch.name, "cube.obj")
        os.mkdir(os.path.join(scratch.name, "sub dir"))
        self.texture = os.path.join(scratch.name, "sub dir", "brick.png")
        Image.new("RGB", (2, 2)).save(self.texture)
        with open(os.path.join(scratch.name, "cube.mtl"), "w") as file:
            file.write(MATERIALS)
        self.write(CUBE)

    def write(self, text: str):
        with open(self.path, "w") as file:
            file.write(text)

    def test_parts_and_materials(self):
        brick, plain = obj.read_obj(self.path)
        self.assertEqual(brick.material.colour, (1.0, 0.5, 0.0))
        self.assertEqual((brick.material.opacity, brick.material.texture), (0.4, self.texture))
        self.assertAlmostEqual(brick.material.specular, 0.2)
        self.assertEqual(brick.polygons, [[0, 1, 2], [0, 2, 3, 4]])
        np.testing.assert_array_equal(brick.points, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
        np.testing.assert_array_equal(brick.texcoords, [[0, 0], [1, 0], [1, 1], [0, 0], [1, 0]])
        np.testing.assert_array_equal(brick.normals, [[0, 0, 1]] * 5)
        self.assertEqual((plain.material.texture, plain.material.shininess), (None, 7.0))
        self.assertIsNone(plain.texcoords)
        self.assertIsNone(plain.normals)
        np.testing.assert_array_equal(plain.points, [[0, 0, 0], [1, 0, 0], [0, 0, 1]])

    def test_damage_is_named(self):
        for text, message in (
            ("v 1 2 x\n", "cube.obj:1: expected a line of OBJ, found 'v 1 2 x'"),
            ("v 0 0 0\nf 1 1 2\n", "cube.obj:2"),
            ("v 0 0 0\n", "expected a mesh, found no face"),
        ):
            self.write(text)
            with self.assertRaisesRegex(obj.ObjError, message):
                obj.read_obj(self.path)


BOX = """v 0 0 0\nv 2 0 0\nv 2 1 0\nv 0 1 0\nv 0 0 1\nv 2 0 1\nv 2 1 1\nv 0 1 1\nmtllib box.mtl\nusemtl side
f 1 4 3 2\nf 5 6 7 8\nf 1 5 8 4\nf 2 3 7 6\nusemtl lid\nf 4 8 7 3\nf 1 2 6 5
"""


@unittest.skipUnless(importlib.util.find_spec("vtkmodules"), "renders need vtk")
class RenderTest(unittest.TestCase):
    def test_views_of_a_box(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "box.obj")
            with open(path, "w") as file:
                file.write(BOX)
            with open(os.path.join(scratch, "box.mtl"), "w") as file:
                file.write("newmtl side\nKd 0.9 0.1 0.1\nnewmtl lid\nKd 0.1 0.1 0.9\n")
            renderer = Renderer()
            pictures = list(renderer.views(path, 6, seed=4))
            again = list(renderer.views(path, 3, seed=4))
            other = next(renderer.views(path, 1, seed=5))
        for few, many in zip(again, pictures):
            np.testing.assert_array_equal(few, many)  # the first views of many, whatever was drawn before
        self.assertTrue((other != pictures[0]).any())
        for picture in pictures:
            self.assertEqual((picture.shape, picture.dtype), ((640, 640, 4), np.uint8))
            alpha = picture[..., 3]
            self.assertEqual(set(np.unique(alpha)), {0, 255})
            self.assertFalse(alpha[0].any() or alpha[-1].any() or alpha[:, 0].any() or alpha[:, -1].any())
            ys, xs = np.nonzero(alpha)
            self.assertGreater(max(np.ptp(ys), np.ptp(xs)), 400)
            self.assertGreater(alpha.mean(), 0.25 * 255)
            # A closed box: each row of it is one run of pixels.
            self.assertTrue((np.abs(np.diff((alpha > 0).astype(int), axis=1)).sum(axis=1) <= 2).all())
            red, blue = (picture[alpha > 0][:, channel].astype(int) for channel in (0, 2))
            self.assertGreater((red > blue + 30).mean(), 0.3)


class OwnTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = scratch.name
        self.pictures = os.path.join(self.root, "pictures")
        os.makedirs(os.path.join(self.pictures, "cups"))
        self.store = os.path.join(self.root, "store")

    def run_collect(self, *arguments: str):
        """The command's exit status, output and errors."""
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = collect.main(["-o", self.store, *arguments])
        return status, out.getvalue(), errors.getvalue()

    def save(self, name: str, rgba: np.ndarray):
        Image.fromarray(rgba).save(os.path.join(self.pictures, name))

    def test_a_folder_becomes_a_store(self):
        self.save("plate2.png", disc(500, 200))
        self.save("cups/a.png", disc(90, 40))
        self.save("cups/b.png", disc(90, 5))
        status, out, _ = self.run_collect("--cutouts", self.pictures, "--licence", "CC0-1.0")
        self.assertEqual(status, 0)
        self.assertIn("2 cut-outs", out)
        self.assertIn("rejected of cutouts: 1 small", out)
        store = CutoutStore(self.store)
        self.assertEqual(
            [(c.family, c.kind, c.licence) for c in store.cutouts],
            [("cups", "user", "CC0-1.0"), ("plate", "user", "CC0-1.0")],
        )
        self.assertEqual(store.pixels(1).shape, (320, 320, 4))

    def test_bad_folders_are_errors(self):
        for message in (
            "nothing.*expected a folder",
            "expected pictures with alpha",
            "expected transparency",
            "expected a picture, found",
        ):
            where = os.path.join(self.root, "nothing") if "nothing" in message else self.pictures
            if "transparency" in message:
                self.save("opaque.png", np.full((50, 50, 4), 255, np.uint8))
            if "a picture" in message:
                with open(os.path.join(self.pictures, "broken.png"), "w") as file:
                    file.write("no picture")
            status, _, errors = self.run_collect("--cutouts", where)
            self.assertEqual(status, 1)
            self.assertRegex(errors, "^error: .*" + message)
            self.assertEqual(os.listdir(self.store), [])  # nothing half-written stays

    def test_pictures_that_no_training_would_see_are_no_store(self):
        self.assertEqual([split_of(family) for family in ("desk", "chair", "apple")], ["test", "train", "val"])
        for i in range(3):
            self.save(f"desk{i}.png", disc(90, 40))
        status, out, errors = self.run_collect("--cutouts", self.pictures)
        self.assertEqual((status, out), (1, ""))
        self.assertRegex(errors, "^error: .*store: expected own cut-outs of split train, found 3 in test, .*"
                                 "--split train puts all of them there.*\n$")
        self.assertEqual(os.listdir(self.store), [])
        for split, lacking in (("train", ["val"]), ("val", ["train"]), ("test", ["train", "val"])):
            store = self.store = f"{self.root}/{split}"
            status, out, errors = self.run_collect("--cutouts", self.pictures, "--split", split)
            self.assertEqual(status, 0)
            self.assertIn(f"{split} 3 in 1", out)
            self.assertEqual([(c.family, c.split) for c in CutoutStore(store).cutouts], [("desk", split)] * 3)
            self.assertEqual([line.split(":")[:3] for line in errors.splitlines()],
                             [["note", f" {store}", f" no cut-outs of split {name}"] for name in lacking])
        self.save("chair.png", disc(90, 40))
        self.save("apple.png", disc(90, 40))
        self.store = f"{self.root}/by family"
        status, out, errors = self.run_collect("--cutouts", self.pictures)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("train 1 in 1, val 1 in 1, test 3 in 1", out)

    def test_a_split_is_for_own_pictures(self):
        with self.assertRaises(SystemExit):
            self.run_collect("--only", "stamps", "--split", "train")

    def test_nothing_good_leaves_no_store(self):
        self.save("cups/a.png", disc(90, 5))
        for more in ((), ("--only", "backgrounds")):
            with mock.patch.object(backgrounds, "collect", lambda: iter(())):
                status, _, errors = self.run_collect("--cutouts", self.pictures, *more)
            self.assertEqual(status, 1)
            self.assertRegex(errors, r"^error: .*expected own cut-outs, found none that is good .*'small': 1.*\n$")
            self.assertEqual(os.listdir(self.store), [])
        self.save("cups/a.png", disc(90, 40))
        # The same folder may be tried again.
        self.assertEqual(self.run_collect("--cutouts", self.pictures, "--split", "train")[0], 0)

    def test_a_file_is_no_place_for_a_store(self):
        with open(self.store, "w"):
            pass
        status, _, errors = self.run_collect("--cutouts", self.pictures)
        self.assertEqual((status, errors), (1, f"error: {self.store}: expected a new folder, found a file\n"))

    def test_names_need_not_be_utf_8(self):
        os.rename(os.path.join(self.pictures, "cups"), os.fsencode(self.pictures) + b"/t\xe9")
        for name in ("t\udce9/a.png", "caf\udce9.png"):
            self.save(name, disc(90, 40))
        status, _, _ = self.run_collect("--cutouts", self.pictures, "--licence", "libert\udce9", "--split", "train")
        self.assertEqual(status, 0)
        found = [(c.family, c.source, c.licence) for c in CutoutStore(self.store).cutouts]
        self.assertEqual(found, [("caf", f"{self.pictures}/caf\\udce9.png", "libert\\udce9"),
                                 ("t\\udce9", f"{self.pictures}/t\\udce9/a.png", "libert\\udce9")])
        self.store += "2"  # and without a split: its name has one all the same
        self.assertEqual(self.run_collect("--cutouts", self.pictures)[0], 0)
        self.assertEqual({c.split for c in CutoutStore(self.store).cutouts}, {split_of("caf"), split_of("t\\udce9")})

    def test_damaged_coco_is_named(self):
        Image.new("RGB", (300, 200)).save(os.path.join(self.pictures, "a.png"))
        for name, side in (("big.png", 7000), ("bomb.png", 20000)):
            with open(os.path.join(self.pictures, name), "wb") as file:
                file.write(png_header(side, side))
        image = {"id": 1, "file_name": "a.png", "width": 300, "height": 200}
        whole = {"id": 1, "image_id": 1, "segmentation": [[20, 20, 90, 20, 90, 90, 20, 90]]}
        path = os.path.join(self.root, "instances.json")

        def run(images=(image,), annotations=(whole,), **more):
            with open(path, "w") as file:
                json.dump({"images": images, "annotations": annotations, **more}, file)
            return self.run_collect("--from-coco", path, "--images", self.pictures, "--split", "train")

        for message, damage in (
            (r"images\[1\]: expected an object, found int", {"images": [image, 5]}),
            (r"images\[0\]: expected a number 'id', found \[1\]", {"images": [{**image, "id": [1]}]}),
            (r"images\[0\]: expected a number 'id', found none", {"images": [{"file_name": "a.png"}]}),
            (r"images\[0\]: expected a text 'file_name', found none", {"images": [{"id": 1}]}),
            (r"images\[0\]: expected the name of a file, .*x00", {"images": [{**image, "file_name": "a\0.png"}]}),
            (r"images\[0\]: expected a number 'license', found \[1\]", {"images": [{**image, "license": [1]}]}),
            ("expected a picture .*embedded|expected a picture .*encode",
             {"images": [{**image, "file_name": "\ud800.png"}]}),
            ("big.png: expected a picture .*7000 x 7000 px, more", {"images": [{**image, "file_name": "big.png"}]}),
            ("bomb.png: expected a picture that", {"images": [{**image, "file_name": "bomb.png"}]}),
            (r"annotations\[1\]: expected an object, found NoneType", {"annotations": [whole, None]}),
            (r"annotations\[0\]: expected a number 'image_id', found \[1\]",
             {"annotations": [{**whole, "image_id": [1]}]}),
            (r"annotation 1: expected a segmentation", {"annotations": [{**whole, "segmentation": [[10**400] * 6]}]}),
            (r"licenses\[0\]: expected an object, found int", {"licenses": [5]}),
            (r"licenses\[0\]: expected a number 'id', found \[1\]", {"licenses": [{"id": [1], "name": "CC0"}]}),
            (r"licenses\[0\]: expected a text 'name', found 4", {"licenses": [{"id": 1, "name": 4}]}),
            ("expected COCO annotations with a list 'licenses', found int", {"licenses": 5}),
        ):
            status, _, errors = run(**damage)
            self.assertEqual(status, 1, message)
            self.assertRegex(errors, f"^error: .*(?:{message}).*\n$")
            self.assertEqual(os.listdir(self.store), [])
        with open(path, "w") as file:
            file.write("[" * 100000)
        status, _, errors = self.run_collect("--from-coco", path, "--images", self.pictures)
        self.assertEqual(status, 1)
        self.assertRegex(errors, "instances.json: expected COCO annotations, found")
        for number, licences in enumerate((None, [{"id": 1}], [{"id": 1, "name": None}], {}, [{}, {"name": "CC0"}])):
            self.store = f"{self.root}/{number}"
            self.assertEqual(run(images=[{**image, "license": 1}], licenses=licences)[0], 0)
            self.assertEqual(CutoutStore(self.store).cutouts[0].licence, "unstated")

    def test_whole_instances_of_coco(self):
        rng = np.random.default_rng(5)
        rgb = rng.integers(0, 256, (200, 300, 3)).astype(np.uint8)
        Image.fromarray(rgb).save(os.path.join(self.pictures, "street.png"))

        def square(number, x, y, side, **more):
            corners = [x, y, x + side, y, x + side, y + side, x, y + side]
            return {"id": number, "image_id": 9, "segmentation": [corners], "iscrowd": 0, **more}

        annotations = [
            square(1, 20, 20, 60),
            square(2, 120, 20, 40),
            square(3, 158, 20, 40),
            square(4, 0, 100, 50),
            square(5, 100, 100, 20),
            square(6, 200, 100, 50, iscrowd=1),
            dict(square(7, 0, 0, 0), segmentation=[[240, 20, 250, 30]]),
        ]
        annotations[0]["segmentation"].append([5, 5, 6, 6])  # as some files have: a line, no pixels
        path = os.path.join(self.root, "instances.json")
        image = {"id": 9, "file_name": "street.png", "height": 200, "width": 300, "license": 4}
        data = {"images": [image], "annotations": annotations, "licenses": [{"id": 4, "name": "CC-BY-2.0"}]}
        with open(path, "w") as file:
            json.dump(data, file)
        status, out, _ = self.run_collect("--from-coco", path, "--images", self.pictures)
        self.assertEqual(status, 0)
        for reason in ("2 touched", "1 border", "2 small", "1 crowd"):
            self.assertIn(reason, out)
        store = CutoutStore(self.store)
        (info,) = store.cutouts
        self.assertEqual(
            (info.family, info.licence, info.width, info.height), ("coco/street.png", "CC-BY-2.0", 60, 60)
        )
        pixels = store.pixels(0)
        np.testing.assert_array_equal(pixels[..., :3], rgb[20:80, 20:80])
        self.assertTrue((pixels[1:-1, 1:-1, 3] == 255).all())
        self.assertTrue(128 <= pixels[0, 5, 3] < 255)
        data["images"][0]["width"] = 301
        with open(path, "w") as file:
            json.dump(data, file)
        self.store += "2"
        status, _, errors = self.run_collect("--from-coco", path, "--images", self.pictures)
        self.assertEqual(status, 1)
        self.assertRegex(errors, "street.png: expected 301 x 200 px .* found 300 x 200")


if __name__ == "__main__":
    unittest.main()

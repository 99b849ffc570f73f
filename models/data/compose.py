"""Composes cut-outs into cluttered scenes whose hidden parts are known.

    python3 -m models.data.compose -o DIR -n 500 --store STORE --split test --side 512

Scene n of a maker is a function of (seed, n), the store, the side and the split alone. Objects are
listed from front to back; the order is complete. An amodal mask is where the object's own alpha is
above a half, inside of the image.
"""

import argparse
import dataclasses
import io
import math
import os
import re
import struct
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
from PIL import Image, ImageFilter

from models import scene as scenes
from models.data import augment, contact_sheet, placement, shapes, textures, write_cocoa
from models.data import store as stores

Random = numpy.random.RandomState
Window = Tuple[slice, slice]  # rows, columns

# How often a kind of cut-out is taken where the store has it; drawings stay rare, since they look
# unlike photographs. A person's own pictures outweigh all others.
KIND_WEIGHTS = {"photo": 0.48, "render": 0.44, "clipart": 0.08, "shape": 0.03, "user": 2.0}
FEWEST, MOST = 2, 15  # objects of a scene
ROUNDS, LARGER = 20, 1.2  # how often a scene of too few objects is arranged again, each time that much larger
MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE = 30, 0.05
SMALLEST, LARGEST = 0.08, 0.6  # an object's longest side as a fraction of the image's
# Some scenes are heaps, in others things lie about; what is asked of an object's place there, as cumulative shares:
# apart from those in front of it, touching them, up to a quarter hidden, and (the rest) up to four fifths. Where one is
# asked to touch, the other does too: in the end about half of all objects touch or overlap another.
HEAPS = 0.1
HEAP, LOOSE = (0.2, 0.23, 0.5), (0.76, 0.78, 0.88)
SPLITS = ("train", "val", "test")
STRIP = 64  # pixels of a picture that tries a format
MOST_SHEET_PIXELS = 1 << 29  # of a contact sheet, which is drawn in memory
MOST_SCENES = 1 << 32  # numbers from 0 on; NumPy takes no larger one as a part of its seed


class ComposeError(ValueError):
    """Scenes that cannot be made; the text says what was expected and found."""


@dataclasses.dataclass
class Layer:
    """One object's pixels in place, and how it throws its shadow."""

    rgb: numpy.ndarray  # (h, w, 3) float32, 0..255
    alpha: numpy.ndarray  # (h, w) uint8
    left: int  # may be negative: the object sticks out of the image
    top: int
    name: str = ""
    category: int = 1
    mask: Optional[numpy.ndarray] = None  # (H, W) bool, in the image


@dataclasses.dataclass
class Style:
    """What the objects of one scene share."""

    edge: Optional[str]  # None: drawn for each object
    upright: bool  # small turns, and nearer objects stand lower in the picture
    shadow: float  # darkness, 0: none
    shadow_kind: str  # "cast" or "contact"
    shift: Tuple[float, float]  # of a cast shadow, fractions of the object's longest side
    softness: float  # of the shadow's edge, the same unit
    tilt: float  # standard deviation of the turns, degrees
    scale: float  # scene's own factor of sizes
    heap: bool  # most objects lie on others


def _draw_style(random: Random) -> Style:
    turn = random.uniform(-1.2, 1.2)
    length = random.uniform(0.03, 0.2)
    return Style(edge=augment.EDGES[random.randint(len(augment.EDGES))] if random.uniform() < 0.5 else None,
                 upright=random.uniform() < 0.55,
                 shadow=random.uniform(0.1, 0.6) if random.uniform() < 0.75 else 0.0,
                 shadow_kind="contact" if random.uniform() < 0.35 else "cast",
                 shift=(length * math.sin(turn), length * math.cos(turn)),
                 softness=random.uniform(0.02, 0.12),
                 tilt=random.uniform(2.0, 16.0),
                 scale=math.exp(random.normal(0.0, 0.2)),
                 heap=random.uniform() < HEAPS)


def _homography(random: Random, width: int, height: int, angle: float) -> Tuple[Tuple[int, int], List[float]]:
    """A turn by `angle` degrees with a little shear and perspective about the centre of (width, height).

    Returns the size of the window that holds all of it with a border of 2 pixels, and PIL's eight
    coefficients, which map the window's pixels to the source's.
    """
    turn, shear = math.radians(angle), random.normal(0.0, 0.06)
    c, s = math.cos(turn), math.sin(turn)
    forward = numpy.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0))) @ \
        numpy.array(((1.0, shear, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    forward[2, :2] = random.normal(0.0, 0.08, 2) / max(width, height)
    corners = numpy.array(((-1, 1, -1, 1), (-1, -1, 1, 1), (1, 1, 1, 1))) * \
        numpy.array((width / 2.0, height / 2.0, 1.0))[:, None]
    moved = forward @ corners
    moved = moved[:2] / moved[2]
    low, high = moved.min(axis=1) - 2.0, moved.max(axis=1) + 2.0
    size = numpy.ceil(high - low).astype(int)
    to_window = numpy.array(((1.0, 0.0, -low[0]), (0.0, 1.0, -low[1]), (0.0, 0.0, 1.0)))
    from_source = numpy.array(((1.0, 0.0, -width / 2.0), (0.0, 1.0, -height / 2.0), (0.0, 0.0, 1.0)))
    back = numpy.linalg.inv(to_window @ forward @ from_source)
    return (int(size[0]), int(size[1])), (back / back[2, 2]).ravel()[:8].tolist()


def warp(random: Random, rgba: numpy.ndarray, longest: float, style: Style) -> Image.Image:
    """A cut-out (h, w, 4) uint8 mirrored, stretched, scaled to `longest` pixels and turned: an RGBA image."""
    if random.uniform() < 0.5:
        rgba = rgba[:, ::-1]
    if not style.upright and random.uniform() < 0.1:
        rgba = rgba[::-1]
    # Colours weighted by alpha from here on: what lies outside of the object must not bleed into its rim.
    image = Image.fromarray(numpy.ascontiguousarray(rgba)).convert("RGBa")
    stretch = math.exp(random.normal(0.0, 0.14))
    width, height = image.width * stretch, image.height / stretch
    scale = longest / max(width, height)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    image = image.resize(size, Image.BICUBIC, reducing_gap=2.0)
    if style.upright:
        angle = random.normal(0.0, 0.4 * style.tilt)
    else:
        angle = random.uniform(-180.0, 180.0) if random.uniform() < 0.3 else random.normal(0.0, style.tilt)
    window, coefficients = _homography(random, size[0], size[1], angle)
    return image.transform(window, Image.PERSPECTIVE, coefficients, Image.BICUBIC).convert("RGBA")


def _retexture(random: Random, rgb: numpy.ndarray, alpha: numpy.ndarray) -> numpy.ndarray:
    """Another surface with the same shading, so that silhouettes count and not only known colours."""
    height, width = alpha.shape
    light = rgb.mean(axis=2, keepdims=True)
    mean = float(light[..., 0][alpha > 127].mean()) if (alpha > 127).any() else 128.0
    lit = textures.surface(random, width, height) * (0.3 + 0.7 * light / max(mean, 20.0))
    return numpy.clip(lit, 0.0, 255.0)


def make_layer(random: Random, rgba: numpy.ndarray, longest: float, style: Style) -> Layer:
    """A cut-out with its own geometry, edge, colour and light, not yet in place."""
    image = warp(random, rgba, longest, style)
    edge = style.edge or augment.EDGES[random.randint(len(augment.EDGES))]
    if edge == "blurred":
        image = augment.blur_patch(image, random.uniform(0.4, 1.1))
    patch = numpy.asarray(image)
    alpha = augment.treat_edge(edge, patch[..., 3])
    rgb = augment.recolour(numpy.ascontiguousarray(patch[..., :3]), *augment.colour_change(random, 1.0))
    if random.uniform() < 0.05:
        rgb = _retexture(random, rgb, alpha)
    if random.uniform() < 0.6:
        rgb = rgb * augment.slope_of_light(random, rgb.shape[1], rgb.shape[0], 0.4)
    return Layer(numpy.minimum(rgb, 255.0), alpha, 0, 0)


def _windows(layer: Layer, width: int, height: int) -> Optional[Tuple[Window, Window]]:
    """Where the layer lies in the image and which part of it that is; None: nowhere."""
    h, w = layer.alpha.shape
    left, top = max(0, layer.left), max(0, layer.top)
    right, bottom = min(width, layer.left + w), min(height, layer.top + h)
    if left >= right or top >= bottom:
        return None
    return (slice(top, bottom), slice(left, right)), \
        (slice(top - layer.top, bottom - layer.top), slice(left - layer.left, right - layer.left))


def mask_of(layer: Layer, width: int, height: int) -> numpy.ndarray:
    """Alpha above a half, cut at the image's border: (H, W) bool."""
    mask = numpy.zeros((height, width), bool)
    where = _windows(layer, width, height)
    if where:
        mask[where[0]] = layer.alpha[where[1]] > 127
    return mask


def blend(canvas: numpy.ndarray, layer: Layer) -> None:
    """Puts a layer over canvas (H, W, 3) float32, in place."""
    where = _windows(layer, canvas.shape[1], canvas.shape[0])
    if where:
        alpha = layer.alpha[where[1]][..., None].astype(numpy.float32) * numpy.float32(1.0 / 255.0)
        canvas[where[0]] += alpha * (layer.rgb[where[1]] - canvas[where[0]])


def cast_shadow(canvas: numpy.ndarray, layer: Layer, style: Style) -> None:
    """Darkens canvas where the layer's shadow falls; everything drawn so far lies behind the layer."""
    h, w = layer.alpha.shape
    longest = max(h, w)
    radius = max(1.0, style.softness * longest)
    border = int(3.0 * radius) + 1
    source, left, top = Image.fromarray(layer.alpha), layer.left, layer.top
    if style.shadow_kind == "contact":
        rows = numpy.flatnonzero((layer.alpha > 127).any(axis=1))
        foot = int(rows[-1]) + 1 if rows.size else h
        flat = max(2, int(0.22 * foot))
        source = source.resize((w, flat), Image.BOX)
        top += foot - flat // 2 - max(1, flat // 4)
    else:
        left, top = left + round(style.shift[0] * longest), top + round(style.shift[1] * longest)
    padded = Image.new("L", (source.width + 2 * border, source.height + 2 * border))
    padded.paste(source, (border, border))
    soft = numpy.asarray(padded.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius)))
    shade = Layer(numpy.zeros((1, 1, 3), numpy.float32), soft, left - border, top - border)
    where = _windows(shade, canvas.shape[1], canvas.shape[0])
    if where:
        canvas[where[0]] *= 1.0 - (style.shadow / 255.0) * soft[where[1]][..., None].astype(numpy.float32)


def of_licence(found: str, wanted: str) -> bool:
    """Whether a licence is the wanted one, in any version of it: CC-BY-3.0 is CC-BY, CC-BY-SA-3.0 is not."""
    return re.match(re.escape(wanted) + r"($|\.|-\d)", found) is not None


class SceneMaker:
    """Makes scenes of one split of a store; see scene().

    store: a CutoutStore, or None for drawn shapes. side: the longest side of the images in pixels.
    licences: those that pictures may have, with or without their version; None: any.
    """

    def __init__(self, store: Any, side: int = 256, split: str = "train", seed: int = 0,
                 licences: Optional[Sequence[str]] = None):
        if split not in SPLITS:
            raise ComposeError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
        if side < 32:
            raise ComposeError(f"side: expected at least 32 pixels, found {side}")
        self.store = shapes.ShapeStore() if store is None else store
        self.side, self.split, self.seed = side, split, seed
        self._licences = None if licences is None else tuple(licences)
        self._families = self._group()
        self._cutouts = sorted(i for kind in self._families.values() for family in kind for i in family)
        self._backgrounds = [info.index for info in self.store.backgrounds if self._usable(info)]
        if not self._cutouts:
            wanted = "" if licences is None else f" and licence {' or '.join(licences)}"
            raise ComposeError(f"store: expected cut-outs of split {split!r}{wanted}, found none "
                               f"among {len(self.store.cutouts)}")
        self._kinds = sorted(self._families)
        weights = numpy.array([KIND_WEIGHTS.get(kind, 0.1) for kind in self._kinds])
        self._kind_sums = numpy.cumsum(weights / weights.sum())

    def _usable(self, info: Any) -> bool:
        licensed = self._licences is None or any(of_licence(info.licence, one) for one in self._licences)
        return info.split == self.split and licensed

    def _group(self) -> Dict[str, List[List[int]]]:
        """Kind -> families -> indices, in the order of the store: twelve views of a thing weigh as one."""
        grouped: Dict[str, Dict[str, List[int]]] = {}
        for info in self.store.cutouts:
            if self._usable(info):
                grouped.setdefault(info.kind, {}).setdefault(info.family, []).append(info.index)
        return {kind: list(families.values()) for kind, families in grouped.items()}

    def _pick(self, random: Random, used: List[int]) -> int:
        """A cut-out: the kind first, then a family, then a picture; now and then one already there."""
        if used and random.uniform() < 0.1:
            return used[random.randint(len(used))]
        place = int(numpy.searchsorted(self._kind_sums, random.uniform()))
        families = self._families[self._kinds[min(place, len(self._kinds) - 1)]]
        family = families[random.randint(len(families))]
        return family[random.randint(len(family))]

    def _image_size(self, random: Random) -> Tuple[int, int]:
        """Width and height: mostly square, else wide or tall."""
        if random.uniform() < 0.6:
            return self.side, self.side
        short = 0.75 if random.uniform() < 0.5 else random.uniform(0.55, 0.95)
        short = max(32, round(self.side * short))
        return (self.side, short) if random.uniform() < 0.5 else (short, self.side)

    def _wish(self, random: Random, style: Style, place: float) -> placement.Wish:
        """What is asked of an object's position; place: 0 the front-most, 1 the last."""
        draw = random.uniform()
        apart, touching, little = HEAP if style.heap else LOOSE
        if draw < apart:
            occluded = (0.0, 0.0)
        elif draw < touching:
            occluded = (0.0, 0.02)
        elif draw < little:
            low = random.uniform(0.02, 0.23)
            occluded = (low, low + 0.02)
        else:
            low = random.uniform(0.25, 0.75)
            occluded = (low, low + 0.05)
        inside = (0.45, 0.95) if random.uniform() < 0.15 else (1.0, 1.0)
        foot = 0.97 - 0.55 * place + random.normal(0.0, 0.06) if style.upright else None
        return placement.Wish(occluded, inside, foot, draw < apart)

    def _patches(self, random: Random, canvas: numpy.ndarray, style: Style) -> None:
        """Pastes pieces of background without a label, treated like objects, so that a seam is no cue."""
        height, width = canvas.shape[:2]
        for _ in range(random.randint(1, 4) if random.uniform() < 0.35 else 0):
            longest = self.side * random.uniform(0.08, 0.4)
            outline = shapes.draw_blob(random, max(8, int(longest)))
            flat = numpy.zeros(outline.shape + (4,), numpy.uint8)
            h, w = outline.shape
            if random.uniform() < 0.5:  # more of the same background, from elsewhere in it
                top, left = random.randint(max(1, height - h)), random.randint(max(1, width - w))
                piece = canvas[top:top + h, left:left + w]
                flat[:piece.shape[0], :piece.shape[1], :3] = augment.to_bytes(piece)
                outline[piece.shape[0]:], outline[:, piece.shape[1]:] = 0, 0
            else:
                other = textures.background(random, self.store, self._cutouts, self._backgrounds, w, h)
                flat[..., :3] = augment.to_bytes(other)
            flat[..., 3] = outline
            layer = make_layer(random, flat, longest, style)
            layer.left = random.randint(-layer.alpha.shape[1] // 4, width)
            layer.top = random.randint(-layer.alpha.shape[0] // 4, height)
            blend(canvas, layer)  # without a shadow: that is what makes a thing of a patch

    def _arrange(self, random: Random, style: Style, width: int, height: int) -> List[Layer]:
        """Draws and places the objects from front to back, at most MOST. One that too little is visible of is
        left out; where fewer than FEWEST are left, all are drawn again, larger and in no heap."""
        for _ in range(1 + ROUNDS):
            layers = self._try(random, style, width, height)
            if len(layers) >= FEWEST:
                return layers
            style = dataclasses.replace(style, heap=False, scale=LARGER * style.scale)
        raise ComposeError(f"side: expected one at which {FEWEST} objects show at least {MIN_VISIBLE_PIXELS} px, "
                           f"found {self.side}, too small for these cut-outs")

    def _try(self, random: Random, style: Style, width: int, height: int) -> List[Layer]:
        """One arrangement, from front to back; it may lack objects, or have none."""
        count = int(random.randint(FEWEST, MOST + 1))
        largest = LARGEST * min(1.0, (7.0 / count) ** 0.5)
        cell = placement.cell_size(width, height)
        union = numpy.zeros((height, width), bool)
        layers: List[Layer] = []
        used: List[int] = []
        for attempt in range(3 * count):
            if len(layers) == count or (attempt >= count and len(layers) >= FEWEST):
                break
            index = self._pick(random, used)
            # Even in the square root of the size: large ones are rarer, but hidden parts big enough to learn.
            size = random.uniform(SMALLEST ** 0.5, largest ** 0.5) ** 2 * style.scale
            longest = self.side * min(max(size, SMALLEST), LARGEST)
            layer = make_layer(random, self.store.pixels(index), longest, style)
            wish = self._wish(random, style, len(layers) / max(count - 1, 1))
            whole = layer.alpha > 127
            if not whole.any():
                continue
            layer.left, layer.top = placement.place(random, placement.coarse(union, cell), whole, cell, wish)
            mask = mask_of(layer, width, height)
            area, visible = int(mask.sum()), int((mask & ~union).sum())
            if visible < max(MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE * area):
                continue  # what is composed after it never knew it
            layer.mask, layer.name = mask, self.store.cutouts[index].family
            layers.append(layer)
            used.append(index)
            union |= mask
        return layers

    def scene(self, number: int) -> scenes.Scene:
        """Scene `number` (0 up to 2^32 - 1): image, objects from front to back, the complete order."""
        if not 0 <= number < MOST_SCENES:
            raise ComposeError(f"scene: expected a number of 0 to {MOST_SCENES - 1}, found {number}")
        # The split counts too: else scene n of all splits would share a background made by rule.
        random = numpy.random.RandomState([self.seed & 0xFFFFFFFF, number, SPLITS.index(self.split)])
        width, height = self._image_size(random)
        style = _draw_style(random)
        canvas = textures.background(random, self.store, self._cutouts, self._backgrounds, width, height)
        canvas = numpy.array(canvas, numpy.float32)
        self._patches(random, canvas, style)
        layers = self._arrange(random, style, width, height)
        for layer in reversed(layers):
            if style.shadow:
                cast_shadow(canvas, layer, style)
            blend(canvas, layer)
        image = augment.develop(random, canvas)
        objects = [scenes.SceneObject(layer.mask, None, layer.category, layer.name) for layer in layers]
        return scenes.Scene(image, f"{self.split}_{number:06d}", number, width, height, objects,
                            scenes.list_order(len(objects)))


def _scenes(maker: SceneMaker, first: int, count: int) -> Iterator[scenes.Scene]:
    """`count` scenes from number `first` on, telling how far it is."""
    for number in range(first, first + count):
        yield maker.scene(number)
        done = number - first + 1
        if done % 50 == 0 or done == count:
            print(f"{done} of {count} scenes", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m models.data.compose", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", metavar="DIR",
                        help="write images, annotations.json, levels.npz and credits.json")
    parser.add_argument("-n", "--count", type=int, default=24, help="scenes (default: 24)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first (default: 0)")
    parser.add_argument("--store", metavar="DIR", help="cut-outs (default: drawn shapes)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=256, help="longest side in pixels (default: 256)")
    parser.add_argument("--licence", action="append", metavar="TEXT",
                        help="only pictures of this licence, such as CC-BY; may be repeated")
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="default: png")
    parser.add_argument("--contact-sheet", metavar="FILE.png", help="draw all scenes on one picture")
    parser.add_argument("--plain", action="store_true", help="the contact sheet without outlines")
    return parser


def _check_sheet(path: str, output: Optional[str], size: Tuple[int, int]) -> None:
    """Raises ComposeError where a contact sheet cannot be written to `path`, so that no scene is made in vain.

    output: the folder of the scenes; it and those above it are made if need be. size: the sheet's, (width, height).
    """
    folder = os.path.dirname(os.path.abspath(path))
    made = output is not None and os.path.join(os.path.abspath(output), "").startswith(os.path.join(folder, ""))
    if not made and not os.path.isdir(folder):
        raise ComposeError(f"{path}: expected a folder to write it into, found none")
    if os.path.isdir(path):
        raise ComposeError(f"{path}: expected the name of a picture, found a folder")
    if size[0] * size[1] > MOST_SHEET_PIXELS:
        raise ComposeError(f"{path}: expected a sheet of at most {MOST_SHEET_PIXELS} px, "
                           f"found {size[0]} x {size[1]}; -n asks for fewer scenes")
    extension = os.path.splitext(path)[1]
    kind = Image.registered_extensions().get(extension.lower())
    try:  # PIL lists formats that it only reads, that hold no colours, or no picture as wide or high
        for strip in ((size[0], min(size[1], STRIP)), (min(size[0], STRIP), size[1])):
            Image.new("RGB", strip).save(io.BytesIO(), kind)
    except (OSError, ValueError, KeyError, AttributeError, OverflowError, struct.error):
        raise ComposeError(f"{path}: expected the name of a picture that holds {size[0]} x {size[1]} px, such as "
                           f"sheet.png, found {f'the ending {extension}' if extension else 'no ending'}") from None


def _check_options(options: argparse.Namespace) -> None:
    """Raises ComposeError where the command line asks for nothing, for scenes that there are not, or for files
    in a folder that is none."""
    if options.output is None and options.contact_sheet is None:
        raise ComposeError("expected -o DIR or --contact-sheet FILE, found neither")
    if options.count < 1 or options.first < 0:
        raise ComposeError(f"-n, --first: expected at least 1 and 0, "
                           f"found {options.count} and {options.first}")
    if options.first + options.count > MOST_SCENES:
        raise ComposeError(f"-n, --first: expected scenes of 0 to {MOST_SCENES - 1}, "
                           f"found one of {options.first + options.count - 1}")
    if options.output is not None and os.path.exists(options.output) and not os.path.isdir(options.output):
        raise ComposeError(f"{options.output}: expected a folder, found a file")


def main(arguments: Optional[List[str]] = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _check_options(options)
        store = shapes.ShapeStore() if options.store is None else stores.CutoutStore(options.store)
        recorder = write_cocoa.Recorder(store)
        maker = SceneMaker(recorder, options.side, options.split, options.seed, options.licence)
        if options.contact_sheet is not None:
            _check_sheet(options.contact_sheet, options.output, contact_sheet.size_of(options.count, options.side))
        if options.output is not None:
            write_cocoa.write(options.output, _scenes(maker, options.first, options.count), options.format,
                              recorder.credits)
        if options.contact_sheet is not None:
            picture = contact_sheet.sheet(_scenes(maker, options.first, options.count), options.side,
                                          plain=options.plain)
            write_cocoa.save_whole(options.contact_sheet, picture.save)
    except (ComposeError, stores.StoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Layer-coded .npz: one uint64 per pixel, key `layer`; bit i: object i is visible, bit 32 + i: hidden.

Objects are numbered from front to back, up to 32 of them. A hidden object's level at a pixel is its
place among the hidden objects there, counted from 1 (scene.level_maps).

The published decoder differs in three ways that `published` reproduces: a code whose pixels form only
pieces of under 64 (4-connected) is erased; of what is left, the list of objects ends at the first number
that no pixel shows; and a hidden object's level is its place whatever the pixels show of the order.
"""

import dataclasses
import os
from typing import List, Optional

import numpy

from models.pieces import pieces, sizes
from models.readers import common
from models.readers.common import Draft, Entry, ReadError
from models.rle import LONGEST_SIDE
from models.scene import SceneObject

MOST_OBJECTS = 32
SMALLEST_PIECE = 64  # pixels, of the published code
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm")
VISIBLE_BITS = numpy.uint64(0xFFFFFFFF)
ARCHIVE_STARTS = (b"PK\3\4", b"PK\5\6")  # of a zip archive, and of one without entries


def load(path: str) -> numpy.ndarray:
    """The codes (H, W) uint64 of a file."""
    try:
        with open(path, "rb") as file:  # NumPy would leave a damaged one open
            start = file.read(len(numpy.lib.format.MAGIC_PREFIX))
            if start == numpy.lib.format.MAGIC_PREFIX:
                raise ReadError(f"{path}: expected a .npz file, found a single array (.npy)")
            if not start.startswith(ARCHIVE_STARTS):
                raise ReadError(f"{path}: expected a .npz file, which is a zip archive, found one that "
                                f"{f'begins with {start!r}' if start else 'is empty'}")
            file.seek(0)
            content = numpy.load(file, allow_pickle=False)
            if "layer" not in content.files:
                raise ReadError(f"{path}: expected an array named \"layer\", found "
                                f"{', '.join(map(common.shown, content.files)) or 'none'}")
            codes = content["layer"]
    except ReadError:
        raise
    except Exception as error:  # zlib's, zipfile's, a MemoryError for a size: whatever damaged bytes lead to
        text = common.one_line(error)
        if "allow_pickle" in text:  # NumPy's advice, which would run what the file says
            raise ReadError(f"{path}: layer: expected (height, width) uint64, found Python objects") from error
        raise ReadError(f"{path}: expected a .npz file, found: {text}") from error
    if not isinstance(codes, numpy.ndarray):  # an entry that is no array comes as its bytes
        raise ReadError(f"{path}: layer: expected (height, width) uint64, found no array")
    if codes.ndim != 2 or codes.dtype not in (numpy.uint64, numpy.int64):
        raise ReadError(f"{path}: layer: expected (height, width) uint64, found {codes.shape} {codes.dtype}")
    if not common.are_sides(*codes.shape):
        raise ReadError(f"{path}: layer: expected 1 to {LONGEST_SIDE} rows and columns, {common.MOST_PIXELS} pixels "
                        f"at most, found {codes.shape}")
    return numpy.ascontiguousarray(codes).view(numpy.uint64)


def largest_piece(mask: numpy.ndarray) -> int:
    """Pixels of the largest 4-connected piece of a mask (H, W) bool, 0 if it is empty."""
    return int(sizes(pieces(mask)).max(initial=0))


def erase_small_codes(codes: numpy.ndarray) -> numpy.ndarray:
    """`codes` with 0 for each code whose largest piece is under SMALLEST_PIECE pixels."""
    result = codes.copy()
    for code in numpy.unique(codes):
        mask = codes == code
        if code != 0 and largest_piece(mask) < SMALLEST_PIECE:
            result[mask] = 0
    return result


def published_count(codes: numpy.ndarray) -> int:
    """The published number of objects: the first i for which no pixel's highest visible bit is i."""
    visible = numpy.unique(codes) & VISIBLE_BITS
    count = 0
    while count < MOST_OBJECTS and (visible >> numpy.uint64(count) == 1).any():
        count += 1
    return count


def bit(codes: numpy.ndarray, place: int) -> numpy.ndarray:
    """(H, W) bool: whether the codes have this bit."""
    return (codes >> numpy.uint64(place)) & numpy.uint64(1) != 0


@dataclasses.dataclass
class LayersEntry(Entry):
    """One file."""

    published: bool = False

    def draft(self) -> Draft:
        """See Entry. Objects without a pixel are no objects."""
        draft, codes, count = Draft(), load(self.path), MOST_OBJECTS
        if self.published:
            codes = erase_small_codes(codes)
            count = published_count(codes)
        place = numpy.zeros(codes.shape, numpy.uint8)
        for i in range(count):
            visible, hidden = bit(codes, i), bit(codes, MOST_OBJECTS + i)
            place += hidden
            if (visible | hidden).any():
                both = int(numpy.count_nonzero(visible & hidden))
                if both:
                    draft.remarks.append(f"region {i + 1}: expected pixels visible or hidden, found {both} "
                                         "that are both (taken as visible)")
                item = SceneObject(amodal=visible | hidden, visible=visible)
                if self.published:
                    item.levels = numpy.where(visible, numpy.uint8(0), place)
                common.add_object(draft, i + 1, item)
        draft.front, draft.order_rule = common.front_by_rank(draft.regions), "the bits' numbers"
        if not self.published:  # where a pixel shows the higher number in front, the pixels order the two
            draft.front = common.fill(common.front_by_masks(draft.objects), draft.front)
            draft.order_rule = "visible bits, else the bits' numbers"
        return draft


def _image_name(path: str, images: Optional[str]) -> str:
    """The image of the same stem, beside the file or under `images`; where none is found, STEM.jpg."""
    stem = os.path.splitext(os.path.basename(path))[0]
    for suffix in IMAGE_SUFFIXES:
        if common.image_path(path, stem + suffix, images) is not None:
            return stem + suffix
    return stem + IMAGE_SUFFIXES[0]


def entries(paths: List[str], images: Optional[str], published: bool, log: List[str]) -> List[Entry]:
    """One entry per file. The file's image has its stem."""
    result: List[Entry] = []
    for path, image_id in zip(paths, common.numbered(paths)):
        height, width = load(path).shape
        result.append(LayersEntry(path, _image_name(path, images), image_id, width, height, published))
    if published:
        log.append(f"{paths[0]}: read as the published decoder does: without codes in pieces of under "
                   f"{SMALLEST_PIECE} pixels, ends at the first missing number, ordered by the numbers alone")
    return result

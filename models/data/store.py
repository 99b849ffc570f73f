"""A store of cut-outs and backgrounds: raw pixels in one file per kind, memory-mapped, and an index.

    STORE/index.json       what each picture is: family, source, licence, kind, split, size, offset
    STORE/cutouts.rgba     the cut-outs' pixels one after another, RGBA, straight alpha, row by row
    STORE/backgrounds.rgb  the backgrounds' pixels, RGB

Raw, since a scene takes a dozen pictures at random and decoding them would cost more than composing it.
The index is written last: a folder without one is not a store, however far its writer came.
"""

import dataclasses
import hashlib
import json
import os
from typing import Any, Dict, List, Optional, Union

import numpy as np

FORMAT = 1
CUTOUT_SIDE = 320  # px, longest side of a stored cut-out
KINDS = ("photo", "render", "clipart", "shape", "user")
SPLITS = ("train", "val", "test")
INDEX, CUTOUT_PIXELS, BACKGROUND_PIXELS = "index.json", "cutouts.rgba", "backgrounds.rgb"


class StoreError(ValueError):
    """A store or a picture that cannot be used; the message names the file, the expected and the found."""


@dataclasses.dataclass(frozen=True)
class CutoutInfo:
    """What the index says of a cut-out; width and height are in px."""

    index: int
    # Pictures of one thing (a mesh with all its views); in one split, but where a person names another for their own.
    family: str
    source: str  # the package or folder, and the file within
    licence: str
    kind: str  # one of KINDS
    split: str  # one of SPLITS
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class BackgroundInfo:
    """What the index says of a background; width and height are in px."""

    index: int
    source: str
    licence: str
    split: str
    width: int
    height: int


def split_of(family: str) -> str:
    """The split of a family: 80 / 10 / 10 by a hash of its name, so that no other family matters."""
    digest = hashlib.sha256(family.encode("utf-8")).digest()
    share = int.from_bytes(digest[:8], "big") % 100
    return "train" if share < 80 else ("val" if share < 90 else "test")


def _text(value: str) -> str:
    """The text with what UTF-8 cannot hold written out, \\udce9: names of files need not be UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _expect(ok: bool, path: str, expected: str, found: Any) -> None:
    if not ok:
        raise StoreError(f"{path}: expected {expected}, found {found}")


class CutoutStore:
    """Read access to a store; pixels are memory-mapped, so many processes share one copy."""

    def __init__(self, path: Union[str, os.PathLike]):
        """Opens the store in the folder `path`; raises StoreError where it is none or its files disagree."""
        self.path = os.fspath(path)
        index_path = os.path.join(self.path, INDEX)
        _expect(os.path.isfile(index_path), index_path, "the index of a store", "no such file")
        try:
            with open(index_path, encoding="utf-8") as file:
                index = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{index_path}: expected the index of a store, found {error}") from None
        _expect(
            isinstance(index, dict) and index.get("format") == FORMAT,
            index_path,
            f"format {FORMAT}",
            index.get("format") if isinstance(index, dict) else type(index).__name__,
        )
        listed = {key: _entries(index_path, index, key) for key in ("cutouts", "backgrounds")}
        self.cutouts: List[CutoutInfo] = _infos(CutoutInfo, f"{index_path}: cutouts", listed["cutouts"])
        self.backgrounds: List[BackgroundInfo] = _infos(
            BackgroundInfo, f"{index_path}: backgrounds", listed["backgrounds"]
        )
        self._cutout_offsets: List[int] = [entry["offset"] for entry in listed["cutouts"]]
        self._background_offsets: List[int] = [entry["offset"] for entry in listed["backgrounds"]]
        self._rgba = _map(os.path.join(self.path, CUTOUT_PIXELS), self.cutouts, self._cutout_offsets, 4)
        self._rgb = _map(
            os.path.join(self.path, BACKGROUND_PIXELS), self.backgrounds, self._background_offsets, 3
        )

    def pixels(self, index: int) -> np.ndarray:
        """(h, w, 4) uint8 RGBA of a cut-out, straight alpha, a read-only view of the file."""
        info, offset = self.cutouts[index], self._cutout_offsets[index]
        size = info.height * info.width * 4
        return self._rgba[offset : offset + size].reshape(info.height, info.width, 4)

    def background(self, index: int) -> np.ndarray:
        """(h, w, 3) uint8 RGB of a background, a read-only view of the file."""
        info, offset = self.backgrounds[index], self._background_offsets[index]
        size = info.height * info.width * 3
        return self._rgb[offset : offset + size].reshape(info.height, info.width, 3)


def _entries(path: str, index: Dict[str, Any], key: str) -> List[Dict[str, Any]]:
    """The list `key` of an index; StoreError where it is none."""
    _expect(isinstance(index.get(key), list), path, f"a list {key!r}", type(index.get(key)).__name__)
    return index[key]


def _infos(kind, where: str, entries: List[Any]) -> List[Any]:
    """A `kind` for every entry; StoreError where an entry lacks a field or has one of another type.

    Every field is looked at here: a wrong one would else be met in the midst of a training."""
    fields = {field.name: field.type for field in dataclasses.fields(kind) if field.name != "index"}
    infos = []
    for i, entry in enumerate(entries):
        _expect(isinstance(entry, dict), f"{where}[{i}]", "an object", type(entry).__name__)
        for name, wanted in {**fields, "offset": int}.items():
            value = entry.get(name)
            ok = isinstance(value, wanted) and not isinstance(value, bool)
            found = repr(value)[:60] if name in entry else "none"
            _expect(ok, f"{where}[{i}]", f"{'a text' if wanted is str else 'a whole number'} {name!r}", found)
        infos.append(kind(index=i, **{name: entry[name] for name in fields}))
    return infos


def _map(path: str, infos, offsets: List[int], channels: int) -> np.ndarray:
    """The file's bytes, after a check that every picture lies within them."""
    if not infos:
        return np.zeros(0, np.uint8)
    _expect(os.path.isfile(path), path, "the pixels of a store", "no such file")
    size = os.path.getsize(path)
    for info, offset in zip(infos, offsets):
        ok = min(info.width, info.height) > 0 and 0 <= offset <= size
        ok = ok and info.width * info.height * channels <= size - offset
        _expect(
            ok, path, f"{info.height} x {info.width} x {channels} bytes at {offset}", f"{size} bytes in all"
        )
        _expect(info.split in SPLITS, path, f"a split of {SPLITS}", info.split)
    return np.memmap(path, dtype=np.uint8, mode="r")


class StoreWriter:
    """Writes a store picture by picture; it becomes one at close(), which writes the index."""

    def __init__(self, path: Union[str, os.PathLike]):
        """Starts a store in the folder `path`, which is made; raises StoreError where one is there."""
        self.path = os.fspath(path)
        index_path = os.path.join(self.path, INDEX)
        _expect(not os.path.exists(index_path), index_path, "a new folder", "a store")
        _expect(os.path.isdir(self.path) or not os.path.exists(self.path), self.path, "a new folder", "a file")
        os.makedirs(self.path, exist_ok=True)
        self._cutouts: List[Dict[str, Any]] = []
        self._backgrounds: List[Dict[str, Any]] = []
        self._rgba = open(os.path.join(self.path, CUTOUT_PIXELS + ".part"), "wb")
        self._rgb = open(os.path.join(self.path, BACKGROUND_PIXELS + ".part"), "wb")

    def add_cutout(
        self, rgba: np.ndarray, family: str, source: str, licence: str, kind: str, split: Optional[str] = None
    ) -> str:
        """Appends a cut-out, (h, w, 4) uint8 RGBA with straight alpha, longest side <= 320 px.

        Returns its split: `split`, or split_of(family) without one."""
        _expect(
            rgba.dtype == np.uint8 and rgba.ndim == 3 and rgba.shape[2] == 4 and min(rgba.shape) > 0,
            source,
            "a picture (h, w, 4) of uint8",
            f"{rgba.shape} of {rgba.dtype}",
        )
        _expect(
            max(rgba.shape[:2]) <= CUTOUT_SIDE, source, f"at most {CUTOUT_SIDE} px a side", rgba.shape[:2]
        )
        _expect(kind in KINDS, source, f"a kind of {KINDS}", kind)
        _expect(split is None or split in SPLITS, source, f"a split of {SPLITS}", split)
        entry = {"family": family, "source": source, "licence": licence, "kind": kind}
        return self._append(self._cutouts, self._rgba, rgba, entry, split)

    def add_background(self, rgb: np.ndarray, source: str, licence: str, family: str) -> None:
        """Appends a background, (h, w, 3) uint8 RGB; its split is split_of(family)."""
        _expect(
            rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and min(rgb.shape) > 0,
            source,
            "a picture (h, w, 3) of uint8",
            f"{rgb.shape} of {rgb.dtype}",
        )
        entry = {"family": family, "source": source, "licence": licence}
        self._append(self._backgrounds, self._rgb, rgb, entry)

    @staticmethod
    def _append(
        entries: List[Dict[str, Any]], file, pixels: np.ndarray, texts: Dict[str, str], split: Optional[str] = None
    ) -> str:
        entry: Dict[str, Any] = {name: _text(value) for name, value in texts.items()}
        entry["split"] = split or split_of(entry["family"])
        entry.update(width=pixels.shape[1], height=pixels.shape[0], offset=file.tell())
        file.write(np.ascontiguousarray(pixels).tobytes())
        entries.append(entry)
        return entry["split"]

    def abandon(self) -> None:
        """Removes what was written so far."""
        for file in (self._rgba, self._rgb):
            file.close()
            if os.path.exists(file.name):
                os.remove(file.name)

    def close(self) -> None:
        """Renames the pixel files and writes the index, in this order."""
        for file, name in ((self._rgba, CUTOUT_PIXELS), (self._rgb, BACKGROUND_PIXELS)):
            file.close()
            os.replace(file.name, os.path.join(self.path, name))
        index = {"format": FORMAT, "cutouts": self._cutouts, "backgrounds": self._backgrounds}
        part = os.path.join(self.path, INDEX + ".part")
        with open(part, "w", encoding="utf-8") as file:
            json.dump(index, file, indent=0, sort_keys=True)
        os.replace(part, os.path.join(self.path, INDEX))

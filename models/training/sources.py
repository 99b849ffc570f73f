"""Where the scenes of a run come from. A source is made in each process that uses it, so what travels
between processes is only this: a few names and numbers."""

import dataclasses
import hashlib
from typing import Callable, List, Optional, Tuple

import numpy

from models.scene import Scene
from models.training.resample import fit, vary

VALIDATION_SEED = 1  # of composed validation scenes, whatever the run's seed: runs stay comparable
_SHUFFLE_STREAM, _VIEW_STREAM = 3, 4


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class ComposedSource:
    """Scenes composed of the cut-outs of a store, of drawn shapes if `store` is None."""

    store: Optional[str]
    side: int
    split: str
    seed: int

    def identity(self) -> str:
        """What a resumed run compares: "shapes", or "store" and a digest of its families and their splits.

        Not of the pixels: a collection on another machine may differ in a rounding of a render."""
        if self.store is None:
            return "shapes"
        from models.data.store import CutoutStore
        listed = sorted({(info.kind, info.family, info.split) for info in CutoutStore(self.store).cutouts})
        return f"store {_digest(repr(listed).encode('utf-8'))}"

    def __call__(self) -> Callable[[int], Scene]:
        from models.data.compose import SceneMaker
        from models.data.store import CutoutStore
        return SceneMaker(None if self.store is None else CutoutStore(self.store), side=self.side,
                          split=self.split, seed=self.seed).scene

    def checked(self) -> "ComposedSource":
        """Itself: a store is checked when it is opened."""
        return self

    def validation(self, count: int) -> List[Scene]:
        """The first `count` scenes of the split "val"; a store without it gives none, and a line says so."""
        if count == 0:
            return []
        if self.store is not None:
            from models.data.store import CutoutStore
            if not any(info.split == "val" for info in CutoutStore(self.store).cutouts):
                print(f"{self.store}: no cut-outs of split val: trained without validation", flush=True)
                return []
        make = dataclasses.replace(self, split="val", seed=VALIDATION_SEED)()
        return [make(number) for number in range(count)]


@dataclasses.dataclass(frozen=True)
class AnnotatedSource:
    """Random views of annotated images: every epoch all of them once, in an order of its own."""

    path: str
    images: Optional[str]
    side: int
    seed: int
    validation_path: Optional[str] = None
    format: str = "auto"  # this and what follows it: as in readers.read
    author: Optional[str] = None
    published_decoder: bool = False
    left_out: Tuple[int, ...] = ()  # numbers of images that cannot be read, see checked()

    def _read(self):
        from models import readers
        return readers.read(self.path, format=self.format, images=self.images, author=self.author,
                            published_decoder=self.published_decoder)

    def _read_validation(self):
        """The file may be of another format, to which an author or the published decoder mean nothing."""
        from models import readers
        scenes = readers.read(self.validation_path, format=self.format, images=self.images)
        if (self.author is not None and scenes.format == "cocoa") or (self.published_decoder and scenes.format == "npz"):
            return dataclasses.replace(self, path=self.validation_path)._read()
        return scenes

    def checked(self) -> "AnnotatedSource":
        """This source without the images that cannot be read, found by reading every one: a line on standard
        error for each. In its place comes the next one, so that the others keep theirs. Raises ReadError if none
        is left."""
        from models.readers import ReadError, options
        from models.scene import SceneError
        scenes, bad = self._read(), []
        for index in range(len(scenes)):
            try:
                self._with_image(scenes, index)
            except (ReadError, SceneError) as error:
                options.complain(error)
                bad.append(index)
        if len(bad) == len(scenes):
            raise ReadError(f"{self.path}: expected annotated images, found none that can be read")
        if bad:
            print(f"{self.path}: trained without {len(bad)} of {len(scenes)} images", flush=True)
        return dataclasses.replace(self, left_out=tuple(bad))

    def identity(self) -> str:
        """What a resumed run compares: "annotations" and a digest of the files' bytes and of how they are read; not
        of the images."""
        scenes = self._read()
        listed = [scenes.format, self.author, self.published_decoder]
        for entry in scenes.entries:
            listed.append((entry.file_name, entry.image_id))
        for path in dict.fromkeys(entry.path for entry in scenes.entries):
            with open(path, "rb") as file:
                listed.append(_digest(file.read()))
        return f"annotations {_digest(repr(listed).encode('utf-8'))}"

    def __call__(self) -> Callable[[int], Scene]:
        from models import readers
        scenes, bad = self._read(), set(self.left_out)
        if len(scenes) == len(bad):
            raise readers.ReadError(f"{self.path}: expected annotated images, found none")

        def make(number: int) -> Scene:
            epoch, position = divmod(number, len(scenes))
            order = numpy.random.Generator(numpy.random.PCG64([self.seed, _SHUFFLE_STREAM, epoch]))
            index = int(order.permutation(len(scenes))[position])
            while index in bad:
                index = (index + 1) % len(scenes)
            random = numpy.random.Generator(numpy.random.PCG64([self.seed, _VIEW_STREAM, number]))
            return vary(self._with_image(scenes, index), self.side, random)

        return make

    def _with_image(self, scenes, index: int) -> Scene:
        from models import readers
        scene = scenes.scene(index)
        if scene.image is None:
            raise readers.ReadError(f"{self.path}: {scene.file_name}: expected the image beside the file or "
                                    f"under --images-dir, found none")
        return scene

    def validation(self, count: int) -> List[Scene]:
        """Up to `count` whole images of the validation file, evenly from all of it; none without one."""
        if self.validation_path is None:
            return []
        scenes = self._read_validation()
        chosen = numpy.unique(numpy.linspace(0, max(0, len(scenes) - 1), min(count, len(scenes))).astype(int))
        return [fit(self._with_image(scenes, int(i)), self.side) for i in chosen]

"""A scene in memory: an image and its objects, whole, with who is in front of whom.

Every reader, converter and generator gives a Scene, and targets, checks and pictures are made from
one. Masks are boolean arrays (H, W) of the image's size. The order is a partial one: `front[i, j]`
says that object i is in front of object j; both False means that nothing is known or the two never
meet. Nothing here follows the order over a third object: only the pairs themselves count.
"""

import dataclasses
from typing import List, Optional

import numpy

OUTSIDE = 255  # in level maps: the pixel is not part of the object


class SceneError(ValueError):
    """A scene whose parts do not fit together; the text says which, what was expected and found."""


@dataclasses.dataclass
class SceneObject:
    """One object; `amodal` is its whole silhouette inside of the image, hidden parts included."""

    amodal: numpy.ndarray  # (H, W) bool
    visible: Optional[numpy.ndarray] = None  # (H, W) bool, part of amodal; None: from amodal and order
    category: int = 1
    name: str = ""
    is_stuff: bool = False
    levels: Optional[numpy.ndarray] = None  # (H, W) uint8, where amodal; None: from visible and order


@dataclasses.dataclass
class Scene:
    """An image and its objects."""

    image: Optional[numpy.ndarray]  # (H, W, 3) uint8 RGB; None: not loaded
    file_name: str
    image_id: int
    width: int  # pixels
    height: int
    objects: List[SceneObject]
    front: numpy.ndarray  # (n, n) bool, front[i, j]: i is in front of j


def validate(scene: Scene) -> None:
    """Raises SceneError if sizes or types of the parts differ from what Scene says."""
    size, count = (scene.height, scene.width), len(scene.objects)
    if scene.image is not None and (scene.image.shape != size + (3,) or scene.image.dtype != numpy.uint8):
        raise SceneError(f"{scene.file_name}: image: expected uint8 {size + (3,)}, "
                         f"found {scene.image.dtype} {scene.image.shape}")
    if scene.front.shape != (count, count) or scene.front.dtype != bool:
        raise SceneError(f"{scene.file_name}: front: expected bool {(count, count)}, "
                         f"found {scene.front.dtype} {scene.front.shape}")
    if (scene.front & scene.front.T).any():
        i, j = (int(k) for k in numpy.argwhere(scene.front & scene.front.T)[0])
        raise SceneError(f"{scene.file_name}: front: expected one of objects {i} and {j} in front, found both")
    for i, item in enumerate(scene.objects):
        for name, mask in (("amodal", item.amodal), ("visible", item.visible)):
            if mask is None and name == "visible":
                continue
            if mask.shape != size or mask.dtype != bool:
                raise SceneError(f"{scene.file_name}: object {i}: {name}: expected bool {size}, "
                                 f"found {mask.dtype} {mask.shape}")
        if item.visible is not None and (item.visible & ~item.amodal).any():
            raise SceneError(f"{scene.file_name}: object {i}: visible: expected a part of amodal, found "
                             f"{int((item.visible & ~item.amodal).sum())} pixels outside of it")
        if item.levels is not None and (item.levels.shape != size or item.levels.dtype != numpy.uint8):
            raise SceneError(f"{scene.file_name}: object {i}: levels: expected uint8 {size}, "
                             f"found {item.levels.dtype} {item.levels.shape}")


def list_order(count: int) -> numpy.ndarray:
    """The full order in which each object is in front of all later ones: (n, n) bool."""
    return numpy.triu(numpy.ones((count, count), bool), 1)


def _amodal_stack(scene: Scene) -> numpy.ndarray:
    """(n, H, W) bool."""
    if not scene.objects:
        return numpy.zeros((0, scene.height, scene.width), bool)
    return numpy.stack([item.amodal for item in scene.objects])


def level_maps(scene: Scene) -> numpy.ndarray:
    """Levels (n, H, W) uint8: how many objects are in front of object i at the pixel; OUTSIDE off it.

    A given `visible` is believed more than the order: level 0 there, at least 1 in the rest of the
    object, so that hidden parts without any order above them are level 1. Where nobody is visible, what
    covers them all is not annotated, and counts as one more in front. Levels are not capped. Where an object has
    `levels` of its own, they are taken instead.
    """
    amodal = _amodal_stack(scene)
    if len(amodal) >= OUTSIDE:
        raise SceneError(f"{scene.file_name}: expected under {OUTSIDE} objects, found {len(amodal)}")
    levels = numpy.full(amodal.shape, OUTSIDE, numpy.uint8)
    unannotated = numpy.ones(amodal.shape[1:], bool)
    for visible in visible_masks(scene):
        unannotated &= ~visible
    for i, item in enumerate(scene.objects):
        if item.levels is not None:
            levels[i][item.amodal] = item.levels[item.amodal]
            continue
        level = amodal[scene.front[:, i]].sum(axis=0, dtype=numpy.uint8) + unannotated
        if item.visible is not None:
            level = numpy.where(item.visible, numpy.uint8(0), numpy.maximum(level, numpy.uint8(1)))
        levels[i][item.amodal] = level[item.amodal]
    return levels


def visible_masks(scene: Scene) -> List[numpy.ndarray]:
    """(H, W) bool per object: the given mask, else what no object in front of it covers."""
    masks = []
    for i, item in enumerate(scene.objects):
        if item.visible is not None:
            masks.append(item.visible)
            continue
        mask = item.amodal.copy()
        for j in numpy.flatnonzero(scene.front[:, i]):
            mask &= ~scene.objects[j].amodal
        masks.append(mask)
    return masks


def hidden_masks(scene: Scene) -> List[numpy.ndarray]:
    """(H, W) bool per object: its amodal mask without its visible one."""
    return [item.amodal & ~visible for item, visible in zip(scene.objects, visible_masks(scene))]


def outline(mask: numpy.ndarray, width: int = 1) -> numpy.ndarray:
    """The mask's pixels (H, W) bool within `width` of one outside of it, or of the image's border."""
    inner = mask
    for _ in range(width):
        padded = numpy.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def count_map(scene: Scene) -> numpy.ndarray:
    """(H, W) uint8: how many amodal masks cover the pixel; not capped."""
    return _amodal_stack(scene).sum(axis=0, dtype=numpy.uint8)

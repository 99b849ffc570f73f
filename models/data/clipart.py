"""Drawings of things from Debian's openclipart-png: a little of everything, so that style is no cue."""

import hashlib
import os
from typing import Iterator, Optional

import numpy as np

from models.data.cutout import OPAQUE, Candidate, family_of, fault, fit, read_rgba
from models.data.packages import files, folder

PACKAGE = "openclipart-png"
LICENCE = "CC0-1.0"  # the Open Clip Art Library's pictures are dedicated to the public domain
# Folders of single things; the others hold maps, flags, signs, scenes and decorations.
FOLDERS = (
    "animals/birds",
    "animals/bugs",
    "animals/dinosaurs",
    "animals/fish",
    "animals/mammals",
    "buildings/furniture",
    "buildings/homes",
    "computer/hardware",
    "containers",
    "education/books",
    "electronics",
    "food",
    "office",
    "people/clothing",
    "plants",
    "recreation/music",
    "recreation/sports",
    "recreation/toys",
    "tools",
    "transportation/boating",
    "transportation/vehicles",
)

# Words in names of what is no thing, or more than one: signs, diagrams, notes, whole scenes.
NO_THING = tuple(
    "bullet sailing knot arrow note sign symbol crossroads curve clef castle paper parchment sport_ _bw "
    "crossbone text scene".split()
)
LEAST_SATURATION = 8  # grey levels between the strongest and the weakest channel, mean; line art has none


def drawing_fault(rgba: np.ndarray) -> str:
    """Why a trimmed drawing is of no use: what fault() says, "sparse", "rectangle", "grey", "flat"; or ""."""
    reason = fault(rgba)
    if reason:
        return reason
    mask = rgba[..., 3] >= OPAQUE
    if mask.mean() < 0.25:
        return "sparse"
    if mask.mean() > 0.97:
        return "rectangle"  # a whole scene on paper, not a thing
    light = rgba[mask][:, :3].astype(np.float32)
    if (light.max(axis=1) - light.min(axis=1)).mean() < LEAST_SATURATION:
        return "grey"
    if light.mean(axis=1).std() < 12 and (light.max(axis=1) - light.min(axis=1)).std() < 12:
        return "flat"
    return ""


def collect(most: Optional[int], seed: int = 0) -> Iterator[Candidate]:
    """Drawings in an order drawn by the seed until `most` good ones came (all for None), good or rejected."""
    root = folder(PACKAGE, "openclipart", "png")
    paths = [
        path for path in files(root, (".png",)) if path.startswith(tuple(name + "/" for name in FOLDERS))
    ]
    paths.sort(key=lambda path: hashlib.sha256(f"{seed}/{path}".encode("utf-8", "surrogateescape")).digest())
    paths = [path for path in paths if not any(word in os.path.basename(path) for word in NO_THING)]
    good = 0
    for path in paths:
        if most is not None and good >= most:
            return
        try:
            rgba = fit(read_rgba(os.path.join(root, path)))
        except OSError:
            yield Candidate(f"{PACKAGE}/{path}", rejected="unreadable")
            continue
        reason = drawing_fault(rgba)
        good += not reason
        family = family_of(os.path.splitext(os.path.basename(path))[0])
        yield Candidate(f"{PACKAGE}/{path}", family, LICENCE, "clipart", rgba, reason)

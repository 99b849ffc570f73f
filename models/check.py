"""Looks for what is wrong in annotations: python3 -m models.check FILE

Findings, one a line, each with file, image and region: masks that cannot be read, are empty or reach
outside of the image; visible and hidden parts that do not make up the whole; orders that are no numbers,
given twice, contradicted by depth_constraint or run in a circle; objects that meet but have no order; names
that no file can have. Exit status: 0 none, 2 some, 1 the file cannot be read.
"""

import argparse
import re
import sys
from typing import List, Optional, Tuple

import numpy

from models.readers import Draft, Entry, ReadError, options
from models.readers.common import names_a_file, overlaps

LONGEST_NAME = 255  # bytes, in the file systems in use


def find_cycles(front: numpy.ndarray) -> List[List[int]]:
    """Circles in (n, n) bool "i is in front of j", each from front to back; no object is in two of them."""
    left = set(range(len(front)))
    cycles: List[List[int]] = []
    while left:
        behind = {j: [i for i in left if front[i, j]] for j in left}
        free = [j for j in left if not behind[j]]
        if free:
            left.difference_update(free)
            continue
        # All have one in front of them: going from each to that one must come back somewhere.
        path = [min(left)]
        while path[-1] not in path[:-1]:
            path.append(behind[path[-1]][0])
        cycle = path[path.index(path[-1]):-1][::-1]
        start = cycle.index(min(cycle))
        cycles.append(cycle[start:] + cycle[:start])
        left.difference_update(cycle)
    return cycles


def order_findings(draft: Draft, smallest: int) -> List[str]:
    """What is wrong with the order of objects that share at least `smallest` pixels."""
    if not draft.objects:
        return []
    shared = overlaps([item.amodal for item in draft.objects])
    names = draft.regions
    findings = []
    for i, j in numpy.argwhere(numpy.triu(shared >= smallest) & ~(draft.front | draft.front.T)):
        findings.append(f"regions {names[i]} and {names[j]}: expected an order, found none where they "
                        f"share {shared[i, j]} pixels")
    for cycle in find_cycles(draft.front & (shared > 0)):
        circle = " before ".join(str(names[index]) for index in cycle + cycle[:1])
        members = ", ".join(str(names[index]) for index in sorted(cycle))
        findings.append(f"regions {members}: expected an order from front to back, found the circle {circle}")
    return findings


def name_findings(name: str) -> List[str]:
    """What keeps a file from having this name."""
    if not names_a_file(name):
        return [f"file_name: expected a name that a file can have, found {ascii(name)}"]
    longest = max(len(part.encode("utf-8")) for part in re.split(r"[/\\]", name))
    return [] if longest <= LONGEST_NAME else \
        [f"file_name: expected at most {LONGEST_NAME} bytes between slashes, found {longest}"]


def check(entry: Entry, smallest: int = 1) -> Tuple[List[str], int]:
    """An image's findings, and how many of its objects could be read."""
    draft = entry.draft()
    later = [finding for look in draft.later for finding in look()]
    findings = name_findings(entry.file_name) + draft.faults + draft.remarks + later
    return findings + order_findings(draft, smallest), len(draft.objects)


def parse_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m models.check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", help="an annotation file, or a folder of .npz or labelme files")
    parser.add_argument("--overlap", type=int, default=1, metavar="N",
                        help="pixels from which on a shared part needs an order (default: %(default)s)")
    options.add_to(parser, "where the images are: then their files are checked too")
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> int:
    settings = parse_arguments(arguments)
    if settings.overlap < 1:
        options.complain(f"--overlap: expected at least 1, found {settings.overlap}")
        return options.FAILED
    try:
        found = options.open_scenes(settings.file, settings)
    except ReadError as error:
        options.complain(error)
        return options.FAILED
    total = images = objects = 0
    for entry in found.entries:
        try:
            findings, count = check(entry, settings.overlap)
        except ReadError as error:  # a layer-coded file that is no longer there
            options.complain(error)
            return options.FAILED
        if settings.images is not None:
            findings += _image_findings(entry, settings.images)
        for finding in findings:
            print(f"{entry.where}: {finding}")
        total, images, objects = total + len(findings), images + bool(findings), objects + count
    print(f"{settings.file}: {found.format}, {len(found)} images, {objects} objects: "
          f"{total} findings in {images} images")
    return options.SOME_FAILED if total else options.DONE


def _image_findings(entry: Entry, folder: str) -> List[str]:
    try:
        return [] if entry.image(folder) is not None else [f"expected the image under {folder}, found none"]
    except ReadError as error:
        return [str(error)]


if __name__ == "__main__":
    sys.exit(main())

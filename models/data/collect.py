"""Collects cut-outs and backgrounds into a store: python3 -m models.data.collect -o STORE.

Without a choice it takes all of Debian's packages that docs/data.md names; with --cutouts or --from-coco,
people's own pictures, and of the packages only what --only names."""

import argparse
import collections
import os
import sys
import time
from typing import Dict, Iterator, List, Optional

from models.data import backgrounds, clipart, meshes, own, stamps
from models.data.cutout import Candidate
from models.data.obj import ObjError
from models.data.packages import MissingPackage
from models.data.render import RenderError
from models.data.store import SPLITS, CutoutStore, StoreError, StoreWriter

SOURCES = ("stamps", "meshes", "clipart", "backgrounds")
CLIPART_SHARE = 0.1  # of all cut-outs, at most
OWN = ("cutouts", "from-coco")  # the origins of people's own pictures


class CollectError(ValueError):
    """Pictures that make no store to train on; the message says what was found and what to do."""


class Tally:
    """Counts what came in and why the rest did not."""

    def __init__(self):
        self.rejected: Dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.splits: Dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.kept = 0
        self._begin = self._last = time.monotonic()

    def add(
        self, writer: StoreWriter, origin: str, candidates: Iterator[Candidate], split: Optional[str] = None
    ) -> None:
        """Writes the good ones of a source into the store, with a line of progress now and then.

        All go into `split`; without one, a picture's family says where it goes."""
        before = self.kept
        for candidate in candidates:
            if candidate.rejected:
                self.rejected[origin][candidate.rejected] += 1
            else:
                taken = writer.add_cutout(
                    candidate.rgba,
                    candidate.family,
                    candidate.source,
                    candidate.licence,
                    candidate.kind,
                    split,
                )
                self.splits[origin][taken] += 1
                self.kept += 1
            if time.monotonic() - self._last > 20:
                self._last = time.monotonic()
                print(
                    f"{origin}: {self.kept - before} kept, {sum(self.rejected[origin].values())} rejected, "
                    f"{self._last - self._begin:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )


def _fill(writer: StoreWriter, tally: Tally, arguments: argparse.Namespace, wanted: List[str]) -> None:
    if arguments.cutouts:
        found = own.from_folder(arguments.cutouts, arguments.licence)
        tally.add(writer, "cutouts", found, arguments.split)
    if arguments.from_coco:
        found = own.from_coco(arguments.from_coco, arguments.images)
        tally.add(writer, "from-coco", found, arguments.split)
    if "stamps" in wanted:
        tally.add(writer, "stamps", stamps.collect())
    if "meshes" in wanted:
        tally.add(writer, "meshes", meshes.collect(arguments.views, arguments.seed, arguments.jobs))
    if "clipart" in wanted:
        most = int(tally.kept * CLIPART_SHARE / (1 - CLIPART_SHARE) + 1e-9) if tally.kept else None
        tally.add(writer, "clipart", clipart.collect(most, arguments.seed))
    if "backgrounds" in wanted:
        for pixels, source, licence, family in backgrounds.collect():
            writer.add_background(pixels, source, licence, family)


def _check(tally: Tally, arguments: argparse.Namespace) -> None:
    """Raises CollectError where no asked-for cut-out is good, or training would see none of people's own."""
    asked = bool(arguments.cutouts or arguments.from_coco)
    own_splits = sum((tally.splits[origin] for origin in OWN), collections.Counter())
    good = sum(own_splits.values()) if asked else tally.kept
    if not good and (asked or arguments.only != ["backgrounds"]):
        reasons = {origin: dict(counts) for origin, counts in tally.rejected.items()}
        which = "own cut-outs" if asked else "cut-outs"
        raise CollectError(
            f"{arguments.output}: expected {which}, found none that is good (rejected: {reasons})"
        )
    if asked and not arguments.split and not own_splits["train"]:
        places = ", ".join(f"{own_splits[split]} in {split}" for split in SPLITS if own_splits[split])
        raise CollectError(
            f"{arguments.output}: expected own cut-outs of split train, found {places}, where the names of their "
            f"families put them; --split train puts all of them there (--split test is for pictures to test with)"
        )


def collect(arguments: argparse.Namespace) -> Tally:
    """Fills a new store with what the command line asks for, in an order that does not depend on `jobs`.

    No store is left where it raises."""
    wanted: List[str] = arguments.only or ([] if arguments.cutouts or arguments.from_coco else list(SOURCES))
    writer, tally = StoreWriter(arguments.output), Tally()
    try:
        _fill(writer, tally, arguments, wanted)
        _check(tally, arguments)
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return tally


def report(path: str, tally: Tally) -> str:
    """What a store holds, by kind and split, and what was rejected."""
    store = CutoutStore(path)
    lines = [f"{path}: {len(store.cutouts)} cut-outs, {len(store.backgrounds)} backgrounds"]
    for kind in sorted({info.kind for info in store.cutouts}):
        chosen = [info for info in store.cutouts if info.kind == kind]
        lines.append(
            f"  {kind}: {len(chosen)} in {len({info.family for info in chosen})} families; "
            + ", ".join(
                f"{split} {sum(info.split == split for info in chosen)} in "
                f"{len({info.family for info in chosen if info.split == split})}"
                for split in SPLITS
            )
        )
    lines.append(
        "  backgrounds: "
        + ", ".join(f"{split} {sum(info.split == split for info in store.backgrounds)}" for split in SPLITS)
    )
    for origin, reasons in tally.rejected.items():
        lines.append(
            f"  rejected of {origin}: " + ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
        )
    return "\n".join(lines)


def notes(path: str) -> List[str]:
    """A line for each split whose lack a training on the store would feel; none for a store of backgrounds."""
    store = CutoutStore(path)
    held = {info.split for info in store.cutouts}
    uses = {"train": "nothing can be trained on it", "val": "a training on it has no validation"}
    return [
        f"{path}: no cut-outs of split {split}: {use}"
        for split, use in uses.items()
        if store.cutouts and split not in held
    ]


def parse(arguments: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m models.data.collect", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("-o", "--output", required=True, metavar="STORE", help="folder of the new store")
    parser.add_argument(
        "--only", nargs="+", choices=SOURCES, metavar="SOURCE", help="of " + ", ".join(SOURCES)
    )
    parser.add_argument("--views", type=int, default=12, metavar="N", help="renders of each mesh (12)")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and lights (0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that render (1)")
    parser.add_argument("--cutouts", metavar="DIR", help="folder of pictures with alpha")
    parser.add_argument("--licence", default="unstated", metavar="TEXT", help="of the pictures of --cutouts")
    parser.add_argument(
        "--from-coco", metavar="FILE", help="COCO annotations whose whole instances are cut out"
    )
    parser.add_argument("--images", metavar="DIR", help="folder of the pictures of --from-coco")
    parser.add_argument(
        "--split", choices=SPLITS, help="put all pictures of --cutouts and --from-coco into this one"
    )
    parsed = parser.parse_args(arguments)
    if bool(parsed.from_coco) != bool(parsed.images):
        parser.error("--from-coco and --images belong together")
    if parsed.split and not (parsed.cutouts or parsed.from_coco):
        parser.error("--split belongs to --cutouts or --from-coco")
    if parsed.views < 1 or parsed.jobs < 1:
        parser.error("--views and --jobs are at least 1")
    return parsed


def main(arguments: List[str]) -> int:
    """The command; returns its exit status."""
    parsed = parse(arguments)
    try:
        tally = collect(parsed)
        print(report(parsed.output, tally))
        for note in notes(parsed.output):
            print(f"note: {note}", file=sys.stderr)
    except (
        CollectError,
        StoreError,
        MissingPackage,
        RenderError,
        ObjError,
        own.OwnError,
        backgrounds.BackgroundError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

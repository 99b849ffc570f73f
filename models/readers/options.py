"""The command-line options that every program on annotations has, and how it speaks of failures."""

import argparse
import contextlib
import errno
import logging
import os
import sys
from typing import Callable, Iterator, Set, Tuple

from models import readers
from models.readers import ReadError, SceneList
from models.scene import Scene, SceneError

DONE, FAILED, SOME_FAILED = 0, 1, 2  # exit status


def add_to(parser: argparse.ArgumentParser, images_help: str) -> None:
    """Adds --from, --images, --author and --published-decoder."""
    parser.add_argument("--from", dest="format", default="auto", choices=("auto",) + readers.FORMATS,
                        help="the file's format (default: found by its content)")
    parser.add_argument("--images", metavar="DIR", help=images_help)
    parser.add_argument("--author", metavar="NAME", help="whose annotations of a COCOA file to take "
                                                         "(default: each image's first)")
    parser.add_argument("--published-decoder", action="store_true",
                        help="read layer-coded files with the published decoder's faults")


@contextlib.contextmanager
def notes() -> Iterator[None]:
    """Within it what readers have to say of files, as by which rule objects are ordered, goes to standard output,
    each line once, however often a file is read."""
    log = logging.getLogger("models.readers")
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    said: Set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        known = text in said
        said.add(text)
        return not known

    handler.addFilter(is_new)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def open_scenes(path: str, options: argparse.Namespace) -> SceneList:
    """The file's scenes; what its reader has to say goes to standard output. Raises ReadError."""
    with notes():
        return readers.read(path, format=options.format, images=options.images, author=options.author,
                            published_decoder=options.published_decoder)


def complain(message: object) -> None:
    """One line on standard error."""
    print(f"error: {message}", file=sys.stderr)


def remark(message: object) -> None:
    """One line on standard error that is no error."""
    print(f"note: {message}", file=sys.stderr)


def saved(where: str, path: str, save: Callable[[str], None]) -> bool:
    """Calls save(path); False, with a line on standard error, if that name is longer than a file can have."""
    try:
        save(path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        size = len(os.fsencode(os.path.basename(path)))
        complain(f"{where}: expected a name that a file can have, found one of {size} bytes for it")
        return False
    return True


def readable(found: SceneList, with_image: bool) -> Iterator[Tuple[int, Scene]]:
    """Numbers and scenes of those that can be read; a line on standard error for each other."""
    for index in range(len(found)):
        try:
            yield index, found.scene(index, with_image)
        except (ReadError, SceneError) as error:
            complain(error)

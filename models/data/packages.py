"""The Debian packages that pictures are collected from: where their files are, and which one is missing."""

import os
from typing import List

SHARE = os.environ.get("SLN_SHARE", "/usr/share")  # set it to collect from packages unpacked elsewhere


class MissingPackage(Exception):
    """A folder of a package is not there; the message names the package and the folder."""


def folder(package: str, *path: str) -> str:
    """The folder /usr/share/`path`, which `package` installs; raises MissingPackage where it is not there."""
    found = os.path.join(SHARE, *path)
    if not os.path.isdir(found):
        raise MissingPackage(
            f"{found}: expected the folder of Debian's package {package}, found none; "
            f"install it (apt install {package}) or leave this source out with --only"
        )
    return found


def files(root: str, endings) -> List[str]:
    """The files under `root` with one of the endings, relative to it, sorted; links are left out, since a
    wallpaper is there under many names."""
    found = []
    for where, _, names in os.walk(root):
        for name in names:
            path = os.path.join(where, name)
            if name.lower().endswith(endings) and not os.path.islink(path):
                found.append(os.path.relpath(path, root))
    return sorted(found)

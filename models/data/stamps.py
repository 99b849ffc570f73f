"""Photographs with alpha from Debian's tuxpaint-stamps-default.

The package has photographs, drawings, letters and symbols side by side. Which is which was decided by eye:
whole folders are taken, and what is drawn, see-through or a mirror image in them is named here."""

import os
from typing import Iterator

from models.data.cutout import Candidate, family_of, fault, fit, read_rgba
from models.data.packages import files, folder

PACKAGE = "tuxpaint-stamps-default"
LICENCE = "GPL-2.0-or-later"

# Folders of photographs; drawings live in folders named "cartoon" below them.
FOLDERS = (
    "animals",
    "clothes/hats",
    "food",
    "hobbies",
    "household",
    "medical",
    "military",
    "people/toys",
    "plants",
    "seasonal/christmas",
    "seasonal/halloween",
    "space",
    "sports",
    "symbols/money",
    "town",
    "vehicles",
    "naturalforces",
    "people",
)

# Their names without .png; whatever the folder.
DRAWN = frozenset("""
    hedgehog bee echidna whale pizza tooth eye clockface recycle glass sun 0_sun 1_mercury moon_crescent
    6_saturn 7_uranus 8_neptune rugby_goal_posts paratrooper explosion fire lightningbolt birch lavender
    santa Santa bow candy_cane hard_candy lamp santahat star stocking tree xmas_tp_bulb
    bat_left bat_right blackcat ghost jackolantern_mean skull spider inukshuk-outline
    arrow crossroads give_way_sign hospital roundabout stop stoplight_01_red stoplight_02_yellow
    stoplight_03_green t-junction toilets xing_ped xing_school yield
    dollars_1_dollar dollars_2_cent euro_1_euro euro_2_cent gbp_1_pound gbp_2_penny yen_1_yen
    blue-and-yellowflag checkeredflag greenflag redflag whiteflag yellowflag sedan_police
    blue_fedora feathered_hat green_fedora propeller_hat sombrero tophat""".split())


def is_photograph(path: str) -> bool:
    """Whether the stamp `path`, relative to the package's folder of stamps, is a photograph of a thing."""
    name = os.path.splitext(os.path.basename(path))[0]
    if "cartoon" in path or "mirror" in name or "flags" in path or name in DRAWN:
        return False
    return any(path.startswith(where + "/") for where in FOLDERS)


def stamp_family(path: str) -> str:
    """The family of a stamp; coins are one, since those of two countries differ in little but the relief."""
    return (
        "coin"
        if "coins" in path or "money" in path
        else family_of(os.path.splitext(os.path.basename(path))[0])
    )


def collect() -> Iterator[Candidate]:
    """All photographs of the package, good or rejected, by path."""
    root = folder(PACKAGE, "tuxpaint", "stamps")
    for path in files(root, (".png",)):
        if not is_photograph(path):
            continue
        try:
            rgba = fit(read_rgba(os.path.join(root, path)))
        except OSError:
            yield Candidate(f"{PACKAGE}/{path}", rejected="unreadable")
            continue
        yield Candidate(f"{PACKAGE}/{path}", stamp_family(path), LICENCE, "photo", rgba, fault(rgba))

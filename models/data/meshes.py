"""Renders of the meshes in Debian's sweethome3d-furniture: one family a kind of mesh, a dozen views each."""

import concurrent.futures
import concurrent.futures.process
import hashlib
import multiprocessing
import os
import re
import tempfile
import zipfile
from typing import Dict, Iterator, List, NamedTuple

import numpy as np

from models.data.cutout import OPAQUE, Candidate, eroded, family_of, fault, fit
from models.data.obj import ObjError
from models.data.packages import files, folder
from models.data.render import RenderError, Renderer, TextureError

PACKAGE = "sweethome3d-furniture"
LICENCES = {  # by catalogue; what the package's copyright file and the catalogues themselves say
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}


class Mesh(NamedTuple):
    """An entry of a catalogue."""

    archive: str  # path of the .sh3f, a zip file
    model: str  # path of the OBJ within
    catalogue: str
    name: str  # of the model's file
    creator: str
    category: str


def catalogue(root: str) -> List[Mesh]:
    """All meshes of the archives under `root`, by catalogue and number."""
    meshes = []
    for archive in files(root, (".sh3f",)):
        path = os.path.join(root, archive)
        with zipfile.ZipFile(path) as archived:
            text = archived.read("PluginFurnitureCatalog.properties").decode("latin-1")
        entries: Dict[int, Dict[str, str]] = {}
        for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
            entries.setdefault(int(number), {})[key] = value.strip()
        for number in sorted(entries):
            entry = entries[number]
            model = entry["model"].lstrip("/")
            name = os.path.splitext(os.path.basename(model))[0]
            meshes.append(
                Mesh(
                    path,
                    model,
                    os.path.splitext(archive)[0],
                    name,
                    entry.get("creator", "unknown"),
                    entry.get("category", ""),
                )
            )
    return meshes


def render_fault(rgba: np.ndarray) -> str:
    """Why a trimmed render is bad: what fault() says, "overexposed", "white", "dark", "flat"; or ""."""
    reason = fault(rgba)
    if reason:
        return reason
    inner = eroded(rgba[..., 3] >= OPAQUE, 2)
    colours = rgba[inner][:, :3].astype(np.int32)
    brightest, darkest = colours.max(axis=1), colours.min(axis=1)
    grey = brightest - darkest < 18
    light = colours.mean(axis=1)
    if (darkest >= 250).mean() > 0.12 or (brightest >= 254).mean() > 0.4:
        return "overexposed"
    # White with little shading is most often a mesh whose texture is missing.
    if (grey & (light > 200)).mean() > 0.6 or (
        grey.mean() > 0.95 and light.mean() > 170 and light.std() < 25
    ):
        return "white"
    if np.percentile(light, 90) < 28:
        return "dark"
    if light.std() < 5:
        return "flat"
    return ""


def mesh_family(name: str) -> str:
    """The family of a mesh; the catalogues have some forty sockets and switches that differ in a hole."""
    family = family_of(name)
    is_socket = family.startswith(("rounded-", "square-")) or family.endswith("-whites")
    return "socket" if is_socket else family


def mesh_seed(seed: int, mesh: Mesh) -> int:
    """The seed of a mesh's views: of its name, so that it does not depend on which others are rendered."""
    return int.from_bytes(
        hashlib.sha256(f"{seed}/{mesh.catalogue}/{mesh.model}".encode()).digest()[:8], "big"
    )


_renderer = None


def candidates(mesh: Mesh, views: int, seed: int) -> List[Candidate]:
    """The views of one mesh, good or rejected."""
    global _renderer
    if _renderer is None:
        _renderer = Renderer()
    source = f"{PACKAGE}/{mesh.catalogue}/{mesh.model} by {mesh.creator}"
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(mesh.archive) as archived:
            inside = os.path.dirname(mesh.model) + "/"
            archived.extractall(scratch, [name for name in archived.namelist() if name.startswith(inside)])
        try:
            for picture in _renderer.views(os.path.join(scratch, mesh.model), views, mesh_seed(seed, mesh)):
                rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])[:, 3]
                rgba = fit(picture)
                reason = "cut" if (rim >= OPAQUE).any() else render_fault(rgba)
                family, licence = mesh_family(mesh.name), LICENCES[mesh.catalogue]
                found.append(Candidate(source, family, licence, "render", rgba, reason))
        except (ObjError, TextureError):
            found.append(Candidate(source, rejected="unreadable"))
    return found


def collect(views: int, seed: int = 0, jobs: int = 1) -> Iterator[Candidate]:
    """All views of all meshes, mesh by mesh in the catalogues' order whatever `jobs` is.

    In processes of their own, since a mesh that brings VTK down must name itself rather than vanish."""
    meshes = catalogue(folder(PACKAGE, "sweethome3d", "furniture"))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        pending = [pool.submit(candidates, mesh, views, seed) for mesh in meshes]
        for mesh, future in zip(meshes, pending):
            try:
                found = future.result()
            except concurrent.futures.process.BrokenProcessPool:
                raise RenderError(
                    f"{mesh.archive}!{mesh.model}: expected renders, found that VTK ended its process "
                    f"(at this mesh or one of the {jobs} after it)"
                ) from None
            yield from found

"""Reads Wavefront OBJ meshes with their materials, as far as renders need them.

By hand, since VTK's own importer crashes on some of the meshes that people publish."""

import os
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np


class ObjError(ValueError):
    """A file that is no OBJ mesh; the message names it."""


class Material(NamedTuple):
    """What a surface looks like."""

    colour: Tuple[float, float, float] = (0.8, 0.8, 0.8)  # Kd, 0..1
    specular: float = 0.0  # mean of Ks
    shininess: float = 10.0  # Ns
    opacity: float = 1.0  # d
    texture: Optional[str] = None  # path of map_Kd, an existing file


class Part(NamedTuple):
    """The polygons of one material; a point is there once for each texture coordinate and normal."""

    material: Material
    points: np.ndarray  # (n, 3) float32
    texcoords: Optional[np.ndarray]  # (n, 2) float32
    normals: Optional[np.ndarray]  # (n, 3) float32
    polygons: List[List[int]]  # indices of points, three or more each


def _texture(folder: str, words: List[str]) -> Optional[str]:
    """The file that a map_ statement names: options come before it, and it may contain blanks."""
    while words and words[0].startswith("-"):
        words = words[2:]
        while words and words[0].replace(".", "").replace("-", "").isdigit():
            words = words[1:]
    wanted = os.path.join(folder, *" ".join(words).replace("\\", "/").split("/"))
    if os.path.isfile(wanted):
        return wanted
    # Names were typed on systems that do not tell upper from lower case.
    where, name = os.path.split(wanted)
    for found in sorted(os.listdir(where)) if os.path.isdir(where) else []:
        if found.lower() == name.lower():
            return os.path.join(where, found)
    return None


def read_materials(path: str) -> Dict[str, Material]:
    """The materials of an MTL file, by name; none where the file is not there."""
    materials: Dict[str, Material] = {}
    if not os.path.isfile(path):
        return materials
    name = ""
    with open(path, encoding="latin-1") as file:
        for line in file:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            key, values = words[0].lower(), words[1:]
            try:
                if key == "newmtl":
                    name = " ".join(values)
                    materials[name] = Material()
                elif name and key == "kd":
                    red, green, blue = (min(1.0, max(0.0, float(value))) for value in values[:3])
                    materials[name] = materials[name]._replace(colour=(red, green, blue))
                elif name and key == "ks":
                    materials[name] = materials[name]._replace(specular=sum(map(float, values[:3])) / 3)
                elif name and key == "ns":
                    materials[name] = materials[name]._replace(shininess=float(values[0]))
                elif name and key == "d":
                    materials[name] = materials[name]._replace(opacity=float(values[-1]))
                elif name and key == "map_kd":
                    found = _texture(os.path.dirname(path), values)
                    materials[name] = materials[name]._replace(texture=found)
            except (ValueError, IndexError):
                raise ObjError(f"{path}: expected numbers after {key}, found {line.strip()!r}") from None
    return materials


Corner = Tuple[int, int, int]  # indices of position, texture coordinate and normal; -1 where there is none


def _corner(text: str, counts: Tuple[int, int, int]) -> Corner:
    """One corner of a face, "v", "v/vt", "v//vn" or "v/vt/vn"; negative numbers count from the end."""
    found = [-1, -1, -1]
    for i, part in enumerate(text.split("/")[:3]):
        if part:
            number = int(part)
            found[i] = number - 1 if number > 0 else counts[i] + number
            if not 0 <= found[i] < counts[i]:
                raise ValueError(text)
    return found[0], found[1], found[2]


def read_obj(path: str) -> List[Part]:
    """The parts of a mesh, one a material, in the order of their first polygon; raises ObjError."""
    vectors: Dict[str, List[List[float]]] = {"v": [], "vt": [], "vn": []}
    materials: Dict[str, Material] = {}
    faces: Dict[str, List[List[Corner]]] = {}
    current = ""
    with open(path, encoding="latin-1") as file:
        text = file.read().replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        key = words[0]
        try:
            if key in vectors:
                vectors[key].append([float(word) for word in words[1:4]])
            elif key == "f":
                counts = (len(vectors["v"]), len(vectors["vt"]), len(vectors["vn"]))
                corners = [_corner(word, counts) for word in words[1:]]
                if len(corners) >= 3:
                    faces.setdefault(current, []).append(corners)
            elif key == "usemtl":
                current = " ".join(words[1:])
            elif key == "mtllib":
                materials.update(read_materials(os.path.join(os.path.dirname(path), " ".join(words[1:]))))
        except ValueError:
            raise ObjError(f"{path}:{number}: expected a line of OBJ, found {line[:60]!r}") from None
    if not faces:
        raise ObjError(f"{path}: expected a mesh, found no face")
    return [_part(materials.get(name, Material()), corners, vectors) for name, corners in faces.items()]


def _part(material: Material, faces: List[List[Corner]], vectors: Dict[str, List[List[float]]]) -> Part:
    indices: Dict[Corner, int] = {}
    polygons = [[indices.setdefault(corner, len(indices)) for corner in face] for face in faces]
    corners = np.array(list(indices), np.int64)

    def pick(column: int, key: str, size: int) -> Optional[np.ndarray]:
        if (corners[:, column] < 0).any():
            return None
        return np.array([vectors[key][i][:size] for i in corners[:, column]], np.float32)

    points = pick(0, "v", 3)
    if points is None or points.ndim != 2:
        raise ObjError("expected a position at every corner, found none")
    return Part(material, points, pick(1, "vt", 2), pick(2, "vn", 3), polygons)

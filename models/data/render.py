"""Renders of an OBJ mesh with alpha, by VTK, without a display. The only module that needs VTK."""

import colorsys
import math
import os
from typing import Any, Dict, Iterator

import numpy as np
from PIL import Image

from models.data.obj import Part, read_obj

SIDE = 640  # px, side of a render; shrunk later, which is what smooths its edges
PEELS = 6  # layers of translucent surfaces that are sorted
GOLDEN = 0.6180339887  # turns between two views: however many there are, they spread
FILL = 0.94  # share of the picture that the mesh may span


class RenderError(RuntimeError):
    """VTK is missing."""


class TextureError(ValueError):
    """A mesh's texture is no picture; the message names it."""


def _vtk():
    # Without a display, VTK would first try X and complain.
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    try:
        import vtkmodules.all as vtk
    except ImportError as error:
        raise RenderError(
            f"rendering meshes needs vtk, which is not installed ({error}): pip install vtk"
        ) from None
    vtk.vtkObject.GlobalWarningDisplayOff()
    return vtk


class Renderer:
    """One window that renders one mesh after the other."""

    def __init__(self):
        self.vtk = _vtk()
        self.window = self.vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(SIDE, SIDE)
        self.window.SetAlphaBitPlanes(1)
        self.window.SetMultiSamples(0)
        self._greys: Dict[Any, float] = {}  # surfaces without a colour of their own, and how light they are

    def views(self, path: str, count: int, seed: int) -> Iterator[np.ndarray]:
        """`count` renders of the mesh, (640, 640, 4) uint8 RGBA with straight alpha, from cameras around it.

        Two of three look at the front half (the mesh's front is +z, up is +y), elevations 0 to 50 degrees;
        each has its own lights. The first views of many are those of few. `path` is an OBJ file with its MTL
        and textures beside it."""
        renderer = self._load(path)
        try:
            start = np.random.default_rng(seed).uniform()
            lowest, widest = self._lowest(renderer), self._widest(renderer)
            for i in range(count):
                rng = np.random.default_rng([seed, i])
                turn = (start + i * GOLDEN) % 1 * 2 - 1
                azimuth = turn * widest + rng.uniform(-5, 5)
                if i % 3 == 2:
                    azimuth += 180
                elevation = lowest + (50 - lowest) * rng.uniform() ** 1.3
                self._camera(renderer, azimuth, elevation, rng.uniform(20, 50))
                self._lights(renderer, rng)
                self._paint(renderer, rng)
                yield self._read()
        finally:
            self.window.RemoveRenderer(renderer)
            renderer.ReleaseGraphicsResources(self.window)

    def _load(self, path: str):
        """A renderer with the mesh in it, one actor a material."""
        renderer = self.vtk.vtkRenderer()
        self._greys = {}
        translucent = False
        for part in read_obj(path):
            actor = self._actor(part)
            translucent |= bool(actor.HasTranslucentPolygonalGeometry())
            renderer.AddActor(actor)
        renderer.SetBackground(0, 0, 0)
        renderer.SetBackgroundAlpha(0)
        renderer.SetAutomaticLightCreation(False)
        renderer.SetUseDepthPeeling(translucent)
        renderer.SetMaximumNumberOfPeels(PEELS)
        self.window.AddRenderer(renderer)
        return renderer

    def _actor(self, part: Part):
        """The polygons of a part under a material that light falls on evenly."""
        vtk, material = self.vtk, part.material
        mapper, actor = vtk.vtkPolyDataMapper(), vtk.vtkActor()
        mapper.SetInputData(self._polygons(part))
        actor.SetMapper(mapper)
        surface = actor.GetProperty()
        surface.SetInterpolationToPhong()
        # Nothing real is pitch black or pure white; without the margin no light would show the shape.
        surface.SetColor(*(0.07 + 0.86 * value for value in material.colour))
        surface.SetAmbient(0.35)
        surface.SetDiffuse(0.75)
        surface.SetSpecular(min(0.25, material.specular))
        surface.SetSpecularPower(min(60.0, max(1.0, material.shininess)))
        surface.SetOpacity(1.0 if material.opacity >= 0.6 else material.opacity)
        if max(material.colour) - min(material.colour) < 0.08 and min(material.colour) > 0.25:
            self._greys[actor] = surface.GetColor()[0]
        if material.texture is not None and part.texcoords is not None:
            actor.SetTexture(self._texture(material.texture))
            self._greys.pop(actor, None)
            surface.SetColor(0.97, 0.97, 0.97)  # the files leave the colour below a texture at black or grey
        return actor

    def _polygons(self, part: Part):
        from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

        vtk = self.vtk
        points, cells, data = vtk.vtkPoints(), vtk.vtkCellArray(), vtk.vtkPolyData()
        points.SetData(numpy_to_vtk(part.points, deep=1))
        offsets = np.cumsum([0] + [len(polygon) for polygon in part.polygons])
        corners = np.concatenate([np.asarray(polygon) for polygon in part.polygons])
        cells.SetData(
            numpy_to_vtkIdTypeArray(offsets.astype(np.int64), deep=1),
            numpy_to_vtkIdTypeArray(corners.astype(np.int64), deep=1),
        )
        data.SetPoints(points)
        data.SetPolys(cells)
        if part.texcoords is not None:
            data.GetPointData().SetTCoords(numpy_to_vtk(part.texcoords, deep=1))
        if part.normals is not None:
            data.GetPointData().SetNormals(numpy_to_vtk(part.normals, deep=1))
        triangles = vtk.vtkTriangleFilter()
        triangles.SetInputData(data)
        triangles.Update()
        if part.normals is not None:
            return triangles.GetOutput()
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputData(triangles.GetOutput())
        normals.SetFeatureAngle(40)
        normals.ConsistencyOff()
        normals.Update()
        return normals.GetOutput()

    def _texture(self, path: str):
        """A picture as texture; alpha is made all or nothing, so that leaves need no sorting."""
        from vtkmodules.util.numpy_support import numpy_to_vtk

        try:
            with Image.open(path) as image:
                has_alpha = image.mode in ("RGBA", "LA", "P") and "A" in image.convert("RGBA").getbands()
                pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"))
        except OSError as error:
            raise TextureError(f"{path}: expected a picture, found {error}") from None
        if has_alpha:
            pixels[..., 3] = np.where(pixels[..., 3] >= 128, 255, 0)
            if pixels[..., 3].min() == 255:
                pixels = pixels[..., :3]
        height, width, channels = pixels.shape
        data, texture = self.vtk.vtkImageData(), self.vtk.vtkTexture()
        data.SetDimensions(width, height, 1)
        data.GetPointData().SetScalars(
            numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(-1, channels), deep=1)
        )
        texture.SetInputData(data)
        texture.SetColorModeToDirectScalars()
        texture.InterpolateOn()
        texture.MipmapOn()
        texture.RepeatOn()
        return texture

    def _camera(self, renderer, azimuth: float, elevation: float, angle: float) -> None:
        """Looks at the mesh's centre from (azimuth, elevation) in degrees, all of it in the picture."""
        bounds = renderer.ComputeVisiblePropBounds()
        centre = [(bounds[2 * i] + bounds[2 * i + 1]) / 2 for i in range(3)]
        radius = max(1e-6, 0.5 * math.dist(bounds[::2], bounds[1::2]))
        a, e = math.radians(azimuth), math.radians(elevation)
        towards = (math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e))
        distance = radius / math.sin(math.radians(angle / 2))
        camera = renderer.GetActiveCamera()
        camera.SetViewAngle(angle)
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(c + distance * t for c, t in zip(centre, towards)))
        camera.SetViewUp(0, 1, 0)
        camera.SetWindowCenter(0, 0)
        # The sphere fits; the mesh itself mostly spans less of it. Zooming keeps the perspective.
        span = self._span(renderer, bounds)
        camera.SetViewAngle(2 * math.degrees(math.atan(math.tan(math.radians(angle / 2)) * span / FILL)))
        renderer.ResetCameraClippingRange()

    @staticmethod
    def _lowest(renderer) -> float:
        """The lowest elevation in degrees: a carpet or a hob seen from its edge is nothing but a line."""
        bounds = renderer.ComputeVisiblePropBounds()
        height, breadth = bounds[3] - bounds[2], max(bounds[1] - bounds[0], bounds[5] - bounds[4])
        return 22.0 if height < 0.2 * breadth else 0.0

    @staticmethod
    def _widest(renderer) -> float:
        """How far in degrees cameras turn from front and back: a door seen from its edge is a line too."""
        bounds = renderer.ComputeVisiblePropBounds()
        return 60.0 if bounds[5] - bounds[4] < 0.15 * (bounds[1] - bounds[0]) else 90.0

    @staticmethod
    def _span(renderer, bounds) -> float:
        """How far the corners of the box lie from the picture's centre, 1 at its border."""
        matrix = renderer.GetActiveCamera().GetCompositeProjectionTransformMatrix(1.0, -1, 1)
        far = 0.0
        for i in range(8):
            corner = [bounds[i & 1], bounds[2 + (i >> 1 & 1)], bounds[4 + (i >> 2)], 1.0]
            x, y, _, w = matrix.MultiplyPoint(corner)
            far = max(far, abs(x / w), abs(y / w))
        return min(1.0, far)

    def _lights(self, renderer, rng: np.random.Generator) -> None:
        """A key light from above and a weaker one from the other side, warm or cool, fixed to the camera."""
        renderer.RemoveAllLights()
        side = rng.choice([-1.0, 1.0])
        key, fill = rng.uniform(0.65, 1.05), rng.uniform(0.1, 0.4)
        warmth = rng.normal(0, 0.06)
        for intensity, x, tint in ((key, side * rng.uniform(0.2, 1.6), warmth), (fill, -side, -warmth)):
            light = self.vtk.vtkLight()
            light.SetLightTypeToCameraLight()
            light.SetPositional(False)
            light.SetPosition(x, rng.uniform(0.3, 1.5), rng.uniform(0.5, 1.2))
            light.SetFocalPoint(0, 0, 0)
            light.SetColor(min(1, 1 + tint), 1 - abs(tint) / 4, min(1, 1 - tint))
            light.SetIntensity(intensity)
            renderer.AddLight(light)

    def _paint(self, renderer, rng: np.random.Generator) -> None:
        """In half of the views, gives the mesh's grey surfaces one colour or two.

        A third of the meshes came without colours; things are not grey that often."""
        hsv = rng.uniform((0, 0.15, 0.35), (1, 0.75, 0.95), (2, 3))
        colours = [np.array(colorsys.hsv_to_rgb(*one)) for one in hsv]
        painted = rng.uniform() < 0.5
        for actor in renderer.GetActors():
            grey = self._greys.get(actor)
            if grey is not None:
                colour = colours[int(rng.uniform() < 0.25)] * (0.4 + 0.6 * grey)
                actor.GetProperty().SetColor(*(colour if painted else [grey] * 3))

    def _read(self) -> np.ndarray:
        from vtkmodules.util.numpy_support import vtk_to_numpy

        self.window.Render()
        reader = self.vtk.vtkWindowToImageFilter()
        reader.SetInput(self.window)
        reader.SetInputBufferTypeToRGBA()
        reader.ReadFrontBufferOff()
        reader.Update()
        pixels = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
        return np.ascontiguousarray(pixels.reshape(SIDE, SIDE, 4)[::-1])

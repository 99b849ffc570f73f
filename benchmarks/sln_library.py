"""The engine's C API (engine/sln.h) through ctypes: as much of it as the benchmarks need."""

import ctypes
from typing import Dict, List, Tuple, Union

import numpy

SLN_OK = 0


class _TensorInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_float)),
                ("rank", ctypes.c_int32), ("dims", ctypes.c_int64 * 4)]


class _StageInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("seconds", ctypes.c_double),
                ("macs", ctypes.c_int64)]


class _ResultInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [(name, ctypes.c_int32) for name in (
        "width", "height", "proposals", "dropped_empty", "dropped_by_nms", "object_count", "pair_count", "levels")]


class _EngineInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("device", ctypes.c_char_p), ("isa", ctypes.c_char_p),
                ("threads", ctypes.c_int32), ("stage_count", ctypes.c_int32), ("arena_bytes", ctypes.c_int64),
                ("weight_bytes", ctypes.c_int64)]


def _load(library: str) -> ctypes.CDLL:
    """The library with its functions declared."""
    pointer, lib = ctypes.c_void_p, ctypes.CDLL(library)
    lib.sln_last_error.restype = lib.sln_version.restype = ctypes.c_char_p
    lib.sln_model_open.argtypes = [ctypes.c_char_p, pointer]
    for name in ("sln_options_create", "sln_result_create", "sln_options_destroy", "sln_model_destroy"):
        getattr(lib, name).argtypes = [pointer]
    lib.sln_options_set_int.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int64]
    lib.sln_options_set_float.argtypes = [pointer, ctypes.c_char_p, ctypes.c_double]
    lib.sln_options_set_string.argtypes = [pointer, ctypes.c_char_p, ctypes.c_char_p]
    lib.sln_engine_create.argtypes = lib.sln_engine_run_canvas.argtypes = [pointer, pointer, pointer]
    for name in ("sln_engine_get_tensor", "sln_engine_get_stage"):
        getattr(lib, name).argtypes = [pointer, ctypes.c_int32, pointer]
    for name in ("sln_engine_get_info", "sln_result_get_info"):
        getattr(lib, name).argtypes = [pointer, pointer]
    return lib


def _check(lib: ctypes.CDLL, status: int) -> None:
    if status != SLN_OK:
        raise RuntimeError(lib.sln_last_error().decode())


class Model:
    """A weight blob, open until close(), for one engine or several."""

    def __init__(self, library: str, path: str):
        self.lib, self.handle = _load(library), ctypes.c_void_p()
        _check(self.lib, self.lib.sln_model_open(path.encode(), ctypes.byref(self.handle)))

    def close(self) -> None:
        self.lib.sln_model_destroy(self.handle)
        self.handle = None


class Engine:
    """One model on one engine. Every failed call raises RuntimeError with the library's own text."""

    def __init__(self, library: str, model: Union[str, Model], threads: int, capture: bool = False,
                 score_threshold: float = 0.0, device: str = "auto"):
        """model: a path, or a model that is open already and stays so."""
        opened = Model(library, model) if isinstance(model, str) else model
        self._lib, options = opened.lib, ctypes.c_void_p()
        self._engine, self._result = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._lib.sln_options_create(ctypes.byref(options)))
        self._check(self._lib.sln_options_set_int(options, b"threads", threads))
        self._check(self._lib.sln_options_set_int(options, b"capture", int(capture)))
        self._check(self._lib.sln_options_set_float(options, b"score_threshold", score_threshold))
        self._check(self._lib.sln_options_set_string(options, b"device", device.encode()))
        self._check(self._lib.sln_engine_create(opened.handle, options, ctypes.byref(self._engine)))
        self._check(self._lib.sln_result_create(ctypes.byref(self._result)))
        self._lib.sln_options_destroy(options)
        if opened is not model:
            opened.close()

    def _check(self, status: int) -> None:
        _check(self._lib, status)

    def _fill(self, function, kind, *arguments):
        info = kind()
        info.struct_size = ctypes.sizeof(kind)
        self._check(function(*arguments, ctypes.byref(info)))
        return info

    def version(self) -> str:
        return self._lib.sln_version().decode()

    def run(self, canvas: numpy.ndarray) -> None:
        """canvas (3, S, S) float32, contiguous."""
        if canvas.dtype != numpy.float32 or not canvas.flags.c_contiguous:
            raise ValueError("canvas: expected contiguous float32")
        self._check(self._lib.sln_engine_run_canvas(self._engine, canvas.ctypes.data, self._result))

    def proposals(self) -> int:
        """RoIs the heads ran for in the last run."""
        return self._fill(self._lib.sln_result_get_info, _ResultInfo, self._result).proposals

    def info(self) -> Dict[str, object]:
        info = self._fill(self._lib.sln_engine_get_info, _EngineInfo, self._engine)
        return {"device": info.device.decode(), "isa": info.isa.decode(), "threads": info.threads,
                "arena_bytes": info.arena_bytes, "weight_bytes": info.weight_bytes}

    def stages(self) -> List[Tuple[str, float, int]]:
        """(name, seconds, MACs) of the last run."""
        count = self._fill(self._lib.sln_engine_get_info, _EngineInfo, self._engine).stage_count
        stages = [self._fill(self._lib.sln_engine_get_stage, _StageInfo, self._engine, i) for i in range(count)]
        return [(s.name.decode(), s.seconds, s.macs) for s in stages]

    def tensors(self) -> Dict[str, numpy.ndarray]:
        """Copies of the captured stage tensors."""
        tensors = {}
        while True:
            info = _TensorInfo()
            info.struct_size = ctypes.sizeof(_TensorInfo)
            if self._lib.sln_engine_get_tensor(self._engine, len(tensors), ctypes.byref(info)) != SLN_OK:
                return tensors
            shape = tuple(info.dims[:info.rank])
            size = int(numpy.prod(shape))
            flat = numpy.ctypeslib.as_array(info.data, (size,)) if size else numpy.zeros(0, numpy.float32)
            tensors[info.name.decode()] = flat.reshape(shape).copy()

"""Who may include whom: every #include of the tree against the rules of docs/architecture.md."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)  # and string literals
# Functions whose bits differ between machines, and fmax and fmin, which lose a NaN. exp is kernels/math's own name.
LIBM = (r"exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|"
        r"atanh|erf|erfc|tgamma|lgamma|cbrt|hypot|rsqrt|rcbrt|fmax|fmin")
UNEQUAL = re.compile(rf"\b(?:std::exp|expf|(?:{LIBM})f?|__(?:exp|exp10|log|log2|log10|pow|sin|cos|tan|sincos|tanh)f|"
                     r"fdividef|__fdividef|__saturatef|__frsqrt_rn)\s*\(")
# A cast to pointers to vectors. vec<float4>(pointer) alone checks where they point.
VECTOR = r"(?:u?(?:char|short|int|long|longlong)|float|double)[1-4]"
VECTOR_CAST = re.compile(rf"_cast\s*<[^;()]*\b{VECTOR}\b|\(\s*(?:const\s+)?{VECTOR}\s*(?:const\s*)?[*&]+\s*(?:const\s*)?\)\s*[\w(&*]")
FOLDERS = ("kernels", "engine", "importer", "evaluation", "apps", "benchmarks", "models", "tests")


def includes(pattern):
    """Yields (file relative to the root, included path) for the files of a glob."""
    for path in sorted(ROOT.glob(pattern)):
        if path.suffix in (".h", ".cpp", ".cu", ".cuh", ".c"):
            for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
                yield path.relative_to(ROOT).as_posix(), name


def of_project(name):
    return name.split("/")[0] in FOLDERS


def violations(pattern, allowed):
    """Includes of the project's own headers that match none of the allowed regular expressions."""
    return [f"{file} includes {name}" for file, name in includes(pattern)
            if of_project(name) and not any(re.fullmatch(rule, name) for rule in allowed)]


class IncludeRules(unittest.TestCase):
    def check(self, pattern, allowed):
        self.assertTrue(list(includes(pattern)), f"no file matches {pattern}")
        self.assertEqual([], violations(pattern, allowed))

    def test_math_stands_alone(self):
        self.check("kernels/math/*", [r"kernels/math/\w+\.h", r"kernels/hd\.h"])

    def test_op_headers_are_plain(self):
        self.check("kernels/*.h", [r"kernels/\w+\.h"])

    def test_cpu_kernels(self):
        self.check("kernels/cpu/*", [r"kernels/\w+\.h", r"kernels/math/\w+\.h", r"kernels/cpu/[\w-]+\.(h|cpp)"])

    def test_cuda_kernels(self):
        self.check("kernels/cuda/*", [r"kernels/\w+\.h", r"kernels/math/\w+\.h", r"kernels/cuda/\w+\.(h|cuh)"])

    def test_kernels_meet_cuda_in_one_file(self):
        self.assertEqual({"kernels/cuda/device_api.cuh"},
                         {file for file, name in includes("kernels/**/*") if name == "cuda_runtime.h"})

    def test_kernels_use_no_function_whose_bits_depend_on_the_machine(self):
        for text in ("y = expf(x);", "std::exp (x)", "__fdividef(a, b)", "fmaxf(a, b)", "std::fmin(a, b)"):
            self.assertRegex(text, UNEQUAL)
        for text in ("y = exp(x);", "sln::exp(x)", "std::fmaf(a, b, c)", "vector_exp(d, x)", "exp2_int(n)"):
            self.assertNotRegex(text, UNEQUAL)
        files = [path for folder in ("kernels/cuda", "kernels/math") for path in sorted((ROOT / folder).iterdir())]
        self.assertGreater(len(files), 10)
        self.assertEqual([], [f"{path.relative_to(ROOT)}: {match.group()}" for path in files
                              for match in UNEQUAL.finditer(COMMENT.sub(" ", path.read_text(encoding="utf-8")))])

    def test_kernels_see_vectors_through_vec_alone(self):
        for text in ("reinterpret_cast<float4*>(p)", "reinterpret_cast<const int2 *>(p)[i]", "static_cast<uint4*>(memory)",
                     "reinterpret_cast<\n  const volatile float4&>(x)", "((const float4*)p)[0]", "*(int2 *) &x"):
            self.assertRegex(text, VECTOR_CAST)
        for text in ("vec<float4>(p)[i]", "reinterpret_cast<uintptr_t>(p) % sizeof(float4)", "void store(const float4& v)",
                     "static_cast<int>(v.x)", "make_float4(0, 0, 0, 0)", "float4 pixel_quads[4]", "use(const float4*);"):
            self.assertNotRegex(text, VECTOR_CAST)
        files = [path for path in sorted((ROOT / "kernels/cuda").iterdir())
                 if path.suffix in (".h", ".cpp", ".cu", ".cuh") and path.name != "device_api.cuh"]
        self.assertGreater(len(files), 5)
        self.assertEqual([], [f"{path.relative_to(ROOT)}: {match.group()}" for path in files
                              for match in VECTOR_CAST.finditer(COMMENT.sub(" ", path.read_text(encoding="utf-8")))])

    def test_engine(self):
        self.assertEqual(["engine/backend_cuda.cpp includes kernels/cuda/ops.h"],
                         violations("engine/*", [r"engine/.*", r"kernels/\w+\.h", r"kernels/cpu/parallel\.h"]))

    def test_stages_know_devices_only_through_the_backend(self):
        # Decode still runs on the host: its files alone know the thread pool.
        decode = {f"engine/stages/{name}" for name in ("decode.h", "depth_order.h", "interleave.h", "suppression.h")}
        self.check("engine/stages/*",
                   [r"engine/(error|config|tensor|layer_table|blob|arena|backend|device|decode_options|result)\.h",
                    r"engine/stages/\w+\.h", r"kernels/\w+\.h", r"kernels/math/\w+\.h", r"kernels/cpu/parallel\.h"])
        self.assertEqual(decode, {file for file, name in includes("engine/stages/*") if name.startswith("kernels/cpu/")})

    def test_importer_uses_the_contract_of_the_engine_only(self):
        shared = r"engine/(error|blob|layer_table|config|tensor|sha256)\.h"
        self.check("importer/*", [shared, r"importer/.*"])
        self.check("importer/passes/*", [shared, r"importer/.*"])

    def test_apps_use_the_public_headers_only(self):
        self.check("apps/*", [r"engine/sln\.h", r"importer/importer\.h", r"evaluation/\w+\.h", r"apps/.*"])

    def test_evaluation_knows_nothing_of_the_network(self):
        # Figures must not depend on the code that they judge; errors and hashes are all that it shares.
        self.check("evaluation/*", [r"engine/(error|sha256)\.h", r"evaluation/\w+\.h"])

    def test_benchmarks(self):
        # They time the rows of the tests' tables, and check a result against the naive loops before.
        self.check("benchmarks/*",
                   [r"engine/sln\.h", r"kernels/\w+\.h", r"kernels/cpu/parallel\.h", r"tests/(cases|naive)/\w+\.h",
                    r"tests/support/op_spans\.h", r"benchmarks/.*"])

    def owners(self, fragment):
        return {file for folder in ("kernels", "engine", "importer", "evaluation", "apps", "benchmarks")
                for file, name in includes(f"{folder}/**/*") if fragment(name)}

    def test_protobuf_is_known_to_one_file(self):
        self.assertEqual({"importer/onnx_reader.cpp"},
                         self.owners(lambda name: name.startswith(("google/protobuf", "onnx/"))))

    def test_stb_is_known_to_one_file(self):
        self.assertEqual({"apps/image_io.cpp"}, self.owners(lambda name: name.startswith("stb")))

    def test_cuda_stays_in_its_place(self):
        self.assertEqual(set(), {file for file in self.owners(lambda name: re.match(r"cu(da|dnn|blas)", name))
                                 if not file.startswith("kernels/cuda/") and file != "engine/backend_cuda.cpp"})

    def test_no_file_is_too_long(self):
        long = []
        for folder in FOLDERS:
            for path in sorted((ROOT / folder).rglob("*")):
                if path.suffix in (".h", ".cpp", ".py", ".c", ".cu", ".cuh"):
                    lines = len(path.read_text(encoding="utf-8").splitlines())
                    if lines > 600:
                        long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        self.assertEqual([], long)


if __name__ == "__main__":
    sys.exit(unittest.main())

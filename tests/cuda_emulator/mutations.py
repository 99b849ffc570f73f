#!/usr/bin/python3
"""Breaks the CUDA kernels on purpose, one fault at a time, and tells which test catches it.

tests/cuda_emulator/mutations.py [--only TEXT] [--jobs N] [--build FOLDER]

A copy of the sources is built once, without faults, and every named test must pass. Then each fault is put into the copy, what
depends on it is built again, and its test must fail. The exit status is 1 where one does not, or where a fault's place is not
found exactly once: the kernels have changed, and the fault must move with them. Takes some minutes.
"""

import argparse
import dataclasses
import pathlib
import shutil
import subprocess
import sys
from typing import List

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPS = "cuda_ops_test"
CONV = "cuda_conv_test"


@dataclasses.dataclass
class Fault:
    """`old`, which stands once in kernels/cuda/`file`, becomes `new`."""

    name: str
    file: str
    old: str
    new: str
    test: str = OPS


FAULTS = [
    Fault("conv: no barrier between pieces", "conv.cu",
          "    if (more) loader.put(pixel_tiles[now ^ 1], weight_tiles[now ^ 1]);\n    __syncthreads();",
          "    if (more) loader.put(pixel_tiles[now ^ 1], weight_tiles[now ^ 1]);"),
    Fault("conv: a column beyond the map is read", "conv.cu", "x >= 0 && x < p.in_w;\n  if (!inside) return all", "x >= 0 && x <= p.in_w;\n  if (!inside) return all"),
    Fault("conv: a product is rounded by itself", "conv.cu", "sums[i][j] = std::fmaf(a[i], b[j], sums[i][j])",
          "sums[i][j] = a[i] * b[j] + sums[i][j]"),
    Fault("conv: all of the room is computed", "conv.cu", "const int pixels = p.batch.count() *", "const int pixels = p.batch.room *"),
    Fault("conv: weights that do not exist are +0", "conv_pack.cpp", "panels.floats(), -0.0f)", "panels.floats(), 0.0f)", CONV),
    Fault("conv: the residual is added after the activation", "conv.cu",
          "  if (p.residual != nullptr) sum += residual;\n  return activate(p.desc.activation, sum);",
          "  sum = activate(p.desc.activation, sum);\n  return p.residual != nullptr ? sum + residual : sum;"),
    Fault("depthwise: the first column of a window is left out", "depthwise.cu", "if (s >= 0 && s < kKernel)", "if (s > 0 && s < kKernel)"),
    Fault("depthwise: a row's last pixels are written beyond it", "depthwise.cu", "if (x + i >= p.out_w) continue;",
          "if (x + i > p.out_w) continue;"),
    Fault("depthwise: every map is taken for an aligned one", "depthwise.cu", "const bool quads = has_quads(p.src, p.src_stride);",
          "const bool quads = true;"),
    Fault("four channels: one product is rounded by itself", "quads.cuh", "std::fmaf(a.w, b.w, c.w)", "a.w * b.w + c.w"),
    Fault("four channels: the last pixel is read as a whole", "quads.cuh", "  if (left >= 4 && quads) {\n    v = vec<float4>(from)[0];",
          "  if (quads) {\n    v = vec<float4>(from)[0];"),
    Fault("pool: a NaN is lost", "pool.cu", "return a > b ? a : b;", "return a < b ? b : a;"),
    Fault("pool: the sum begins at +0", "pool.cu", "float4 sum = all_of(-0.0f);", "float4 sum = all_of(0.0f);"),
    Fault("pool: padding counts as 0", "pool.cu", "float4 best = all_of(-INFINITY);", "float4 best = all_of(0.0f);"),
    Fault("upsample_sum: two neighbours are exchanged", "upsample_sum.cu", "at(ty.lo, tx.hi), tx.t)", "at(ty.hi, tx.lo), tx.t)"),
    Fault("proposals: -0 comes after +0", "proposals.cu", "descending_order(logit_of(w.op, index))",
          "descending_order(logit_of(w.op, index)) - (__float_as_uint(logit_of(w.op, index)) == 0x80000000u ? -1 : 0)"),
    Fault("proposals: NaN logits come first", "proposals.cu", "descending_order(logit_of(w.op, index))",
          "descending_order(logit_of(w.op, index)) + 1"),
    Fault("proposals: the last candidate is left out", "proposals.cu", "key >> shift <= last;", "key >> shift < last;"),
    Fault("proposals: an equal overlap suppresses", "proposals.cu", "b.box, b.area) > p.nms_iou;", "b.box, b.area) >= p.nms_iou;"),
    Fault("proposals: overlaps of the chunk before stay", "proposals.cu", "      overlaps[thread] = 0;\n", "      if (first == 0) overlaps[thread] = 0;\n"),
    Fault("proposals: one kept box too many", "proposals.cu", "settle(overlaps, p.max_rois - count)", "settle(overlaps, p.max_rois - count + 1)"),
    Fault("proposals: a NaN score is written", "proposals.cu", "i < count && score >= p.score_threshold;", "i < count && !(score < p.score_threshold);"),
    Fault("proposals: no barrier before a rank is read", "proposals.cu", "  if (lane == 0) sums[warp] = __popc(votes);\n  __syncthreads();",
          "  if (lane == 0) sums[warp] = __popc(votes);"),
    Fault("roi_align: no barrier before the places are read", "roi_align.cu", "thread, p.h);\n  __syncthreads();", "thread, p.h);"),
    Fault("roi_align: one RoI too many", "roi_align.cu", "if (roi >= p.items.count()) return;", "if (roi > p.items.count()) return;"),
    Fault("roi_align: two corners are exchanged", "roi_align.cu",
          "sum = add_corner(p, y.lo, x.hi, channel, y.weight_lo * x.weight_hi, quads, sum);\n  sum = add_corner(p, y.hi, x.lo, channel, y.weight_hi * x.weight_lo, quads, sum);",
          "sum = add_corner(p, y.hi, x.lo, channel, y.weight_hi * x.weight_lo, quads, sum);\n  sum = add_corner(p, y.lo, x.hi, channel, y.weight_lo * x.weight_hi, quads, sum);"),
    Fault("softmax: what follows the channels is not 0", "softmax.cu", "for (int c = kMaxChannels; c < written; ++c)", "for (int c = kMaxChannels; c + 1 < written; ++c)"),
    Fault("softmax: a sum in another order", "softmax.cuh", "    sum += values[c];\n  }", "  }\n  SLN_UNROLL(16)\n  for (int c = kMaxChannels; c-- > 0;) sum += c < channels ? values[c] : 0.0f;"),
    Fault("refine: the residual's last channels are left out", "refine.cu", "p.residual + cell * p.logits_stride, p.channels,", "p.residual + cell * p.logits_stride, p.channels - 1,"),
    Fault("mask_planes: 0 counts as hidden", "mask_planes.cu", "visible_logit < 0.0f ? 1 : 0", "visible_logit <= 0.0f ? 1 : 0"),
    Fault("resize: a row that ends with its band is not normalised", "resize.cu", "if (taps.end <= band_end) {", "if (taps.end < band_end) {"),
    Fault("resize: a band's last row is left out", "resize.cu", "if (row + r >= p.count) continue;", "if (row + r + 1 >= p.count) continue;"),
    Fault("canvas_from_planes: every piece is the first", "canvas_from_planes.cu", "op.planes + c * pixels + first", "op.planes + c * pixels"),
]


def run(command: List[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", **options)


class Copy:
    """The sources that git knows of, in a folder of their own, and their build."""

    def __init__(self, folder: pathlib.Path, jobs: int):
        self.sources, self.build, self.jobs = folder / "sources", folder / "build", jobs
        listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True).stdout.split("\n")
        names = {name for name in listed if name and (ROOT / name).is_file()}
        for path in [path for path in self.sources.rglob("*") if path.is_file()]:
            if path.relative_to(self.sources).as_posix() not in names:
                path.unlink()
        # What is as it was keeps its time, so that it is not built again; what a fault was in has a new one.
        for name in names:
            path = self.sources / name
            if not path.is_file() or path.read_bytes() != (ROOT / name).read_bytes():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, path)
        done = run(["cmake", "-S", str(self.sources), "-B", str(self.build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"])
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)

    def make(self, targets: List[str]) -> str:
        """What the compiler said where it failed, or ""."""
        done = run(["cmake", "--build", str(self.build), "-j", str(self.jobs), "--target", *targets])
        return done.stdout[-3000:] if done.returncode != 0 else ""

    def passes(self, test: str) -> bool:
        """A test that does not end has failed: a fault may let a kernel run for ever."""
        return run(["ctest", "--test-dir", str(self.build), "-R", f"^{test}$", "--no-tests=error", "--timeout", "120"]).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose name contains it")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "mutations")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in fault.name]
    tests = sorted({fault.test for fault in faults})
    copy = Copy(options.build, options.jobs)
    failed = copy.make(tests)
    if failed or not all(copy.passes(test) for test in tests):
        sys.exit(f"without any fault, expected {tests} to be built and to pass, found that they do not:\n{failed}")
    wrong = 0
    for fault in faults:
        path = copy.sources / "kernels" / "cuda" / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.old) != 1:
            print(f"{fault.name}: expected its place once in {fault.file}, found it {text.count(fault.old)} times")
            wrong += 1
            continue
        path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        failed = copy.make([fault.test])
        caught = not failed and not copy.passes(fault.test)
        path.write_text(text, encoding="utf-8")
        print(f"{fault.name}: " + (f"does not compile:\n{failed}" if failed else
                                   f"caught by {fault.test}" if caught else f"NOT caught by {fault.test}"), flush=True)
        wrong += not caught
    print(f"{len(faults) - wrong} of {len(faults)} faults caught")
    return int(wrong > 0 or not faults)


if __name__ == "__main__":
    sys.exit(main())

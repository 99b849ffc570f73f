#!/usr/bin/env bash
# Installs what is needed (Debian 12), builds, and runs all tests: everything in release, those labelled `fast` under
# every instruction set, ASan + UBSan, and TSan. CUDA's kernels run on the tests' emulator, in release and under ASan (label
# `emulated`); where nvcc is found, the library and the command line are built with CUDA, too, no kernel may spill, and the
# program must start without a card. The first failure ends it. The last lines are ctest's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
mkdir -p build

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step "dependencies"
scripts/install_dependencies.sh --tests

step "format"
scripts/check_format.sh

build() {
  step "build $1"
  cmake --preset "$1" -Wno-dev > "build/configure-$1.log" 2>&1 || { cat "build/configure-$1.log"; exit 1; }
  cmake --build --preset "$1" -- -j "$jobs" --quiet
}

nvcc=$(command -v nvcc || command -v /usr/local/cuda/bin/nvcc || true)
if [ -n "$nvcc" ]; then
  step "build for cards with $nvcc"
  export CUDACXX=$nvcc
  cmake --preset cuda -Wno-dev > build/configure-cuda.log 2>&1 || { cat build/configure-cuda.log; exit 1; }
  # All kernels each time: what is not compiled says nothing of its registers and spills.
  rm -rf build/cuda/kernels/cuda/CMakeFiles/sln_cuda_kernels.dir
  cmake --build --preset cuda -- -j "$jobs" --quiet > build/cuda.log 2>&1 || { cat build/cuda.log; exit 1; }
  # 128 registers: 512 threads on an SM.
  scripts/kernel_table.py build/cuda.log --limit '*=128'
  run_cuda() {
    build/cuda/apps/sln run --device "$1" -m models/demo/demo.safetensors -o "build/cuda/out-$1" samples/scene_1.jpg
  }
  echo "the program with CUDA, on the CPU:"
  run_cuda cpu
  if run_cuda cuda > build/cuda/card.log 2>&1; then
    echo "on this machine's card:"
  elif [ "$(wc -l < build/cuda/card.log)" -eq 1 ] && grep -q '^sln: .*found none' build/cuda/card.log; then
    echo "without a card, so that no kernel has run on one:"
  else
    echo "expected a card to be used or its lack to be told in one line, found:" >&2
    cat build/cuda/card.log >&2
    exit 1
  fi
  cat build/cuda/card.log
else
  echo "no nvcc found, neither in PATH nor in /usr/local/cuda/bin: nothing is built with CUDA, and no kernel's registers and"
  echo "spills are checked; the emulator runs the kernels all the same"
fi

build asan
step "fast and emulated tests under ASan and UBSan"
ctest --preset asan -j "$jobs"

build tsan
step "fast tests under TSan"
ctest --preset tsan -j "$jobs"

build release
for isa in sse4 avx2; do
  # Whether this machine has it is asked of the program itself.
  if build/release/tests/run_with_isa "$isa" true; then
    step "fast tests with SLN_ISA=$isa"
    SLN_ISA=$isa ctest --preset release -L fast -j "$jobs"
  fi
done

step "all tests in release, with the best instruction set"
ctest --preset release -j "$jobs"

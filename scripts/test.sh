#!/usr/bin/env bash
# Installs what is needed (Debian 12), builds, and runs all tests: everything in release, those labelled `fast` under
# every instruction set, ASan + UBSan, and TSan. CUDA's kernels run on the tests' emulator, in release and under ASan (label
# `emulated`); where nvcc is found, it compiles them, too, and no kernel may spill. The first failure ends it. The last
# lines are ctest's own summary.
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
  scripts/kernel_table.py build/cuda.log --limit 'conv_kernel<128>=128' --limit 'conv_kernel<64>=128'
  echo "the program with CUDA starts on this machine, and runs on its CPU:"
  build/cuda/apps/sln run --device cpu -m models/demo/demo.safetensors -o build/cuda/out samples/scene_1.jpg
else
  echo "no nvcc found: the CUDA kernels are not compiled for cards, only run on the emulator"
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

#!/usr/bin/env bash
# From a fresh clone on Debian 12 to libsln.so and sln for a GTX 1080 Ti (compute capability 6.1): CUDA 13 has given these
# cards up, Debian's non-free component has CUDA 11.8, which compiles for them. Installs it (1.6 GB of packages, 5.6 GB
# on the disk), builds, and prints what each kernel needs. Runs without a card, too. The result is in build/sm61.
# With it comes Debian's libcuda1, the library half of a driver; the kernel's half, nvidia-driver, is for you to install.
set -euo pipefail
cd "$(dirname "$0")/.."
toolkit=/usr/lib/nvidia-cuda-toolkit/bin
build=build/sm61
mkdir -p build

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
die() { echo "$0: $1" >&2; exit 1; }

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi

installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null || true)" = installed ]; }
offered() { [ -n "$(apt-cache madison "$1")" ]; }

# The user's own entries for Debian once more, with the components that lack, in a file that can be removed again.
enable_non_free() {
  local lists=/etc/apt/sources.list.d
  echo "adding contrib and non-free to the package sources: $lists/sln-non-free.*"
  if [ -f $lists/debian.sources ]; then
    sed 's/^Components:.*/Components: contrib non-free/' $lists/debian.sources | "${as_root[@]}" tee $lists/sln-non-free.sources > /dev/null
  else
    local lines
    lines=$({ cat /etc/apt/sources.list $lists/*.list 2> /dev/null || true; } |
            sed -n -E 's#^(deb +(\[[^]]*\] +)?[^ ]*debian/? +bookworm) .*#\1 contrib non-free#p' | sort -u)
    echo "${lines:-deb http://deb.debian.org/debian bookworm contrib non-free}" | "${as_root[@]}" tee $lists/sln-non-free.list > /dev/null
  fi
  "${as_root[@]}" apt-get update -q
}

# Of two drivers' libraries one would not fit the kernel's module; and Debian's packages stop half installed where
# NVIDIA's own installer has been.
check_driver() {
  local elsewhere="build in a chroot or on another machine: what is built runs here" brought running file
  brought=$(apt-get install -s -q --no-install-recommends "${missing[@]}" | sed -n -E 's/^Inst libcuda1 .*\(([0-9.]+)-.*/\1/p')
  [ -n "$brought" ] || return 0
  for file in /usr/bin/nvidia-installer /usr/bin/nvidia-uninstall; do
    [ ! -e $file ] || die "expected no driver but Debian's, whose libcuda1 comes with its CUDA, found $file; $elsewhere"
  done
  running=$(sed -n -E 's/^NVRM.* ([0-9]+\.[0-9.]+) .*/\1/p' /proc/driver/nvidia/version 2> /dev/null || true)
  [ -z "$running" ] || [ "$running" = "$brought" ] ||
    die "expected no driver or $brought, whose libcuda1 comes with Debian's CUDA, found $running running; $elsewhere"
}

step "dependencies"
scripts/install_dependencies.sh
packages=(nvidia-cuda-toolkit g++-11 python3)
missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null || die "expected root or sudo to install packages, found neither"
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
  [ "$codename" = bookworm ] || die "expected Debian 12 (bookworm), which has CUDA 11.8, found $codename"
  offered nvidia-cuda-toolkit || enable_non_free
  check_driver
  echo "installing ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# A newer CUDA's programs and headers in /usr/local would be found first.
step "which CUDA"
export PATH=/usr/bin:/bin
unset CUDACXX CUDA_PATH CUDAHOSTCXX CPATH CPLUS_INCLUDE_PATH
[ -x $toolkit/nvcc ] || die "expected Debian's nvcc in $toolkit, found none"
version=$($toolkit/nvcc --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
[ "$version" = 11.8 ] || die "expected nvcc 11.8, which compiles for sm_61, found $version"
headers=$PWD/$build/cuda-headers
rm -rf "$headers" && mkdir -p "$headers"
dpkg -L nvidia-cuda-dev | grep -E '^/usr/include/[^/]+$' | xargs ln -s -t "$headers"
for compiler in "g++ -x c++" "$toolkit/nvcc -ccbin g++-11 -x cu"; do
  header=$(printf '#include <cuda_runtime_api.h>\nCUDART_VERSION\n' | $compiler -isystem "$headers" -E - | awk 'END { print $NF }')
  [ "$header" = 11080 ] || die "expected headers of CUDA 11.8 (CUDART_VERSION 11080), found $header by '$compiler'"
done
echo "nvcc $version, CUDART_VERSION 11080"

step "build"
cmake --preset sm61 -Wno-dev -DCUDAToolkit_INCLUDE_DIR="$headers" -DCMAKE_CUDA_FLAGS="-isystem \"$headers\"" \
  > $build.configure.log 2>&1 || { cat $build.configure.log; exit 1; }
# The kernels each time: what is not compiled says nothing of its registers and spills.
rm -rf $build/kernels/cuda/CMakeFiles/sln_cuda_kernels.dir
cmake --build --preset sm61 -- -j "$(nproc)" --quiet > $build.log 2>&1 || { cat $build.log; exit 1; }

step "kernels: registers / bytes of shared memory / bytes spilled / bytes of stack"
scripts/kernel_table.py $build.log --limit '*=128'

step "done"
$build/apps/sln --version
echo "  $build/apps/sln                 the command line: sln run --device cuda ..."
echo "  $build/engine/libsln.so         the library; its header is engine/sln.h"
echo "It needs a driver of at least 450.80.02 to use the card, and runs on the CPU where there is none."

#!/usr/bin/env bash
# Installs what building and running need from Debian 12; with --models also what models/ needs (PyTorch), with --tests
# what the tests need too, with --oracle what those and scripts/truth.sh need. Does nothing, and needs no network and no
# rights, where all of it is there.
set -euo pipefail

packages=(
  cmake ninja-build g++
  libprotobuf-dev libonnx-dev libhwy-dev libstb-dev libcli11-dev nlohmann-json3-dev
)
models=(python3 python3-torch python3-torchvision python3-onnx python3-numpy python3-pil python3-matplotlib)
case "${1:-}" in
  "") ;;
  --models) packages+=("${models[@]}") ;;
  --tests) packages+=("${models[@]}" catch2 clang-format) ;;
  --oracle) packages+=("${models[@]}" catch2 clang-format python3-venv) ;;
  *)
    echo "usage: $0 [--models | --tests | --oracle]" >&2
    exit 1
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "all ${#packages[@]} packages are installed"
  exit 0
fi

echo "installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || { echo "expected root or sudo to install packages, found neither" >&2; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"

#!/usr/bin/env bash
# Fails where a C++ file is not formatted as .clang-format says. `scripts/check_format.sh --fix` formats.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
find kernels engine importer evaluation apps tests benchmarks \( -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' \) \
  -print0 | xargs -0 clang-format "${mode[@]}"

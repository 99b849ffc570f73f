#!/usr/bin/env bash
# Makes the shipped model of a training run: scripts/make_demo_model.sh RUN_DIR [OUTPUT_DIR]
#
# RUN_DIR/weights.pt becomes OUTPUT_DIR/{weights.pt,demo.onnx,demo.safetensors} (default: models/demo): the weights in half
# precision that training can go on from, the graph with BN folded and its weights rounded to halves, and the blob of
# that graph, whose import is verified against PyTorch's own run.
# Environment: PYTHON (default: /usr/bin/python3), SLN_CLI (default: build/release/apps/sln)
set -euo pipefail
[ $# -ge 1 ] && [ -f "$1/weights.pt" ] || { echo "usage: $0 RUN_DIR [OUTPUT_DIR]; RUN_DIR holds weights.pt" >&2; exit 1; }
root=$(cd "$(dirname "$0")/.." && pwd)
run=$(realpath "$1")
mkdir -p "${2:-$root/models/demo}"
output=$(realpath "${2:-$root/models/demo}")
python=$(command -v "${PYTHON:-/usr/bin/python3}") || { echo "$0: expected Python at ${PYTHON:-/usr/bin/python3}, found none" >&2; exit 1; }
[[ $python = /* ]] || python=$PWD/$python  # not resolved: a venv's python is a link whose place counts
cli=$(realpath "${SLN_CLI:-$root/build/release/apps/sln}")
[ -x "$cli" ] || { echo "$0: $cli: expected the program sln, found none" >&2; exit 1; }
cd "$root"
"$python" -m models.half "$run/weights.pt" -o "$output/weights.pt"
"$python" -m models.export --config demo --weights "$output/weights.pt" --half --exporter torchscript -o "$output/demo.onnx"
"$cli" import "$output/demo.onnx" -o "$output/demo.safetensors" --verify
ls -l "$output"

#!/usr/bin/env bash
# Makes the shipped model of a training run: scripts/make_demo_model.sh RUN_DIR [OUTPUT_DIR]
#
# RUN_DIR/weights.pt becomes OUTPUT_DIR/{weights.pt,demo.onnx,demo.safetensors} (default: models/demo): the weights in half
# precision that training can go on from, the graph with BN folded and its weights rounded to halves, and the blob of
# that graph, whose import is verified against PyTorch's own run.
# Environment: PYTHON (default: /usr/bin/python3), SLN_CLI (default: build/release/apps/sln)
set -euo pipefail
[ $# -ge 1 ] && [ -f "$1/weights.pt" ] || { echo "usage: $0 RUN_DIR [OUTPUT_DIR]; RUN_DIR holds weights.pt" >&2; exit 1; }
run=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
output=${2:-models/demo}
python=${PYTHON:-/usr/bin/python3}
cli=${SLN_CLI:-build/release/apps/sln}
mkdir -p "$output"
"$python" -m models.half "$run/weights.pt" -o "$output/weights.pt"
"$python" -m models.export --config demo --weights "$output/weights.pt" --half --exporter torchscript -o "$output/demo.onnx"
"$cli" import "$output/demo.onnx" -o "$output/demo.safetensors" --verify
ls -l "$output"

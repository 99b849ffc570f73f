#!/bin/sh
# Writes the ONNX graphs of tests/fixtures again. Both exporters are needed:
#   PYTHON      (default /usr/bin/python3)  PyTorch 1.13, writes the TorchScript graphs
#   PYTHON_NEW  (required)                  PyTorch 2.9 or later with onnxscript, writes the dynamo graphs
set -eu
cd "$(dirname "$0")/.."
: "${PYTHON:=/usr/bin/python3}"
: "${PYTHON_NEW:?set PYTHON_NEW to a Python that has PyTorch 2.9 or later, torchvision and onnxscript}"
out=tests/fixtures
old() { "$PYTHON" -m models.export --threads 1 --seed 0 --exporter torchscript --config "$@"; }
new() { "$PYTHON_NEW" -m models.export --threads 1 --seed 0 --exporter dynamo --config "$@"; }
old tiny -o "$out/tiny_torchscript.onnx"
old tiny --debug-outputs -o "$out/tiny_torchscript_debug.onnx"
old tiny --keep-batchnorm -o "$out/tiny_keep_bn.onnx"
new tiny -o "$out/tiny_dynamo.onnx"
new tiny --debug-outputs -o "$out/tiny_dynamo_debug.onnx"
for config in tiny-lite tiny-arcnn tiny-arcnn-visible; do
  old "$config" -o "$out/${config}_torchscript.onnx"
  new "$config" -o "$out/${config}_dynamo.onnx"
done

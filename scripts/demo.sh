#!/usr/bin/env bash
# From a fresh clone on Debian 12 to results and pictures: installs what is needed, builds, exports a network with
# seeded (untrained) weights, imports it, draws sample scenes and runs on them. Everything goes to out/demo; what is
# there already is not made again. Arguments are images, folders or lists to run on instead of the sample scenes.
set -euo pipefail
cd "$(dirname "$0")/.."
config=r50-512
out=out/demo
build=build/demo
python=/usr/bin/python3
jobs=$(nproc)
mkdir -p "$out"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

there() { [ -e "$1" ] && echo "$1 is there already"; }

step "dependencies"
scripts/install_dependencies.sh

step "build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSLN_TESTS=OFF -DSLN_BENCHMARKS=OFF -Wno-dev > "$out/configure.log" 2>&1 ||
  { cat "$out/configure.log"; exit 1; }
cmake --build "$build" -- -j "$jobs" --quiet
sln=$build/apps/sln

step "export $config with seed 0"
there "$out/$config.onnx" || "$python" -m models.export --config "$config" --seed 0 -o "$out/$config.onnx"

step "import"
there "$out/$config.safetensors" || "$sln" import "$out/$config.onnx" -o "$out/$config.safetensors"

images=("$@")
if [ ${#images[@]} -eq 0 ]; then
  images=(samples)
  if [ ! -d samples ]; then
    step "draw sample scenes"
    "$python" -m models.samples -o "$out/samples" -n 6
    images=("$out/samples")
  fi
fi

step "run"
"$sln" run -m "$out/$config.safetensors" -o "$out/results" --overlay "${images[@]}"

step "done"
echo "The weights are untrained, so what was found means nothing yet; the way from image to result is complete."
echo "  $out/results/results.json         COCO results list: amodal and visible masks"
echo "  $out/results/scenes.json          objects and depth-ordered pairs per image"
echo "  $out/results/timings.json         seconds per stage"
echo "  $out/results/*.overlay.png        pictures"

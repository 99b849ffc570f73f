#!/usr/bin/env bash
# From a fresh clone on Debian 12 to results and pictures: installs what is needed, builds, and runs the shipped model on
# the sample scenes, whose objects it was not trained on, with few doubles (--visible-overlap 0.7, which is not the default).
# Everything goes to out/demo. Arguments are images, folders or lists to run on instead.
set -euo pipefail
images=()
for image in "$@"; do
  [ -e "$image" ] || { echo "$0: $image: expected an image, a folder or a list, found nothing" >&2; exit 1; }
  images+=("$(realpath -s "$image")")  # a link keeps its name, whose ending says what it is
done
cd "$(dirname "$0")/.."
model=models/demo/demo.safetensors
out=out/demo
build=build/demo
mkdir -p "$out"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step "dependencies"
scripts/install_dependencies.sh

step "build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSLN_TESTS=OFF -DSLN_BENCHMARKS=OFF -Wno-dev > "$out/configure.log" 2>&1 ||
  { cat "$out/configure.log"; exit 1; }
cmake --build "$build" -- -j "$(nproc)" --quiet
sln=$build/apps/sln

step "run"
[ ${#images[@]} -gt 0 ] || images=(samples)
"$sln" run -m "$model" -o "$out/results" --visible-overlap 0.7 --overlay --levels "${images[@]}"

if [ $# -eq 0 ]; then
  step "compare with what the scenes are made of"
  "$sln" eval -g samples/annotations.json -r "$out/results/results.json"
fi

step "done"
echo "  $out/results/*.overlay.png        pictures: outlines are whole shapes, hidden parts are hatched, 1 is in front"
echo "  $out/results/results.json         COCO results list: amodal and visible masks, levels"
echo "  $out/results/scenes.json          objects and depth-ordered pairs per image"
echo "  $out/results/timings.json         seconds per stage"

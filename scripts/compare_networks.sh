#!/usr/bin/env bash
# The paper's comparison in small: scripts/compare_networks.sh STORE OUT
#
# Trains SLN, SLN without the loss of its global layers, ARCNN, and ARCNN with a visible mask on the same scenes by the same
# schedule, runs each on the same scenes of unseen pictures by the paper's protocol, and compares the others with SLN, and its
# refined planes with the unrefined ones. STORE: from models.data.collect. Started again it goes on where it was stopped (SIGTERM or
# Ctrl-C, which its trainings take as well), with the settings it began with. In OUT: a folder per network with its log, scenes/,
# comparison.md, the table, and comparison.txt, all that sln eval says. Takes 7 to 9 hours on 2 cores. Networks are trained side by side,
# a thread each: two trainings of one thread go through a sixth more images than one of two threads.
# Environment: IMAGES (40000, per network), CANVAS (256, the networks' side), SCENES (500), SIDE (512 px, of the test scenes),
# JOBS (as many trainings at a time as there are cores, at most 4), PYTHON (/usr/bin/python3), SLN_CLI (build/release/apps/sln)
set -euo pipefail
[ $# -eq 2 ] && [ -f "$1/index.json" ] || { echo "usage: $0 STORE OUT; STORE holds index.json" >&2; exit 1; }
store=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
root=$(cd "$(dirname "$0")/.." && pwd)
sln=$(realpath "${SLN_CLI:-$root/build/release/apps/sln}")
[ -x "$sln" ] || { echo "$0: $sln: expected the program sln, found none" >&2; exit 1; }
cd "$root"
python=${PYTHON:-/usr/bin/python3}
threads=$(nproc)
jobs=${JOBS:-$((threads < 4 ? threads : 4))}
[ "$jobs" -ge 1 ] || { echo "$0: JOBS: expected at least 1, found $jobs" >&2; exit 1; }
canvas=${CANVAS:-256}
scenes=${SCENES:-500}
side=${SIDE:-512}
recipe=(--images "${IMAGES:-40000}" --batch 8 --rate 1.5e-3 --frozen-stages 2 --seed 0 --pretrained)

# What is there already was made with the settings of its time.
settings="training: ${recipe[*]} --side $canvas; test scenes: $scenes of $side px; store: $(sha256sum "$store/index.json" | cut -c 1-12)"
if [ -f "$out/settings" ] && [ "$(cat "$out/settings")" != "$settings" ]; then
  printf '%s: expected the settings of what is there,\n  %s\nfound\n  %s\n' "$out" "$(cat "$out/settings")" "$settings" >&2
  exit 1
fi
if [ ! -f "$out/settings" ]; then
  for file in "$out"/*/checkpoint.pt "$out"/*/model.safetensors "$out/scenes/annotations.json"; do
    [ ! -e "$file" ] || { echo "$out: expected the settings that $file was made with in $out/settings, found no such file" >&2; exit 1; }
  done
fi
echo "$settings" > "$out/settings"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

# Runs a command so that a signal reaches it and is waited out: a training that is told to stop ends its step and saves. Ends
# with 143 after a signal, whatever the command made of it.
run_to_its_end() {
  local process="" told=0 status=0
  trap 'told=1; [ -z "$process" ] || kill -TERM "$process" 2> /dev/null || true' TERM INT
  "$@" &
  process=$!
  [ $told = 0 ] || kill -TERM "$process" 2> /dev/null || true
  wait "$process" || status=$?
  # A signal ends the wait, not the process.
  while [ $told = 1 ] && jobs -rp | grep -qx "$process"; do wait "$process" || true; done
  trap - TERM INT
  [ $told = 0 ] || exit 143
  return "$status"
}

# train NAME CONFIG [ARGUMENT...]: OUT/NAME/model.safetensors
train() {
  local name=$1 config=$2
  shift 2
  [ -f "$out/$name/model.safetensors" ] && return
  mkdir -p "$out/$name"
  step "train $name, progress in $out/$name/train.log"
  run_to_its_end "$python" -m models.train --config "$config" --store "$store" --out "$out/$name" --side "$canvas" "${recipe[@]}" "$@" \
    --threads $((threads > jobs ? threads / jobs : 1)) --validation-scenes 0 --checkpoint-minutes 5 --resume >> "$out/$name/train.log" 2>&1
  if tail -n 1 "$out/$name/train.log" | grep -q "^stopped by"; then return 1; fi
  run_to_its_end "$python" -m models.export --config "$config" --side "$canvas" --weights "$out/$name/weights.pt" \
    --exporter torchscript -o "$out/$name/model.onnx"
  run_to_its_end "$sln" import "$out/$name/model.onnx" -o "$out/$name/model.safetensors" --verify
}

# start COMMAND...: runs it beside others, as soon as fewer than $jobs of them run; nothing more once one has failed
started=()
failed=0
stop() {
  trap '' TERM INT
  for process in $(jobs -rp); do kill -TERM "$process" 2> /dev/null || true; done
  wait
  echo "$0: stopped; started again it goes on" >&2
  exit 143
}
trap stop TERM INT
start() {
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
  [ $failed = 0 ] || return 0
  ("$@") &
  started+=($!)
}

# run NAME RESULTS [ARGUMENT...]: OUT/RESULTS, by the paper's protocol
run() {
  local name=$1 results=$2
  shift 2
  "$sln" run -m "$out/$name/model.safetensors" -o "$out/$results" --score 0 --nms 1 --levels --threads "$threads" \
    --annotations "$out/scenes/annotations.json" "$@" "$out/scenes" > "$out/$results.log" 2>&1 || { cat "$out/$results.log"; exit 1; }
}

start train sln demo
start train sln-no-global demo --lambda-g 0
start train arcnn demo-arcnn
start train arcnn-visible demo-arcnn-visible
for process in "${started[@]}"; do wait "$process" || failed=1; done
trap - TERM INT
[ $failed = 0 ] || { echo "$0: not all networks are trained, see train.log of each in $out" >&2; exit 1; }

step "test scenes"
[ -f "$out/scenes/annotations.json" ] ||
  "$python" -m models.data.compose -o "$out/scenes" -n "$scenes" --store "$store" --split test --side "$side" --seed 1 --format jpg

step "run"
for name in sln sln-no-global arcnn arcnn-visible; do
  run "$name" "results-$name"
done
run sln results-sln-unrefined --no-refine

step "compare: first sln, second the other; differences are second minus first"
reports=()
for name in sln-no-global arcnn arcnn-visible sln-unrefined; do
  printf '\n-- %s\n' "$name"
  files=(-g "$out/scenes/annotations.json" -r "$out/results-sln/results.json" -r "$out/results-$name/results.json" --threads "$threads")
  "$sln" eval "${files[@]}" --json "$out/results-$name/against-sln.json"
  reports+=("$name=$out/results-$name/against-sln.json")
done > "$out/comparison.txt.part"
mv "$out/comparison.txt.part" "$out/comparison.txt"
{ echo "$settings"; echo; "$python" -m models.compare --first sln "${reports[@]}"; } > "$out/comparison.md.part"
mv "$out/comparison.md.part" "$out/comparison.md"
cat "$out/comparison.md"

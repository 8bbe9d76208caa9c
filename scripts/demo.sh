#!/usr/bin/env bash
# Shows Vantage at work: a clip becomes an RTSP camera, a pipeline watches it, events come out.
# Ends on Ctrl-C, or after DEMO_SECONDS. Everything it writes is in .vantage/demo.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
SHARED=${VANTAGE_SHARED:-../shared}
DEMO=.vantage/demo
STORE=$DEMO/store

usage() {
  cat <<'USAGE'
usage: [CLIP=FILE] [MODEL=FILE] [URL=ADDRESS] [DEMO_SECONDS=N] scripts/demo.sh

  CLIP          the video to serve as a camera
  URL           a camera to watch instead: rtsp, rtsps, http, https
  MODEL         the detector: an .onnx file, or a folder with a model.yaml
  DEMO_SECONDS  how long; without it until Ctrl-C
  VANTAGE_BIN   the program to use, instead of building target/release/vantage
USAGE
}

say() { printf 'demo: %s\n' "$*" >&2; }
fail() {
  printf 'demo: error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

if (($# > 0)); then
  usage
  [[ $1 == -h || $1 == --help ]] && exit 0
  fail "takes no arguments, only variables"
fi
if [[ -n ${DEMO_SECONDS:-} && ! $DEMO_SECONDS =~ ^[1-9][0-9]{0,5}$ ]]; then
  fail "DEMO_SECONDS is $DEMO_SECONDS; give whole seconds"
fi
if [[ -n ${URL:-} && -n ${CLIP:-} ]]; then fail "CLIP and URL are both set; give one of them"; fi

# ---- What runs is stopped by its process id, however the script ends ----------------------------

camera_pid='' run_pid='' sleep_pid='' interrupted=false
# shellcheck disable=SC2317  # the trap calls it
stop() { # PID
  if [[ -n $1 ]] && kill -TERM "$1" 2>/dev/null; then wait "$1" 2>/dev/null || true; fi
}
trap 'stop "$run_pid"; stop "$sleep_pid"; stop "$camera_pid"' EXIT
trap 'interrupted=true' INT TERM

# ---- The program -------------------------------------------------------------------------------

if [[ -n ${VANTAGE_BIN:-} ]]; then
  [[ -x $VANTAGE_BIN ]] || fail "VANTAGE_BIN is $VANTAGE_BIN, which is no program"
  VANTAGE=$VANTAGE_BIN
else
  say "building the program (some minutes the first time)"
  cargo build --release --locked --bin vantage || {
    $interrupted && exit 130
    fail "the build failed (its message is above)" "is \`make setup\` done?"
  }
  VANTAGE=${CARGO_TARGET_DIR:-target}/release/vantage
fi
$interrupted && exit 130

mkdir -p "$DEMO"
exec 9>"$DEMO/lock"
flock -n 9 || fail "another demo runs in $ROOT/$DEMO" "stop that one first"
rm -rf "$STORE" "$DEMO"/*.log

# ---- Clip and model ----------------------------------------------------------------------------

first() { # FILE... : the first that exists
  local file
  for file in "$@"; do
    if [[ -e $file ]]; then
      printf '%s\n' "$file"
      return
    fi
  done
}

draw_clip() {
  local clip=$DEMO/drawn.mp4
  say "drawing a clip: red, green and blue rectangles, which models/tiny takes for cars, trucks and people"
  scripts/draw_clip.py | gst-launch-1.0 -q fdsrc ! rawvideoparse width=640 height=360 format=rgb framerate=15/1 \
    ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=ultrafast key-int-max=15 bframes=0 \
    ! h264parse ! mp4mux ! filesink location="$clip" || fail "could not draw the clip (GStreamer's message is above)"
  CLIP=$clip
}

shopt -s nullglob extglob
trained_model=$(first models/!(tiny)/model.yaml)
trained_model=$(first ${trained_model:+"$(dirname "$trained_model")"} "$SHARED/data/models/yolox_nano_416.onnx")
footage=$(first test-media/junction/clip.mp4)
shopt -u nullglob extglob

if [[ -n ${CLIP:-} ]]; then
  say "clip: $CLIP, as CLIP says"
elif [[ -n ${URL:-} ]]; then
  say "camera: the one of URL"
elif [[ -n $footage && -n ${MODEL:-$trained_model} ]]; then
  CLIP=$footage
  say "clip: $CLIP"
else
  say "no footage in test-media or no trained model in models, so the demo draws a clip for the tiny model"
  draw_clip
  MODEL=${MODEL:-models/tiny}
fi
if [[ -n ${MODEL:-} ]]; then
  say "model: $MODEL"
elif [[ -n $trained_model ]]; then
  MODEL=$trained_model
  say "model: $MODEL, the first that is here"
else
  MODEL=models/tiny
  say "model: $MODEL, for want of a trained one: it sees only red, green and blue rectangles. Set MODEL"
fi
[[ -z ${CLIP:-} || -f $CLIP ]] || fail "the clip $CLIP is no file"
[[ -e $MODEL ]] || fail "the model $MODEL does not exist"
MODEL=$(realpath "$MODEL")

# ---- Camera ------------------------------------------------------------------------------------

read -r camera_port http_port < <(python3 - <<'PYTHON'
import socket

held = [socket.socket(), socket.socket()]  # both at once, so that they differ
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PYTHON
)

if [[ -n ${CLIP:-} ]]; then
  # Its standard output is read until the address is there; the rest of what it says goes to the log.
  # The file is there from the start: the background process may make its own only after the first look.
  : >"$DEMO/camera.url"
  setsid "$VANTAGE" camera "$CLIP" --listen "127.0.0.1:$camera_port" >"$DEMO/camera.url" 2>"$DEMO/camera.log" 9>&- &
  camera_pid=$!
  for ((tenths = 0; ; tenths++)); do
    $interrupted && exit 130
    URL=$(head -n 1 "$DEMO/camera.url")
    [[ -n $URL ]] && break
    if ! kill -0 "$camera_pid" 2>/dev/null || ((tenths == 150)); then
      cat "$DEMO/camera.log" >&2
      fail "the clip could not be served (see above)"
    fi
    sleep 0.1
  done
  say "the clip is a camera now: $URL (any player shows it)"
fi

# ---- Pipeline ----------------------------------------------------------------------------------

quoted() { printf "'%s'" "${1//\'/\'\'}"; } # as a YAML string

# What to look for: the junction's own gates, or a line and a zone across whatever the picture shows.
if [[ ${CLIP:-} == test-media/junction/clip.mp4 ]]; then
  scene=$(sed -n '/^    lines:/,$p' pipelines/junction.yaml)
else
  scene='    lines:
      - {id: middle, from: [0.02, 0.62], to: [0.98, 0.62]}
    zones:
      - {id: road, polygon: [[0.05, 0.45], [0.95, 0.45], [0.95, 0.95], [0.05, 0.95]]}
    rules:
      - {id: crossings, type: line_crossing, line: middle}
      - {id: stays, type: zone_dwell, zone: road, dwell: 3s}'
fi

PIPELINE=$DEMO/pipeline.yaml
cat >"$PIPELINE" <<YAML
# Written by scripts/demo.sh at every run. Points are [x, y] as shares of the picture, top left (0, 0).
version: 1
store:
  path: ./store
server:
  listen: 127.0.0.1:$http_port
models:
  default:
    path: $(quoted "$MODEL")
cameras:
  - id: demo
    url: $(quoted "$URL")
$scene
YAML
"$VANTAGE" check "$PIPELINE" >&2 || fail "the pipeline file $PIPELINE is refused (see above)" \
  "if the model is the reason: set MODEL to another"

# ---- Run ---------------------------------------------------------------------------------------

METRICS=http://127.0.0.1:$http_port/metrics
say "pipeline: $PIPELINE; its log: $DEMO/run.log; metrics while it runs: $METRICS"
if [[ -n ${DEMO_SECONDS:-} ]]; then say "events for $DEMO_SECONDS s:"; else say "events, until Ctrl-C:"; fi
# In a session of its own: Ctrl-C reaches this script alone, which then sends one signal, not two.
setsid "$VANTAGE" run "$PIPELINE" 2>"$DEMO/run.log" 9>&- &
run_pid=$!

# The page's address and the one-time password stand in the log; a terminal that scrolls should end with them, so they
# are told now and once more at the end.
page() { grep -E '^(page: |first login: )' "$DEMO/run.log" 2>/dev/null | sed 's/^/demo: /' >&2 || true; }
for ((tenths = 0; tenths < 300; tenths++)); do
  $interrupted && break
  if grep -q '^first login: ' "$DEMO/run.log" || ! kill -0 "$run_pid" 2>/dev/null; then break; fi
  sleep 0.1 9>&-
done
page

# Ends when the run does, when the time is over, or at a signal.
if [[ -n ${DEMO_SECONDS:-} ]]; then
  sleep "$DEMO_SECONDS" 9>&- &
  sleep_pid=$!
fi
status=0 by_itself=false
if ! $interrupted; then
  wait -n ${sleep_pid:+"$sleep_pid"} "$run_pid" || status=$?
fi
if ! $interrupted && ! kill -0 "$run_pid" 2>/dev/null; then by_itself=true; fi

figures=$(python3 - "$METRICS" 2>/dev/null <<'PYTHON' || true
import sys, urllib.request

text = urllib.request.urlopen(sys.argv[1], timeout=2).read().decode()
print(sum(1 for line in text.splitlines() if line and not line.startswith("#")))
PYTHON
)
if ! $by_itself; then
  status=0
  kill -TERM "$run_pid" 2>/dev/null || true
  wait "$run_pid" || status=$?
fi
run_pid=

# ---- What came of it ---------------------------------------------------------------------------

if ((status != 0)) || $by_itself; then
  tail -n 20 "$DEMO/run.log" >&2
  say "the run ended $($by_itself && printf 'by itself, ')with exit code $status; the end of $DEMO/run.log is above"
fi
if [[ -d $STORE ]]; then
  say "the last events in $STORE:"
  "$VANTAGE" events --store "$STORE" --limit 10 || status=$((status ? status : $?))
  stills=$(find "$STORE/media" -type f 2>/dev/null | wc -l)
  say "stills: $stills, in $STORE/media"
  if ((stills == 0 && status == 0)); then
    say "no event; the end of $DEMO/run.log:"
    tail -n 5 "$DEMO/run.log" >&2
  fi
fi
page
if [[ -n $figures ]]; then say "metrics: $figures figures at $METRICS while it ran"; else say "metrics: $METRICS gave none"; fi
exit "$status"

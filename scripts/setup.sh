#!/usr/bin/env bash
# Installs what Vantage needs to build and to run: Debian packages and ONNX Runtime.
# Nothing missing: says so and changes nothing. See `scripts/setup.sh --help`.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

BUILD_PACKAGES=(
  build-essential pkg-config # the C compiler builds SQLite and ring
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
)
RUN_PACKAGES=(
  gstreamer1.0-plugins-base # appsrc and appsink, test pictures
  gstreamer1.0-plugins-good # rtsp, http, MP4, Matroska, AVI
  gstreamer1.0-plugins-bad  # parsers of H.264, H.265 and JPEG, MPEG-TS
  gstreamer1.0-libav        # the decoders
  gstreamer1.0-plugins-ugly # x264: test pictures served as a camera
  gstreamer1.0-tools        # gst-launch: the demo's own clip
  glib-networking           # TLS for rtsps and https
  ca-certificates           # whom TLS trusts
  python3 python3-pip       # unpack ONNX Runtime
)
TEST_PACKAGES=(
  ffmpeg vlc-bin vlc-plugin-base # other programs as clients of the fake camera, and makers of test clips
  rtsp-server-perl               # an RTSP server that is not ours
  procps iproute2 mount          # what the crash and disk tests use
  nats-server mosquitto mosquitto-clients postgresql openssl # the far sides of sinks (scripts/services.sh)
  libssl-dev                     # librdkafka, for the feature kafka
  chromium                       # the page in a real browser
  shellcheck
)

ORT_VERSION=1.32.0
LIB=.vantage/lib/libonnxruntime.so
# What reads our exports in tests: DuckDB, pandas, lxml with the schema of CAP.
TEST_PYTHON=.vantage/test-python
TEST_REQUIREMENTS=tests/readers/requirements.txt

usage() {
  cat <<USAGE
usage: scripts/setup.sh [--tests] [--dry-run]

Installs Debian packages that are missing (as root, or by sudo), and puts ONNX Runtime $ORT_VERSION
into $LIB, unless ORT_DYLIB_PATH names one or the system has one.

  --tests    also what only the tests need: packages, and Python readers into $TEST_PYTHON (400 MB)
  --dry-run  only says what it would do
USAGE
}

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

with_tests=false
dry_run=false
for argument in "$@"; do
  case $argument in
    --tests) with_tests=true ;;
    --dry-run) dry_run=true ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "unknown argument $argument" ;;
  esac
done

# ---- Debian packages ---------------------------------------------------------------------------

wanted=("${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}")
if $with_tests; then
  wanted+=("${TEST_PACKAGES[@]}")
  # For building the page again, which fetches a pinned Node by itself. Whoever has Node from elsewhere has npm with it,
  # and Debian's package would conflict with that.
  if ! command -v npm >/dev/null; then wanted+=(nodejs npm); fi
fi

# Prints those of its arguments that are not installed.
missing_packages() {
  local installed package
  # dpkg-query fails when it has never heard of one of them; what it prints about the others is right.
  installed=" $(dpkg-query --show --showformat='${db:Status-Status}=${Package} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    if [[ $installed != *" installed=$package "* ]]; then printf '%s\n' "$package"; fi
  done
}

# Not Debian: the names differ from system to system, so what is there is asked of pkg-config.
check_without_dpkg() {
  local modules=(gstreamer-1.0 gstreamer-app-1.0 gstreamer-video-1.0 gstreamer-rtsp-server-1.0)
  if command -v pkg-config >/dev/null && pkg-config --exists "${modules[@]}"; then
    say "no Debian system: GStreamer is here; whether its plugins are, \`vantage doctor\` tells"
  else
    fail "this is no Debian system, and pkg-config does not find ${modules[*]}" \
      "install by hand what Debian calls:" "${wanted[*]}"
  fi
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]} == 0)); then
    say "all ${#wanted[@]} Debian packages are installed"
    return
  fi
  say "missing Debian packages: ${missing[*]}"
  if $dry_run; then
    say "would run: apt-get update, apt-get install --no-install-recommends ${missing[*]}"
    return
  fi
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "packages are missing, and this user may not install them: no root, no sudo" \
      "run as root: apt-get install --no-install-recommends ${missing[*]}" "then run this again"
    as_root=(sudo)
  fi
  # env after sudo: sudo drops the variable otherwise.
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0)
  "${apt[@]}" update || fail "apt-get update failed (its message is above)" "check the network and /etc/apt/sources.list"
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install: ${missing[*]}" "its message is above; mend that, then run this again"
}

# ---- ONNX Runtime ------------------------------------------------------------------------------

# The wheel of PyPI holds the library that the release archive holds. Sums were taken from the
# wheels of this very version; a new version needs new ones.
case $(uname -m) in
  x86_64)
    ORT_PLATFORM=manylinux_2_28_x86_64
    WHEEL_SHA256=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
    LIB_SHA256=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f
    ;;
  aarch64)
    ORT_PLATFORM=manylinux_2_28_aarch64
    WHEEL_SHA256=2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c
    LIB_SHA256=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a
    ;;
  *) ORT_PLATFORM= ;;
esac

has_sum() { # FILE SHA256
  [[ $(sha256sum <"$1") == "$2  -" ]]
}

# The file's version when it is a usable ONNX Runtime, else nothing.
version_of() {
  python3 - "$1" 2>/dev/null <<'PYTHON' || true
import ctypes, sys

class Base(ctypes.Structure):  # OrtApiBase of onnxruntime_c_api.h
    _fields_ = [("api", ctypes.c_void_p), ("version", ctypes.CFUNCTYPE(ctypes.c_char_p))]

get = ctypes.CDLL(sys.argv[1]).OrtGetApiBase
get.restype = ctypes.POINTER(Base)
print(get().contents.version().decode())
PYTHON
}

# The first library in a folder that the program looks into, too, if it is new enough.
system_library() {
  local folder version
  for folder in /usr/local/lib /usr/local/lib64 /usr/lib /usr/lib64 "/usr/lib/$(uname -m)-linux-gnu" /opt/onnxruntime/lib; do
    [[ -f $folder/libonnxruntime.so ]] || continue
    version=$(version_of "$folder/libonnxruntime.so")
    if [[ $version =~ ^1\.([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 24)); then
      printf '%s (version %s)\n' "$folder/libonnxruntime.so" "$version"
    else
      say "$folder/libonnxruntime.so is not used: version ${version:-unknown}, at least 1.24 is needed" >&2
    fi
    return
  done
}

fetch_library() {
  local temporary=.vantage/lib/fetch.$$
  mkdir -p "$temporary" || fail "cannot create $ROOT/$temporary" "let this user write $ROOT, or set ORT_DYLIB_PATH"
  # shellcheck disable=SC2064  # the folder's name as it is now
  trap "rm -rf '$ROOT/$temporary'" EXIT
  say "fetching ONNX Runtime $ORT_VERSION (28 MB) from the Python package index that pip is set up for"
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip, which fetches ONNX Runtime" \
    "install the package python3-pip, or set ORT_DYLIB_PATH to a libonnxruntime.so"
  python3 -m pip download "onnxruntime==$ORT_VERSION" --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: --platform "$ORT_PLATFORM" --python-version 3.11 --implementation cp --abi cp311 \
    -d "$temporary" || fail "pip could not download onnxruntime==$ORT_VERSION (its message is above)" \
    "check the network and pip's settings (python3 -m pip config list)," \
    "or set ORT_DYLIB_PATH to a libonnxruntime.so"

  local wheel="$temporary/onnxruntime-$ORT_VERSION-cp311-cp311-$ORT_PLATFORM.whl"
  [[ -f $wheel ]] || fail "pip downloaded something else than $(basename "$wheel"): $(ls "$temporary")"
  has_sum "$wheel" "$WHEEL_SHA256" || fail "wrong checksum of $(basename "$wheel"); it was removed" \
    "expected $WHEEL_SHA256" "got      $(sha256sum <"$wheel" | cut -d' ' -f1)" \
    "try again; if it stays, the package index gives another file: do not use it"

  python3 - "$wheel" "$temporary" "onnxruntime/capi/libonnxruntime.so.$ORT_VERSION" <<'PYTHON'
import pathlib, shutil, sys, zipfile

wheel, folder, library = sys.argv[1:]
names = {library: "libonnxruntime.so"}
for name in ("LICENSE", "ThirdPartyNotices.txt"):
    names[f"onnxruntime/{name}"] = f"onnxruntime-{name}"
with zipfile.ZipFile(wheel) as archive:
    for inside, outside in names.items():
        with archive.open(inside) as source, open(pathlib.Path(folder, outside), "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON
  has_sum "$temporary/libonnxruntime.so" "$LIB_SHA256" || fail "wrong checksum of libonnxruntime.so; it was removed" \
    "expected $LIB_SHA256" "got      $(sha256sum <"$temporary/libonnxruntime.so" | cut -d' ' -f1)"
  # The library comes last and by rename: whoever sees it sees all of it.
  mv "$temporary"/onnxruntime-LICENSE "$temporary"/onnxruntime-ThirdPartyNotices.txt .vantage/lib/
  mv "$temporary/libonnxruntime.so" "$LIB"
  rm -rf "$temporary"
  trap - EXIT
  # As `sudo scripts/setup.sh`: the folder is the user's, who writes more into it.
  if [[ -n ${SUDO_UID:-} ]]; then chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" .vantage; fi
  say "ONNX Runtime $ORT_VERSION is in $LIB (MIT licence, beside it)"
}

install_runtime() {
  if [[ -n ${ORT_DYLIB_PATH:-} ]]; then
    [[ -f $ORT_DYLIB_PATH ]] || fail "ORT_DYLIB_PATH is $ORT_DYLIB_PATH, which is no file" \
      "set it to a libonnxruntime.so, or unset it and run this again"
    say "ONNX Runtime: $ORT_DYLIB_PATH, as ORT_DYLIB_PATH says"
    return
  fi
  if [[ -f $LIB ]]; then
    if [[ -n $ORT_PLATFORM ]] && has_sum "$LIB" "$LIB_SHA256"; then
      say "ONNX Runtime $ORT_VERSION is in $LIB"
      return
    fi
    say "$LIB is not that of version $ORT_VERSION: replacing it (a library of your own: ORT_DYLIB_PATH)"
    $dry_run || rm -f "$LIB"
  fi
  local system
  system=$(system_library)
  if [[ -n $system ]]; then
    say "ONNX Runtime: $system"
  elif [[ -z $ORT_PLATFORM ]]; then
    fail "no ONNX Runtime is known for $(uname -m)" "build it, and set ORT_DYLIB_PATH to its libonnxruntime.so"
  elif $dry_run; then
    say "would fetch ONNX Runtime $ORT_VERSION into $LIB"
  else
    fetch_library
  fi
}

# ---- Python readers, for tests ------------------------------------------------------------------

install_test_python() {
  local python
  python=$(python3 -c 'import platform, sys; print(*sys.version_info[:2], platform.machine(), sep=".")')
  if [[ $python != 3.11.x86_64 ]]; then
    say "note: the pinned Python readers are for CPython 3.11 on x86_64, this is $python: their tests will be skipped"
  elif [[ -f $TEST_PYTHON/requirements.txt ]] && cmp -s "$TEST_REQUIREMENTS" "$TEST_PYTHON/requirements.txt"; then
    say "the Python readers of the tests are in $TEST_PYTHON"
  elif $dry_run; then
    say "would install the Python readers of the tests into $TEST_PYTHON"
  else
    say "installing the Python readers of the tests into $TEST_PYTHON (110 MB to fetch)"
    rm -rf "$TEST_PYTHON"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
      --target "$TEST_PYTHON" -r "$TEST_REQUIREMENTS" || fail "pip could not install $TEST_REQUIREMENTS" \
      "its message is above; check the network and pip's settings (python3 -m pip config list)"
    # Last, so that a broken-off installation is made again.
    cp "$TEST_REQUIREMENTS" "$TEST_PYTHON/requirements.txt"
    if [[ -n ${SUDO_UID:-} ]]; then chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" .vantage; fi
  fi
}

# ------------------------------------------------------------------------------------------------

if command -v dpkg-query >/dev/null; then install_packages; else check_without_dpkg; fi
install_runtime
if $with_tests; then install_test_python; fi
command -v cargo >/dev/null || say "note: cargo is not on the PATH; building needs Rust 1.95 or newer"
if $dry_run; then say "nothing was changed"; else say "ready"; fi

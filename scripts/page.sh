#!/usr/bin/env bash
# The operations centre's page: what it takes to build it again, to check it, to test it in a browser.
# Neither `cargo build` nor running the program needs any of this: web/dist is committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/web/node_modules/.bin:$PATH"

usage() {
  cat <<'USAGE'
usage: scripts/page.sh build | check | test [FILE...] | bench paint|event|wall|heap [--seconds N] [--minutes N]

  build  installs the pinned packages and builds web/dist
  check  types, words in both languages, size, and that web/dist is what the sources give
  test   drives the real program with Debian's Chromium: the one that was built last, or VANTAGE_BIN (VANTAGE_CHROMIUM)
  bench  measures the page on the real program; every figure beside its aim
USAGE
}

install() { # once a lock file; `node` itself is one of the packages, so that the system's may be older
  if [[ ! web/node_modules/.package-lock.json -nt web/package-lock.json ]]; then npm --prefix web ci --no-audit --no-fund; fi
}

case ${1:-} in
  build)
    install
    npm --prefix web run build
    ;;
  check)
    install
    npm --prefix web run check
    node --test tests/page/words.test.mjs tests/page/hour.test.mjs
    npm --prefix web run size
    npm --prefix web run dist
    ;;
  test)
    shift
    install
    # One file after the other: each starts a program of its own.
    if (($# == 0)); then set -- tests/page/*.test.mjs; fi
    node --test --test-concurrency=1 "$@"
    ;;
  bench)
    shift
    install
    node --disable-warning=ExperimentalWarning tests/page/bench.mjs "$@"
    ;;
  *)
    usage
    [[ ${1:-} == -h || ${1:-} == --help ]] || exit 2
    ;;
esac

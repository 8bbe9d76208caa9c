#!/usr/bin/env bash
# Checks the dependencies of Cargo.lock without a network: licences, banned crates, sources.
# Known vulnerabilities need an advisory database from the network; they are not checked here.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Offline when everything is here already; the crates of other systems may not be. With all features but `kafka`, whose TLS
# is OpenSSL's.
metadata=$(cargo metadata --locked --offline --features oidc --format-version 1 2>/dev/null ||
  cargo metadata --locked --features oidc --format-version 1)

python3 /dev/fd/3 3<<'PYTHON' <<<"$metadata"
import json, re, sys

# Licences under which a binary may be passed on with no more than a notice.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0",  # the list of authorities in webpki-root-certs
    "IJG", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}
EXCEPTIONS = {"LLVM-exception"}
# Crate: why not.
BANNED = {
    "openssl": "TLS is rustls",
    "openssl-sys": "TLS is rustls",
    "native-tls": "TLS is rustls",
    "serde_yaml": "no longer maintained",
    "serde_yml": "no longer maintained, unsound",
    "failure": "no longer maintained",
    "chrono": "time is jiff",
    "ffmpeg-sys-next": "media is GStreamer",
}
# A banned crate that others bring along: only they may.
BROUGHT = {"chrono": {"oauth2", "openidconnect", "parquet", "serde_with"}}


def allowed(expression):
    """Whether an SPDX expression can be met by ALLOWED; `/` is Cargo's old OR."""
    tokens = re.findall(r"\(|\)|[A-Za-z0-9.+-]+", expression.replace("/", " OR "))
    position = 0

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else None

    def peek():
        return tokens[position] if position < len(tokens) else None

    def one():
        token = take()
        if token == "(":
            met = either()
            return take() == ")" and met
        met = token in ALLOWED
        if peek() == "WITH":
            take()
            met = take() in EXCEPTIONS and met
        return met

    def both():
        met = one()
        while peek() == "AND":
            take()
            met = one() and met
        return met

    def either():
        met = both()
        while peek() == "OR":
            take()
            met = both() or met
        return met

    return either() and position == len(tokens)


metadata = json.load(sys.stdin)
packages = metadata["packages"]
names = {package["id"]: package["name"] for package in packages}
users = {}
for node in metadata["resolve"]["nodes"]:
    for dependency in node["dependencies"]:
        users.setdefault(dependency, set()).add(names[node["id"]])
problems = []
for package in packages:
    name = f"{package['name']} {package['version']}"
    licence = package["license"]
    brought = BROUGHT.get(package["name"], set())
    if package["name"] in BANNED and not users.get(package["id"], set()) <= brought:
        problems.append(f"{name}: banned: {BANNED[package['name']]}")
    if not licence:
        problems.append(f"{name}: no licence expression; look at its licence file")
    elif not allowed(licence):
        problems.append(f"{name}: licence {licence} is not in the allow-list")
    source = package["source"]  # none: a package of this repository
    if source and not source.startswith("registry+"):
        problems.append(f"{name}: comes from {source}, not from a registry")

for problem in problems:
    print(f"audit: error: {problem}", file=sys.stderr)
if problems:
    print("  choose another crate, or extend the lists in scripts/audit.sh with a reason", file=sys.stderr)
    sys.exit(1)
print(f"audit: {len(packages)} packages: licences, bans and sources are in order")
print("audit: not checked: known vulnerabilities (they need an advisory database from the network)")
PYTHON

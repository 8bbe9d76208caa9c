#!/usr/bin/env python3
"""Measures Vantage on live cameras: `vantage camera` serves a clip in a loop, `vantage run` watches it.

    scripts/live_bench.py CLIP MODEL [--cameras 1] [--fps N] [--seconds 60] [--vantage BIN]

Prints one JSON object:
  ready_s          from the start of the program to /readyz answering 200; it loads the model meanwhile
  first_event_s    from the first analysed frame of the first camera to its first event
  latency_ms       p50, p95, p99 from a frame's last packet to its event on disk
  load             the program's processor time over the time and the processors it may use
  rss_mib          resident memory at the end, its peak, and every tenth of the run from the first on
  frames           detected and dropped, of all cameras; lost ones mean that the machine cannot keep up

Every camera reports each object that comes and goes (the rule `zone_dwell` over the whole picture), so events
come often. `--fps` bounds the frames analysed a second: choose it so that `load` is what you ask about.
For the memory of a further camera run it with `--cameras 1` and `--cameras 2`.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

EVERYWHERE = "[[0, 0], [1, 0], [1, 1], [0, 1]]"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(address, page):
    """The text of a page; none while nobody answers or the answer is no."""
    try:
        with urllib.request.urlopen(f"http://{address}{page}", timeout=5) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None


def until(what, seconds, look):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    sys.exit(f"{what}: not within {seconds} s")


def detected(address):
    text = get(address, "/metrics") or ""
    return sum(float(n) for n in re.findall(r'^vantage_frames_total\{[^}]*outcome="detected"[^}]*\} (\S+)', text, re.M))


def pipeline(a, folder, address, served):
    cameras = "\n".join(
        f"""  - id: cam{n}
    url: rtsp://127.0.0.1:{served}/cam1
    {f'analyse_fps: {a.fps}' if a.fps else ''}
    zones: [{{id: everywhere, polygon: {EVERYWHERE}}}]
    rules: [{{id: seen, type: zone_dwell, zone: everywhere, report: [entered, left]}}]"""
        for n in range(1, a.cameras + 1)
    )
    path = folder / "pipeline.yaml"
    path.write_text(
        f"""version: 1
store: {{path: {folder}/store}}
server: {{listen: {address}}}
inference: {{workers: {a.workers}}}
models: {{default: {{path: {a.model.resolve()}}}}}
cameras:
{cameras}
"""
    )
    return path


def resident(pid, key="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return round(int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1]) / 1024, 1)


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(a, folder):
    served, address = free_port(), f"127.0.0.1:{free_port()}"
    serve = [a.vantage, "--log", "error", "camera", a.clip, "--listen", f"127.0.0.1:{served}"]
    servers = [subprocess.Popen(serve, stdout=subprocess.DEVNULL)]
    program = None
    try:
        until("the camera", 10, lambda: socket.socket().connect_ex(("127.0.0.1", served)) == 0)
        file = pipeline(a, folder, address, served)
        began = time.monotonic()
        events = (folder / "events.jsonl").open("wb")
        program = subprocess.Popen([a.vantage, "--log", "error", "run", file], stdout=events)
        until("ready", 30, lambda: get(address, "/readyz"))
        ready = time.monotonic() - began
        until("a frame", 30, lambda: detected(address) > 0)
        seen = time.monotonic()
        until("an event", 60, lambda: (folder / "events.jsonl").stat().st_size)
        first_event = time.monotonic() - seen
        start, used = time.monotonic(), processor_seconds(program.pid)
        memory = []
        for _ in range(10):
            time.sleep(a.seconds / 10)
            memory.append(resident(program.pid))
        used = processor_seconds(program.pid) - used
        processors = len(os.sched_getaffinity(0))
        load = used / (time.monotonic() - start) / processors
        text = get(address, "/metrics") or sys.exit("the program has gone")
        latency = re.findall(r'^vantage_event_durable_latency_seconds\{quantile="(\S+)"\} (\S+)', text, re.M)
        outcomes = re.findall(r'^vantage_frames_total\{[^}]*outcome="(\w+)"[^}]*\} (\S+)', text, re.M)
        frames = {}
        for outcome, count in outcomes:
            frames[outcome] = frames.get(outcome, 0) + int(float(count))
        return {
            "clip": a.clip.name, "model": a.model.name, "cameras": a.cameras, "processors": processors,
            "ready_s": round(ready, 3), "first_event_s": round(first_event, 3),
            "latency_ms": {f"p{float(q) * 100:.0f}": round(float(s) * 1e3, 1) for q, s in latency},
            "events": len((folder / "events.jsonl").read_bytes().splitlines()),
            "load": round(load, 3), "frames": frames, "frames_per_s": round(frames.get("detected", 0) / (time.monotonic() - seen), 1),
            "rss_mib": {"end": memory[-1], "peak": resident(program.pid, "VmHWM"), "every_tenth": memory},
        }
    finally:
        for child in [program, *servers]:
            if child:
                child.send_signal(signal.SIGTERM)
                child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--fps", type=float, help="frames analysed a second and camera; all when left out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--vantage", type=pathlib.Path, default=pathlib.Path("target/release/vantage"))
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(a, pathlib.Path(folder)), indent=2))


if __name__ == "__main__":
    main()

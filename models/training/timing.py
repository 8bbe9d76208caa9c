"""Milliseconds a picture of ONNX files, in turns, so that a machine busy with other work is unfair to none.

    python -m training.timing --threads 1,2 models/street/street.onnx batch4.onnx int8.onnx yolox_nano_416.onnx

Network only, no picture preparation. One round runs every file once at every number of threads; the medians over
the rounds are printed, by the clock and in processor time (what a machine full of cameras pays for, and what other
programs disturb least), and both relative to the first file on as many threads. A batch's time is divided by its size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WARM_UP = 5


def feed_of(session) -> tuple[dict[str, np.ndarray], int]:
    """Noise for every input, and how many pictures it is; what the graph leaves open counts as 1."""
    rng = np.random.default_rng(0)
    feed = {
        port.name: rng.uniform(0, 255, [d if isinstance(d, int) else 1 for d in port.shape]).astype(np.float32)
        for port in session.get_inputs()
    }
    return feed, next(iter(feed.values())).shape[0]


def in_turns(files: Sequence[Path], threads: Sequence[int] = (1,), rounds: int = 60) -> dict[tuple[Path, int], tuple[float, float]]:
    """Median milliseconds a picture by the clock and of processor time, by file and number of threads."""
    from .evaluate import session

    runs = []
    for count in threads:
        for file in files:
            s = session(file, count)
            feed, batch = feed_of(s)
            runs.append(((file, count), s, feed, batch, []))
    for number in range(rounds + WARM_UP):
        for _, s, feed, batch, times in runs:
            started, spent = time.perf_counter(), time.process_time()
            s.run(None, feed)
            passed, spent = time.perf_counter() - started, time.process_time() - spent
            if number >= WARM_UP:
                times.append((1000 * passed / batch, 1000 * spent / batch))
    return {key: tuple(np.median(times, axis=0).tolist()) for key, _, _, _, times in runs}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+", type=Path)
    p.add_argument("--threads", default="1", help="numbers of threads, separated by commas")
    p.add_argument("--rounds", type=int, default=60)
    a = p.parse_args()
    threads = [int(t) for t in a.threads.split(",")]
    table = in_turns(a.files, threads, a.rounds)
    print("| file | threads | ms a picture | of the first | processor ms | of the first |\n|---|---|---|---|---|---|")
    for count in threads:
        for file in a.files:
            shown = [f"{ours:.2f} | {ours / first:.2f}" for ours, first in zip(table[file, count], table[a.files[0], count])]
            print(f"| {file.name} | {count} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Draws the demo's own clip: coloured rectangles that the model in models/tiny takes for road users.

    scripts/draw_clip.py | gst-launch-1.0 fdsrc ! rawvideoparse … (see scripts/demo.sh)

Raw RGB pictures go to standard output. Time runs from 0 to SECONDS, after which the clip may start again:
every rectangle begins and ends outside the picture.
"""

import sys

WIDTH, HEIGHT, FRAMES_PER_SECOND, SECONDS = 640, 360, 15, 20
GROUND = bytes((48, 48, 48))

RED, GREEN, BLUE = (bytes(c) for c in ((220, 30, 30), (30, 200, 30), (30, 30, 220)))  # car, truck, person

# Colour, width, height, and the top left corner over time: (second, x, y), straight in between.
ROAD_USERS = [
    (RED, 90, 60, [(0, 60, -60), (5, 60, 360)]),
    (RED, 90, 60, [(9, 60, -60), (13, 60, 360)]),
    (GREEN, 110, 90, [(3, 210, 360), (10, 210, -90)]),
    (RED, 80, 56, [(14, 220, -56), (18, 220, 360)]),
    # Walks into the zone, stands there, and goes on.
    (BLUE, 40, 80, [(1, 640, 180), (6, 420, 180), (14, 420, 180), (19, 640, 180)]),
]


def corner(path, second):
    """Where the rectangle is, or None before its first and after its last moment."""
    for (t0, x0, y0), (t1, x1, y1) in zip(path, path[1:]):
        if t0 <= second < t1:
            share = (second - t0) / (t1 - t0)
            return round(x0 + (x1 - x0) * share), round(y0 + (y1 - y0) * share)
    return None


def picture(second):
    rows = bytearray(GROUND * (WIDTH * HEIGHT))
    for colour, width, height, path in ROAD_USERS:
        place = corner(path, second)
        if place is None:
            continue
        left, right = max(place[0], 0), min(place[0] + width, WIDTH)
        for y in range(max(place[1], 0), min(place[1] + height, HEIGHT)):
            start = 3 * (y * WIDTH + left)
            rows[start : start + 3 * max(right - left, 0)] = colour * max(right - left, 0)
    return rows


def main():
    for frame in range(FRAMES_PER_SECOND * SECONDS):
        sys.stdout.buffer.write(picture(frame / FRAMES_PER_SECOND))


if __name__ == "__main__":
    main()

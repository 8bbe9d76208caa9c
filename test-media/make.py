#!/usr/bin/env python3
"""Makes the synthetic city's clips, truths and training pictures. See README.md beside this file."""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    sub = ap.add_subparsers(dest="what", required=True)
    p = sub.add_parser("pictures", help="training pictures with boxes (see city/pictures.py for the format)")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", required=True)
    p.add_argument("--size", default="640x360")
    p.add_argument("--per-city", type=int, default=250, help="pictures before another city is built")
    p.add_argument("--mix", choices=["usual", "seldom", "walkers"], default="usual", help="seldom: more night, buses, bicycles, people; walkers: people everywhere")
    c = sub.add_parser("clip", help="one scenario: clip.mp4, truth.json, gt.txt")
    c.add_argument("names", nargs="+", help="scenario names, or 'all' for those not made yet")
    c.add_argument("--out", default=HERE)
    c.add_argument("--frames", type=int, help="stop earlier (a trial)")
    c.add_argument("--again", action="store_true", help="make it even when its truth exists")
    c.add_argument("--dry", action="store_true", help="trajectories and events only, no pictures")
    t = sub.add_parser("truth", help="zones, lines, events and counts again for finished clips; boxes stay")
    t.add_argument("names", nargs="+")
    t.add_argument("--out", default=HERE)
    v = sub.add_parser("variants", help="H.265, MJPEG, B-frame, resolution-change, truncated and corrupted versions of one clip")
    v.add_argument("--out", default=HERE)
    y = sub.add_parser("pipelines", help="pipelines/SCENARIO.yaml from the truths")
    y.add_argument("--out", default=os.path.join(HERE, "..", "pipelines"))
    s = sub.add_parser("sheets", help="contact sheets with boxes, under docs/pictures")
    s.add_argument("names", nargs="*")
    s.add_argument("--out", default=os.path.join(HERE, "..", "docs", "pictures"))
    h = sub.add_parser("hours", help="hours of traffic with incidents, without pictures (see city/hours.py)")
    h.add_argument("--out", required=True)
    h.add_argument("--seeds", default="1-3", help="first and last seed; each setup runs once a seed")
    h.add_argument("--seconds", type=int, default=3600)
    h.add_argument("--slot", type=int, default=230, help="seconds from one incident to the next")
    h.add_argument("--setup", action="append", help="only these")
    h.add_argument("--pipelines", action="store_true", help="only write the pipelines of finished runs again")
    a = ap.parse_args()
    if a.what == "pictures":
        from city import pictures
        size = tuple(int(x) for x in a.size.split("x"))
        done = k = 0
        while done < a.count:
            n = min(a.per_city, a.count - done)
            pictures.make(n, a.seed + k, a.out, size, mix=a.mix)
            done, k = done + n, k + 1
            print(f"{done} of {a.count} pictures", flush=True)
    elif a.what == "clip":
        from city import shoot
        for name in (shoot.names() if a.names == ["all"] else a.names):
            shoot.clip(name, a.out, frames=a.frames, again=a.again or a.names != ["all"], dry=a.dry)
    elif a.what == "truth":
        from city import shoot
        for name in a.names:
            shoot.retell(name, a.out)
    elif a.what == "variants":
        from city import variants
        variants.make(a.out)
    elif a.what == "pipelines":
        from city import pipelines
        pipelines.make(HERE, a.out)
    elif a.what == "sheets":
        from city import sheets
        sheets.make(HERE, a.names, a.out)
    elif a.what == "hours":
        from city import hours
        if a.pipelines:
            return hours.pipelines(a.out)
        first, _, last = a.seeds.partition("-")
        hours.make_all(a.out, range(int(first), int(last or first) + 1), a.seconds, a.slot, a.setup)


if __name__ == "__main__":
    main()

"""Clips made from other clips: camera faults, and the coded forms that a source has to stand."""
import json
import os
import subprocess

import cv2
import numpy as np

from . import shoot


def _ff(*args):
    r = subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *args], capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError("ffmpeg: " + r.stderr[-800:])


EXACT = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]

# fault, onset and end in seconds
FAULTS = [("frozen", 8, 14), ("covered", 18, 24), ("moved", 27, 32), ("corrupt", 35, 39)]


def camera_faults(out):
    """The junction clip with four faults painted in; its boxes hold only where no fault is."""
    src = os.path.join(out, "junction")
    t = json.load(open(os.path.join(src, "truth.json")))
    fps, size = t["fps"], (t["width"], t["height"])
    folder = os.path.join(out, "camera-faults")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "clip.mp4")
    cap = cv2.VideoCapture(os.path.join(src, t["clip"]))
    enc = shoot.Encoder(path, size, fps, t["frames"] / fps)
    rng = np.random.default_rng(5)
    span = {k: (a * fps, b * fps) for k, a, b in FAULTS}
    held, f = None, 0
    w, h = size
    shift = np.float32([[.996, .087, -150], [-.087, .996, 92]])
    while True:
        ok, img = cap.read()
        if not ok:
            break
        live = img
        a, b = span["frozen"]
        if f == a:
            held = prev
        if a <= f < b:
            live = held
        a, b = span["covered"]
        if a <= f < b:        # something dark and soft is put over the lens
            k = min(1.0, (f - a + 1) / 4, (b - f) / 4)
            edge = int((1 - k) * h)
            dark = cv2.GaussianBlur(img, (0, 0), 25) * .07 + np.array([14, 17, 20]) + rng.normal(0, 2.2, img.shape)
            mask = np.zeros((h, w, 1), np.float32)
            mask[edge:] = 1
            mask = cv2.GaussianBlur(mask, (0, 0), 18)[..., None] if k < 1 else mask
            live = np.clip(img * (1 - mask) + dark * mask, 0, 255).astype(np.uint8)
        a, b = span["moved"]
        if a <= f < b:        # pushed aside: turned and shifted, with what lies beyond mirrored in
            k = min(1.0, (f - a + 1) / 5)
            m = np.float32([[1, 0, 0], [0, 1, 0]]) * (1 - k) + shift * k
            live = cv2.warpAffine(img, m, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        a, b = span["corrupt"]
        if a <= f < b:        # lost slices: green below a line, smeared blocks above it
            live = img.copy()
            line = int(h * (.35 + .25 * np.sin(f * .7)) // 16 * 16)
            live[line:] = (0, 135, 0)
            for _ in range(60):
                x, y = int(rng.integers(w // 16)) * 16, int(rng.integers(h // 16)) * 16
                sy, sx = int(rng.integers(0, h - 16)), int(rng.integers(0, w - 64))
                bw = int(rng.integers(1, 5)) * 16
                blk = img[sy:sy + 16, sx:sx + bw]
                live[y:y + 16, x:x + bw][: blk.shape[0], : blk.shape[1]] = blk[: live[y:y + 16, x:x + bw].shape[0], : live[y:y + 16, x:x + bw].shape[1]]
        enc.write(live[..., ::-1])
        prev = img
        f += 1
    enc.close()
    data = t.pop("frames_data")
    for a, b in span.values():
        for k in range(a, min(b, len(data))):
            data[k] = []
    t.update(scenario="camera-faults", description="The junction clip with four faults: the picture freezes, the lens is covered, the camera is moved, slices are lost. "
             "Objects are given only where the picture is fit; the counts are those of the fit seconds.", sha256=shoot.sha256(path), made_from="junction",
             events=[{"kind": "camera_unfit", "fault": k, "object": None, "onset_frame": a * fps, "end_frame": b * fps - 1, "onset_s": float(a), "end_s": (b * fps - 1) / fps} for k, a, b in FAULTS])
    # what was counted in unfit seconds was not seen
    t["counts"] = {"lines": {}, "turning": {}, "note": "not given: a blind camera counts nothing"}
    shoot.write_truth(os.path.join(folder, "truth.json"), t, data)
    fit = {i + 1 for i, rows in enumerate(data) if rows}
    rows = [r for r in open(os.path.join(src, "gt.txt")) if int(r.split(",")[0]) in fit]
    open(os.path.join(folder, "gt.txt"), "w").writelines(rows)
    print("camera-faults", os.path.getsize(path) // 1024, "KiB")


def coded(out, source="wrong-way", start=18, seconds=4):
    """Small clips of one scene in other codings. `variants.json` says what each is."""
    folder = os.path.join(out, "variants")
    os.makedirs(folder, exist_ok=True)
    src = os.path.join(out, source, "clip.mp4")
    cut = ["-ss", str(start), "-t", str(seconds), "-i", src, "-an"]
    p = lambda n: os.path.join(folder, n)
    h264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "26", "-g", "20"]
    n = seconds * 10
    _ff(*cut, *h264, "-bf", "0", *EXACT, p("h264.mp4"))
    _ff(*cut, "-c:v", "libx265", "-preset", "medium", "-crf", "28", "-x265-params", "keyint=20:log-level=none:pools=1:frame-threads=1:info=0", "-tag:v", "hvc1", *EXACT, p("h265.mp4"))
    _ff(*cut, "-c:v", "mjpeg", "-q:v", "9", "-pix_fmt", "yuvj420p", *EXACT, p("mjpeg.avi"))
    _ff(*cut, *h264, "-bf", "3", "-x264-params", "b-adapt=0:bframes=3:b-pyramid=none", *EXACT, p("bframes.mp4"))
    half = ["-ss", str(start), "-t", str(seconds / 2), "-i", src, "-an"]
    rest = ["-ss", str(start + seconds / 2), "-t", str(seconds / 2), "-i", src, "-an"]
    for name, inp, extra in (("a", half, []), ("b", rest, ["-vf", "scale=480:270", "-output_ts_offset", str(seconds / 2)])):
        _ff(*inp, *extra, *h264, "-bf", "0", *EXACT, "-bsf:v", "h264_mp4toannexb", "-muxdelay", "0", "-muxpreload", "0", p(f"_{name}.ts"))
    with open(p("resolution-change.ts"), "wb") as f:
        for name in "ab":
            f.write(open(p(f"_{name}.ts"), "rb").read())
            os.remove(p(f"_{name}.ts"))
    _ff(*cut, *h264, "-bf", "0", *EXACT, p("_whole.ts"))
    whole = open(p("_whole.ts"), "rb").read()
    os.remove(p("_whole.ts"))
    open(p("truncated.ts"), "wb").write(whole[: int(len(whole) * .6) // 188 * 188 + 77])
    mp4 = open(p("h264.mp4"), "rb").read()
    open(p("truncated.mp4"), "wb").write(mp4[: int(len(mp4) * .6)])     # its index is at the end, so it is lost
    bad = bytearray(whole)
    rng = np.random.default_rng(9)
    for k in range(len(whole) // 188 // 4, len(whole) // 188 * 3 // 4):  # payloads in the middle half, no headers
        if rng.random() < .04:
            at = k * 188 + int(rng.integers(40, 150))
            bad[at:at + 24] = rng.integers(0, 256, 24, dtype=np.uint8).tobytes()
    open(p("corrupted.ts"), "wb").write(bytes(bad))
    doc = {"source": f"{source}/clip.mp4", "start_s": start, "seconds": seconds, "fps": 10, "clips": {
        "h264.mp4": {"codec": "h264", "width": 640, "height": 360, "frames": n, "note": "the scene again, no B-frames"},
        "h265.mp4": {"codec": "hevc", "width": 640, "height": 360, "frames": n},
        "mjpeg.avi": {"codec": "mjpeg", "width": 640, "height": 360, "frames": n, "note": "full-range colours"},
        "bframes.mp4": {"codec": "h264", "width": 640, "height": 360, "frames": n, "note": "three B-frames between references: decode order is not display order"},
        "resolution-change.ts": {"codec": "h264", "width": [640, 480], "height": [360, 270], "frames": n, "note": f"smaller from {seconds / 2:g} s on"},
        "truncated.ts": {"codec": "h264", "width": 640, "height": 360, "frames": None, "note": "ends at 60 % of its bytes, within a packet"},
        "truncated.mp4": {"codec": "h264", "frames": None, "note": "ends at 60 % of its bytes: the index is missing, nothing can be read"},
        "corrupted.ts": {"codec": "h264", "width": 640, "height": 360, "frames": None, "note": "random bytes in some packets of the middle half"}}}
    for k, v in doc["clips"].items():
        v["sha256"], v["bytes"] = shoot.sha256(p(k)), os.path.getsize(p(k))
    open(p("variants.json"), "w").write(json.dumps(doc, indent=1) + "\n")
    print("variants", sum(v["bytes"] for v in doc["clips"].values()) // 1024, "KiB")


def make(out):
    camera_faults(out)
    coded(out)

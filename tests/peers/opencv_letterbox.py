"""Writes a picture and OpenCV's letterbox of it, for tests/preprocess_opencv.rs to compare with.

Usage: python opencv_letterbox.py DIRECTORY   (needs numpy and opencv-python)
Then:  VANTAGE_OPENCV_DIR=DIRECTORY cargo test --test preprocess_opencv -- --nocapture

picture.yuv: I420, 638x358, BT.601 limited range, smooth content with noise, all real colours.
tensor.f32:  BGR planar 416x416 float32: cv2.cvtColor(COLOR_YUV2BGR_I420), cv2.resize(INTER_LINEAR),
             top left, padded with 114: YOLOX's own preprocessing.
"""
import pathlib
import sys

import cv2
import numpy as np

WIDTH, HEIGHT, INPUT = 638, 358, 416
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

random = np.random.default_rng(7)
y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
bgr = np.stack([128 + 70 * np.sin(x / 31 + y / 17), 120 + 60 * np.cos(x / 13 - y / 41), 90 + 80 * (x / 50 % 2 < 1)], -1)
bgr = np.clip(bgr + random.normal(0, 8, bgr.shape), 25, 230).astype(np.uint8)
i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
i420.tofile(out / "picture.yuv")

decoded = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
ratio = min(INPUT / WIDTH, INPUT / HEIGHT)
size = (int(WIDTH * ratio), int(HEIGHT * ratio))
padded = np.full((INPUT, INPUT, 3), 114, np.uint8)
padded[: size[1], : size[0]] = cv2.resize(decoded, size, interpolation=cv2.INTER_LINEAR)
padded.transpose(2, 0, 1).astype(np.float32).tofile(out / "tensor.f32")

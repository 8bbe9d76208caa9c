"""Canvases from pictures: one, four, six or nine crops, flips, light, weather and camera damage.

A canvas is filled completely: every crop is scaled to cover its cell (no grey bars), because a bar
teaches nothing and costs as much as a street. The scale is drawn relative to how the finished detector
will see the picture (letterboxed to its own input), so that small training canvases show objects as
large as the real input does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .dataset import Labels, Picture

CUT = 0.35
"""A box of which less than this share is left in the crop becomes an ignore region."""
TRACE = 24.0
"""Pixels of a box that are worth ignoring, however small a share of it they are."""


@dataclass(frozen=True)
class Recipe:
    """What a stage of the training draws. Probabilities from 0 to 1."""

    height: int
    width: int
    single: float = 0.5
    """Share of canvases made of one picture."""
    scale: tuple[float, float] = (0.55, 2.2)
    """Range of the scale relative to the finished detector's view."""
    damage: float = 1.0
    """Strength of light, weather and camera damage; 0 is none."""
    target: tuple[int, int] = (320, 544)
    """Height and width of the finished detector's input."""


@dataclass
class Canvas:
    """A training sample."""

    image: np.ndarray  # [h, w, 3] uint8 RGB
    labels: Labels


def make(pictures: list[Picture], weights: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Canvas:
    """Draws a canvas. `weights` is the cumulative chance of each picture, ending in 1."""
    image = np.empty((recipe.height, recipe.width, 3), np.uint8)
    parts = []
    for y0, y1, x0, x1 in _cells(recipe, rng):
        picture = pictures[int(np.searchsorted(weights, rng.random(), side="right").clip(0, len(pictures) - 1))]
        crop, labels = _crop(picture, y1 - y0, x1 - x0, recipe, rng)
        image[y0:y1, x0:x1] = crop
        for boxes in (labels.boxes, labels.ignore):
            boxes += np.array([x0, y0, x0, y0], np.float32)
        parts.append(labels)
    labels = Labels(*(np.concatenate([getattr(p, f) for p in parts]) for f in Labels.__dataclass_fields__))
    return Canvas(damage(image, labels, recipe.damage, rng), labels)


def _cells(recipe: Recipe, rng: np.random.Generator):
    """Rows `y0, y1, x0, x1` of the cells of a canvas, cut at random places."""
    height, width = recipe.height, recipe.width
    if rng.random() < recipe.single:
        rows, columns = 1, 1
    else:
        rows, columns = ((2, 2), (1, 2), (2, 3), (3, 3))[rng.choice(4, p=(0.5, 0.2, 0.2, 0.1))]

    def cuts(length: int, n: int) -> list[int]:
        inner = [int(length * (i + rng.uniform(-0.25, 0.25)) / n) for i in range(1, n)]
        return [0, *inner, length]

    ys, xs = cuts(height, rows), cuts(width, columns)
    return [(y0, y1, x0, x1) for y0, y1 in zip(ys, ys[1:]) for x0, x1 in zip(xs, xs[1:])]


def _crop(picture: Picture, height: int, width: int, recipe: Recipe, rng: np.random.Generator):
    """A random crop of `height` by `width`, with its labels in pixels of the crop."""
    source_height, source_width = picture.image.shape[:2]
    seen = min(recipe.target[0] / source_height, recipe.target[1] / source_width)
    aspect = math.exp(rng.uniform(-0.16, 0.16))
    low = max(width / (source_width * aspect), height * aspect / source_height)
    scale = seen * math.exp(rng.uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1])))
    scale = max(low, scale)
    sx, sy = scale * aspect, scale / aspect
    # The window in the source, and a soft pull towards the lower part, where the road users are.
    window_width, window_height = min(width / sx, source_width), min(height / sy, source_height)
    x = rng.uniform(0, source_width - window_width)
    y = rng.uniform(0, source_height - window_height)
    if len(picture.labels.boxes) and rng.random() < 0.5:
        cx, cy = _aim(picture.labels, rng)
        x = float(np.clip(cx - window_width * rng.uniform(0.2, 0.8), 0, source_width - window_width))
        y = float(np.clip(cy - window_height * rng.uniform(0.2, 0.8), 0, source_height - window_height))
    x0, y0 = int(x), int(y)
    x1 = min(source_width, math.ceil(x + window_width))
    y1 = min(source_height, math.ceil(y + window_height))
    cut = picture.image[y0:y1, x0:x1]
    shrink = min(width / cut.shape[1], height / cut.shape[0]) < 0.7
    crop = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    fx, fy = width / (x1 - x0), height / (y1 - y0)
    flip = rng.random() < 0.5
    if flip:
        crop = crop[:, ::-1]

    def move(boxes: np.ndarray):
        moved = (boxes - np.array([x0, y0, x0, y0], np.float32)) * np.array([fx, fy, fx, fy], np.float32)
        if flip:
            moved[:, [0, 2]] = width - moved[:, [2, 0]]
        whole = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
        moved[:, 0::2] = moved[:, 0::2].clip(0, width)
        moved[:, 1::2] = moved[:, 1::2].clip(0, height)
        left = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
        return moved, left / np.maximum(whole, 1e-6), left

    labels = picture.labels
    boxes, share, area = move(labels.boxes)
    # A cut vehicle that still fills much of the crop is one to find, however little of it is left.
    side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    big = side > 0.4 * min(recipe.height, recipe.width)
    visible = (side >= 3) & ((share >= CUT) | (big & (share >= 0.2)))
    cut_away = ((share > 0.02) | (area > TRACE)) & ~visible
    regions, share, area = move(labels.ignore)
    there = (share > 0.02) | (area > TRACE)
    return crop, Labels(
        boxes[visible],
        labels.classes[visible],
        labels.trust[visible],
        np.concatenate([regions[there], boxes[cut_away]]),
        np.concatenate([labels.ignore_class[there], labels.classes[cut_away]]),
    )


def _aim(labels: Labels, rng: np.random.Generator) -> tuple[float, float]:
    """Centre of a box to have in the crop, rarer classes more often."""
    chance = _AIM[labels.classes]
    chosen = labels.boxes[rng.choice(len(labels.classes), p=chance / chance.sum())]
    return (chosen[0] + chosen[2]) / 2, (chosen[1] + chosen[3]) / 2


_AIM = np.array([1.0, 3.0, 1.0, 3.0, 1.5, 1.5])


def damage(image: np.ndarray, labels: Labels, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Light, weather and camera, in that order."""
    if strength <= 0:
        return image
    image = _colour(image, strength, rng)
    kind = rng.random()
    if kind < 0.22 * strength:
        image = _night(image, labels, rng)
    elif kind < 0.34 * strength:
        haze = rng.uniform(0.15, 0.5)
        image = cv2.addWeighted(image, 1 - haze, np.full_like(image, rng.integers(120, 220)), haze, 0)
    if rng.random() < 0.12 * strength:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.3))
    elif rng.random() < 0.06 * strength:
        image = _motion(image, rng)
    if rng.random() < 0.15 * strength:
        # A quarter of the noise is drawn and repeated: drawing it all costs more than the rest together.
        h, w = image.shape[:2]
        noise = rng.normal(0, rng.uniform(3, 14), (h // 2 + 1, w // 2 + 1, 1)).astype(np.int16)
        image = (image + np.tile(noise, (2, 2, 1))[:h, :w]).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.25 * strength:
        quality = int(rng.uniform(18, 70))
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    if rng.random() < 0.05 * strength:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(image)


_RAMP = np.arange(256, dtype=np.float32)


def _colour(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Hue, saturation, value, contrast; one table per channel."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hue, saturation, value = rng.uniform(-1, 1, 3) * np.array([6, 0.5, 0.35]) * strength
    table = np.stack(
        [
            (_RAMP + hue) % 180,
            (_RAMP * (1 + saturation)).clip(0, 255),
            ((_RAMP - 128) * rng.uniform(0.8, 1.25) + 128 * (1 + value)).clip(0, 255),
        ],
        1,
    ).astype(np.uint8)
    image = cv2.cvtColor(cv2.LUT(hsv, table[None]), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.3 * strength:
        cast = (_RAMP[:, None] * rng.uniform(0.8, 1.2, 3)).clip(0, 255).astype(np.uint8)
        image = cv2.LUT(image, cast[None])
    return image


def _night(image: np.ndarray, labels: Labels, rng: np.random.Generator) -> np.ndarray:
    """Dusk or night: darker, then lamps with glare and their reflections on a wet road."""
    gamma, gain = rng.uniform(1.2, 2.6), rng.uniform(0.4, 0.95)
    curve = 255 * gain * (_RAMP / 255) ** gamma
    tint = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.65, 1.15)])
    image = cv2.LUT(image, (curve[:, None] * tint).clip(0, 255).astype(np.uint8)[None])
    height, width = image.shape[:2]
    light = np.zeros((height // 2, width // 2, 3), np.float32)
    wet = rng.random() < 0.4
    for box in labels.boxes[rng.random(len(labels.boxes)) < 0.5]:
        x0, y0, x1, y1 = box / 2
        w, h = x1 - x0, y1 - y0
        if w < 2 or h < 2 or w > width / 4:
            continue
        colour = (255, 240, 200) if rng.random() < 0.6 else (255, 60, 40)
        lamps = (0.18, 0.82) if w > 0.7 * h else (0.5,)
        radius = max(1.0, 0.09 * h * rng.uniform(0.6, 1.8))
        for at in lamps:
            x, y = int(x0 + at * w), int(y0 + rng.uniform(0.6, 0.75) * h)
            cv2.circle(light, (x, y), max(1, round(radius)), colour, -1)
            if wet:
                end = (x, int(y + h * rng.uniform(0.5, 1.5)))
                cv2.line(light, (x, int(y1)), end, tuple(c * 0.35 for c in colour), max(1, round(radius)))
    for _ in range(rng.integers(0, 5)):
        spot = (int(rng.uniform(0, width / 2)), int(rng.uniform(0, height / 3)))
        cv2.circle(light, spot, int(rng.uniform(1, 4)), (255, 220, 170), -1)
    glow = cv2.GaussianBlur(light, (0, 0), rng.uniform(1.5, 7)) * rng.uniform(0.8, 3.0)
    light = cv2.resize(light * 0.8 + glow, (width, height), interpolation=cv2.INTER_LINEAR)
    return (image + light).clip(0, 255).astype(np.uint8)


def _motion(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur along a line of three to seven pixels."""
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, math.pi)
    middle = (length - 1) / 2
    reach = np.array([math.cos(angle), math.sin(angle)]) * middle
    start, end = (middle - reach).round().astype(int), (middle + reach).round().astype(int)
    cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())

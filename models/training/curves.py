"""Draws precision over recall as one SVG: a panel for each class, a line for each model.

No plotting library: the file is small, has no outside reference and says the same bytes for the same figures.
A curve is the precision envelope, whose area is the AP above it and in the tables (evaluate.py's protocol).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

SIDE, GAP, LEFT, TOP = 250, 34, 58, 92
"""Edge of a panel's plot, space between panels, and margins, in SVG units."""

PAPER, INK, FAINT, GRID, GOAL = "#ffffff", "#1c2430", "#5b6675", "#e4e8ee", "#e3f3e8"
LINES = (("#0b5cd5", 2.6, ""), ("#d9480f", 1.8, ""), ("#6b7280", 1.8, "5 3"), ("#7c3aed", 1.8, "2 3"))
"""Colour, width and dashes of the models in turn: told apart without colour as well."""


@dataclass
class Line:
    """One model in one panel: scores of its detections, which of them hit, and the boxes to be found."""

    model: str
    score: np.ndarray
    hit: np.ndarray
    truths: int
    threshold: float | None = None
    """Where the model's own file puts its threshold: a dot on the line."""


@dataclass
class Panel:
    title: str
    lines: list[Line]


def envelope(score: np.ndarray, hit: np.ndarray, truths: int) -> tuple[np.ndarray, np.ndarray]:
    """Recall and the best precision from there up, both from 0 to 1, by falling score."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(hit[order])
    precision = hits / np.arange(1, len(hits) + 1)
    return hits / max(truths, 1), np.maximum.accumulate(precision[::-1])[::-1]


def _path(recall: np.ndarray, precision: np.ndarray, x: float, y: float) -> str:
    """A staircase, its corners at least three quarters of a unit apart: less cannot be seen."""
    if not len(recall):
        return ""
    corners = np.flatnonzero(np.append(precision[1:] < precision[:-1] - 1e-9, True))
    parts, across, down = [], x, y + SIDE * (1 - precision[0])
    parts.append(f"M{across:.1f} {down:.1f}")
    for i in corners:
        to, height = x + SIDE * recall[i], y + SIDE * (1 - precision[i])
        if i != corners[-1] and abs(to - across) < 0.75 and abs(height - down) < 0.75:
            continue
        parts.append(f"V{height:.1f}H{to:.1f}")
        across, down = to, height
    return "".join(parts)


def _text(x: float, y: float, content: str, size: int = 12, colour: str = INK, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" {more}>{escape(content)}</text>'


def _panel(panel: Panel, x: float, y: float, first: bool, goal: float | None) -> list[str]:
    out = []
    if goal is not None:
        edge = SIDE * (1 - goal)
        out.append(f'<rect x="{x + SIDE - edge:.1f}" y="{y:.1f}" width="{edge:.1f}" height="{edge:.1f}" fill="{GOAL}"/>')
    for tick in range(6):
        share = tick / 5
        across, down = x + SIDE * share, y + SIDE * (1 - share)
        out.append(f'<path d="M{across:.1f} {y}v{SIDE}M{x} {down:.1f}h{SIDE}" stroke="{GRID}" fill="none"/>')
        out.append(_text(across, y + SIDE + 16, f"{100 * share:.0f}", 11, FAINT, 'text-anchor="middle"'))
        if first:
            out.append(_text(x - 8, down + 4, f"{100 * share:.0f}", 11, FAINT, 'text-anchor="end"'))
    out.append(f'<path d="M{x} {y}v{SIDE}h{SIDE}" stroke="{FAINT}" fill="none"/>')
    truths = max((line.truths for line in panel.lines), default=0)
    out.append(_text(x, y - 10, panel.title, 15, INK, 'font-weight="600"'))
    for number, line in enumerate(panel.lines):
        recall, precision = envelope(line.score, line.hit, line.truths)
        area = 100 * float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))
        at = x + SIDE - 38 * (len(panel.lines) - 1 - number)
        out.append(_text(at, y - 10, f"{area:.1f}", 13, LINES[number % len(LINES)][0], 'text-anchor="end" font-weight="600"'))
    for number, line in reversed(list(enumerate(panel.lines))):
        colour, width, dashes = LINES[number % len(LINES)]
        recall, precision = envelope(line.score, line.hit, line.truths)
        out.append(f'<path d="{_path(recall, precision, x, y)}" stroke="{colour}" stroke-width="{width}" fill="none" '
                   f'stroke-linejoin="round"{f" stroke-dasharray={chr(34)}{dashes}{chr(34)}" if dashes else ""}/>')
        above = int((line.score >= line.threshold).sum()) if line.threshold is not None else 0
        if above:
            out.append(f'<circle cx="{x + SIDE * recall[above - 1]:.1f}" cy="{y + SIDE * (1 - precision[above - 1]):.1f}" '
                       f'r="4.5" fill="{PAPER}" stroke="{colour}" stroke-width="2.4"/>')
    halo = f'stroke="{PAPER}" stroke-width="4" paint-order="stroke"'
    out.append(_text(x + 9, y + SIDE - 9, f"{truths:,} boxes", 11, FAINT, halo))
    return out


def draw(panels: list[Panel], title: str, subtitle: str, path: Path, columns: int = 4, goal: float | None = None) -> None:
    """Writes the SVG. `goal` shades the corner where precision and recall are both at least so high (0 to 1)."""
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    width = LEFT + columns * SIDE + (columns - 1) * GAP + 24
    height = TOP + rows * (SIDE + 66) + 4
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif" role="img" aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>',
        _text(LEFT, 30, title, 18, INK, 'font-weight="600"'),
        _text(LEFT, 50, subtitle, 12, FAINT),
    ]
    names = [line.model for line in panels[0].lines] if panels else []
    at = width - 24.0
    for number in reversed(range(len(names))):  # from the right edge, room for wide letters
        colour, thick, dashes = LINES[number % len(LINES)]
        at -= 8.6 * len(names[number])
        out.append(_text(at, 30, names[number], 13, colour, 'font-weight="600"'))
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        out.append(f'<path d="M{at - 34:.1f} 26h26" stroke="{colour}" stroke-width="{thick}"{dash}/>')
        at -= 50
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = LEFT + column * (SIDE + GAP), TOP + row * (SIDE + 66)
        out += _panel(panel, x, y, column == 0, goal)
        out.append(_text(x + SIDE / 2, y + SIDE + 33, "recall, %", 11, FAINT, 'text-anchor="middle"'))
        if column == 0:
            middle = y + SIDE / 2
            out.append(_text(16, middle, "precision, %", 11, FAINT, f'text-anchor="middle" transform="rotate(-90 16 {middle})"'))
    path.write_text("\n".join([*out, "</svg>"]) + "\n")

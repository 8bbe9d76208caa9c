"""Cars, vans, buses and lorries: lofted bodies, painted by drawing their side, top, front and rear views.

Every model is a `Model`: a fine and a coarse soup, the pivots of its moving parts, its box, its
painted texture layers and where its lamps are. Sizes are in metres, of common real vehicles.
"""
from dataclasses import dataclass, field

import cv2
import numpy as np

from . import mesh
from .mesh import Soup, blob, box, grid, join, revolve_y, translate

TEX = 512
# palette slots shared by all models; slot 0 is the painted texture
PAINTED, TYRE, RIM, DARK, CHROME, TRIM, PAINT = 0, 1, 2, 3, 4, 5, 6


@dataclass
class Model:
    name: str
    label: str                 # person, bicycle, car, motorcycle, bus, truck
    fine: Soup
    coarse: Soup
    size: tuple                # length, width, height
    pivots: np.ndarray         # bone -> pivot point; bone 0 is the body
    layer: int = -1            # of the texture arrays, -1: none
    paint_a: np.ndarray = None
    paint_b: np.ndarray = None
    head: list = field(default_factory=list)   # head lamp positions
    tail: list = field(default_factory=list)
    wheel_radius: float = 0.3
    slots: dict = field(default_factory=dict)  # slot -> name of colour role


class Painter:
    """Draws the four views into two texture layers: colour + paint mask, and glass/gloss/lamps."""

    # view -> (left, top, width, height) in texels
    VIEWS = {"side": (0, 0, 512, 176), "top": (0, 176, 512, 176), "front": (0, 352, 160, 160), "rear": (160, 352, 160, 160)}

    def __init__(self, length, width, height):
        self.size = (length, width, height)
        self.a = np.zeros((TEX, TEX, 4), np.uint8)
        self.b = np.zeros((TEX, TEX, 4), np.uint8)
        self.a[:] = (255, 255, 255, 255)           # all paint
        self.b[:] = (0, 200, 0, 0)                 # glossy
    def spans(self, view):
        l, w, h = self.size
        return {"side": ((-l / 2, l / 2), (h, 0)), "top": ((-l / 2, l / 2), (w / 2, -w / 2)),
                "front": ((-w / 2, w / 2), (h, 0)), "rear": ((-w / 2, w / 2), (h, 0))}[view]

    def texel(self, view, pts):
        x0, y0, w, h = self.VIEWS[view]
        (ul, ur), (vt, vb) = self.spans(view)
        p = np.asarray(pts, float)
        m = 1.0                                     # a texel of margin against bleeding between views
        return np.stack([x0 + m + (p[:, 0] - ul) / (ur - ul) * (w - 2 * m), y0 + m + (p[:, 1] - vt) / (vb - vt) * (h - 2 * m)], 1)

    def poly(self, view, pts, rgb=(0, 0, 0), paint=0, glass=0, gloss=60, head=0, tail=0):
        t = np.round(self.texel(view, pts) * 16).astype(np.int32)
        cv2.fillPoly(self.a, [t], (*rgb, int(255 * paint)), cv2.LINE_AA, 4)
        cv2.fillPoly(self.b, [t], (int(255 * glass), gloss, int(255 * head), int(255 * tail)), cv2.LINE_AA, 4)

    def rect(self, view, u0, v0, u1, v1, **kw):
        self.poly(view, [(u0, v0), (u1, v0), (u1, v1), (u0, v1)], **kw)

    def mirrored(self, view, pts, **kw):
        self.poly(view, pts, **kw)
        self.poly(view, [(-u, v) for u, v in pts], **kw)

    def line(self, view, pts, rgb=(40, 40, 40), paint=0.6, thick=0.012, gloss=80):
        p = np.asarray(pts, float)
        for a, b in zip(p[:-1], p[1:]):
            d = b - a
            n = np.array([-d[1], d[0]]) / (np.hypot(*d) + 1e-9) * thick / 2
            self.poly(view, [a - n, b - n, b + n, a + n], rgb=rgb, paint=paint, gloss=gloss)

    def disc(self, view, u, v, r, **kw):
        a = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        self.poly(view, np.stack([u + r * np.cos(a), v + r * np.sin(a)], 1), **kw)

    GLASS = dict(rgb=(14, 18, 20), glass=1, gloss=255)
    BLACK = dict(rgb=(22, 22, 23), gloss=40)
    CHROME = dict(rgb=(150, 150, 155), gloss=255)
    LAMP = dict(rgb=(215, 220, 225), gloss=255, head=1)
    TAIL = dict(rgb=(170, 12, 14), gloss=200, tail=1)
    PLATE = dict(rgb=(235, 235, 230), gloss=60)

    def uv(self, pos, nrm, group):
        """Texture coordinates by the direction a group of vertices (a face) looks to."""
        face = np.repeat(nrm.reshape(-1, group, 3).mean(1), group, 0)
        a = np.abs(face)
        out = np.zeros((len(pos), 2))
        view = np.where(a[:, 2] > np.maximum(a[:, 0], a[:, 1]) * 0.75, 1, np.where(a[:, 0] > a[:, 1], 2, 0))
        view = np.where((view == 2) & (face[:, 0] < 0), 3, view)
        for k, (name, cols) in enumerate((("side", (0, 2)), ("top", (0, 1)), ("front", (1, 2)), ("rear", (1, 2)))):
            m = view == k
            out[m] = self.texel(name, pos[m][:, cols]) / TEX
        return out

    def textured(self, soup, group=6):
        soup.uv = self.uv(soup.pos, soup.nrm, group).astype(np.float32)
        soup.slot[:] = PAINTED
        # undersides are dark whatever is painted on top
        under = np.repeat(soup.nrm.reshape(-1, 3, 3).mean(1)[:, 2] < -0.6, 3)
        soup.slot[under] = DARK
        return soup


def wheel(radius, width, outer_y, x, bone, seg, hub=RIM):
    """Tyre and rim with its outer face at outer_y (negative: the right side)."""
    s = np.sign(outer_y)
    y = abs(outer_y)
    spokes = (hub, hub, DARK)
    prof = [(0.02, y - 0.03, hub), (0.16 * radius, y - 0.02, spokes), (0.60 * radius, y - 0.035, hub),
            (0.68 * radius, y - 0.01, TYRE), (0.90 * radius, y, TYRE), (radius, y - 0.04, TYRE),
            (radius, y - width + 0.04, TYRE), (0.9 * radius, y - width, TYRE), (0.1 * radius, y - width + 0.02)]
    prof = [(q[0], s * q[1], *q[2:]) for q in prof]
    return revolve_y(prof, TYRE, bone, seg, centre=(x, 0, radius))


def sections(xs, zb, zs, zt, w, wr, upright=1.0):
    """Half cross-sections of a car body, bottom centre to top centre: array [station, point, 3]."""
    rows = []
    for x, b, s, t, ww, r in zip(xs, zb, zs, zt, w, wr):
        g = max(t - s, 0.0)
        rows.append([(x, 0, b), (x, .78 * ww, b), (x, .93 * ww, b + .05), (x, .985 * ww, b + .28 * (s - b)),
                     (x, ww, b + .55 * (s - b)), (x, .985 * ww, b + .85 * (s - b)), (x, .95 * ww, s),
                     (x, .95 * ww + (r - .95 * ww) * .5, s + .5 * g), (x, r, s + .86 * g),
                     (x, .90 * r, s + .965 * g), (x, .5 * r, t), (x, 0, t + .01)])
    return np.array(rows, float)


def body(half, painter):
    """Closed body from half sections: mirrored, capped at both ends, textured."""
    right = half[:, ::-1] * np.array([1, -1, 1])
    ring = np.concatenate([half, right[:, 1:-1]], 1)
    soup = grid(ring[:, ::-1], closed=True)
    caps = []
    for end, flip in ((0, True), (-1, False)):
        r = ring[end]
        caps.append(painter.textured(mesh.fan(r, flip=flip), 3))
    return join([painter.textured(soup)] + caps)


def thin(half, keep_x, keep_p):
    return half[keep_x][:, keep_p]


CARS = {
    # length, width, height, wheel radius, axles (front, rear), roof/belt/bottom tables over u = 2x/L
    "sedan": dict(l=4.6, w=1.80, h=1.46, r=.32, ax=(.60, -.58),
                  top=[(-1, .72), (-.96, .98), (-.74, 1.06), (-.64, 1.08), (-.28, 1.40), (-.05, 1.46), (.14, 1.44), (.47, 1.02), (.80, .90), (.95, .76), (1, .60)],
                  belt=[(-1, .66), (-.93, .93), (-.62, .98), (.47, .93), (.80, .82), (1, .56)], glass=(-.62, .46), pillars=(-.36, .03)),
    "hatch": dict(l=3.85, w=1.72, h=1.52, r=.30, ax=(.63, -.62),
                  top=[(-1, .75), (-.97, 1.0), (-.86, 1.25), (-.72, 1.44), (-.3, 1.52), (.08, 1.50), (.22, 1.43), (.55, 1.04), (.85, .92), (.96, .78), (1, .60)],
                  belt=[(-1, .70), (-.95, .95), (-.8, 1.0), (.55, .95), (.85, .84), (1, .56)], glass=(-.80, .54), pillars=(-.50, .02)),
    "suv": dict(l=4.7, w=1.88, h=1.76, r=.37, ax=(.60, -.58),
                top=[(-1, .85), (-.985, 1.15), (-.93, 1.5), (-.86, 1.68), (-.4, 1.76), (.05, 1.75), (.18, 1.68), (.46, 1.20), (.82, 1.08), (.95, .98), (1, .72)],
                belt=[(-1, .8), (-.95, 1.08), (.46, 1.08), (.82, 1.0), (1, .68)], glass=(-.88, .46), pillars=(-.52, -.03)),
    "mpv": dict(l=4.6, w=1.80, h=1.70, r=.32, ax=(.63, -.58),
                top=[(-1, .80), (-.985, 1.1), (-.94, 1.45), (-.86, 1.62), (-.4, 1.70), (.12, 1.69), (.28, 1.60), (.62, 1.10), (.88, .97), (.97, .82), (1, .62)],
                belt=[(-1, .74), (-.95, 1.0), (.6, .98), (.88, .88), (1, .58)], glass=(-.90, .60), pillars=(-.50, .06)),
    "van": dict(l=5.4, w=1.98, h=2.25, r=.34, ax=(.62, -.56),
                top=[(-1, 1.0), (-.99, 1.8), (-.97, 2.15), (-.9, 2.23), (-.2, 2.25), (.35, 2.23), (.50, 2.10), (.78, 1.32), (.93, 1.12), (.98, .9), (1, .7)],
                belt=[(-1, .9), (-.97, 1.2), (.75, 1.15), (.93, 1.0), (1, .64)], glass=(-.92, .74), pillars=(-.30, .16)),
}


def _car(name, spec, rng):
    l, w, h, r = spec["l"], spec["w"], spec["h"], spec["r"]
    u = np.unique(np.concatenate([np.linspace(-1, 1, 23), [-.985, -.95, .95, .985, spec["glass"][0], spec["glass"][1]]]))
    sm = 0.035

    def sample(u):
        zt = mesh.smooth_table(spec["top"], u, sm)
        zs = np.minimum(mesh.smooth_table(spec["belt"], u, sm), zt - .02)
        zb = mesh.smooth_table([(-1, .44), (-.93, .30), (-.82, .22), (.82, .20), (.93, .26), (1, .34)], u, .02) * (1.15 if h > 1.7 else 1)
        plan = (1 - np.abs(u) ** 9 * .30) * (1 - .05 * np.clip(np.abs(u) - .5, 0, 1))
        ww = w / 2 * plan
        g = np.clip((zt - zs) / (h * .28), 0, 1)
        wr = ww * (.93 - (.16 if h < 2 else .07) * g)
        return sections(u * l / 2, zb, zs, zt, ww, wr)

    half = sample(u)
    coarse = thin(sample(u[::2]), slice(None), [0, 2, 4, 6, 8, 10, 11])
    p = Painter(l, w, h)
    f = lambda k: mesh.smooth_table(spec["belt"], np.array([k]), sm)[0]
    t = lambda k: mesh.smooth_table(spec["top"], np.array([k]), sm)[0]
    X = lambda k: k * l / 2
    # side: sills, arches, windows between pillars, door seams, handles, lamps at the corners
    p.rect("side", -l / 2, 0, l / 2, .30, rgb=(30, 30, 31), gloss=40)
    a0, a1 = spec["ax"]
    for a in (a0, a1):
        p.disc("side", X(a), r, r * 1.20, rgb=(8, 8, 8), gloss=0)
    lo, hi = spec["glass"]
    edge = np.linspace(lo + .04, hi - .04, 20)
    win = [(X(k), f(k) + .03) for k in edge] + [(X(k), max(t(k) - .10, f(k) + .035)) for k in edge[::-1]]
    p.poly("side", win, rgb=(10, 10, 10), gloss=120)
    cuts = [lo + .05] + list(spec["pillars"]) + [hi - .06]
    panel = name == "van" and rng.random() < .4
    for i, (c0, c1) in enumerate(zip(cuts[:-1], cuts[1:])):
        if panel and i < 2:
            p.poly("side", win[:0] or [(X(c0), f(c0) + .02), (X(c1), f(c1) + .02), (X(c1), t(c1) - .08), (X(c0), t(c0) - .08)], rgb=(255, 255, 255), paint=1, gloss=200)
            continue
        e = np.linspace(c0 + .018, c1 - .018, 10)
        p.poly("side", [(X(k), f(k) + .055) for k in e] + [(X(k), max(t(k) - .13, f(k) + .06)) for k in e[::-1]], **p.GLASS)
    for k in spec["pillars"] + (hi - .12,):
        p.line("side", [(X(k), .34), (X(k), f(k) + .02)])
    for k in spec["pillars"]:
        p.rect("side", X(k) + .08, f(k) - .16, X(k) + .28, f(k) - .12, rgb=(90, 90, 92), paint=.4, gloss=255)
    p.line("side", [(-l / 2 + .2, .55), (l / 2 - .3, .52)], thick=.02, paint=.75)
    p.poly("side", [(l / 2 - .42, f(.82) - .16), (l / 2, f(.9) - .28), (l / 2, f(.9) - .10), (l / 2 - .35, f(.82) - .04)], **p.LAMP)
    p.poly("side", [(-l / 2, f(-.9) - .26), (-l / 2 + .26, f(-.9) - .20), (-l / 2 + .22, f(-.9) - .02), (-l / 2, f(-.9) - .02)], **p.TAIL)
    # top: wind screen, rear window, sun roof on some, bonnet seams
    roof_f = [k for k, z in spec["top"] if z > h * .96][-1]
    roof_r = [k for k, z in spec["top"] if z > h * .95][0]
    p.poly("top", [(X(hi) - .02, .42 * w), (X(hi) - .02, -.42 * w), (X(roof_f) + .06, -.33 * w), (X(roof_f) + .06, .33 * w)], **p.GLASS)
    p.poly("top", [(X(lo) + .06, .40 * w), (X(lo) + .06, -.40 * w), (X(roof_r) - .10, -.33 * w), (X(roof_r) - .10, .33 * w)], **p.GLASS)
    if rng.random() < .3:
        p.rect("top", X(roof_f) - .75, -.24 * w, X(roof_f) - .2, .24 * w, **p.GLASS)
    p.line("top", [(X(hi) + .03, -.45 * w), (X(hi) + .03, .45 * w)], rgb=(15, 15, 15), paint=0, thick=.05)
    for s in (1, -1):
        p.line("top", [(X(hi) + .05, s * .30 * w), (X(.95), s * .25 * w)], paint=.8)
        p.line("top", [(X(roof_r), s * .33 * w), (X(roof_f), s * .33 * w)], rgb=(20, 20, 20), paint=.3, thick=.03)
    # front
    zf = f(.9)
    p.rect("front", -w / 2, 0, w / 2, .30, **p.BLACK)
    p.mirrored("front", [(.50 * w, zf - .26), (.50 * w, zf - .08), (.27 * w, zf - .12), (.29 * w, zf - .24)], **p.LAMP)
    p.rect("front", -.25 * w, zf - .27, .25 * w, zf - .12, rgb=(18, 18, 19), gloss=90)
    p.line("front", [(-.25 * w, zf - .195), (.25 * w, zf - .195)], rgb=(160, 160, 165), paint=0, thick=.03, gloss=255)
    p.rect("front", -.33 * w, .30, .33 * w, .42, rgb=(15, 15, 15), gloss=30)
    p.mirrored("front", [(.36 * w, .36), (.46 * w, .36), (.46 * w, .46), (.36 * w, .46)], rgb=(60, 60, 62), gloss=200, head=.3)
    p.rect("front", -.20, .38, .20, .49, **p.PLATE)
    p.rect("front", -.15, .41, .15, .46, rgb=(60, 60, 60))
    if h > 1.5:  # upright noses show the wind screen from the front too
        p.poly("front", [(-.40 * w, f(hi) + .06), (.40 * w, f(hi) + .06), (.33 * w, h - .12), (-.33 * w, h - .12)], **p.GLASS)
    # rear
    zr = f(-.93)
    p.rect("rear", -w / 2, 0, w / 2, .34, **p.BLACK)
    if h > 1.5:
        p.poly("rear", [(-.41 * w, zr + .08), (.41 * w, zr + .08), (.34 * w, h - .14), (-.34 * w, h - .14)], **p.GLASS)
        p.mirrored("rear", [(.50 * w, zr - .22), (.50 * w, zr + .16), (.40 * w, zr + .12), (.38 * w, zr - .18)], **p.TAIL)
    else:
        p.mirrored("rear", [(.50 * w, zr - .20), (.50 * w, zr - .01), (.26 * w, zr - .04), (.30 * w, zr - .18)], **p.TAIL)
    p.rect("rear", -.25, zr - .24, .25, zr - .10, **p.PLATE)
    p.rect("rear", -.19, zr - .20, .19, zr - .14, rgb=(60, 60, 60))
    p.line("rear", [(-.46 * w, zr - .36), (.46 * w, zr - .36)], paint=.5, thick=.02)

    def whole(half, seg, fine):
        parts = [body(half, p)]
        for i, (x, s) in enumerate(((X(a0), 1), (X(a0), -1), (X(a1), 1), (X(a1), -1))):
            parts.append(wheel(r, .22, s * (w / 2 - .005), x, 1 + i, seg))
        for s in (1, -1):
            parts.append(blob((X(hi) - .22, s * (w / 2 + .07), f(hi) + .10), (.10, .10, .08), PAINT, nu=4, nv=6))
        if fine and name in ("suv", "mpv") and rng.random() < .7:
            for s in (1, -1):
                parts.append(box((X(-.3), s * .36 * w, h + .03), (l * .42, .04, .04), CHROME))
        return join(parts)

    pivots = np.array([(0, 0, 0), (X(a0), 0, r), (X(a0), 0, r), (X(a1), 0, r), (X(a1), 0, r)], float)
    return Model(name, "car", whole(half, 14, True), whole(coarse, 8, False), (l, w, h), pivots, paint_a=p.a, paint_b=p.b,
                 head=[(l / 2, s * .38 * w, zf - .17) for s in (1, -1)], tail=[(-l / 2, s * .42 * w, zr - .1) for s in (1, -1)], wheel_radius=r)


def bluff(l, w, h, zb, nose=.10, crown=.06, corner=.12, nx=12, x0=None, x1=None):
    """Half sections of a tall body with soft edges: bus, cab."""
    x0, x1 = (-l / 2 if x0 is None else x0), (l / 2 if x1 is None else x1)
    s = np.linspace(-1, 1, nx)
    s = np.sign(s) * (1 - (1 - np.abs(s)) ** 2)  # denser at the ends
    rows = []
    for k in s:
        x = (x0 + x1) / 2 + k * (x1 - x0) / 2
        e = max(0, (abs(k) - .9) / .1)
        shrink = 1 - .10 * e ** 2
        top = h - crown * 2.5 * e ** 2
        ww = w / 2 * shrink
        slope = nose * e if k > 0 else .02 * e
        pts = [(0, zb), (.8 * ww, zb), (.97 * ww, zb + .05), (ww, zb + .25), (ww, (zb + top) / 2), (.99 * ww, top - corner * 1.8),
               (.97 * ww, top - corner * .8), (.90 * ww, top - corner * .18), (.6 * ww, top), (0, top + crown * .5)]
        rows.append([(x - slope * max(0, (z - h * .35) / h), y, z) for y, z in pts])
    return np.array(rows)


def _bus(rng, l=11.2, w=2.5, h=3.15, name="bus"):
    p = Painter(l, w, h)
    r = .48 if l > 8 else .40
    axf, axr = l / 2 - (2.5 if l > 8 else 1.4), -l / 2 + (3.1 if l > 8 else 1.6)
    style = int(rng.integers(3))
    band = [(235, 235, 235), (215, 180, 40), (60, 120, 60)][style]
    p.rect("side", -l / 2, 0, l / 2, .35, **p.BLACK)
    if style != 0:
        p.poly("side", [(-l / 2, .35), (l / 2, .35), (l / 2, .7), (-l / 2, 1.1)], rgb=band, gloss=200)
    zl = 1.35 if style != 2 else 1.2
    p.rect("side", -l / 2 + .15, zl - .03, l / 2 - .05, h - .42, rgb=(12, 12, 13), gloss=160)
    n = int(l // 1.5)
    edges = np.linspace(-l / 2 + .2, l / 2 - 1.3, n + 1)
    for a, b in zip(edges[:-1], edges[1:]):
        p.rect("side", a + .04, zl, b - .04, h - .46, **p.GLASS)
    p.rect("side", l / 2 - 1.22, .40, l / 2 - .32, h - .46, **p.GLASS)   # door
    p.line("side", [(l / 2 - .77, .4), (l / 2 - .77, h - .46)], thick=.05, paint=0)
    p.rect("side", l / 2 - .28, 1.1, l / 2, h - .5, **p.GLASS)
    for a in (axf, axr):
        p.disc("side", a, r, r * 1.2, rgb=(8, 8, 8), gloss=0)
    for x in np.arange(-l / 2 + .8, l / 2 - 1.5, 1.4):
        p.line("side", [(x, .4), (x, zl - .1)], paint=.7)
    p.line("side", [(-l / 2, h - .2), (l / 2, h - .2)], paint=.75, thick=.03)
    # top: hatches, air conditioner
    p.rect("top", -l / 2, -w / 2, l / 2, w / 2, rgb=(225, 225, 222), paint=.3, gloss=90)
    for x in (-.25 * l, .2 * l):
        p.rect("top", x, -.35, x + .7, .35, rgb=(180, 180, 180), gloss=60)
    # front
    p.rect("front", -w / 2, 0, w / 2, .38, **p.BLACK)
    p.poly("front", [(-.47 * w, 1.12), (.47 * w, 1.12), (.45 * w, h - .55), (-.45 * w, h - .55)], **p.GLASS)
    p.rect("front", -.42 * w, h - .52, .42 * w, h - .22, rgb=(10, 10, 10), gloss=150)
    p.rect("front", -.30 * w, h - .46, .30 * w, h - .28, rgb=(230, 120, 20), head=.25)
    p.mirrored("front", [(.30 * w, .60), (.47 * w, .60), (.47 * w, .82), (.32 * w, .80)], **p.LAMP)
    p.rect("front", -.24 * w, .52, .24 * w, .74, rgb=(25, 25, 26), gloss=90)
    p.rect("front", -.24, .40, .24, .50, **p.PLATE)
    p.line("front", [(0, 1.12), (0, h - .55)], thick=.03, paint=0, rgb=(10, 10, 10))
    for s in (1, -1):
        p.line("front", [(s * .02, 1.15), (s * .7, 1.3)], thick=.03, paint=0, rgb=(10, 10, 10))
    # rear
    p.rect("rear", -w / 2, 0, w / 2, .40, **p.BLACK)
    p.poly("rear", [(-.40 * w, 1.75), (.40 * w, 1.75), (.38 * w, h - .45), (-.38 * w, h - .45)], **p.GLASS)
    p.mirrored("rear", [(.38 * w, .75), (.48 * w, .75), (.48 * w, 1.35), (.38 * w, 1.35)], **p.TAIL)
    p.rect("rear", -.32 * w, .8, .32 * w, 1.4, rgb=(40, 40, 42), paint=.2)
    for z in np.arange(.85, 1.4, .1):
        p.line("rear", [(-.32 * w, z), (.32 * w, z)], paint=0, thick=.03, rgb=(15, 15, 15))
    p.rect("rear", -.25, .50, .25, .64, **p.PLATE)

    def whole(nx, seg, fine):
        parts = [body(bluff(l, w, h, .32, nose=.18, nx=nx), p)]
        for i, (x, s) in enumerate(((axf, 1), (axf, -1), (axr, 1), (axr, -1))):
            parts.append(wheel(r, .3 if i < 2 else .55, s * (w / 2 - .02), x, 1 + i, seg, hub=CHROME))
        parts.append(blob((-.1 * l, 0, h + .08), (1.3, .85, .16), TRIM, e1=.4, e2=.4, nu=4, nv=12))
        for s in (1, -1):
            parts.append(mesh.tube([(l / 2 - .1, s * w * .46, h - .45), (l / 2 + .28, s * (w / 2 + .1), h - .5)], [.025, .025], DARK, seg=5))
            parts.append(box((l / 2 + .3, s * (w / 2 + .10), h - .78), (.10, .18, .42), DARK))
        return join(parts)

    pivots = np.array([(0, 0, 0), (axf, 0, r), (axf, 0, r), (axr, 0, r), (axr, 0, r)], float)
    return Model(name, "bus", whole(14, 16, True), whole(6, 8, False), (l, w, h), pivots, paint_a=p.a, paint_b=p.b,
                 head=[(l / 2, s * .39 * w, .7) for s in (1, -1)], tail=[(-l / 2, s * .43 * w, 1.05) for s in (1, -1)], wheel_radius=r)


def _truck(rng, kind):
    """Cab-over lorry. kind: box (light box lorry), tarp (medium, canvas), container (heavy), tipper."""
    l, w, h = {"box": (6.2, 2.05, 2.95), "tarp": (7.8, 2.35, 3.2), "container": (10.6, 2.5, 3.85), "tipper": (7.6, 2.5, 3.05)}[kind]
    cab_l, cab_h = {"box": (1.65, 2.2), "tarp": (1.9, 2.6), "container": (2.1, 3.0), "tipper": (2.0, 2.9)}[kind]
    r = .40 if kind == "box" else .50
    p = Painter(l, w, h)
    cx = l / 2 - cab_l                                   # rear wall of the cab
    bed = {"box": .85, "tarp": 1.05, "container": 1.25, "tipper": 1.15}[kind]
    zl = cab_h * .56
    # cargo colours
    cargo = {"box": [(225, 225, 222), (70, 105, 150), (240, 240, 238)], "tarp": [(60, 85, 60), (55, 85, 125), (140, 120, 90)],
             "container": [(120, 50, 42), (45, 80, 140), (60, 100, 70), (190, 110, 40)], "tipper": [(190, 150, 40), (150, 60, 45), (70, 110, 75)]}[kind]
    col = cargo[int(rng.integers(len(cargo)))]
    p.rect("side", -l / 2, 0, l / 2, h, rgb=col, gloss=40)
    rib = {"box": .9, "tarp": .55, "container": .28, "tipper": .6}[kind]
    dark = tuple(int(c * (.90 if kind == "box" else .74)) for c in col)
    for x in np.arange(-l / 2 + .1, cx - .1, rib):
        p.line("side", [(x, bed), (x, h)], rgb=dark, paint=0, thick=rib * .25)
    p.rect("side", -l / 2, 0, cx, bed + .02, rgb=(38, 36, 34), gloss=20)
    p.rect("side", -l / 2, bed - .04, cx, bed + .14, rgb=tuple(int(c * .6) for c in col), gloss=30)
    if kind == "box" and rng.random() < .6:
        p.rect("side", -l / 2 + .7, bed + .6, cx - .7, h - .5, rgb=[(200, 40, 40), (40, 110, 60), (40, 60, 140)][int(rng.integers(3))])
        p.rect("side", -l / 2 + 1.0, bed + .9, cx - 1.2, h - .8, rgb=(240, 240, 240))
    if kind == "tarp":
        p.rect("side", -l / 2, bed, cx, bed + .62, rgb=(70, 90, 120) if rng.random() < .5 else (130, 60, 45), gloss=60)
    # cab
    p.rect("side", cx, 0, l / 2, h, rgb=(255, 255, 255), paint=1, gloss=200)
    p.rect("side", cx, 0, l / 2, .45, **p.BLACK)
    p.poly("side", [(cx + .42, zl), (l / 2 - .12, zl), (l / 2 - .26, cab_h - .28), (cx + .42, cab_h - .28)], **p.GLASS)
    p.line("side", [(cx + .36, .55), (cx + .36, cab_h - .2), (l / 2 - .3, cab_h - .2)], thick=.03)
    p.line("side", [(l / 2 - .14, zl), (l / 2 - .14, .5)], thick=.03)
    p.rect("side", cx + .46, zl - .16, cx + .66, zl - .12, rgb=(30, 30, 30))
    axf = l / 2 - (.95 if kind == "box" else 1.25)
    rears = [-l / 2 + 1.35] if kind in ("box", "tarp") else [-l / 2 + 1.2, -l / 2 + 2.35]
    p.disc("side", axf, r, r * 1.22, rgb=(8, 8, 8), gloss=0)
    # top
    p.rect("top", -l / 2, -w / 2, cx + .05, w / 2, rgb=tuple(min(255, int(c * 1.05)) for c in col) if kind != "tipper" else (95, 80, 62), gloss=30)
    if kind == "tipper":
        for _ in range(60):
            x, y = rng.uniform(-l / 2 + .4, cx - .4), rng.uniform(-w / 2 + .2, w / 2 - .2)
            c = int(rng.integers(60, 120))
            p.disc("top", x, y, rng.uniform(.08, .22), rgb=(c, int(c * .88), int(c * .7)), gloss=0)
    else:
        for x in np.arange(-l / 2 + .1, cx - .1, rib * 1.5):
            p.line("top", [(x, -w / 2), (x, w / 2)], rgb=dark, paint=0, thick=.05)
    p.rect("top", cx, -w / 2, l / 2, w / 2, rgb=(255, 255, 255), paint=1, gloss=200)
    # front
    p.rect("front", -w / 2, 0, w / 2, h, rgb=col, gloss=40)
    p.rect("front", -w / 2, 0, w / 2, cab_h, rgb=(255, 255, 255), paint=1, gloss=200)
    p.rect("front", -w / 2, 0, w / 2, .48, **p.BLACK)
    p.poly("front", [(-.46 * w, zl - .02), (.46 * w, zl - .02), (.42 * w, cab_h - .28), (-.42 * w, cab_h - .28)], **p.GLASS)
    p.rect("front", -.40 * w, zl - .55, .40 * w, zl - .14, rgb=(28, 28, 30), gloss=100)
    for z in (zl - .44, zl - .3):
        p.line("front", [(-.38 * w, z), (.38 * w, z)], rgb=(130, 130, 132), paint=0, thick=.035, gloss=230)
    p.mirrored("front", [(.30 * w, .56), (.47 * w, .56), (.47 * w, .78), (.30 * w, .78)], **p.LAMP)
    p.rect("front", -.24, .34, .24, .46, **p.PLATE)
    for s in (1, -1):
        p.line("front", [(s * .05, zl), (s * .6, zl + .12)], thick=.03, paint=0, rgb=(10, 10, 10))
    # rear: doors
    p.rect("rear", -w / 2, 0, w / 2, h, rgb=col, gloss=40)
    p.rect("rear", -w / 2, 0, w / 2, bed, rgb=(52, 50, 48), gloss=20)
    frame = tuple(int(c * .62) for c in col)
    p.line("rear", [(0, bed), (0, h)], rgb=(35, 35, 36), paint=0, thick=.05)
    for s in (.20, -.20):
        p.line("rear", [(s * w, bed + .1), (s * w, h - .1)], rgb=(120, 120, 122), paint=0, thick=.035, gloss=200)
        p.rect("rear", s * w - .06, bed + .55, s * w + .06, bed + .75, rgb=(60, 60, 60), gloss=100)
    p.line("rear", [(-w / 2, h - .05), (w / 2, h - .05)], rgb=frame, paint=0, thick=.13)
    for s in (1, -1):
        p.line("rear", [(s * (w / 2 - .05), bed), (s * (w / 2 - .05), h)], rgb=frame, paint=0, thick=.10)
        for z in (bed + .3, (bed + h) / 2, h - .35):
            p.rect("rear", s * (w / 2 - .17), z - .03, s * (w / 2 - .02), z + .03, rgb=(70, 70, 70))
        p.rect("rear", s * (w / 2 - .32), h - .10, s * (w / 2 - .18), h - .03, rgb=(190, 20, 20), tail=.4)
    p.rect("rear", -w / 2, bed - .13, w / 2, bed, rgb=(58, 56, 54), gloss=40)
    k = 0
    for x in np.arange(-w / 2 + .05, w / 2 - .2, .22):
        p.rect("rear", x, bed - .10, x + .22, bed - .03, rgb=((200, 30, 30), (235, 235, 235))[k % 2])
        k += 1
    p.rect("rear", -w / 2, .46, w / 2, .54, rgb=(150, 150, 148), gloss=120)
    p.mirrored("rear", [(.26 * w, bed - .36), (.48 * w, bed - .36), (.48 * w, bed - .15), (.26 * w, bed - .15)], **p.TAIL)
    p.mirrored("rear", [(.26 * w, bed - .34), (.32 * w, bed - .34), (.32 * w, bed - .17), (.26 * w, bed - .17)], rgb=(235, 140, 40), gloss=200)
    p.rect("rear", -.26, bed - .37, .26, bed - .17, **p.PLATE)
    p.rect("rear", -.18, bed - .31, .18, bed - .23, rgb=(60, 60, 60))

    def whole(fine):
        parts = [body(bluff(cab_l, w * .97, cab_h, .45, nose=.32, crown=.08, nx=10 if fine else 5, x0=cx, x1=l / 2), p)]
        mid, length = (cx - .08 - l / 2) / 2, cx - .08 + l / 2
        if kind == "tipper":
            load = [blob((mid, 0, h - .55), (length * .46, w * .43, .5), PAINTED, e1=1, e2=.5, nu=6, nv=12)]
        else:
            load = []
        top = h if kind != "tipper" else h - .45
        cargo_box = box((mid, 0, (bed + top) / 2), (length, w, top - bed), PAINTED)
        if kind == "tarp":  # a canvas with a rounded roof
            half = bluff(length, w, h, bed, nose=.02, crown=.10, corner=.28, nx=8 if fine else 4, x0=-l / 2, x1=cx - .08)
            parts.append(body(half, p))
            cargo_box = None
        if cargo_box is not None:
            parts.append(p.textured(cargo_box))
        for s in load:
            parts.append(p.textured(s))
        parts.append(box(((-l / 2 + cx) / 2 + .1, 0, bed - .14), (length - .3, w * .42, .24), DARK))
        parts.append(box((cx - 1.1 if l > 7 else cx - .7, -w * .42, .62), (.9, .35, .38), CHROME if rng.random() < .5 else DARK))
        parts.append(box((l * .02, w * .44, .66), (1.6, .05, .30), TRIM))
        parts.append(box((l * .02, -w * .46, .66), (1.2, .05, .30), TRIM))
        parts.append(p.textured(box((-l / 2 + .05, 0, (.46 + bed) / 2), (.10, w * .96, bed - .46))))  # lamps, plate, bumper
        for x in rears:
            for s in (1, -1):
                parts.append(box((x - r * 1.15, s * w * .40, r * .95), (.03, .5, r * 1.0), DARK))
        seg = 16 if fine else 8
        bones = [(axf, .28)] + [(x, .52) for x in rears]
        for i, (x, wid) in enumerate(bones):
            for k, s in enumerate((1, -1)):
                parts.append(wheel(r, wid, s * (w / 2 - .03), x, 1 + min(i, 1) * 2 + k if len(rears) == 1 or i == 0 else (3 if i == 1 else 5) + k, seg, hub=RIM))
        for s in (1, -1):
            parts.append(mesh.tube([(l / 2 - .25, s * w * .48, cab_h - .5), (l / 2 + .05, s * (w / 2 + .16), cab_h - .5)], [.02, .02], DARK, seg=5))
            parts.append(box((l / 2 + .05, s * (w / 2 + .17), cab_h - .82), (.08, .2, .45), DARK))
        return join(parts)

    axles = [axf] + rears
    piv = [(0, 0, 0)]
    for x in axles:
        piv += [(x, 0, r), (x, 0, r)]
    return Model("truck_" + kind, "truck", whole(True), whole(False), (l, w, h), np.array(piv, float), paint_a=p.a, paint_b=p.b,
                 head=[(l / 2, s * .39 * w, .67) for s in (1, -1)], tail=[(-l / 2, s * .38 * w, bed - .25) for s in (1, -1)], wheel_radius=r)


def build(rng):
    """All four-wheeled models; a few variants of each, so that not all look alike."""
    out = []
    for name, spec in CARS.items():
        for _ in range(2 if name in ("van", "suv") else 1):
            out.append(_car(name, spec, rng))
    out += [_bus(rng), _bus(rng), _bus(rng, 7.2, 2.15, 2.75, "minibus")]
    out += [_truck(rng, "box"), _truck(rng, "box"), _truck(rng, "tarp"), _truck(rng, "container"), _truck(rng, "container"), _truck(rng, "tipper")]
    return out

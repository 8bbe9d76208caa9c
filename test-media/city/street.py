"""The fixed part of the city: one signalised junction of two roads, its markings, houses, trees and lamps.

Road A runs along x, road B along y; traffic keeps to the right. Units are metres; the road is z = 0.
"""
import cv2
import numpy as np

WA, WB = 7.4, 6.6          # half widths of the roads
LANE_A, LANE_B = 3.6, 3.2
RADIUS = 7.0               # kerb radius at the corners
WALK = 4.2                 # pavement width
KERB = 0.15
STOP_A, STOP_B = WB + RADIUS + 3.4, WA + RADIUS + 3.4   # stop lines: distance from the centre along the road
ZEBRA_A, ZEBRA_B = WB + RADIUS - 1.0, WA + RADIUS - 1.0  # inner edge of the crossings, 3.2 m deep
ZEBRA_DEEP = 3.2
REACH = 175.0
PLAIN, ASPHALT, PAVING, PLASTER, GLASS, LEAVES, SIGN, MARK, LIT, SOIL = range(10)

SHOPS = ["CA PHE 68", "TAP HOA LAN", "PHO HOA", "NHA THUOC", "SUA XE", "BANH MI 24", "THOI TRANG", "DIEN MAY", "TIEM VANG", "COM TAM", "TRA SUA", "HOA TUOI",
         "NHA SACH", "GIAT UI", "BUN BO", "CAT TOC", "KHACH SAN", "VAT LIEU", "DIEN THOAI", "MAT KINH"]


class Static:
    """Collects triangles: position, normal, colour (sRGB 0..1), material, texture coordinate."""

    def __init__(self):
        self.rows = []

    def add(self, pos, nrm, col, mat, uv=None):
        n = len(pos)
        r = np.zeros((n, 12), np.float32)
        r[:, 0:3], r[:, 3:6], r[:, 6:9], r[:, 9] = pos, nrm, col, mat
        if uv is not None:
            r[:, 10:12] = uv
        self.rows.append(r)

    def quad(self, a, b, c, d, col, mat=PLAIN, uv=None):
        p = np.array([a, b, c, a, c, d], float)
        n = np.cross(p[1] - p[0], p[2] - p[0])
        n = n / (np.linalg.norm(n) + 1e-12)
        t = None if uv is None else np.array([uv[0], uv[1], uv[2], uv[0], uv[2], uv[3]])
        self.add(p, np.broadcast_to(n, (6, 3)), col, mat, t)

    def flat(self, pts, z, col, mat):
        """Convex polygon lying flat, seen from above."""
        p = np.array([(x, y, z) for x, y in pts], float)
        idx = [(0, i, i + 1) for i in range(1, len(p) - 1)]
        self.add(p[np.array(idx).ravel()], (0, 0, 1), col, mat)

    def box(self, lo, hi, col, mat=PLAIN):
        (x0, y0, z0), (x1, y1, z1) = lo, hi
        self.quad((x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1), col, mat)
        self.quad((x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1), col, mat)
        self.quad((x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1), col, mat)
        self.quad((x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1), col, mat)
        self.quad((x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1), col, mat)

    def soup(self, soup, col, mat):
        self.add(soup.pos, soup.nrm, col, mat)

    def vertices(self):
        return np.concatenate(self.rows).astype("f4")


def sign_texture(rng):
    """8x4 cells of shop signs, 128x64 texels each."""
    img = np.zeros((256, 1024, 3), np.uint8)
    for k in range(32):
        x, y = (k % 8) * 128, (k // 8) * 64
        bg = [(200, 30, 35), (30, 80, 160), (245, 200, 40), (240, 240, 235), (30, 120, 70), (230, 110, 30), (90, 40, 110), (25, 25, 28)][int(rng.integers(8))]
        fg = (20, 30, 90) if sum(bg) > 450 else [(255, 255, 255), (255, 230, 60)][int(rng.integers(2))]
        img[y:y + 64, x:x + 128] = bg
        text = SHOPS[k % len(SHOPS)]
        cv2.putText(img, text, (x + 6, y + 34), cv2.FONT_HERSHEY_DUPLEX, min(.9, 10.5 / max(len(text), 6) * .58), fg, 2, cv2.LINE_AA)
        cv2.putText(img, f"{int(rng.integers(10, 400))} - 0{int(rng.integers(900, 999))} {int(rng.integers(100, 999))}", (x + 10, y + 54), cv2.FONT_HERSHEY_PLAIN, .8, fg, 1, cv2.LINE_AA)
    return img


WALLS = [(.86, .80, .66), (.80, .74, .70), (.72, .80, .82), (.90, .88, .82), (.83, .70, .55), (.70, .76, .66), (.88, .78, .70), (.65, .68, .72), (.92, .86, .60), (.78, .62, .58)]


def house(s, rng, origin, along, out, width, depth, floors):
    """One narrow town house; `along` and `out` are unit vectors, out points to the street."""
    o, u, n = (np.append(np.asarray(v, float), 0)[:3] for v in (origin, along, out))
    up = np.array([0, 0, 1.0])
    wall = np.array(WALLS[int(rng.integers(len(WALLS)))]) * rng.uniform(.85, 1.05)
    trim = np.clip(wall * rng.uniform(.65, 1.2), 0, 1)
    g, f = 3.9, 3.3
    h = g + f * (floors - 1)

    def P(a, z, d=0.0):
        return o + u * a + up * z + n * d

    def panel(a0, z0, a1, z1, d, col, mat=PLAIN, uv=None):
        s.quad(P(a0, z0, d), P(a1, z0, d), P(a1, z1, d), P(a0, z1, d), col, mat, uv)

    def slab(a0, z0, a1, z1, d0, d1, col, mat=PLAIN):
        panel(a0, z0, a1, z1, d1, col, mat)
        s.quad(P(a0, z1, d0), P(a1, z1, d0), P(a1, z1, d1), P(a0, z1, d1), col, mat)
        s.quad(P(a0, z0, d0), P(a1, z0, d0), P(a1, z0, d1), P(a0, z0, d1), np.array(col) * .8, mat)
        for a in (a0, a1):
            s.quad(P(a, z0, d0), P(a, z0, d1), P(a, z1, d1), P(a, z1, d0), np.array(col) * .9, mat)

    panel(0, 0, width, h, 0, wall, PLASTER)
    s.quad(P(0, h, 0), P(width, h, 0), P(width, h, -depth), P(0, h, -depth), (.5, .48, .46), PLASTER)
    for a in (0, width):
        s.quad(P(a, 0, 0), P(a, h, 0), P(a, h, -depth), P(a, 0, -depth), wall * .92, PLASTER)
    slab(0, h - .05, width, h + .7, -.2, .12, trim, PLASTER)
    # ground floor: open shop, glass front or shutter, with a sign above
    kind = rng.random()
    if kind < .45:
        panel(.25, .1, width - .25, 2.9, .03, (.10, .09, .08), PLAIN)
        panel(.5, 1.9, width - .5, 2.5, .04, (.95, .9, .75), LIT)
        for _ in range(7):
            a, z = rng.uniform(.4, width - 1.0), rng.uniform(.1, 1.2)
            slab(a, z, a + rng.uniform(.3, .8), z + rng.uniform(.3, .8), 0, rng.uniform(.05, .5), rng.uniform(.15, .85, 3))
    elif kind < .75:
        panel(.25, .1, width - .25, 2.9, .03, (.25, .28, .30), GLASS)
        for a in np.linspace(.25, width - .25, 4):
            slab(a - .04, .1, a + .04, 2.9, 0, .07, (.75, .75, .75))
    else:
        panel(.25, .1, width - .25, 2.9, .03, (.55, .57, .60), PLAIN)
        for z in np.arange(.25, 2.9, .18):
            panel(.25, z, width - .25, z + .05, .045, (.40, .42, .45), PLAIN)
    cell = int(rng.integers(32))
    x0, y0 = (cell % 8) / 8, (cell // 8) / 4
    slab(.1, 2.95, width - .1, 3.85, 0, .20, (.3, .3, .3))
    left, right = (x0, x0 + .125) if np.dot(u, np.cross(-n, up)) > 0 else (x0 + .125, x0)   # readable from the street
    panel(.12, 2.97, width - .12, 3.83, .215, (1, 1, 1), SIGN, [(left, y0 + .25), (right, y0 + .25), (right, y0), (left, y0)])
    if rng.random() < .55:
        c1, c2 = rng.uniform(.2, .9, 3), np.array((.92, .92, .9))
        k = max(3, int(width / .7))
        for i in range(k):
            a0, a1 = width * i / k, width * (i + 1) / k
            s.quad(P(a0, 2.95, .2), P(a1, 2.95, .2), P(a1, 2.45, 1.7), P(a0, 2.45, 1.7), c1 if i % 2 else c2)
    # upper floors
    style = int(rng.integers(3))
    for k in range(1, floors):
        z = g + f * (k - 1)
        slab(0, z - .12, width, z + .08, 0, .10, trim)
        if style == 0 or (style == 2 and k % 2):
            slab(.2, z, width - .2, z + .14, 0, 1.0, trim)
            panel(.2, z + 1.0, width - .2, z + 1.06, 1.0, (.25, .25, .25))
            for a in np.arange(.25, width - .2, .22):
                panel(a, z + .1, a + .035, z + 1.0, 1.0, (.28, .27, .26))
            panel(width * .3, z + .12, width * .72, z + 2.4, .04, (.30, .32, .34), GLASS)
        else:
            for a in ((.16, .46), (.54, .84)) if width > 4.4 else ((.22, .78),):
                slab(width * a[0] - .08, z + .82, width * a[1] + .08, z + 2.38, 0, .06, trim)
                panel(width * a[0], z + .9, width * a[1], z + 2.3, .07, (.28, .30, .33), GLASS)
                m = (a[0] + a[1]) / 2 * width
                panel(m - .03, z + .9, m + .03, z + 2.3, .085, (.85, .85, .85))
        if rng.random() < .6:
            a = rng.uniform(.3, width - 1.2)
            slab(a, z + .25, a + .85, z + .85, 0, .35, (.82, .82, .80))
    if rng.random() < .5:
        from .mesh import blob
        c = P(width * .5, h + 1.2, -depth * .4)
        s.soup(blob(c, (.6, .6, .9), nu=5, nv=10), (.75, .77, .80), PLAIN)


def tree(s, rng, x, y, height):
    from .mesh import tube
    bend = rng.uniform(-.3, .3, 2)
    top = np.array([x + bend[0], y + bend[1], height * .62])
    s.soup(tube([(x, y, 0), (x + bend[0] * .3, y + bend[1] * .3, height * .3), top], [.16, .12, .07], seg=6), (.36, .30, .24), PLAIN)
    s.flat([(x - .7, y - .7), (x + .7, y - .7), (x + .7, y + .7), (x - .7, y + .7)], KERB + .012, (.30, .24, .17), SOIL)
    n = 9
    base = np.array([rng.uniform(.17, .26), rng.uniform(.30, .38), rng.uniform(.11, .17)])
    for _ in range(n):
        c = top + rng.normal(0, 1, 3) * [height * .14, height * .14, height * .11] + [0, 0, height * .12]
        r = height * rng.uniform(.10, .17)
        m = 420
        d = rng.normal(0, 1, (m, 3))
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        p = c + d * r * rng.uniform(.7, 1.05, (m, 1)) * [1.15, 1.15, .8]
        t1 = np.cross(d, rng.normal(0, 1, (m, 3)))
        t1 /= np.linalg.norm(t1, axis=1, keepdims=True)
        t2 = np.cross(d, t1) + d * .5
        e = rng.uniform(.07, .13, (m, 1))
        tri = np.stack([p - t1 * e, p + t1 * e, p + t2 * e * 1.6, p - t1 * e, p + t2 * e * 1.6, p - t1 * e * .4 + t2 * e * 1.7], 1)
        shade = (.65 + .35 * np.clip((d[:, 2:] + .6), 0, 1.4)) * rng.uniform(.8, 1.15, (m, 1))
        s.add(tri.reshape(-1, 3), np.repeat(d, 6, 0), np.clip(np.repeat(base * shade, 6, 0), 0, 1), LEAVES)


def lamp_positions():
    """Heads of the street lamps."""
    out = []
    for x in (-92, -64, -36, 36, 64, 92, 120):
        out += [(x, (WA - 1.2) * s, 8.2) for s in (1, -1)]
    for y in (-70, -40, 40, 70):
        out += [((WB - 1.2) * s, y, 8.2) for s in (1, -1)]
    return out + [(WB + 4.5, WA + 4.5, 8.6), (-WB - 4.5, -WA - 4.5, 8.6)]


def corner_block(s, sx, sy):
    a = np.linspace(0, np.pi / 2, 9)
    cx, cy = WB + RADIUS, WA + RADIUS
    arc = np.stack([cx - RADIUS * np.sin(a[::-1]), cy - RADIUS * np.cos(a[::-1])], 1)[:, :]
    edge = np.concatenate([[(WB, REACH)], arc, [(REACH, WA)]])
    poly = np.concatenate([edge, [(REACH, REACH)]]) * [sx, sy]
    fan = [poly[-1]] + list(poly[:-1])
    s.flat(fan, KERB, (.56, .54, .51), PAVING)
    e = edge * [sx, sy]
    d = np.gradient(edge, axis=0)
    n = np.stack([-d[:, 1], d[:, 0]], 1) / np.linalg.norm(d, axis=1, keepdims=True)
    inner = (edge + n * .28) * [sx, sy]
    for i in range(len(e) - 1):
        p, q, pi, qi = e[i], e[i + 1], inner[i], inner[i + 1]
        s.quad((*p, 0), (*q, 0), (*q, KERB), (*p, KERB), (.60, .59, .56))
        s.quad((*p, KERB + .012), (*q, KERB + .012), (*qi, KERB + .012), (*pi, KERB + .012), (.66, .65, .62))


def markings(s):
    white, yellow, z = (.82, .82, .79), (.86, .68, .22), .014

    def strip(x0, y0, x1, y1, col):
        s.flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], z, col, MARK)

    for sg in (1, -1):
        a0 = STOP_A * sg
        a1 = REACH * sg
        for dy in (-.14, .14):
            strip(a0, dy - .06, a1, dy + .06, yellow)
        for lane in (1, -1):
            for k in np.arange(STOP_A + 14, REACH, 7.0):
                strip(sg * k, lane * LANE_A - .065, sg * (k + 3), lane * LANE_A + .065, white)
            strip(a0, lane * (WA - .35) - .06, a1, lane * (WA - .35) + .06, white)
        side = sg                           # traffic towards the junction: right-hand side of its direction
        strip(a0, side * LANE_A - .065, a0 + sg * 14, side * LANE_A + .065, white)
        strip(a0, side * .2, a0 + sg * .42, side * (WA - .4), white)
        b0, b1 = STOP_B * sg, REACH * sg
        for dx in (-.14, .14):
            strip(dx - .06, b0, dx + .06, b1, yellow)
        for lane in (1, -1):
            for k in np.arange(STOP_B + 14, REACH, 7.0):
                strip(lane * LANE_B - .065, sg * k, lane * LANE_B + .065, sg * (k + 3), white)
        strip(-side * LANE_B - .065, b0, -side * LANE_B + .065, b0 + sg * 14, white)
        strip(-side * .2, b0, -side * (WB - .4), b0 + sg * .42, white)
        for k in np.arange(-WA + .6, WA - .6, 1.0):
            strip(sg * ZEBRA_A, k, sg * (ZEBRA_A + ZEBRA_DEEP), k + .5, white)
        for k in np.arange(-WB + .6, WB - .6, 1.0):
            strip(k, sg * ZEBRA_B, k + .5, sg * (ZEBRA_B + ZEBRA_DEEP), white)
        # arrows before the stop lines: straight on, and straight with right
        for lane in (.5, 1.5):
            y = side * lane * LANE_A
            for x in (STOP_A + 7, STOP_A + 38):
                x *= sg
                strip(x, y - .08, x + sg * 2.6, y + .08, white)
                s.flat([(x - sg * 1.1, y), (x, y + .38), (x, y - .38)], z, white, MARK)


def build(rng):
    s = Static()
    s.flat([(-REACH, -REACH), (REACH, -REACH), (REACH, REACH), (-REACH, REACH)], 0, (.31, .31, .315), ASPHALT)
    for k in range(26):  # mended patches and manholes
        x, y = rng.uniform(-110, 110), rng.uniform(-WA, WA)
        w, l = rng.uniform(.8, 1.8), rng.uniform(1, 6)
        g = rng.uniform(.22, .34)
        s.flat([(x, y), (x + l, y), (x + l, y + w), (x, y + w)], .006, (g, g, g), ASPHALT)
    markings(s)
    for sx in (1, -1):
        for sy in (1, -1):
            corner_block(s, sx, sy)
    # houses along the four streets
    for sy in (1, -1):
        for sx in (1, -1):
            x = WB + WALK + .2
            while x < 140:
                w = rng.uniform(4.0, 6.5) if rng.random() < .8 else rng.uniform(8, 14)
                gap = rng.random() < .05
                if not gap:
                    house(s, rng, (sx * x, sy * (WA + WALK)), (sx, 0), (0, -sy), w, 12, int(rng.integers(2, 6)))
                x += w + (.02 if not gap else 3)
            y = WA + WALK + 13
            while y < 130:
                w = rng.uniform(4.0, 6.5)
                house(s, rng, (sx * (WB + WALK), sy * y), (0, sy), (-sx, 0), w, 10, int(rng.integers(2, 5)))
                y += w + .02
            for a in (.0, 6.3):
                house(s, rng, (sx * (WB + WALK), sy * (WA + WALK + a)), (0, sy), (-sx, 0), 6.2, 8, 3)
    for sgn in (1, -1):  # something stands at the ends of the streets
        for k in range(8):
            w = rng.uniform(5, 9)
            house(s, rng, (sgn * 172, -40 + k * 10), (0, 1), (-sgn, 0), w, 5, int(rng.integers(3, 9)))
            house(s, rng, (-40 + k * 10, sgn * 172), (1, 0), (0, -sgn), w, 5, int(rng.integers(3, 9)))
    for sy in (1, -1):
        for sx in (1, -1):
            for x in np.arange(WB + RADIUS + 9, 130, 13.0):
                if rng.random() < .72:
                    tree(s, rng, sx * (x + rng.uniform(-1, 1)), sy * (WA + 1.2), rng.uniform(5.5, 9))
            for y in np.arange(WA + RADIUS + 12, 110, 15.0):
                if rng.random() < .5:
                    tree(s, rng, sx * (WB + 1.2), sy * y, rng.uniform(5, 8))
    from .mesh import tube
    for x, y, z in lamp_positions():  # steel poles with an arm
        along_a = abs(abs(y) - (WA - 1.2)) < .01
        bx, by = (x, np.sign(y) * (WA + .7)) if along_a else ((np.sign(x) * (WB + .7), y) if abs(y) > WA + 6 else (x + np.sign(x) * 1.2, y + np.sign(y) * 1.2))
        s.soup(tube([(bx, by, 0), (bx, by, z - .4), (x, y, z)], [.10, .07, .04], seg=6), (.62, .63, .64), PLAIN)
        s.box((x - .3, y - .15, z - .08), (x + .3, y + .15, z + .02), (.95, .93, .85), LIT)
    for sy in (1, -1):  # concrete poles with bundles of wires
        xs = np.arange(-112, 120, 28.0)
        y = sy * (WA + WALK - .9)
        for x in xs:
            if abs(x) > WB + 6:
                s.soup(tube([(x, y, 0), (x, y, 8.6)], [.15, .10], seg=6), (.58, .57, .54), PLAIN)
        for x0, x1 in zip(xs[:-1], xs[1:]):
            for k in range(6):
                z0 = 6.6 + .28 * k
                t = np.linspace(0, 1, 6)
                sag = rng.uniform(.3, .8)
                s.soup(tube(np.stack([x0 + (x1 - x0) * t, np.full(6, y + rng.uniform(-.12, .12)), z0 - sag * 4 * t * (1 - t)], 1), [.011] * 6, seg=3, caps=False), (.06, .06, .06), PLAIN)
    for sx, sy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):  # signals
        x, y = sx * (WB + 2.4), sy * (WA + 2.4)
        s.soup(tube([(x, y, 0), (x, y, 3.4)], [.07, .06], seg=6), (.25, .25, .25), PLAIN)
        s.box((x - .17, y - .17, 2.6), (x + .17, y + .17, 3.5), (.08, .08, .08), PLAIN)
        s.box((x - .12, y - .19, 3.2), (x + .12, y + .19, 3.4), (.75, .10, .08), LIT)
    return s

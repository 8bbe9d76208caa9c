"""Triangle soups and the few shapes everything in the city is made of.

A `Soup` is a list of triangles, three rows a triangle. Columns: position in metres (object space:
x forward, y left, z up), normal, `slot` (palette entry of the object; 0 takes the colour from the
model's painted texture), `bone` (which moving part), `uv` into that texture.
"""
import numpy as np


class Soup:
    """Triangles as flat arrays; `+` joins two soups."""

    def __init__(self, pos, nrm, slot=0, bone=0, uv=None):
        n = len(pos)
        self.pos = np.asarray(pos, np.float32).reshape(n, 3)
        self.nrm = np.asarray(nrm, np.float32).reshape(n, 3)
        self.slot = np.full(n, slot, np.float32) if np.isscalar(slot) else np.asarray(slot, np.float32)
        self.bone = np.full(n, bone, np.float32) if np.isscalar(bone) else np.asarray(bone, np.float32)
        self.uv = np.zeros((n, 2), np.float32) if uv is None else np.asarray(uv, np.float32)

    def __add__(self, other):
        return join([self, other])

    def with_bone(self, bone):
        return Soup(self.pos, self.nrm, self.slot, bone, self.uv)

    def moved(self, matrix):
        """The same triangles under a 4x4 rigid (or mirrored) matrix."""
        m = np.asarray(matrix, np.float64)
        pos = self.pos @ m[:3, :3].T + m[:3, 3]
        nrm = self.nrm @ m[:3, :3].T
        out = Soup(pos, nrm, self.slot, self.bone, self.uv)
        if np.linalg.det(m[:3, :3]) < 0:  # keep the winding
            for name in ("pos", "nrm", "slot", "bone", "uv"):
                a = getattr(out, name)
                setattr(out, name, a.reshape((-1, 3) + a.shape[1:])[:, ::-1].reshape(a.shape))
        return out

    def vertices(self):
        """Interleaved float32 rows: position, normal, uv, slot, bone."""
        return np.hstack([self.pos, self.nrm, self.uv, self.slot[:, None], self.bone[:, None]]).astype("f4")


def join(soups):
    soups = [s for s in soups if s is not None and len(s.pos)]
    return Soup(*(np.concatenate([getattr(s, n) for s in soups]) for n in ("pos", "nrm", "slot", "bone", "uv")))


def translate(x, y, z):
    m = np.eye(4)
    m[:3, 3] = x, y, z
    return m


def rotate(axis, angle):
    """4x4 rotation about 'x', 'y' or 'z' by radians, right-handed."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    m = np.eye(4)
    m[i, i] = m[j, j] = c
    m[i, j], m[j, i] = -s, s
    return m


def scale(x, y, z):
    return np.diag([x, y, z, 1.0])


MIRROR_Y = scale(1, -1, 1)


def grid(points, slot=0, bone=0, closed=False, face_slot=None):
    """Smooth surface through points[u, v]; `closed` joins the last v with the first.

    Normals point to the side from which u x v is right-handed. `face_slot[u, v]` colours faces.
    """
    p = np.asarray(points, np.float64)
    q = np.concatenate([p, p[:, :1]], 1) if closed else p
    du = np.gradient(q, axis=0)
    if closed:
        wrap = np.concatenate([p[:, -1:], p, p[:, :2]], 1)
        dv = (wrap[:, 2:] - wrap[:, :-2]) / 2
    else:
        dv = np.gradient(q, axis=1)
    n = np.cross(du, dv)
    n /= np.linalg.norm(n, axis=-1, keepdims=True) + 1e-12

    def tri(a):
        a00, a10, a01, a11 = a[:-1, :-1], a[1:, :-1], a[:-1, 1:], a[1:, 1:]
        return np.stack([a00, a10, a11, a00, a11, a01], 2).reshape(-1, 3)

    soup = Soup(tri(q), tri(n), slot, bone)
    if face_slot is not None:
        soup.slot = np.repeat(np.asarray(face_slot, np.float32).reshape(-1), 6)
    return soup


def fan(ring, slot=0, bone=0, flip=False):
    """Flat-shaded cap over a closed ring."""
    r = np.asarray(ring, np.float64)
    c = r.mean(0)
    nxt = np.roll(r, -1, 0)
    tris = np.stack([np.broadcast_to(c, r.shape), r, nxt] if not flip else [np.broadcast_to(c, r.shape), nxt, r], 1)
    n = np.cross(tris[:, 1] - tris[:, 0], tris[:, 2] - tris[:, 0])
    n = n.sum(0) / (np.linalg.norm(n.sum(0)) + 1e-12)
    return Soup(tris.reshape(-1, 3), np.broadcast_to(n, (len(tris) * 3, 3)), slot, bone)


def box(centre, size, slot=0, bone=0):
    c, h = np.asarray(centre, float), np.asarray(size, float) / 2
    pos, nrm = [], []
    for axis in range(3):
        for sign in (1, -1):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            n = np.zeros(3)
            n[axis] = sign
            corner = []
            for sa, sb in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                v = np.zeros(3)
                v[axis], v[a], v[b] = sign * h[axis], sa * h[a] * sign, sb * h[b]
                corner.append(c + v)
            pos += [corner[0], corner[1], corner[2], corner[0], corner[2], corner[3]]
            nrm += [n] * 6
    return Soup(np.array(pos), np.array(nrm), slot, bone)


def blob(centre, radii, slot=0, bone=0, e1=1.0, e2=1.0, nu=6, nv=10):
    """Superellipsoid: exponents 1 give an ellipsoid, 0.3 a box with soft edges."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, nu + 1)[:, None]
    lon = np.linspace(0, 2 * np.pi, nv, endpoint=False)[None]

    def p(a, e):
        return np.sign(a) * np.abs(a) ** e

    unit = np.stack(np.broadcast_arrays(p(np.cos(lat), e1) * p(np.cos(lon), e2),
                                        p(np.cos(lat), e1) * p(np.sin(lon), e2), p(np.sin(lat), e1)), -1)
    pts = np.asarray(centre) + unit * np.asarray(radii)
    return grid(pts[::-1], slot, bone, closed=True)


def tube(path, radii, slot=0, bone=0, seg=8, caps=True):
    """Round tube along a polyline; a radius is a number or (across, along-z) pair per point."""
    p = np.asarray(path, np.float64)
    r = np.asarray(radii, np.float64)
    r = np.broadcast_to(r[:, None] if r.ndim == 1 and len(r) == len(p) else r, (len(p), 2))
    t = np.gradient(p, axis=0)
    t /= np.linalg.norm(t, axis=1, keepdims=True) + 1e-12
    up = np.array([0.0, 0, 1]) if abs(t[:, 2]).mean() < 0.8 else np.array([1.0, 0, 0])
    side = np.cross(up, t)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-12
    other = np.cross(t, side)
    a = np.linspace(0, 2 * np.pi, seg, endpoint=False)
    ring = p[:, None] + side[:, None] * (np.cos(a) * r[:, :1])[..., None] + other[:, None] * (np.sin(a) * r[:, 1:])[..., None]
    out = [grid(ring, slot, bone, closed=True)]
    if caps:
        out += [fan(ring[0], slot, bone, flip=True), fan(ring[-1], slot, bone)]
    return join(out)


def revolve_y(profile, slot, bone=0, seg=14, centre=(0, 0, 0)):
    """Surface of revolution about the y axis; profile rows are (radius, y, slot of the next ring)."""
    pr = np.asarray([(q[0], q[1]) for q in profile], float)
    slots = [q[2] if len(q) > 2 else slot for q in profile][:-1]
    a = np.linspace(0, 2 * np.pi, seg, endpoint=False)
    pts = np.stack([pr[:, :1] * np.cos(a), np.broadcast_to(pr[:, 1:], (len(pr), seg)), pr[:, :1] * np.sin(a)], -1)
    out = []
    for i, s in enumerate(slots):  # ring by ring: hard edges between them
        face = [s if not isinstance(s, tuple) else s[k % len(s)] for k in range(seg)]
        out.append(grid((pts[i:i + 2] + np.asarray(centre))[::-1], 0, bone, closed=True, face_slot=[face]))
    return join(out)


def smooth_table(table, xs, width=0.0):
    """Linear table lookup, then a small Gaussian over x (same unit as the table's first column)."""
    t = np.asarray(table, float)
    order = np.argsort(t[:, 0])
    t = t[order]
    if width <= 0:
        return np.interp(xs, t[:, 0], t[:, 1])
    k = np.linspace(-2, 2, 9)
    w = np.exp(-k * k / 2)
    return sum(wi * np.interp(np.clip(xs + ki * width, t[0, 0], t[-1, 0]), t[:, 0], t[:, 1]) for ki, wi in zip(k, w)) / w.sum()

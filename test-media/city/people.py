"""Pedestrians, motorbikes with one or two riders, bicycles with their rider."""
import numpy as np

from . import mesh
from .mesh import blob, box, join, rotate, translate, tube
from .vehicles import CHROME, DARK, PAINT, RIM, TRIM, TYRE, Model, wheel

SKIN, HEAD, SHIRT, TROUSERS, SHOES, BAG, LAMP, TAIL, SHIRT2, TROUSERS2, HEAD2, VISOR, PLATE = range(7, 20)
SIGNAL = 0     # no bike has a painted texture: its slot 0 is the turn signals' colour


def _limb(a, b, ra, rb, slot, bone=0, seg=7, bulge=1.08):
    a, b = np.asarray(a, float), np.asarray(b, float)
    return tube([a, a + (b - a) * .35, b], [ra, (ra + rb) / 2 * bulge, rb], slot, bone, seg)


def _torso(hip, shoulder, width, depth, slot, seg=9, trousers=None):
    h, s = np.asarray(hip, float), np.asarray(shoulder, float)
    d = s - h
    return tube([h - d * .10, h + d * .12, h + d * .45, h + d * .80, h + d * 1.0, h + d * 1.10],
                np.array([(.155, .115), (.165, .125), (.16, .12), (.195, .13), (.165, .10), (.06, .06)]) * [width, depth], slot, 0, seg)


def _head(c, slot, kind, nu=6, nv=9):
    """Helmet, hair, or the conical leaf hat."""
    c = np.asarray(c, float)
    skull = blob(c + [.015, 0, -.01], (.095, .08, .115), SKIN, nu=nu, nv=nv)
    if kind == "helmet":
        return join([skull, blob(c + [-.01, 0, .035], (.135, .118, .115), slot, nu=nu, nv=nv),
                     blob(c + [.095, 0, .045], (.055, .095, .03), VISOR, nu=4, nv=6)])
    if kind == "full":
        return join([blob(c + [0, 0, .01], (.145, .125, .145), slot, nu=nu, nv=nv), blob(c + [.09, 0, 0], (.07, .10, .055), VISOR, nu=4, nv=8)])
    if kind == "cone":
        a = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = lambda r, z: np.stack([c[0] + r * np.cos(a), c[1] + r * np.sin(a), np.full(12, c[2] + z)], -1)
        return join([skull, mesh.grid(np.stack([ring(.01, .20), ring(.12, .12), ring(.23, .02)]), slot, closed=True)])
    return join([skull, blob(c + [-.02, 0, .03], (.105, .09, .10), slot, nu=nu, nv=nv)])


# ---- pedestrians: legs and arms hang from the origin of their own bone -------------------------
HIP_Z, THIGH, SHIN, SHOULDER_Z, ARM, FORE = .86, .40, .42, 1.37, .28, .26


def _person(kind, fine):
    seg = 8 if fine else 5
    nu, nv = (6, 9) if fine else (4, 6)
    skirt = kind == "skirt"
    parts = [_torso((0, 0, HIP_Z + .02), (.0, 0, SHOULDER_Z), 1.0 if not skirt else .92, 1.0, SHIRT, seg),
             blob((0, 0, HIP_Z), (.13, .165, .12), TROUSERS, nu=nu, nv=nv),
             tube([(0, 0, SHOULDER_Z + .05), (.01, 0, SHOULDER_Z + .13)], [.05, .05], SKIN, seg=5),
             _head((.02, 0, SHOULDER_Z + .21), HEAD, "cone" if kind == "cone" else "hair", nu, nv)]
    if kind == "bag":
        parts.append(blob((-.17, 0, 1.17), (.10, .15, .20), BAG, e1=.6, e2=.6, nu=nu, nv=nv))
    if skirt:
        parts.append(tube([(0, 0, HIP_Z + .08), (0, 0, HIP_Z - .15), (0, 0, .52)], [(.15, .12), (.19, .16), (.23, .20)], TROUSERS, seg=seg))
    for s, b in ((1, 1), (-1, 3)):
        leg = SKIN if skirt else TROUSERS
        parts += [_limb((0, 0, .03), (0, 0, -THIGH), .085, .062, leg, b, seg), _limb((0, 0, .02), (0, 0, -SHIN + .05), .06, .045, leg, b + 1, seg),
                  blob((.055, 0, -SHIN + .04), (.13, .05, .05), SHOES, b + 1, nu=4, nv=6)]
    for s, b in ((1, 5), (-1, 7)):
        parts += [_limb((0, 0, .03), (0, 0, -ARM), .052, .042, SHIRT, b, seg), _limb((0, 0, 0), (0, 0, -FORE), .04, .032, SKIN, b + 1, seg),
                  blob((0, 0, -FORE - .04), (.035, .025, .055), SKIN, b + 1, nu=4, nv=5)]
    return join(parts)


def pose_walk(phase, swing):
    """Nine bone matrices of a pedestrian; phase in turns, swing 0 standing to 1 walking."""
    m = [np.eye(4)]
    a = 2 * np.pi * phase
    bob = .02 * swing * np.cos(2 * a)
    m[0] = translate(0, 0, bob)
    for s, off in ((1, 0.0), (-1, np.pi)):
        hip = -.48 * swing * np.sin(a + off)
        knee = .12 * swing + .62 * swing * max(0.0, np.sin(a + off + 1.9))
        t = translate(0, .095 * s, HIP_Z + bob) @ rotate("y", hip)
        m += [t, t @ translate(0, 0, -THIGH) @ rotate("y", knee)]
    for s, off in ((1, np.pi), (-1, 0.0)):
        sw = -.42 * swing * np.sin(a + off)
        t = translate(0, .215 * s, SHOULDER_Z - .02 + bob) @ rotate("x", .07 * s) @ rotate("y", sw)
        m += [t, t @ translate(0, 0, -ARM) @ rotate("y", -.18 - .25 * swing)]
    return np.array(m)


# ---- riders -----------------------------------------------------------------------------------
def _rider(hip, lean, hands, feet, shirt, trousers, head, helmet, fine, knee_out=.17, width=1.0):
    """A seated rider; baked, since on the road riders hardly move."""
    seg = 8 if fine else 5
    nu, nv = (6, 10) if fine else (4, 7)
    hip = np.asarray(hip, float)
    sh = hip + np.array([np.sin(lean), 0, np.cos(lean)]) * .45
    parts = [_torso(hip + [0, 0, .02], sh, 1.06 * width, 1.06, shirt, seg), blob(hip + [-.02, 0, .02], (.16, .17, .12), trousers, nu=nu, nv=nv)]
    parts.append(_head(sh + [np.sin(lean) * .1 + .05, 0, .235], head, helmet, nu, nv))
    for s in (1, -1):
        foot = np.array([feet[0], s * feet[1], feet[2]])
        hj = hip + [0.02, s * .09, .0]
        knee = (hj + foot) / 2 + np.array([.22, 0, .16])
        knee[1] = s * knee_out
        parts += [_limb(hj, knee, .095, .07, trousers, 0, seg), _limb(knee, foot + [0, 0, .06], .068, .048, trousers, 0, seg),
                  blob(foot + [.06, 0, .02], (.14, .055, .05), SHOES, nu=4, nv=6)]
        hand = np.array([hands[0], s * hands[1], hands[2]])
        shj = sh + [0, s * .19, -.03]
        elbow = (shj + hand) / 2 + np.array([-.04, s * .07, -.09])
        parts += [_limb(shj, elbow, .06, .05, shirt, 0, seg), _limb(elbow, hand, .045, .035, shirt if fine and width > 1 else SKIN, 0, seg),
                  blob(hand, (.045, .04, .04), SKIN, nu=4, nv=5)]
    return join(parts)


def _bike_body(kind, fine):
    nu, nv = (6, 10) if fine else (4, 7)
    seg = 12 if fine else 7
    r, xf, xr = .30, .66, -.62
    parts = []
    for x, b in ((xf, 1), (xr, 2)):
        wd = .125
        prof = [(.03, wd / 2, RIM), (.62 * r, wd * .35, TYRE), (.92 * r, wd * .5, TYRE), (r, .01, TYRE), (r, -.01, TYRE), (.92 * r, -wd * .5, TYRE), (.66 * r, -wd * .35, RIM), (.03, -wd / 2)]
        prof = [(q[0], q[1], (RIM, DARK, RIM) if len(q) > 2 and q[2] == RIM else TYRE) for q in prof]
        parts.append(mesh.revolve_y(prof, TYRE, b, seg, centre=(x, 0, r)))
    scooter = kind != "wave"
    for s in (1, -1):
        parts.append(tube([(xf, s * .065, r), (.47, s * .06, .80)], [.022, .03], CHROME if not scooter else DARK, seg=5))
        parts.append(tube([(.44, s * .05, 1.0), (.42, s * .30, 1.04), (.37, s * .38, 1.03)], [.024, .024, .032], DARK, seg=5))
        parts.append(tube([(.42, s * .26, 1.04), (.44, s * .34, 1.20)], [.013, .013], DARK, seg=4))
        parts.append(blob((.44, s * .36, 1.23), (.03, .085, .055), DARK, nu=4, nv=6))
    parts += [blob((xf - .03, 0, r + .235), (.25, .075, .075), PAINT, nu=nu, nv=nv),
              blob((.455, 0, .98), (.10, .17, .12), PAINT, e1=.8, e2=.8, nu=nu, nv=nv),
              blob((.545, 0, .96), (.05, .10, .075), LAMP, nu=4, nv=8)]
    # leg shield: broad above, narrow below, with a dark middle, and turn signals beside the lamp
    wide = .19 if scooter else .155
    parts += [blob((0, 0, 0), (.05, wide, .17), PAINT, e1=.7, e2=.7, nu=nu, nv=nv).moved(translate(.43, 0, .80) @ rotate("y", -.25)),
              blob((0, 0, 0), (.045, wide * .62, .17), PAINT, e1=.8, e2=.8, nu=nu, nv=nv).moved(translate(.40, 0, .58) @ rotate("y", .15)),
              blob((.475, 0, .72), (.03, .075, .15), DARK, nu=nu, nv=nv), blob((.50, 0, .87), (.03, .10, .035), VISOR, nu=4, nv=8)]
    parts += [blob((.47, s * (wide - .03), .885), (.03, .04, .03), SIGNAL, nu=4, nv=6) for s in (1, -1)]
    if scooter:
        parts += [blob((.12, 0, .37), (.26, .13, .035), DARK, e1=.4, e2=.4, nu=4, nv=8),
                  tube([(-.08, 0, .45), (-.18, 0, .68), (-.50, 0, .72), (-.82, 0, .78)], [(.10, .06), (.14, .09), (.14, .07), (.07, .03)], PAINT, seg=8)]
    else:
        parts += [tube([(.40, 0, .70), (.05, 0, .52), (-.2, 0, .62)], [.05, .05, .07], PAINT, seg=7),
                  tube([(-.14, 0, .62), (-.45, 0, .71), (-.82, 0, .77)], [(.11, .08), (.12, .06), (.06, .03)], PAINT, seg=8),
                  blob((.05, 0, .36), (.17, .10, .12), CHROME, e1=.6, e2=.6, nu=nu, nv=nv)]
    parts += [blob((-.30, 0, .80), (.44, .14, .05), TRIM, e1=.6, e2=.6, nu=nu, nv=nv),
              blob((-.22, 0, .42), (.18, .11, .11), DARK, nu=nu, nv=nv), blob((-.05, 0, .36), (.12, .13, .09), CHROME, e1=.5, e2=.5, nu=nu, nv=nv),
              tube([(-.62, .10, .30), (-.42, .11, .66)], [.03, .03], DARK, seg=5), tube([(-.62, -.10, .30), (-.42, -.11, .66)], [.03, .03], DARK, seg=5), tube([(-.15, .09, .33), (-.62, .09, .30)], [.03, .03], DARK, seg=5),
              tube([(-.05, -.15, .30), (-.4, -.19, .33), (-.88, -.20, .43)], [.03, .06, .055], CHROME, seg=7),
              blob((-.79, 0, .70), (.05, .11, .05), TAIL, nu=4, nv=8), box((-.86, 0, .56), (.015, .19, .14), PLATE),
              blob((-.78, 0, .55), (.07, .09, .12), DARK, nu=4, nv=7), tube([(-.62, 0, .84), (-.85, 0, .86)], [.025, .02], CHROME, seg=5)]
    return join(parts)


def _motorbike(kind, load, fine, helmet):
    if load == "parked":
        return _bike_body(kind, fine)
    feet = (.20, .15, .36) if kind != "wave" else (.10, .20, .30)
    parts = [_bike_body(kind, fine),
             _rider((-.18, 0, .83), .20, (.38, .33, 1.04), feet, SHIRT, TROUSERS, HEAD, helmet, fine, knee_out=.20 if kind != "wave" else .24)]
    if load == "two":
        parts.append(_rider((-.50, 0, .85), .06, (-.18, .20, .98), (-.28, .21, .36), SHIRT2, TROUSERS2, HEAD2, "helmet", fine, knee_out=.27, width=.93))
    if load == "box":
        parts.append(blob((-.62, 0, 1.06), (.25, .25, .25), BAG, e1=.25, e2=.25, nu=6, nv=12 if fine else 8))
    if load == "bag":
        parts.append(blob((-.36, 0, 1.15), (.11, .16, .20), BAG, e1=.6, e2=.6, nu=5, nv=8))
    return join(parts)


def _bicycle(fine, helmet):
    seg = 16 if fine else 9
    r, xf, xr = .33, .54, -.52
    parts = []
    for x, b in ((xf, 1), (xr, 2)):
        a = np.linspace(0, 2 * np.pi, seg, endpoint=False)
        c = np.linspace(0, 2 * np.pi, 5, endpoint=False)
        ring = np.stack([x + (r + .02 * np.cos(c)[None]) * np.cos(a)[:, None], np.broadcast_to(.022 * np.sin(c)[None], (seg, 5)), r + (r + .02 * np.cos(c)[None]) * np.sin(a)[:, None]], -1)
        parts.append(mesh.grid(np.concatenate([ring, ring[:1]]), TYRE, b, closed=True))
        for k in range(6):
            t = rotate("y", k * np.pi / 6)[:3, :3] @ np.array([r, 0, 0])
            parts.append(tube([np.array([x, 0, r]) - t, np.array([x, 0, r]) + t], [.005, .005], RIM, b, seg=3, caps=False))
    for path in ([(xf, 0, r), (.40, 0, .86)], [(.41, 0, .78), (-.05, 0, .30)], [(.40, 0, .84), (-.20, 0, .80)], [(-.05, 0, .30), (-.24, 0, .92)],
                 [(-.05, 0, .30), (xr, 0, r)], [(-.20, 0, .80), (xr, 0, r)], [(.40, 0, .86), (.38, 0, 1.0)], [(.36, .27, 1.02), (.40, 0, 1.0), (.36, -.27, 1.02)]):
        parts.append(tube(path, [.022] * len(path), PAINT, seg=5))
    parts += [blob((-.25, 0, .94), (.14, .08, .04), TRIM, nu=4, nv=7), box((.55, 0, .72), (.25, .30, .20), CHROME), blob((-.05, 0, .30), (.10, .03, .10), DARK, nu=4, nv=8)]
    seg = 8 if fine else 5
    hip = np.array([-.20, 0, .98])
    sh = hip + [.14, 0, .46]
    nu, nv = (6, 10) if fine else (4, 7)
    parts += [_torso(hip, sh, 1, 1, SHIRT, seg), blob(hip, (.14, .16, .11), TROUSERS, nu=nu, nv=nv), _head(sh + [.06, 0, .23], HEAD, helmet, nu, nv)]
    for s in (1, -1):
        shj, hand = sh + [0, s * .18, -.03], np.array([.36, s * .25, 1.04])
        el = (shj + hand) / 2 + [-.02, s * .06, -.06]
        parts += [_limb(shj, el, .055, .045, SHIRT, 0, seg), _limb(el, hand, .04, .032, SKIN, 0, seg)]
    for s, b in ((1, 3), (-1, 5)):
        parts += [_limb((0, 0, .02), (0, 0, -.42), .085, .062, TROUSERS, b, seg), _limb((0, 0, 0), (0, 0, -.42), .058, .042, TROUSERS, b + 1, seg),
                  blob((.05, 0, -.45), (.12, .045, .045), SHOES, b + 1, nu=4, nv=6)]
    return join(parts)


def pose_cycle(crank):
    """Leg bones 3 to 6 of a cyclist; crank in turns. Two-link inverse kinematics to the pedal."""
    m = []
    l1, l2 = .42, .45
    for s, off in ((1, 0.0), (-1, .5)):
        a = 2 * np.pi * (crank + off)
        hip = np.array([-.18, .98])
        ped = np.array([-.05 + .16 * np.cos(a), .33 - .16 * np.sin(a)])
        d = ped - hip
        dist = min(np.hypot(*d), l1 + l2 - .01)
        base = np.arctan2(d[0], -d[1])                     # forward from straight down
        inner = np.arccos(np.clip((l1 ** 2 + dist ** 2 - l2 ** 2) / (2 * l1 * dist), -1, 1))
        knee = np.pi - np.arccos(np.clip((l1 ** 2 + l2 ** 2 - dist ** 2) / (2 * l1 * l2), -1, 1))
        t = translate(hip[0], .09 * s, hip[1]) @ rotate("y", -(base + inner))
        m += [t, t @ translate(0, 0, -l1) @ rotate("y", knee)]
    return np.array(m)


def build(rng):
    out = []
    two = np.array([(0, 0, 0), (.66, 0, .30), (-.62, 0, .30)], float)
    for kind, load, helmet in (("scooter", "one", "helmet"), ("wave", "one", "helmet"), ("scooter", "two", "helmet"), ("wave", "two", "helmet"),
                               ("scooter", "box", "helmet"), ("wave", "bag", "full"), ("scooter", "one", "full"), ("scooter", "parked", "")):
        h = {"two": 1.72, "parked": 1.25}.get(load, 1.70)
        out.append(Model(f"motorbike_{kind}_{load}", "motorcycle", _motorbike(kind, load, True, helmet), _motorbike(kind, load, False, helmet), (1.85, .78, h), two,
                         head=[(.58, 0, .97)], tail=[(-.84, 0, .70)], wheel_radius=.30))
    for helmet in ("hair", "cone"):
        out.append(Model("bicycle_" + helmet, "bicycle", _bicycle(True, helmet), _bicycle(False, helmet), (1.75, .56, 1.75),
                         np.array([(0, 0, 0), (.54, 0, .33), (-.52, 0, .33)], float), wheel_radius=.35))
    for kind in ("plain", "bag", "cone", "skirt"):
        out.append(Model("person_" + kind, "person", _person(kind, True), _person(kind, False), (.35, .52, 1.68), np.zeros((1, 3))))
    return out

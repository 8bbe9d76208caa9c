"""One road user in one frame: where it is, how it moves, what it wears."""
import numpy as np

from . import people, street
from .mesh import rotate, translate

CAR_PAINT = [(.93, .93, .92), (.93, .93, .92), (.88, .88, .86), (.10, .10, .11), (.14, .14, .15), (.55, .56, .58), (.68, .69, .70), (.42, .43, .45), (.62, .10, .10), (.13, .20, .42),
             (.30, .18, .12), (.75, .68, .55), (.85, .75, .20), (.10, .45, .25), (.20, .35, .55)]
BUS_PAINT = [(.15, .45, .30), (.20, .55, .35), (.80, .15, .15), (.92, .92, .92), (.90, .60, .15), (.15, .30, .60), (.20, .22, .24)]
CAB_PAINT = [(.92, .92, .92), (.15, .30, .60), (.75, .12, .12), (.90, .75, .15), (.20, .45, .30), (.35, .55, .75)]
BIKE_PAINT = [(.12, .12, .13), (.85, .85, .85), (.65, .08, .08), (.10, .15, .40), (.45, .46, .48), (.10, .30, .35), (.30, .08, .10), (.75, .70, .62)]
CLOTH = [(.90, .90, .88), (.15, .18, .28), (.12, .12, .13), (.55, .12, .14), (.20, .38, .60), (.62, .60, .55), (.80, .62, .20), (.25, .42, .28), (.78, .45, .55), (.40, .30, .50), (.05, .55, .30), (.90, .45, .10)]
LEGS = [(.10, .11, .16), (.16, .20, .32), (.08, .08, .09), (.35, .32, .27), (.45, .45, .46), (.22, .18, .15)]
HELMET = [(.85, .85, .85), (.08, .08, .09), (.60, .08, .10), (.10, .25, .55), (.80, .55, .15), (.05, .50, .28), (.50, .50, .52), (.85, .45, .55)]
BAGS = [(.02, .55, .25), (.90, .40, .05), (.10, .10, .12), (.55, .10, .12), (.85, .65, .05), (.15, .25, .50)]


def palette(model, rng):
    """Twenty rows of colour (sRGB) and gloss for one individual."""
    p = np.zeros((20, 4))
    pick = lambda rows, jitter=.05: np.clip(np.array(rows[int(rng.integers(len(rows)))]) * rng.uniform(1 - jitter, 1 + jitter) + rng.normal(0, .015, 3), .02, .97)
    p[0] = .85, .42, .08, .8
    p[1] = .07, .07, .07, .05
    rim = rng.uniform(.35, .72)
    p[2] = rim, rim, rim * 1.01, .7
    p[3] = .085, .085, .09, .25
    p[4] = .62, .62, .63, .9
    p[5] = .13, .12, .12, .15
    if model.label == "bus":
        body = pick(BUS_PAINT)
        p[5] = .80, .80, .79, .2
    elif model.label == "truck":
        body = pick(CAB_PAINT)
        p[5] = .35, .34, .33, .1
    elif model.label == "car":
        body = pick(CAR_PAINT) if model.name != "van" or rng.random() < .4 else pick(CAR_PAINT[:3])
    else:
        body = pick(BIKE_PAINT)
    p[6] = *body, .9
    skin = np.array([.72, .52, .40]) * rng.uniform(.75, 1.12)
    p[7] = *skin, .1
    p[8] = *(pick(HELMET) if model.label == "motorcycle" else (np.array([.80, .72, .52]) if "cone" in model.name else np.array([.07, .06, .06]))), .75 if model.label == "motorcycle" else .05
    def cloth(rows):
        c = pick(rows)
        return *(c * .72 + c.mean() * .24), .03

    p[9], p[10] = cloth(CLOTH), cloth(LEGS)
    p[11] = *(np.array([.15, .14, .14]) if rng.random() < .6 else np.array([.75, .74, .72])), .1
    p[12] = *pick(BAGS), .1
    p[13] = .85, .87, .88, .95
    p[14] = .65, .05, .05, .8
    p[15], p[16], p[17] = cloth(CLOTH), cloth(LEGS), (*pick(HELMET), .75)
    p[18] = .04, .045, .05, .95
    p[19] = .85, .85, .83, .1
    return p


class Actor:
    """`xy` is the middle of the footprint on the ground; yaw counts from east to north."""

    def __init__(self, uid, model_index, model, rng):
        self.uid, self.model_index, self.model = uid, model_index, model
        self.palette = palette(model, rng)
        self.xy, self.yaw, self.z = np.zeros(2), 0.0, 0.0
        self.speed, self.roll, self.travel, self.steer = 0.0, 0.0, float(rng.uniform(0, 3)), 0.0
        self.brake, self.lamps_on, self.dirt = 0.0, True, float(rng.choice([.1, .3, .6]))
        self.size_factor = float(rng.uniform(.95, 1.05)) if model.label in ("person", "motorcycle", "bicycle") else 1.0
        self.stance = float(rng.uniform(0, 1))

    @property
    def label(self):
        return self.model.label

    def ground_matrix(self):
        return translate(self.xy[0], self.xy[1], self.z) @ rotate("z", self.yaw)

    def matrix(self):
        m = self.ground_matrix() @ rotate("x", self.roll)
        m[:3, :3] *= self.size_factor
        return m

    def bones(self):
        """Ten matrices; travel in metres turns the wheels, moves the legs."""
        out = np.repeat(np.eye(4)[None], 10, 0)
        m = self.model
        if m.label == "person":
            out[:9] = people.pose_walk(self.travel / 1.35 + self.stance, min(1.0, self.speed / 1.1))
            return out
        spin = rotate("y", self.travel / m.wheel_radius)
        for b in range(1, len(m.pivots)):
            p = m.pivots[b]
            turn = spin
            if self.steer and (b in (1, 2) if len(m.pivots) > 3 else b == 1):
                turn = rotate("z", self.steer) @ spin
            out[b] = translate(*p) @ turn @ translate(*-p)
        if m.label == "bicycle":
            out[3:7] = people.pose_cycle(self.travel / 5.0 + self.stance)
        return out

    def move_to(self, xy, yaw, speed, dt):
        self.travel += float(speed) * dt
        self.xy, self.yaw = np.asarray(xy, float), float(yaw)
        self.brake = 1.0 if speed < self.speed - .08 or speed < .2 else max(0.0, self.brake - .34)
        self.speed = float(speed)
        on_walk = abs(self.xy[1]) > street.WA and abs(self.xy[0]) > street.WB
        if on_walk:   # the corner's quarter circle is road
            cx, cy = street.WB + street.RADIUS, street.WA + street.RADIUS
            dx, dy = cx - abs(self.xy[0]), cy - abs(self.xy[1])
            if dx > 0 and dy > 0 and np.hypot(dx, dy) > street.RADIUS:
                on_walk = False
        self.z = street.KERB if on_walk else 0.0

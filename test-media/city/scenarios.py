"""What happens in each clip: camera, light, traffic, and the events that are true.

A scenario function returns a `Scene`; `shoot.clip` films it. Places are metres on the ground
(see `street`), times are seconds of the clip.
"""
from dataclasses import dataclass, field

import numpy as np

from . import render, street, traffic
from .camera import Camera

SIZE, FPS = (640, 360), 10


@dataclass
class Scene:
    name: str
    text: str
    seed: int
    seconds: float
    camera: Camera
    light: str
    tracks: list
    lines: dict = field(default_factory=dict)     # id -> (from, to) on the ground
    lanes: dict = field(default_factory=dict)     # id -> (polygon, from, to) on the ground
    zones: dict = field(default_factory=dict)     # id -> polygon on the ground
    events: list = field(default_factory=list)
    gates: dict = field(default_factory=dict)     # leg -> (entry line, exit line): turning movements
    extra: dict = field(default_factory=dict)     # more truth
    sun: object = None                            # frame -> share of the sun behind clouds
    gain: object = None                           # frame -> exposure factor
    paint: object = None                          # (picture, frame, rng) -> picture
    fps: int = FPS
    size: tuple = SIZE
    street_seed: int = 5

    @property
    def frames(self):
        return int(self.seconds * self.fps)


def junction_camera():
    return Camera((-27.0, -4.2, 9.0), 6, 18.5, 440, SIZE)


def east_camera():
    return Camera((8.0, -3.2, 7.5), 3.5, 13, 560, SIZE)


# the part of the east leg that its camera sees well
EAST_LANES = {
    "eastbound": ([(21.5, -7.0), (21.5, -.3), (90, -.3), (90, -7.0)], (25, -3.6), (80, -3.6)),
    "westbound": ([(21.5, .3), (21.5, 7.0), (90, 7.0), (90, .3)], (80, 3.6), (25, 3.6)),
}
EAST_LINES = {"east-out": ((25, -7.2), (25, -.2)), "east-in": ((44, 7.2), (44, .2))}    # forward is the direction of travel


def phases(name):
    g = lambda legs: {leg: "g" for leg in legs}
    y = lambda legs: {leg: "y" for leg in legs}
    return {"cycle": [(14, g("EW")), (3, y("EW")), (1, {}), (10, g("NS")), (3, y("NS")), (1, {})], "ew": [(1000, g("EW"))],
            "w": [(1000, g("W"))], "none": [(1000, {})], "ns": [(1000, g("NS"))]}[name]


def flows(ew=0, ns=0, turn=0, **more):
    f = {("E", "W"): ew, ("W", "E"): ew, ("N", "S"): ns, ("S", "N"): ns}
    for o, t in (("E", "N"), ("E", "S"), ("W", "N"), ("W", "S"), ("N", "E"), ("N", "W"), ("S", "E"), ("S", "W")):
        f[o, t] = turn
    f.update({(k[0], k[1]): v for k, v in more.items()})
    return f


def sumo(models, seed, start, seconds, flow, phase, extra="", mix=None):
    rng = np.random.default_rng(seed)
    rows = traffic.simulate(seed, start, seconds, FPS, flow, phases(phase), extra, mix)
    return traffic.tracks_of(rows, models, rng, FPS, int(seconds * FPS))


def pick(models, prefix, rng):
    return int(rng.choice([i for i, m in enumerate(models) if m.name.startswith(prefix) and not m.name.endswith("parked")]))


def fit(tracks, models, starts, make, gap):
    """The first start time at which a scripted track keeps clear of all others; else the clearest."""
    best = None
    for t in starts:
        tr = make(t)
        c = traffic.clearance(tr, tracks, models)
        if best is None or c > best[0]:
            best = (c, tr)
        if c >= gap:
            break
    return best[1], best[0]


def walkers(tracks, models, rng, frames, n, x_range=(10, 80), sides=(1, -1)):
    """People on the pavements, walking and standing."""
    uid = 900
    for k in range(n):
        side = sides[k % len(sides)]
        y = side * (street.WA + rng.uniform(1.9, 3.0))
        x0 = rng.uniform(*x_range)
        d = rng.choice([-1, 1])
        v = 0.0 if rng.random() < .25 else rng.uniform(.9, 1.5)
        m = pick(models, "person", rng)
        if v == 0:
            tr = traffic.scripted(uid, m, 0, FPS, frames, [(x0, y), (x0 + .2, y)], [(0, 0)], "stander", yaw=rng.uniform(0, 6.28), parked=True)
        else:
            tr = traffic.scripted(uid, m, 0, FPS, frames, [(x0, y), (x0 + d * 90, y)], [(0, v)], "walker")
        if traffic.clearance(tr, tracks, models) > .25:
            tracks.append(tr)
            uid += 1
    return tracks


def crossers(tracks, models, rng, frames, plan):
    """People on the crossings, each when it is clear. plan: (points, earliest second)."""
    uid = 940
    for pts, t0 in plan:
        m = pick(models, "person", rng)
        v = rng.uniform(1.1, 1.5)
        tr, c = fit(tracks, models, np.arange(t0, frames / FPS - 6, .7), lambda t: traffic.scripted(uid, m, int(t * FPS), FPS, frames, pts, [(0, v)], "crosser"), .7)
        if c > .35:
            tracks.append(tr)
            uid += 1
    return tracks


def event(kind, track, onset, end, **more):
    """Frames of the clip; end None: still going on when the clip ends."""
    return dict(kind=kind, object=None if track is None else track.uid, onset_frame=int(onset), end_frame=None if end is None else int(end), **more)


def first_stand(track, after=0):
    k = np.flatnonzero((track.speed < .05) & (np.arange(len(track.speed)) >= after))
    return track.first + int(k[0])


LONG_M, LONG_FRAMES = 30, 5 * FPS     # a queue as long as that for so long is an event; so is its end below 80 % of it


def queue(tracks, models, frames):
    """Metres from the westbound stop line to the rear of the last vehicle slower than 1.4 m/s, for each frame."""
    length = []
    for f in range(frames):
        slow = [(t.xy[t.at(f)][0] + models[t.model].size[0] / 2 - street.STOP_A) for t in tracks
                if t.at(f) is not None and 0 < t.xy[t.at(f)][1] < street.WA and t.xy[t.at(f)][0] > street.STOP_A - 2 and t.speed[t.at(f)] < 1.4]
        slow, tail = sorted(slow), 0.0
        for s in slow:            # a gap of more than 20 m ends the queue
            if s - tail > 20:
                break
            tail = max(tail, s)
        length.append(round(tail, 1))
    return length


def long_queues(length):
    """The events of a queue on the westbound lane."""
    events, onset = [], None
    for f in range(len(length)):
        if onset is None:
            if f >= LONG_FRAMES and min(length[f - LONG_FRAMES:f + 1]) >= LONG_M:
                onset = f - LONG_FRAMES
        elif max(length[f - LONG_FRAMES:f + 1]) < .8 * LONG_M:
            events.append(event("queue_length", None, onset, f - LONG_FRAMES, lane="westbound", queue_m=LONG_M))
            onset = None
    if onset is not None:
        events.append(event("queue_length", None, onset, None, lane="westbound", queue_m=LONG_M))
    return events


def told_queue(length):
    return {"queue_m_per_second": length[::FPS], "queue_definition": "metres from the stop line to the last vehicle slower than 1.4 m/s, gaps of more than 20 m end the queue"}


def inside(xy, polygon):
    p = np.asarray(polygon, float)
    x, y = xy
    hit = False
    for (x0, y0), (x1, y1) in zip(p, np.roll(p, -1, 0)):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            hit = not hit
    return hit


def junction_gates():
    a, b = street.WB + street.RADIUS, street.WA + street.RADIUS
    wa, wb = street.WA - .2, street.WB - .2
    # from -> to so that forward (left to right) is the direction of travel
    lines = {"west-in": ((-a, -wa), (-a, 0)), "west-out": ((-a, wa), (-a, 0)), "east-in": ((a, wa), (a, 0)), "east-out": ((a, -wa), (a, 0)),
             "north-in": ((-wb, b), (0, b)), "north-out": ((wb, b), (0, b)), "south-in": ((wb, -b), (0, -b)), "south-out": ((-wb, -b), (0, -b))}
    gates = {n[0].upper(): (f"{n}-in", f"{n}-out") for n in ("west", "east", "north", "south")}
    return lines, gates


def _junction(models, name, text, light):
    seed = 21
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 84, 40, flows(ew=950, ns=520, turn=170), "cycle")
    n = 40 * FPS
    b, a = street.ZEBRA_B + 1.6, street.ZEBRA_A + 1.6
    crossers(tracks, models, rng, n, [([(-9, b), (9, b)], 2), ([(9.5, b + .6), (-9, b + .6)], 16), ([(a, -9.5), (a, 9.5)], 18), ([(a + .7, 9.5), (a + .7, -9.5)], 17), ([(9, -b), (-9, -b)], 3)])
    walkers(tracks, models, rng, n, 8, (-14, 40))
    lines, gates = junction_gates()
    zones = {"junction": [(-street.WB - 6, -street.WA), (-street.WB - 6, street.WA), (-street.WB, street.WA + 6), (street.WB, street.WA + 6), (street.WB + 6, street.WA),
                          (street.WB + 6, -street.WA), (street.WB, -street.WA - 6), (-street.WB, -street.WA - 6)]}
    return Scene(name, text, seed, 40, junction_camera(), light, tracks, lines=lines, gates=gates, zones=zones)


def junction(models):
    return _junction(models, "junction", "A free junction: signals change, motorbikes and cars go straight on and turn. Counts and turning movements are true; no incident.", "day")


def junction_night(models):
    return _junction(models, "junction-night", "The junction's traffic by night: street lamps, head lamps, glare.", "night")


def junction_rain(models):
    return _junction(models, "junction-rain", "The junction's traffic in heavy rain: wet road with reflections, haze, falling drops.", "rain")


def _lorry(models, name, text, seed, phase, flow, light):
    start = 90
    extra = (f'<vehicle id="lorry" type="light_truck" depart="{start - 8.0}" departLane="0" departSpeed="9"><route edges="Wi Eo"/>'
             '<stop lane="Eo_0" startPos="15" endPos="22" duration="1000"/></vehicle>')
    extra = extra.replace('departLane="0"', 'departLane="0" departPos="95"')
    tracks = sumo(models, seed, start, 40, flow, phase, extra)
    rng = np.random.default_rng(seed)
    walkers(tracks, models, rng, 400, 7)
    lorry = next(t for t in tracks if t.scripted == "lorry")
    lorry.model = next(i for i, m in enumerate(models) if m.name == "truck_box")
    length = queue(tracks, models, 40 * FPS)
    return Scene(name, text, seed, 40, east_camera(), light, tracks, lanes=EAST_LANES, lines=EAST_LINES,
                 events=[event("stopped_vehicle", lorry, first_stand(lorry), None, lane="eastbound")] + long_queues(length),
                 extra=told_queue(length) if max(length) > 0 else {})


def stopped_lorry(models):
    return _lorry(models, "stopped-lorry", "A light lorry stops on the running eastbound lane and stays; traffic passes it. There is no queue.", 31, "ew", flows(EW=1900, WE=1200), "overcast")


def stopped_lorry_queue(models):
    return _lorry(models, "stopped-lorry-queue", "The lorry again, while the westbound lanes hold a queue at the red light: the queue is no stopped vehicle, the lorry is.",
                  33, "w", flows(EW=900, WE=480), "day")


def wrong_way(models):
    seed = 41
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, 40, flows(EW=1700, WE=650), "ew", mix={"bus": .01, "truck": .01})
    n = 400
    m = pick(models, "motorbike_wave_one", rng)
    make = lambda t: traffic.scripted(800, m, int(t * FPS), FPS, n, [(104, -6.5), (60, -6.45), (8, -6.5), (0, -6.5)], [(0, 6.5), (40, 6.5)], "wrong-way rider")
    rider, gap = fit(tracks, models, np.arange(9, 22, .5), make, .35)
    tracks = [t for t in tracks if traffic.clearance(rider, [t], models) > .2] + [rider]
    walkers(tracks, models, rng, n, 7)
    lane = EAST_LANES["eastbound"][0]
    k = [j for j in range(len(rider.xy)) if inside(rider.xy[j], lane)]
    return Scene("wrong-way", "A motorbike rides against the eastbound lane along the kerb, from far towards the camera.", seed, 40, east_camera(), "day", tracks,
                 lanes=EAST_LANES, lines=EAST_LINES, events=[event("wrong_way", rider, rider.first + k[0], rider.first + k[-1], lane="eastbound")])


def pedestrian(models):
    seed = 51
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, 40, flows(ew=600), "ew")
    n = 400
    m = pick(models, "person_bag", rng)
    make = lambda t: traffic.scripted(800, m, int(t * FPS), FPS, n, [(29, -9.4), (29, -.1), (29.4, .1), (29.4, 9.6)], [(0, 1.25), (7.0, 1.25), (7.4, .0), (10.4, 0), (10.8, 1.4), (40, 1.4)], "pedestrian")
    who, gap = fit(tracks, models, np.arange(8, 20, .4), make, .6)
    tracks = [t for t in tracks if traffic.clearance(who, [t], models) > .3] + [who]
    walkers(tracks, models, rng, n, 6)
    k = [j for j in range(len(who.xy)) if abs(who.xy[j][1]) < street.WA]
    zones = {"carriageway": [(21.5, -7.3), (21.5, 7.3), (90, 7.3), (90, -7.3)]}
    return Scene("pedestrian", "A pedestrian crosses the carriageway away from any crossing and waits on the centre line.", seed, 40, east_camera(), "morning", tracks,
                 lanes=EAST_LANES, zones=zones,
                 events=[event("pedestrian_on_road", who, who.first + k[0], who.first + k[-1], zone="carriageway"), event("zone_dwell", who, who.first + k[0], who.first + k[-1], zone="carriageway")])


def _bird(img, f, rng):
    """A dark bird flies across, wings beating."""
    import cv2
    t = (f - 180) / 45.0
    if not 0 <= t <= 1:
        return img
    x, y = 700 - 780 * t, 210 - 90 * t + 14 * np.sin(t * 9)
    flap = np.sin(f * 1.9) * 9
    wing = np.array([(x - 13, y - flap), (x - 5, y - 2), (x, y), (x + 5, y - 2), (x + 13, y - flap), (x + 4, y + 2), (x - 4, y + 2)])
    out = img.copy()
    cv2.fillPoly(out, [np.round(wing * 16).astype(np.int32)], (38, 36, 34), cv2.LINE_AA, 4)
    cv2.ellipse(out, (int(x), int(y)), (8, 3), 10, 0, 360, (45, 42, 40), -1, cv2.LINE_AA)
    return out


def empty_road(models):
    def sun(f):
        t = f / FPS
        return float(np.clip(.62 + .45 * np.sin(t * .55) + .15 * np.sin(t * 1.7), .12, 1.0))

    zones = {"carriageway": [(21.5, -7.3), (21.5, 7.3), (90, 7.3), (90, -7.3)]}
    return Scene("empty-road", "Nobody on the road. Clouds dim the sun, the exposure jumps twice, a bird crosses the picture: nothing may fire.", 61, 40, east_camera(), "day", [],
                 lanes=EAST_LANES, lines=EAST_LINES, zones=zones, sun=sun, gain=lambda f: 1.22 if 120 <= f < 150 or 300 <= f < 306 else 1.0, paint=_bird)


def illegal_parking(models):
    seed = 71
    start = 90
    extra = (f'<vehicle id="parker" type="car" depart="{start - 9}" departLane="0" departSpeed="9" departPos="95"><route edges="Wi Eo"/><stop lane="Eo_0" startPos="20" endPos="27" duration="1000"/></vehicle>')
    tracks = sumo(models, seed, start, 40, flows(ew=360), "ew", extra)
    rng = np.random.default_rng(seed)
    car = next(t for t in tracks if t.scripted == "parker")
    car.model = next(i for i, m in enumerate(models) if m.name == "hatch")
    stop = car.xy[-1][0]
    near = np.clip((car.xy[:, 0] - (stop - 16)) / 14, 0, 1)
    car.xy[:, 1] -= .75 * near * near * (3 - 2 * near)   # to the kerb
    car.yaw = car.yaw - .10 * np.sin(np.pi * near) * (near < 1)
    walkers(tracks, models, rng, 400, 7)
    zones = {"no-stopping": [(26, -7.35), (26, -4.2), (58, -4.2), (58, -7.35)]}
    return Scene("illegal-parking", "A car draws up to the kerb where stopping is forbidden, and stays.", seed, 40, east_camera(), "noon", tracks, lanes=EAST_LANES, zones=zones,
                 events=[event("illegal_parking", car, first_stand(car), None, zone="no-stopping")])


def congestion(models):
    seed, seconds = 81, 60
    tracks = sumo(models, seed, 24, seconds, flows(EW=1750, WE=420), "w", mix={"car": .28, "bus": .03})
    rng = np.random.default_rng(seed)
    walkers(tracks, models, rng, seconds * FPS, 6)
    length = queue(tracks, models, seconds * FPS)
    onset = next((f for f in range(len(length)) if length[f] >= LONG_M), None)
    ev = [event("congestion", None, onset, None, lane="westbound", queue_m=LONG_M)] if onset is not None else []
    return Scene("congestion", "The westbound approach stays red: a queue grows back from the stop line through the picture.", seed, seconds, east_camera(), "overcast", tracks,
                 lanes=EAST_LANES, lines=EAST_LINES, events=ev + long_queues(length), extra=told_queue(length))


def near_miss(models):
    seed = 91
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 60, 40, flows(ew=0, ns=260), "none")
    n = 400
    car_m, bike_m = pick(models, "sedan", rng), pick(models, "motorbike_scooter_one", rng)
    car = traffic.scripted(801, car_m, 120, FPS, n, [(-70, -1.8), (-7, -1.8), (-1.5, -.6), (1.2, 3.2), (1.6, 9), (1.6, 80)], [(0, 9), (5, 9), (7, 5.2), (12, 6.5), (20, 10)], "turning car")
    best = None
    for t in np.arange(12, 22, .1):    # the time at which the rider just gets past
        bike = traffic.scripted(802, bike_m, int(t * FPS), FPS, n, [(75, 4.6), (0, 4.6), (-70, 4.8)], [(0, 11), (5.6, 11), (6.5, 5), (8, 6), (11, 10)], "rider")
        gaps = [(traffic.clearance(moment(bike, j), [car], models), j) for j in range(len(bike.xy)) if car.at(bike.first + j) is not None]
        g, j = min(gaps)
        k = car.at(bike.first + j)
        behind = bike.xy[j][0] > car.xy[k][0] - .5
        if behind and .25 < g < 1.0 and (best is None or g < best[0]):
            best = (g, j, bike)
    g, j, bike = best
    tracks += [car, bike]
    # a second, harmless rider and car, later: the same paths with seconds between them
    tracks.append(traffic.scripted(803, pick(models, "suv", rng), 250, FPS, n, [(-70, -1.8), (-7, -1.8), (-1.5, -.6), (1.2, 3.2), (1.6, 9), (1.6, 80)], [(0, 9), (5, 9), (7, 5.2), (12, 6.5), (20, 10)], "car"))
    tracks.append(traffic.scripted(804, pick(models, "motorbike_wave_two", rng), 20, FPS, n, [(75, 4.8), (-70, 4.8)], [(0, 9)], "rider"))
    walkers(tracks, models, rng, n, 8, (-14, 40))
    # post-encroachment time at the crossing of the two paths
    d = np.linalg.norm(car.xy[:, None] - bike.xy[None], axis=-1)
    a, b = np.unravel_index(d.argmin(), d.shape)
    point = (car.xy[a] + bike.xy[b]) / 2
    half = lambda t: models[t.model].size[0] / 2
    def span(t):
        k = np.flatnonzero(np.linalg.norm(t.xy - point, axis=1) < half(t) + .4)
        return (t.first + k[0]) / FPS, (t.first + k[-1]) / FPS

    pet = max(span(car)[0] - span(bike)[1], span(bike)[0] - span(car)[1])
    f = bike.first + j
    lines, gates = junction_gates()
    return Scene("near-miss", "A car turns left across the path of an oncoming motorbike; the rider brakes and slips past within half a metre.", seed, 40, junction_camera(), "day", tracks, lines=lines, gates=gates,
                 events=[event("near_miss", bike, f - 12, f + 5, other=car.uid, closest_frame=int(f), min_gap_m=round(float(g), 2), post_encroachment_s=round(float(pet), 2),
                               conflict_point_m=[round(float(v), 2) for v in point])])


def moment(track, j):
    """One row of a track."""
    return traffic.Track(track.uid, track.model, track.first + j, track.xy[j:j + 1], track.yaw[j:j + 1], track.speed[j:j + 1])


def _people(models, name, seed, light):
    """Many people on foot, on the road too, so that a detector is measured on dozens of them instead of a few."""
    tracks = sumo(models, seed, 90, 40, flows(ew=420), "ew")
    rng, n = np.random.default_rng(seed), 400
    walkers(tracks, models, rng, n, 10)
    kerb, placed = street.WA + 1.8, 0
    for k in range(400):
        x, t0, v = float(np.exp(rng.uniform(np.log(20), np.log(62)))), float(rng.uniform(0, 30)), float(rng.uniform(.9, 1.5))
        m, side = pick(models, "person", rng), float(rng.choice([-1, 1]))
        lane = side * (street.WA - float(rng.uniform(.8, 4.5)))
        what = ("crosses", "walks along", "stands")[k % 3]
        if what == "stands":
            points, speeds = [(x, side * kerb), (x, lane)], [(0, v)]
        elif what == "crosses":
            points, speeds = [(x, side * kerb), (x + float(rng.uniform(-2, 2)), -side * kerb)], [(0, v)]
        else:
            points, speeds = [(x, side * kerb), (x, lane), (x + float(rng.choice([-1, 1])) * 14, lane)], [(0, v)]
        yaw = float(rng.uniform(0, 2 * np.pi)) if what == "stands" else None
        who = traffic.scripted(1000 + placed, m, int(t0 * FPS), FPS, n, points, speeds, what, yaw=yaw, parked=what == "stands")
        if len(who.xy) > 20 and traffic.clearance(who, tracks, models) > .25:
            tracks.append(who)
            placed += 1
        if placed == 30:
            break
    return Scene(name, f"{placed} people on the road among light traffic. To measure detectors on; not part of the repository.", seed, 40, east_camera(), light, tracks,
                 lanes=EAST_LANES, lines=EAST_LINES)


def people(models):
    return _people(models, "people", 91, "day")


def people_night(models):
    return _people(models, "people-night", 92, "night")


def people_rain(models):
    return _people(models, "people-rain", 93, "rain")


ALL = {"junction": junction, "stopped-lorry": stopped_lorry, "stopped-lorry-queue": stopped_lorry_queue, "wrong-way": wrong_way, "pedestrian": pedestrian, "empty-road": empty_road,
       "illegal-parking": illegal_parking, "congestion": congestion, "near-miss": near_miss, "junction-night": junction_night, "junction-rain": junction_rain}
MEASURED = {"people": people, "people-night": people_night, "people-rain": people_rain}
"""To measure detectors on, by `noise.py`; made by name, and not kept in the repository."""

"""Scenarios of one incident each that needs more than traffic: a crash, a runner of red lights, a crowd, a lost load.

The same rules as in `scenarios`: places are metres on the ground, times are seconds of the clip.
"""
import numpy as np

from . import street, traffic
from .camera import Camera
from .scenarios import (EAST_LANES, EAST_LINES, FPS, SIZE, Scene, east_camera, event, fit, flows, inside, junction_camera, junction_gates, moment, phases, pick, sumo, walkers)

EASTBOUND = EAST_LANES["eastbound"][0]


def _touch(a, b, models):
    """The first frame in which two tracks touch."""
    return next((a.first + j for j in range(len(a.xy)) if traffic.clearance(moment(a, j), [b], models) <= 0), None)


def collision(models):
    seed, n = 94, 300
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 60, n / FPS, flows(ew=0, ns=120), "none")
    car_m, bike_m = pick(models, "sedan", rng), pick(models, "motorbike_wave_one", rng)
    turn, straight = [(70, 1.8), (7, 1.8), (1.5, .6), (-1.2, -3.2), (-1.6, -9), (-1.6, -80)], [(-75, -4.2), (0, -4.2), (70, -4.2)]
    drives, rides = [(0, 9), (5, 9), (7, 5.2)], [(0, 9.5)]
    car = lambda speeds: traffic.scripted(801, car_m, 80, FPS, n, turn, speeds, "turning car")
    bike = lambda t, speeds: traffic.scripted(802, bike_m, int(t * FPS), FPS, n, straight, speeds, "rider")
    # He must come upon the car's flank, neither before its nose nor behind its rear.
    t = next(t for t in np.arange(8, 20, .1) if _is_flank(bike(t, rides), car(drives), models))
    hit = _touch(bike(t, rides), car(drives), models)
    since = (hit - 80) / FPS
    car = car([*(k for k in drives if k[0] < since), (since, 5.2), (since + 1.1, 0), (99, 0)])
    bike = _thrown_back(bike(t, rides), hit, n)
    tracks += [car, bike]
    # Others who pass the place before, close to each other and unharmed.
    for uid, first, name in ((803, 2, "motorbike_scooter_one"), (804, 16, "motorbike_wave_two"), (805, 30, "hatch")):
        tracks.append(traffic.scripted(uid, pick(models, name, rng), first, FPS, n, [(-75, -4.6), (70, -4.6)], [(0, 9)], "passer-by"))
    walkers(tracks, models, rng, n, 8, (-14, 40))
    lines, gates = junction_gates()
    return Scene("collision", "A motorbike hits the flank of a car that turns left across its path. The machine falls, the car stops, both stay.", seed, n / FPS, junction_camera(), "day", tracks, lines=lines, gates=gates,
                 events=[event("collision", bike, hit, None, other=car.uid)])


def _thrown_back(bike, hit, frames):
    """The same rider until he hits something; then he falls on his side, 0.8 m back, and stays there."""
    k, after = bike.at(hit), np.arange(frames - hit)
    ahead = np.array([np.cos(bike.yaw[k]), np.sin(bike.yaw[k])])
    xy = bike.xy[k] - .8 * np.minimum(after / 3, 1)[:, None] ** .5 * ahead
    return traffic.Track(bike.uid, bike.model, bike.first, np.concatenate([bike.xy[:k], xy]), np.concatenate([bike.yaw[:k], np.full(len(after), bike.yaw[k])]),
                         np.concatenate([bike.speed[:k], np.where(after < 3, 2.5, 0)]), scripted=bike.scripted, extra={"falls_at": hit})


def _is_flank(bike, car, models):
    hit = _touch(bike, car, models)
    if hit is None:
        return False
    k = car.at(hit)
    ahead = np.array([np.cos(car.yaw[k]), np.sin(car.yaw[k])])
    return abs(float((bike.xy[bike.at(hit)] - car.xy[k]) @ ahead)) < models[car.model].size[0] / 4


def red_light(models):
    seed, start, n = 95, 66, 260
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, start, n / FPS, flows(EW=420, WE=820, ns=150), "cycle")
    red = _changes(start, "W", n)
    since = next(t for t, state in red if state == "red")
    m = pick(models, "motorbike_scooter_one", rng)
    make = lambda t: traffic.scripted(800, m, int(t * FPS), FPS, n, [(-120, -2.2), (120, -2.2)], [(0, 10.5)], "runner of a red light")
    reaches = (120 - street.STOP_A) / 10.5
    runner, gap = fit(tracks, models, np.arange(since + 2.5 - reaches, since + 10 - reaches, .2), make, .5)
    tracks = [t for t in tracks if traffic.clearance(runner, [t], models) > .3] + [runner]
    walkers(tracks, models, rng, n, 6, (-30, 10))
    k = int(np.argmax(runner.xy[:, 0] > -street.STOP_A))
    return Scene("red-light", "A motorbike rides over the stop line at red; others wait there, and some pass at amber.", seed, n / FPS, Camera((-46.0, -5.0, 8.5), 8, 13, 520, SIZE), "day", tracks,
                 lines={"west-stop": ((-street.STOP_A, -street.WA + .2), (-street.STOP_A, 0))}, events=[event("red_light", runner, runner.first + k, runner.first + k + 20, line="west-stop")],
                 extra={"signals": [{"signal": "west", "at_s": t, "state": state} for t, state in red]})


def _changes(start, leg, frames):
    """What the signal of a leg shows: (second of the clip, state), the first at 0."""
    out, t = [], -(start % sum(seconds for seconds, _ in phases("cycle")))
    while t < frames / FPS:
        for seconds, shown in phases("cycle"):
            state = {"g": "green", "y": "amber"}.get(shown.get(leg), "red")
            if t + seconds > 0 and t < frames / FPS and (not out or out[-1][1] != state):
                out.append((max(t, 0), state))
            t += seconds
    return out


CROWD = 10     # so many people within the zone are a crowd of the truth


def crowd(models):
    seed, n = 96, 380
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, n / FPS, flows(EW=380), "ew")
    square = [(24, -7.0), (24, -.4), (42, -.4), (42, -7.0)]
    places = []
    while len(places) < 18:
        at = np.array([rng.uniform(25.5, 40.5), rng.uniform(-6.6, -1.4)])
        if all(np.hypot(*(at - other)) > .9 for other in places):
            places.append(at)
    for k, (x, y) in enumerate(places):
        v, kerb = float(rng.uniform(1.0, 1.5)), -street.WA - 2
        begin, gone = (x + float(rng.uniform(-8, 8)), kerb), (x + float(rng.uniform(-8, 8)), kerb - 1)
        way = float(np.hypot(x - begin[0], y - begin[1]))
        first, stay = int(rng.uniform(20, 110)), float(rng.uniform(27, 29))
        arrives = way / v
        speeds = [(0, v), (arrives, v), (arrives + .2, 0), (stay - first / FPS, 0), (stay - first / FPS + .2, v), (40, v)]
        tracks.append(traffic.scripted(700 + k, pick(models, "person", rng), first, FPS, n, [begin, (x, y), gone], speeds, "gathers"))
    walkers(tracks, models, rng, n, 4, (45, 80))
    count = [sum(1 for t in tracks if t.scripted == "gathers" and t.at(f) is not None and inside(t.xy[t.at(f)], square)) for f in range(n)]
    onset = next(f for f in range(n) if count[f] >= CROWD)
    end = next(f for f in range(onset, n) if max(count[f:f + FPS]) < .7 * CROWD)
    return Scene("crowd", "People gather on a closed carriageway, stand there for a while, and go.", seed, n / FPS, east_camera(), "overcast", tracks, lanes=EAST_LANES, zones={"closed": square},
                 events=[event("crowd", None, onset, end, zone="closed", people=CROWD)], extra={"people_per_second": count[::FPS]})


def abandoned_object(models):
    seed, n = 97, 260
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, n / FPS, flows(ew=330), "ew")
    truck = pick(models, "truck_tipper", rng)
    make = lambda t: traffic.scripted(800, truck, int(t * FPS), FPS, n, [(-10, -2.1), (120, -2.1)], [(0, 8.5)], "loses a box")
    lorry, _ = fit(tracks, models, np.arange(1, 8, .2), make, .5)
    tracks = [t for t in tracks if traffic.clearance(lorry, [t], models) > .3]
    place = np.array([29.0, -2.6])
    k = int(np.argmax(lorry.xy[:, 0] - models[truck].size[0] / 2 > place[0] + 1))
    lost = lorry.first + k
    # It slides for a metre and a half; whoever comes later drives round it or is not there.
    slide = np.minimum(np.arange(n - lost) / 8, 1) ** .5
    xy = place + np.stack([1.5 * (slide - 1), np.zeros(n - lost)], 1)
    thing = traffic.Track(801, next(i for i, m in enumerate(models) if m.name == "crate"), lost, xy, .4 + .5 * slide, np.zeros(n - lost), scripted="stander")
    tracks = [t for t in tracks if traffic.clearance(thing, [t], models) > .3] + [lorry, thing]
    walkers(tracks, models, rng, n, 6)
    return Scene("abandoned-object", "A lorry loses a crate, which stays on the running lane.", seed, n / FPS, east_camera(), "day", tracks, lanes=EAST_LANES,
                 zones={"carriageway": [(21.5, -7.3), (21.5, 7.3), (70, 7.3), (70, -7.3)]}, events=[event("abandoned_object", None, lost + 8, None, zone="carriageway")])


def speeding(models):
    seed, n = 98, 260
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, n / FPS, flows(EW=520, WE=420), "ew")
    car, bike = pick(models, "suv", rng), pick(models, "motorbike_wave_one", rng)
    ways = [(800, car, 23.5, [(-90, -1.9), (160, -1.9)], (6, 20)), (801, bike, 21.5, [(160, 2.0), (-90, 2.0)], (14, 30))]
    events = []
    for uid, m, v, way, (first, last) in ways:
        make = lambda t, uid=uid, m=m, v=v, way=way: traffic.scripted(uid, m, int(t * FPS), FPS, n, way, [(0, v)], "speeder")
        who, _ = fit(tracks, models, np.arange(first, last, .2), make, .6)
        tracks = [t for t in tracks if traffic.clearance(who, [t], models) > .4] + [who]
        lane = "eastbound" if uid == 800 else "westbound"
        k = [j for j in range(len(who.xy)) if inside(who.xy[j], EAST_LANES[lane][0])]
        events.append(event("speeding", who, who.first + k[0], who.first + k[-1], lane=lane, kmh=round(v * 3.6, 1)))
    walkers(tracks, models, rng, n, 7)
    return Scene("speeding", "A car and a motorbike drive at 85 and 77 km/h where others drive at 40.", seed, n / FPS, east_camera(), "day", tracks, lanes=EAST_LANES, lines=EAST_LINES, events=events)


def motorbikes(models):
    seed, n = 99, 310
    rng = np.random.default_rng(seed)
    tracks = sumo(models, seed, 90, n / FPS, flows(EW=1200, WE=900), "ew", mix={"bus": .01, "truck": .01})
    bike = lambda: pick(models, "motorbike_", rng)
    against = []
    for k in range(4):
        m = bike()
        make = lambda t, k=k, m=m: traffic.scripted(800 + k, m, int(t * FPS), FPS, n, [(104, -6.5), (60, -6.4), (8, -6.5), (0, -6.5)], [(0, 6.2 + .2 * k)], "rides against the flow")
        rider, _ = fit(tracks, models, np.arange(2 + 4 * k, 2 + 4 * k + 4, .2), make, .35)
        tracks = [t for t in tracks if traffic.clearance(rider, [t], models) > .2] + [rider]
        against.append(rider)
    pavement = [(21.5, 8.0), (21.5, 11.4), (70, 11.4), (70, 8.0)]
    on_walk = traffic.scripted(810, bike(), 120, FPS, n, [(90, 9.6), (8, 9.6)], [(0, 4.5)], "rides on the pavement")
    tracks.append(on_walk)
    walkers(tracks, models, rng, n, 5, sides=(-1,))
    entered = sorted(next(t.first + j for j in range(len(t.xy)) if inside(t.xy[j], EASTBOUND)) for t in against)
    k = [j for j in range(len(on_walk.xy)) if inside(on_walk.xy[j], pavement)]
    return Scene("motorbikes", "Dense motorbikes; four ride against the flow along the kerb, one rides on the pavement.", seed, n / FPS, east_camera(), "day", tracks, lanes=EAST_LANES, lines=EAST_LINES,
                 zones={"pavement": pavement}, events=[event("counter_flow_riding", None, entered[2], None, lane="eastbound", riders=4),
                                                       event("pavement_riding", on_walk, on_walk.first + k[0], on_walk.first + k[-1], zone="pavement")])


ALL = {"collision": collision, "red-light": red_light, "crowd": crowd, "abandoned-object": abandoned_object, "speeding": speeding, "motorbikes": motorbikes}

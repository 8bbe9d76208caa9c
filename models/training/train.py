"""Trains the bundled detector, or a site's own from the site's frames.

    python -m training.train --shared DIR --city DIR --teacher FILE --out RUN --minutes 90
    python -m training.train --frames DIR --start training/street.pt --out RUN --minutes 60

The budget is time, not epochs: rate, canvas size and augmentation follow the share of `--minutes`
already used, so the training always ends with a finished schedule. Started again with the same `--out`
it goes on where it stopped; with a larger `--minutes` the schedule stretches. Minutes are those in which a
processor worked for the training: what others on the machine take, and sleep, do not count.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import augment, dataset, teacher
from .assign import Truth
from .checkpoint import half, load_weights, save
from .dataset import Picture
from .loss import loss
from .network import TARGET, Detector, centres
from .optimise import optimisers

STAGES = (
    # share of the budget, batch, recipe
    (0.70, 8, augment.Recipe(192, 320, single=0.5)),
    (0.90, 8, augment.Recipe(256, 448, single=0.55)),
    (1.00, 8, augment.Recipe(*TARGET, single=0.85, damage=0.7)),
)
TINY_STAGES = ((0.5, 2, augment.Recipe(96, 160)), (1.0, 2, augment.Recipe(128, 192)))
"""For the test: two steps in seconds."""

WARM_UP = 200
LAST_RATE = 0.02


def chances(pictures: list[Picture], shares: dict[str, float]) -> np.ndarray:
    """Cumulative chance of each picture: rarer classes and fixed cameras more often, and each source of
    `shares` its share of the draws, if there are others to share them with."""
    weight = np.ones(len(pictures))
    for i, picture in enumerate(pictures):
        classes = set(picture.labels.classes.tolist())
        if 1 in classes:
            weight[i] *= 1.6
        if 3 in classes:
            weight[i] *= 1.5
        if picture.source in ("atl", "toll"):
            weight[i] *= 1.6
    sources = np.array([p.source for p in pictures])
    shared = {source: share for source, share in shares.items() if (sources == source).any()}
    rest = ~np.isin(sources, list(shared))
    left = max(0.0, 1 - sum(shared.values())) if rest.any() else 0.0
    if rest.any():
        weight[rest] *= left / weight[rest].sum()
    for source, share in shared.items():
        weight[sources == source] *= share / weight[sources == source].sum()
    return np.cumsum(weight / weight.sum())


class Canvases(torch.utils.data.IterableDataset):
    """Endless batches; each worker draws its own."""

    def __init__(self, pictures, weights, recipe, batch, seed):
        self.pictures, self.weights, self.recipe, self.batch, self.seed = pictures, weights, recipe, batch, seed

    def __iter__(self):
        import cv2

        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            made = [augment.make(self.pictures, self.weights, self.recipe, rng) for _ in range(self.batch)]
            yield collate(made)


def collate(canvases: list[augment.Canvas]) -> tuple[torch.Tensor, Truth]:
    """uint8 [B, H, W, 3] and the padded truth."""
    batch = len(canvases)
    many = max(len(c.labels.boxes) for c in canvases)
    regions = max(len(c.labels.ignore) for c in canvases)
    truth = Truth(
        torch.zeros(batch, many, 4),
        torch.zeros(batch, many, dtype=torch.int64),
        torch.zeros(batch, many),
        torch.zeros(batch, regions, 4),
        torch.full((batch, regions), -2),
    )
    for i, canvas in enumerate(canvases):
        labels, n, k = canvas.labels, len(canvas.labels.boxes), len(canvas.labels.ignore)
        truth.boxes[i, :n] = torch.from_numpy(labels.boxes)
        truth.classes[i, :n] = torch.from_numpy(labels.classes)
        truth.trust[i, :n] = torch.from_numpy(labels.trust)
        truth.ignore[i, :k] = torch.from_numpy(labels.ignore)
        truth.ignore_class[i, :k] = torch.from_numpy(labels.ignore_class)
    return torch.from_numpy(np.stack([c.image for c in canvases])), truth


def to(truth: Truth, device) -> Truth:
    return Truth(*(t.to(device, non_blocking=True) for t in vars(truth).values()))


class Average:
    """Exponential moving average of the weights; young averages forget faster."""

    def __init__(self, model: nn.Module, decay: float = 0.9985):
        self.model, self.decay, self.steps = copy.deepcopy(model).eval(), decay, 0
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        ours, theirs = self.model.state_dict(), model.state_dict()
        floats = [k for k, v in ours.items() if v.dtype.is_floating_point]
        torch._foreach_lerp_([ours[k] for k in floats], [theirs[k] for k in floats], 1 - decay)


def gather(arguments) -> list[Picture]:
    """Everything there is to learn from, with the teacher's opinion where there is one."""
    pictures: list[Picture] = []
    if arguments.shared:
        pictures += dataset.read_training(arguments.shared, arguments.limit)
    if arguments.frames:
        pictures += dataset.read_frames(arguments.frames)
    teacher.advise(pictures, arguments.teacher)
    if arguments.city:
        pictures += dataset.read_city(arguments.city)
    if not pictures:
        raise SystemExit("nothing to learn from: give --shared, --city or --frames")
    dataset.check_teaching(pictures)
    return pictures


def train(arguments) -> tuple[Path, bool]:
    """Runs until the budget is used, or until it is told to stop (SIGTERM or SIGINT; it saves first).

    Gives the path of the half-precision checkpoint, and whether the budget is used up.
    """
    arguments.out.mkdir(parents=True, exist_ok=True)
    device = torch.device(arguments.device)
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    full, light = arguments.out / "full.pt", arguments.out / "half.pt"

    seconds, step, samples, content = 0.0, 0, 0, None
    if full.exists():
        content = torch.load(full, map_location="cpu", weights_only=True)
        model = Detector(**content["config"])
        model.load_state_dict(content["weights_now"])
        seconds, step, samples = content["seconds"], content["step"], content["samples"]
        print(f"goes on at step {step}, {seconds / 60:.1f} of {arguments.minutes} minutes used", flush=True)
    elif arguments.start:
        model, started_from = load_weights(arguments.start)
        if arguments.resume_time:
            seconds, samples = started_from["seconds"], started_from["samples"]
    else:
        model = Detector()
    model = model.to(device).to(memory_format=torch.channels_last).train()
    average = Average(model)
    rate_at_peak = arguments.rate or (5e-4 if arguments.start and not arguments.resume_time else 2e-3)
    optimiser = optimisers(model, rate_at_peak, arguments.muon)
    if content is not None:
        average.model.load_state_dict(content["average"])
        average.steps = step
        for o, state in zip(optimiser, content["optimisers"]):
            o.load_state_dict(state)

    pictures = gather(arguments)
    weights = chances(pictures, {"city": arguments.city_share, "frames": arguments.frames_share})
    boxes = sum(len(p.labels.boxes) for p in pictures)
    print(f"{len(pictures)} pictures, {boxes} boxes, {sum(p.numel() for p in model.parameters())} weights", flush=True)

    def keep() -> None:
        common = {"config": model.config, "seconds": seconds, "samples": samples}
        states = [o.state_dict() for o in optimiser]
        save(full, {**common, "step": step, "weights_now": model.state_dict(),
                    "average": average.model.state_dict(), "optimisers": states})
        save(light, half(average.model, model.config, seconds, samples))

    stopped = []
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, lambda number, _: stopped.append(number))

    budget = arguments.minutes * 60
    stages = TINY_STAGES if arguments.tiny else STAGES
    first_step, since, sums = step, time.thread_time(), {}
    saved = logged = seconds
    logged_samples = samples
    for until, batch, recipe in stages:
        if seconds >= budget * until:
            continue
        loader = iter(torch.utils.data.DataLoader(
            Canvases(pictures, weights, recipe, batch, seed=arguments.seed + step), batch_size=None,
            num_workers=arguments.workers, prefetch_factor=4 if arguments.workers else None,
        ))
        points, strides = (t.to(device) for t in centres(recipe.height, recipe.width))
        while not stopped and seconds < budget * until and (not arguments.steps or step - first_step < arguments.steps):
            pixels, truth = next(loader)
            pixels = pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
            used = min(1.0, seconds / budget)
            rate = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * used)) / 2
            rate *= min(1.0, (step + 1) / WARM_UP)
            for o in optimiser:
                for group in o.param_groups:
                    group["lr"] = group["base"] * rate
            with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bfloat16):
                logits, distances = model(pixels)
            total, parts = loss(logits.float(), distances.float(), points, strides, to(truth, device))
            if not torch.isfinite(total):
                raise RuntimeError(f"the loss is {total.item()} at step {step}; go on with a smaller --rate")
            for o in optimiser:
                o.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            for o in optimiser:
                o.step()
            average.update(model)
            step, samples = step + 1, samples + batch
            now = time.thread_time()
            seconds, since = seconds + now - since, now
            for key, value in parts.items():
                sums.setdefault(key, []).append(value)
            if step % 50 == 0:
                entry = {k: round(float(np.mean(v)), 4) for k, v in sums.items()}
                speed = (samples - logged_samples) / max(seconds - logged, 1e-6)
                entry |= {"step": step, "minutes": round(seconds / 60, 2), "samples": samples, "per_second": round(speed, 1),
                          "rate": round(rate, 4), "size": f"{recipe.height}x{recipe.width}"}
                with (arguments.out / "log.jsonl").open("a") as log:
                    log.write(json.dumps(entry) + "\n")
                print(entry, flush=True)
                sums, logged, logged_samples = {}, seconds, samples
            if seconds - saved > arguments.save_every:
                keep()
                saved = seconds
        del loader
        since = time.thread_time()
    keep()
    return light, seconds >= budget


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", type=Path, help="folder of the shared training set")
    p.add_argument("--city", type=Path, help="folder of rendered pictures of the synthetic city")
    p.add_argument("--frames", type=Path, help="folder of a site's own labelled frames")
    p.add_argument("--teacher", type=Path, help="cache made by `python -m training.teacher`")
    p.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    p.add_argument("--minutes", type=float, default=90, help="budget of processor time of the main thread, in all")
    p.add_argument("--name", default="street", help="of the exported model, in its folder under --out")
    p.add_argument("--start", type=Path, help="checkpoint whose weights to begin with")
    p.add_argument("--resume-time", action="store_true", help="with --start: its minutes count as used")
    p.add_argument("--rate", type=float, help="peak learning rate; 2e-3, or 5e-4 from a start")
    p.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--bfloat16", action="store_true", help="mixed precision; faster only with hardware for it")
    p.add_argument("--city-share", type=float, default=0.3, help="share of crops from the synthetic city")
    p.add_argument("--frames-share", type=float, default=0.5, help="share of crops from the site's own frames")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--threads", type=int, default=0, help="for the network; 0 is the library's choice")
    p.add_argument("--workers", type=int, default=1, help="processes that draw canvases")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    p.add_argument("--steps", type=int, default=0, help="stop after so many steps (tests)")
    p.add_argument("--limit", type=int, help="pictures of the shared set to read (tests)")
    p.add_argument("--tiny", action="store_true", help="small canvases and batches (tests)")
    return p


def main() -> None:
    from . import calibrate
    from .export import export

    arguments = parser().parse_args()
    checkpoint, finished = train(arguments)
    if finished:
        calibrate.write(checkpoint, calibrate.pictures(arguments))
        folder = arguments.out / arguments.name
        worst = export(checkpoint, folder, arguments.name)
        print(f"{folder}: a model folder for the program (ONNX differs from PyTorch by {worst:.1e})")


if __name__ == "__main__":
    main()

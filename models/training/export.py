"""Writes a checkpoint as ONNX with its model.yaml, and checks the file against PyTorch.

    python -m training.export RUN/half.pt ../models/street --name street

The graph takes RGB pixels from 0 to 255, `[1, 3, 320, 544]`, and gives `[1, 4 + C, cells]`: `cx, cy, w, h`
in input pixels, then class scores from 0 to 1. That is the layout of the `yolov8` family.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from .dataset import CLASSES
from .checkpoint import load_weights
from .network import TARGET, Deployed

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference between ONNX and PyTorch: absolute for scores, relative to the box's size plus one for pixels."""


def write_onnx(network: Deployed, path: Path, height: int, width: int, batch: int = 1) -> None:
    """The graph with batch norm folded in, for `batch` pictures at once, and metadata that says what it is."""
    import onnx

    pixels = torch.zeros(batch, 3, height, width)
    torch.onnx.export(
        network, (pixels,), str(path), opset_version=OPSET, input_names=["images"], output_names=["output"],
        do_constant_folding=True, dynamo=False,
    )
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    del graph.metadata_props[:]
    onnx.helper.set_model_props(
        graph,
        {
            "task": "detect",
            "names": str(dict(enumerate(CLASSES))),
            "stride": "32",
            "imgsz": f"[{height}, {width}]",
        },
    )
    graph.producer_name, graph.producer_version, graph.doc_string = "training.export", "", ""
    onnx.save(graph, path)


def difference(network: Deployed, path: Path, height: int, width: int, tries: int = 3) -> float:
    """Largest difference between the file and PyTorch on random pictures, as TOLERANCE counts it."""
    from .evaluate import session

    runtime = session(path)
    batch = runtime.get_inputs()[0].shape[0]
    rng, worst = np.random.default_rng(7), 0.0
    for _ in range(tries):
        # Blocks, not noise: with noise alone no cell would ever be sure of anything.
        coarse = rng.uniform(0, 255, (batch, 3, height // 16, width // 16))
        pixels = (coarse.repeat(16, 2).repeat(16, 3) + rng.normal(0, 8, (batch, 3, height, width))).clip(0, 255).astype(np.float32)
        with torch.inference_mode():
            ours = network(torch.from_numpy(pixels)).numpy()
        theirs = runtime.run(None, {"images": pixels})[0]
        size = 1 + ours[:, 2:4].max(1, keepdims=True)
        worst = max(
            worst,
            float(np.abs(ours[:, 4:] - theirs[:, 4:]).max()),
            float((np.abs(ours[:, :4] - theirs[:, :4]) / size).max()),
        )
    return worst


def manifest(name: str, file: Path, height: int, width: int, score: float, nms: float, licence: str, source: str) -> str:
    """The text of model.yaml; models/README.md of the product lists the fields."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"""# Written by the training's export. Fields: models/README.md; figures and limits: README.md beside this file.
name: {name}
file: {file.name}
family: yolov8
input:
  width: {width}
  height: {height}
  order: rgb
  fit: letterbox_centre
  pad: 114
  scale: 1.0
labels: [{", ".join(CLASSES)}]
sha256: {digest}
licence: {licence}
source: {source}
thresholds:
  score: {score}
  nms: {nms}
"""


def export(checkpoint: Path, folder: Path, name: str, size: tuple[int, int] = TARGET, score: float = 0.25,
           nms: float = 0.45, licence: str = "Apache-2.0", source: str = "models/training",
           batch: int = 1) -> float:
    """Writes `folder/name.onnx` and `folder/model.yaml`; gives the difference to PyTorch."""
    folder.mkdir(parents=True, exist_ok=True)
    detector, content = load_weights(checkpoint)
    network = Deployed(detector, *size, content.get("calibration")).eval()
    path = folder / f"{name}.onnx"
    write_onnx(network, path, *size, batch)
    worst = difference(network, path, *size)
    if not worst <= TOLERANCE:
        raise SystemExit(f"{path} differs from PyTorch by {worst:.1e}, more than {TOLERANCE:.0e}")
    (folder / "model.yaml").write_text(manifest(name, path, *size, score, nms, licence, source))
    return worst


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("folder", type=Path, help="model folder to write")
    p.add_argument("--name", default="street")
    p.add_argument("--height", type=int, default=TARGET[0], help="multiple of 32")
    p.add_argument("--width", type=int, default=TARGET[1], help="multiple of 32")
    p.add_argument("--batch", type=int, default=1, help="pictures at once; fixed in the file")
    p.add_argument("--score", type=float, default=0.25, help="threshold that suits the model (evaluate says)")
    p.add_argument("--nms", type=float, default=0.45)
    p.add_argument("--licence", default="Apache-2.0", help="of the weights")
    p.add_argument("--source", default="models/training")
    a = p.parse_args()
    if a.height % 32 or a.width % 32:
        raise SystemExit("height and width must be multiples of 32")
    worst = export(a.checkpoint, a.folder, a.name, (a.height, a.width), a.score, a.nms, a.licence, a.source, a.batch)
    size = (a.folder / f"{a.name}.onnx").stat().st_size
    print(f"{a.folder}/{a.name}.onnx: {size} bytes, differs from PyTorch by {worst:.1e}")


if __name__ == "__main__":
    main()

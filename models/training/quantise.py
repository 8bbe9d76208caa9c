"""INT8 of an exported file (QDQ, dense convolutions), calibrated on pictures that may teach.

    python -m training.quantise --shared DIR street/street.onnx int8.onnx
    python -m training.timing street/street.onnx int8.onnx

For trying out whether it pays on a processor: the model's README has the figures. Depthwise convolutions and the
last layers stay in single precision. Weights by channel, activations 8 bits without sign.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from . import dataset
from .evaluate import letterbox


class Pictures:
    """Every `n / count`-th picture of the training set, letterboxed as the detector sees it."""

    def __init__(self, shared: Path, port: str, height: int, width: int, count: int):
        pictures = dataset.read_training(shared)
        chosen = pictures[:: max(1, len(pictures) // count)][:count]
        self.images = iter([letterbox(p.image, height, width)[0].transpose(2, 0, 1)[None].astype(np.float32) for p in chosen])
        self.port = port

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.images, None)
        return None if image is None else {self.port: image}


def dense_convolutions(path: Path) -> list[str]:
    """Names of convolutions with one group, without the last of each branch (few channels, straight to scores)."""
    import onnx

    graph = onnx.load(path).graph
    weights = {w.name: w.dims for w in graph.initializer}
    names = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        if groups == 1 and weights[node.input[1]][0] >= 8:
            names.append(node.name)
    return names


def quantise(shared: Path, source: Path, target: Path, count: int = 48) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    from .evaluate import session

    port = session(source).get_inputs()[0]
    reader = Pictures(shared, port.name, port.shape[2], port.shape[3], count)
    quantize_static(
        str(source), str(target), reader, quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
        nodes_to_quantize=dense_convolutions(source), per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
    )


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source", type=Path)
    p.add_argument("target", type=Path)
    p.add_argument("--shared", type=Path, required=True, help="folder of the shared training set")
    p.add_argument("--count", type=int, default=48, help="pictures to calibrate with")
    a = p.parse_args()
    quantise(a.shared, a.source, a.target, a.count)
    print(f"{a.target}: {a.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()

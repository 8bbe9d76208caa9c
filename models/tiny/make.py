#!/usr/bin/env python3
"""Makes tiny.onnx, a detector that nobody trained, and the variants that the tests use.

It finds plainly coloured rectangles (red, green, blue) on a grey ground and answers in the layout of
YOLOX: raw rows of strides 8, 16 and 32. Nothing is learnt: colours are told by channel differences,
box edges by counting how far the colour runs from the middle of each cell.

    python3 -m pip install onnx numpy
    python3 models/tiny/make.py

How a cell finds its box. Let m be 1 where a colour dominates and 0 elsewhere, averaged over 4-pixel
steps. To the right of the cell's centre, step k still belongs to the run when no step up to k misses:
relu(1 - sum over j <= k of (1 - m_j)) = relu(sum over j <= k of m_j - k). The sum over k is the length
of the run, and a half-covered last step counts by its half. One convolution gives all k at once; the
same to the left, up and down. Outside the picture m is 0, so runs end at its border.
"""

import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 288, 160
STEP = 4  # pixels per step of a run
REACH = 16  # steps looked at in each direction: boxes up to 128 pixels
CELL = 8  # the only stride that answers
COLUMNS, ROWS = WIDTH // CELL, HEIGHT // CELL
ALL_CELLS = sum((WIDTH // s) * (HEIGHT // s) for s in (8, 16, 32))
SMALLEST = 12.0  # pixels; smaller boxes get no score
HERE = pathlib.Path(__file__).resolve().parent
VARIANTS = HERE.parent.parent / "tests" / "data" / "models"


class Builder:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value, kind=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=kind), name))
        return name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def clip(self, value, low=0.0, high=1.0):
        return self("Clip", value, self.constant(low), self.constant(high))

    def reshape(self, value, shape):
        return self("Reshape", value, self.constant(shape, np.int64))


def run_kernel(axis, backwards):
    """[REACH, 1, kh, kw]: output k sums steps 0 to k, counted away from the centre."""
    kernel = np.tril(np.ones((REACH, REACH), dtype=np.float32))
    if backwards:
        kernel = kernel[:, ::-1]
    return kernel.reshape((REACH, 1, 1, REACH) if axis == "x" else (REACH, 1, REACH, 1))


def detector(images):
    """From BGR pixels [B, 3, HEIGHT, WIDTH] to rows [B, ALL_CELLS, 8]; returns nodes and output name."""
    b = Builder()
    blue, green, red = b("Split", images, outputs=3, axis=1, num_outputs=3)

    def dominance(colour, first, second):
        lead = b("Sub", colour, b("Max", first, second))
        return b.clip(b("Mul", b("Sub", lead, b.constant(60.0)), b.constant(1 / 30)))

    # Classes 0 car: red, 1 truck: green, 2 person: blue.
    masks = b("Concat", dominance(red, green, blue), dominance(green, red, blue), dominance(blue, red, green), axis=1)

    def pooled(high, wide):
        return b("AveragePool", masks, kernel_shape=[high, wide], strides=[high, wide])

    def run(axis, backwards):
        """Length of the run from each cell's centre, in steps: [B, 1, ROWS, COLUMNS]."""
        steps = pooled(CELL, STEP) if axis == "x" else pooled(STEP, CELL)
        shape = [-1, 1, ROWS, WIDTH // STEP] if axis == "x" else [-1, 1, HEIGHT // STEP, COLUMNS]
        per = CELL // STEP
        # The centre lies between steps per*i + per/2 - 1 and per*i + per/2.
        before, after = (REACH - per // 2, per // 2 - 1) if backwards else (-(per // 2), REACH - per // 2)
        if before < 0:  # a pad of the wrong sign: shift by slicing
            index = 3 if axis == "x" else 2
            steps = b("Slice", steps, b.constant([-before], np.int64), b.constant([10**6], np.int64), b.constant([index], np.int64))
            shape[index] += before
            after, before = after, 0
        pads = [0, before, 0, after] if axis == "x" else [before, 0, after, 0]
        runs = b(
            "Conv",
            b.reshape(steps, shape),
            b.constant(run_kernel(axis, backwards)),
            b.constant(-np.arange(REACH)),
            kernel_shape=[1, REACH] if axis == "x" else [REACH, 1],
            strides=[1, per] if axis == "x" else [per, 1],
            pads=pads,
        )
        total = b("ReduceSum", b("Relu", runs), b.constant([1], np.int64), keepdims=1)
        # At most one colour runs at a cell, so the sum over colours is that colour's.
        return b("ReduceSum", b.reshape(total, [-1, 3, ROWS, COLUMNS]), b.constant([1], np.int64), keepdims=1)

    left, right = run("x", True), run("x", False)
    up, down = run("y", True), run("y", False)

    def axis_values(before, after):
        """Offset of the box centre in cells, size in pixels, and how central the cell is (0 to 1)."""
        sum_, difference = b("Add", before, after), b("Sub", after, before)
        offset = b("Add", b("Mul", difference, b.constant(STEP / 2 / CELL)), b.constant(0.5))
        size = b("Mul", sum_, b.constant(float(STEP)))
        off_centre = b("Div", b("Abs", difference), b("Max", sum_, b.constant(1e-3)))
        return offset, size, b.clip(b("Sub", b.constant(1.0), off_centre))

    x, width, central_x = axis_values(left, right)
    y, height, central_y = axis_values(up, down)

    def logarithm(size):
        return b("Log", b("Mul", b("Max", size, b.constant(1.0)), b.constant(1 / CELL)))

    # Only cells that the colour fills can be trusted; partly covered ones see too short a run.
    filled = b.clip(b("Sub", b("Mul", pooled(CELL, CELL), b.constant(10.0)), b.constant(9.0)))
    large = b.clip(b("Sub", b("Min", width, height), b.constant(SMALLEST - 1.0)))
    objectness = b("Mul", b("Mul", central_x, central_y), large)
    grid = b("Concat", x, y, logarithm(width), logarithm(height), objectness, filled, axis=1)
    rows = b("Transpose", b.reshape(grid, [-1, 8, ROWS * COLUMNS]), perm=[0, 2, 1])
    # Strides 16 and 32 never answer.
    pads = b.constant([0, 0, 0, 0, ALL_CELLS - ROWS * COLUMNS, 0], np.int64)
    return b, b("Pad", rows, pads)


def model(batch=1, half=False):
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    images, output = "images", "output"
    b, rows = detector("images32" if half else images)
    nodes = b.nodes
    if half:
        nodes.insert(0, helper.make_node("Cast", [images], ["images32"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Cast", [rows], [output], to=TensorProto.FLOAT16))
    else:
        nodes.append(helper.make_node("Identity", [rows], [output]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(images, kind, [batch, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(output, kind, [batch, ALL_CELLS, 8])],
        b.constants,
    )
    made = helper.make_model(
        graph, producer_name="vantage models/tiny/make.py", opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString(deterministic=True)


def main():
    VARIANTS.mkdir(parents=True, exist_ok=True)
    tiny = model()
    (HERE / "tiny.onnx").write_bytes(tiny)
    (VARIANTS / "tiny_dynamic_batch.onnx").write_bytes(model("batch"))
    (VARIANTS / "tiny_batch4.onnx").write_bytes(model(4))
    (VARIANTS / "tiny_half.onnx").write_bytes(model(half=True))
    (HERE / "model.yaml").write_text(
        f"""# Written by make.py. Fields: models/README.md.
name: tiny
file: tiny.onnx
family: yolox
input:
  width: {WIDTH}
  height: {HEIGHT}
  order: bgr
  fit: letterbox_top_left
  pad: 114
  scale: 1.0
labels: [car, truck, person]
sha256: {hashlib.sha256(tiny).hexdigest()}
licence: Apache-2.0
source: models/tiny/make.py
thresholds:
  score: 0.25
  nms: 0.45
"""
    )
    print(f"tiny.onnx: {len(tiny)} bytes, {ALL_CELLS} rows")


if __name__ == "__main__":
    main()

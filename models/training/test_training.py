"""Runs in seconds on one core, from the folder above: `python -m unittest training.test_training`.

All pictures are drawn here; nothing outside the repository is read.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import unittest
import warnings
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import torch

from . import augment, calibrate, clips, curves, dataset, evaluate, export, teacher, timing, train
from .assign import Truth, assign
from .checkpoint import save
from .dataset import ANY, Labels, Picture, SplitError, check_teaching, may_teach
from .merge import merge
from .network import Deployed, Detector, centres
from .optimise import orthogonal


def street(rng: np.random.Generator, width: int = 224, height: int = 128) -> tuple[np.ndarray, list]:
    """A grey picture with coloured blocks for cars, and their boxes `x, y, w, h`."""
    image = rng.integers(90, 130, (height, width, 3)).astype(np.uint8)
    boxes = []
    for _ in range(4):
        w, h = int(rng.integers(20, 60)), int(rng.integers(16, 40))
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        image[y : y + h, x : x + w] = (230, 20, 20)
        boxes.append((x, y, w, h))
    return image, boxes


def shared_set(folder: Path) -> None:
    """A miniature of the shared training set, with pictures that must not teach."""
    rng = np.random.default_rng(1)
    kinds = [
        ("dhaka", "train", "Navid", "train-streets-1.tar"),
        ("dhaka", "train", "Numan", "train-streets-2.tar"),
        ("toll", "train", "adit", "train-fixed-cameras.tar"),
        ("atl", "train", "A", "train-fixed-cameras.tar"),
        ("atl", "train", "n0", "train-fixed-cameras.tar"),
        ("atl", "train", "Z", "train-fixed-cameras.tar"),
        ("topview", "train", "clip1", "train-fixed-cameras.tar"),
        ("dhaka", "val", "Pias", "val.tar"),
        ("tidar", "val", "photo", "val.tar"),
        ("hcmc", "test", "cam_01", "test-hcmc.tar"),
    ]
    images, annotations, tars = [], [], {}
    for number, (source, split, scene, tar) in enumerate(kinds, 1):
        image, boxes = street(rng)
        name = f"{source}_{number:05}.jpg"
        images.append({"id": number, "file_name": name, "source": source, "split": split, "scene": scene})
        for box in boxes:
            annotations.append({"image_id": number, "category_id": 3, "bbox": box, "iscrowd": 0})
        annotations.append({"image_id": number, "category_id": 7, "bbox": (0, 0, 20, 20), "iscrowd": 1})
        tars.setdefault(tar, {})[name] = cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()
    for tar, files in tars.items():
        dataset.as_tar(files, folder / tar)
    with gzip.open(folder / "annotations.json.gz", "wt") as file:
        json.dump({"images": images, "annotations": annotations}, file)


class Split(unittest.TestCase):
    def test_only_the_permitted_scenes_teach(self):
        for source, split, scene, expected in [
            ("dhaka", "train", "Pias", True), ("dhaka", "val", "Pias", False), ("toll", "train", "adit", True),
            ("atl", "train", "D", True), ("atl", "train", "Z", False), ("atl", "train", "n102", False),
            ("topview", "train", "x", False), ("tidar", "train", "photo", False), ("hcmc", "train", "cam_01", False),
            ("somebody", "train", "x", False),
        ]:
            record = {"source": source, "split": split, "scene": scene}
            self.assertEqual(may_teach(record), expected, record)

    def test_reading_for_training_obeys_and_measuring_is_apart(self):
        with tempfile.TemporaryDirectory() as folder:
            shared_set(Path(folder))
            teaching = dataset.read_training(Path(folder))
            self.assertEqual(sorted((p.source, p.scene) for p in teaching),
                             [("atl", "A"), ("dhaka", "Navid"), ("dhaka", "Numan"), ("toll", "adit")])
            measuring = dataset.read_measuring(Path(folder), "test")
            self.assertEqual([p.source for p in measuring], ["hcmc"])
            with self.assertRaises(SplitError):
                check_teaching(teaching + measuring)
            with self.assertRaises(SplitError):
                check_teaching(dataset.read_measuring(Path(folder), "val"))


class Frames(unittest.TestCase):
    def test_labels_beside_pictures_and_a_bad_line_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            cv2.imwrite(str(root / "a.png"), np.zeros((100, 200, 3), np.uint8))
            cv2.imwrite(str(root / "unlabelled.png"), np.zeros((100, 200, 3), np.uint8))
            (root / "a.txt").write_text("2 0.5 0.5 0.2 0.4\n6 0.1 0.1 0.2 0.2\n")
            (picture,) = dataset.read_frames(root)
            np.testing.assert_allclose(picture.labels.boxes, [[80, 30, 120, 70]], atol=1e-4)
            self.assertEqual(picture.labels.classes.tolist(), [2])
            self.assertEqual(picture.labels.ignore_class.tolist(), [ANY])
            (root / "a.txt").write_text("2 0.5 0.5 0.2 0.4\n9 0 0 1 1\n")
            with self.assertRaisesRegex(ValueError, "a.txt:2"):
                dataset.read_frames(root)


class Canvas(unittest.TestCase):
    def test_boxes_stay_on_what_they_box(self):
        rng = np.random.default_rng(2)
        seen = 0
        for _ in range(60):
            image = np.full((120, 200, 3), 100, np.uint8)
            image[40:80, 60:130] = (230, 20, 20)
            labels = Labels.empty()
            labels.boxes = np.array([[60, 40, 130, 80]], np.float32)
            labels.classes, labels.trust = np.array([2]), np.ones(1, np.float32)
            picture = Picture("a", "frames", "", image, labels)
            recipe = augment.Recipe(96, 160, damage=0)
            canvas = augment.make([picture], np.array([1.0]), recipe, rng)
            self.assertEqual(canvas.image.shape, (96, 160, 3))
            red = (canvas.image[:, :, 0] > 165) & (canvas.image[:, :, 1] < 75)
            for x0, y0, x1, y1 in canvas.labels.boxes:
                inner = red[int(y0) + 2 : int(y1) - 1, int(x0) + 2 : int(x1) - 1]
                if inner.size:
                    self.assertGreater(inner.mean(), 0.9)
                    seen += 1
                red[max(0, int(y0) - 2) : int(y1) + 3, max(0, int(x0) - 2) : int(x1) + 3] = False
            for x0, y0, x1, y1 in canvas.labels.ignore:
                red[max(0, int(y0) - 2) : int(y1) + 3, max(0, int(x0) - 2) : int(x1) + 3] = False
            self.assertLess(red.mean(), 0.002, "something red has no box")
        self.assertGreater(seen, 40)

    def test_damage_keeps_shape_and_type(self):
        rng = np.random.default_rng(3)
        image, boxes = street(rng)
        labels = Labels.empty()
        labels.boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], np.float32)
        for _ in range(80):
            damaged = augment.damage(image, labels, 1.0, rng)
            self.assertEqual((damaged.shape, damaged.dtype), (image.shape, np.uint8))


class Assignment(unittest.TestCase):
    def setUp(self):
        self.points, self.strides = centres(96, 160)
        self.corners = torch.cat([self.points - 8, self.points + 8], 1)[None]
        self.scores = torch.full((1, len(self.points), 6), 0.1)

    def truth(self, boxes, classes, ignore=((),), ignore_class=()):
        return Truth(torch.tensor([boxes], dtype=torch.float32), torch.tensor([classes]), torch.ones(1, len(boxes)),
                     torch.tensor([ignore], dtype=torch.float32).reshape(1, -1, 4), torch.tensor([ignore_class], dtype=torch.int64).reshape(1, -1))

    def test_a_tiny_box_has_cells_and_its_class_the_score(self):
        # Between four cell centres: no centre lies inside.
        result = assign(self.scores, self.corners, self.points, self.strides, self.truth([(30, 30, 34, 34)], [3]))
        self.assertGreaterEqual(int(result.positive.sum()), 1)
        self.assertGreater(float(result.scores[0, :, 3].max()), 0)
        self.assertEqual(float(result.scores[0, :, [0, 1, 2, 4, 5]].max()), 0)

    def test_at_most_ten_cells_each_and_none_for_two(self):
        result = assign(self.scores, self.corners, self.points, self.strides,
                        self.truth([(0, 0, 90, 90), (40, 40, 150, 95)], [2, 5]))
        both = (result.scores[0] > 0).sum(1)
        self.assertLessEqual(int(both.max()), 1)
        self.assertLessEqual(int(result.positive.sum()), 20)

    def test_ignore_regions_are_not_heard(self):
        result = assign(self.scores, self.corners, self.points, self.strides,
                        self.truth([(100, 20, 130, 50)], [2], ((0, 0, 60, 60), (60, 60, 96, 96)), (ANY, 0)))
        inside_any = (self.points < 60).all(1) & (self.points > 0).all(1)
        self.assertFalse(result.heard[0, inside_any].any())
        of_class = ((self.points > 60) & (self.points < 96)).all(1)
        self.assertFalse(result.heard[0, of_class, 0].any())
        self.assertTrue(result.heard[0, of_class, 1:].all())


class Measure(unittest.TestCase):
    def test_average_precision(self):
        truth = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], np.float32)
        found = np.array([[0, 0, 10, 10, 2, 0.9], [50, 50, 60, 60, 2, 0.8], [20, 20, 40, 39, 2, 0.7]], np.float32)
        none = np.zeros((0, 4), np.float32)
        tally = evaluate.Tally()
        tally.add("a", 2, found, truth, none)
        self.assertAlmostEqual(tally.ap("a", 2), 100 * (0.5 * 1 + 0.5 * 2 / 3), places=3)
        tally = evaluate.Tally()
        tally.add("a", 2, found, truth, np.array([[45, 45, 70, 70]], np.float32))
        self.assertAlmostEqual(tally.ap("a", 2), 100)

    def test_a_rider_becomes_part_of_the_motorcycle(self):
        found = np.array([[10, 30, 30, 60, 3, 0.6], [12, 10, 28, 50, 0, 0.7], [80, 10, 95, 60, 0, 0.7]], np.float32)
        merged = evaluate.merge_riders(found)
        self.assertEqual(sorted(merged[:, 4].tolist()), [0, 3])
        np.testing.assert_allclose(merged[merged[:, 4] == 3][0, :4], [10, 10, 30, 60])

    def test_teacher_labels_what_is_open_and_doubts_the_rest(self):
        labels = Labels.empty()
        labels.boxes = np.array([[0, 0, 50, 50]], np.float32)
        labels.classes, labels.trust = np.array([2]), np.ones(1, np.float32)
        picture = Picture("a", "frames", "", np.zeros((200, 200, 3), np.uint8), labels)
        found = np.array([
            [1, 1, 50, 50, 2, 0.9],  # labelled already
            [10, 10, 25, 40, 0, 0.9],  # the driver
            [100, 100, 150, 150, 5, 0.8],  # nobody labelled it
            [60, 60, 80, 80, 2, 0.2],  # doubtful
        ], np.float32)
        result = teacher.apply(picture, found)
        self.assertEqual(result.classes.tolist(), [2, 5])
        np.testing.assert_allclose(result.trust, [1, 0.8])
        np.testing.assert_allclose(result.ignore, [[60, 60, 80, 80]])


class Calibration(unittest.TestCase):
    def sample(self, rng: np.random.Generator, slope: float, shift: float, many: int):
        z = rng.normal(-2, 2, many)
        return z, rng.random(many) < 1 / (1 + np.exp(-(slope * z + shift)))

    def test_the_pair_that_made_the_outcomes_is_found_for_each_class(self):
        rng = np.random.default_rng(5)
        true = [(1.6, 1.0), (0.7, -1.0), (1.6, 1.0), (1.0, 2.0), (2.0, 0.0), (1.2, 0.5)]
        group = [self.sample(rng, *pair, 20_000) for pair in true]
        np.testing.assert_allclose(calibrate.calibrate([group]), true, atol=0.12)

    def test_a_class_with_few_hits_takes_the_pair_of_all(self):
        rng = np.random.default_rng(6)
        group = [self.sample(rng, 1.5, 1.0, 5_000) for _ in range(5)] + [(np.array([-1.0, 2.0]), np.array([True, False]))]
        pairs = calibrate.calibrate([group])
        np.testing.assert_allclose(pairs[5], [1.5, 1.0], atol=0.15)

    def test_scores_that_say_nothing_are_left_alone(self):
        rng = np.random.default_rng(7)
        group = [self.sample(rng, -1.0, 0.0, 2_000) for _ in range(6)]
        np.testing.assert_array_equal(calibrate.calibrate([group]), [[1.0, 0.0]] * 6)

    def test_the_exported_scores_are_those_of_the_pair(self):
        pairs = [[1.5, 0.5], [0.8, -0.2], [1.0, 0.0], [2.0, 1.0], [1.1, 0.3], [0.9, -0.4]]
        detector = Detector().eval()
        for out in detector.class_out:
            torch.nn.init.normal_(out.weight, std=0.3)
        pixels = torch.rand(1, 3, 96, 160, generator=torch.Generator().manual_seed(1)) * 255
        with torch.inference_mode():
            plain = Deployed(detector, 96, 160).eval()(pixels)
            moved = Deployed(detector, 96, 160, pairs).eval()(pixels)
        torch.testing.assert_close(moved[:, :4], plain[:, :4])
        slope, shift = torch.tensor(pairs).t()[:, None, :, None]
        wanted = (torch.logit(plain[:, 4:].double()) * slope + shift).sigmoid().float()
        torch.testing.assert_close(moved[:, 4:], wanted, atol=1e-4, rtol=1e-3)


class Clips(unittest.TestCase):
    truth = clips.Truth(np.array([[0, 0, 30, 40], [50, 0, 80, 40], [100, 0, 110, 12]], np.float32), np.array([2, 3, 3]),
                        np.array([True, True, False]))

    def test_what_is_too_small_counts_neither_way(self):
        found = clips.Found()
        found.add("a", np.array([
            [0, 0, 30, 38, 2, 0.9],  # the car
            [1, 0, 30, 40, 2, 0.8],  # the car once more: false
            [50, 0, 80, 40, 5, 0.7],  # the motorcycle as a truck: false, and the motorcycle is missed
            [100, 0, 110, 12, 2, 0.6],  # too small to be asked for, whatever it is called
        ], np.float32), self.truth)
        self.assertEqual([(row[1], round(row[3], 1)) for row in found.truth], [(2, 0.9), (3, 0.0)])
        self.assertEqual([(row[1], round(row[2], 1)) for row in found.false], [(2, 0.8), (5, 0.7)])
        whole = found.line("a")
        self.assertEqual(clips.at_precision(whole), (0.5, np.float32(0.9)))
        self.assertEqual(clips.at_score(whole, 0.75), (0.5, 0.5))
        self.assertEqual(clips.at_precision(found.line("a", class_=3)), (0.0, 1.0))

    def test_any_class_forgives_the_name_and_not_the_place(self):
        found = clips.Found()
        found.add("a", *clips.any_class(np.array([[50, 0, 80, 40, 5, 0.7], [200, 0, 230, 40, 2, 0.6]], np.float32), self.truth))
        self.assertEqual(sorted(round(row[3], 1) for row in found.truth), [0.0, 0.7])
        self.assertEqual(len(found.false), 1)

    def test_curves_are_the_area_that_the_tables_give(self):
        tally = evaluate.Tally()
        truth = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], np.float32)
        found = np.array([[0, 0, 10, 10, 2, 0.9], [50, 50, 60, 60, 2, 0.8], [20, 20, 40, 39, 2, 0.7]], np.float32)
        tally.add("a", 2, found, truth, np.zeros((0, 4), np.float32))
        line = tally.line("model", "a", 2, 0.75)
        recall, precision = curves.envelope(line.score, line.hit, line.truths)
        np.testing.assert_allclose(recall, [0.5, 0.5, 1.0])
        np.testing.assert_allclose(precision, [1, 2 / 3, 2 / 3])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "curves.svg"
            curves.draw([curves.Panel("car", [line]), curves.Panel("bus", [tally.line("model", "a", 4)])], "A & B", "", path)
            drawn = path.read_text()
        ElementTree.fromstring(drawn)
        self.assertIn(f"{tally.ap('a', 2):.1f}<", drawn)
        self.assertEqual(drawn.count("<circle"), 1)


class Merging(unittest.TestCase):
    def test_weights_are_the_mean_and_samples_the_sum(self):
        with tempfile.TemporaryDirectory() as folder:
            paths, models = [Path(folder) / "a.pt", Path(folder) / "b.pt"], [Detector(), Detector()]
            for path, model in zip(paths, models):
                save(path, {"config": model.config, "average": model.state_dict(), "seconds": 2.0, "samples": 8})
            merged = merge(paths)
        mean = (models[0].stem[0].weight + models[1].stem[0].weight) / 2
        self.assertTrue(torch.allclose(merged["weights"]["stem.0.weight"].float(), mean, atol=1e-3))
        self.assertEqual((merged["seconds"], merged["samples"]), (4.0, 16))


class Training(unittest.TestCase):
    def test_orthogonal(self):
        x = orthogonal(torch.randn(12, 40, generator=torch.Generator().manual_seed(0)))
        values = torch.linalg.svdvals(x)
        self.assertTrue(bool(((values > 0.6) & (values < 1.3)).all()), values)

    def test_two_steps_go_on_after_a_stop_export_and_compare(self):
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            shared_set(root)
            out = root / "run"
            command = ["--shared", folder, "--out", str(out), "--tiny", "--steps", "2", "--workers", "0", "--device", "cpu"]
            light, _ = train.train(train.parser().parse_args(command))
            first = torch.load(out / "full.pt", weights_only=True)
            self.assertEqual((first["step"], first["samples"]), (2, 4))
            self.assertLess(light.stat().st_size, 4 << 20)
            train.train(train.parser().parse_args(command))
            second = torch.load(out / "full.pt", weights_only=True)
            self.assertEqual(second["step"], 4)
            self.assertGreater(second["seconds"], first["seconds"])

            calibrate.write(light, calibrate.pictures(train.parser().parse_args(command)))
            self.assertEqual(np.shape(torch.load(light, weights_only=True)["calibration"]), (6, 2))
            worst = export.export(light, root / "street", "street", (96, 160))
            self.assertLessEqual(worst, export.TOLERANCE)
            # The check can fail: another network's file is not this one's.
            other = export.difference(Deployed(Detector(), 96, 160).eval(), root / "street" / "street.onnx", 96, 160, tries=1)
            self.assertGreater(other, export.TOLERANCE)
            self.assertIn("family: yolov8", (root / "street" / "model.yaml").read_text())
            # A batch is the same pictures' answers.
            export.export(light, root / "two", "two", (96, 160), batch=2)
            times = timing.in_turns([root / "street" / "street.onnx", root / "two" / "two.onnx"], rounds=2)
            self.assertTrue(all(min(both) > 0 for both in times.values()) and len(times) == 2)
            detect = evaluate.Street.load(root / "street" / "street.onnx")
            pictures = dataset.read_measuring(root, "test")
            _, table = evaluate.test_hcmc(detect, pictures)
            self.assertIn("car", table["test-hcmc"])


if __name__ == "__main__":
    unittest.main()

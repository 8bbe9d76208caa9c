"""The checker must find what is wrong: `python -m unittest` in this folder."""
import copy
import json
import os
import shutil
import tempfile
import unittest

import check

SAMPLE = os.path.join(check.HERE, "wrong-way")


class CheckTruth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SAMPLE, "truth.json")) as f:
            cls.truth = json.load(f)
        cls.size = (cls.truth["width"], cls.truth["height"])
        cls.busy = next(f for f, rows in enumerate(cls.truth["frames_data"]) if rows)

    def mistakes(self, change):
        t = copy.deepcopy(self.truth)
        change(t)
        return " | ".join(check.check_truth(SAMPLE, t, self.truth["frames"], self.size))

    def test_the_real_one_is_right(self):
        self.assertEqual(self.mistakes(lambda t: None), "")

    def test_frame_count(self):
        self.assertIn("frames", self.mistakes(lambda t: t.update(frames=t["frames"] + 1)))

    def test_box_outside(self):
        def change(t):
            t["frames_data"][self.busy][0][3] = t["width"] + 5
        self.assertIn("not within the picture", self.mistakes(change))

    def test_unknown_object(self):
        def change(t):
            t["frames_data"][self.busy][0][0] = 99999
        self.assertIn("not among the objects", self.mistakes(change))

    def test_event_after_the_end(self):
        def change(t):
            t["events"][0]["onset_frame"] = t["frames"] + 3
        self.assertIn("not within the clip", self.mistakes(change))

    def test_calibration_of_another_camera(self):
        def change(t):
            t["camera"]["ground_to_image"][0][2] += 400
        self.assertIn("outside its box", self.mistakes(change))

    def test_truth_of_another_clip(self):
        with tempfile.TemporaryDirectory() as d:
            for name in ("truth.json", "gt.txt"):
                shutil.copy(os.path.join(SAMPLE, name), d)
            with open(os.path.join(SAMPLE, "clip.mp4"), "rb") as f, open(os.path.join(d, "clip.mp4"), "wb") as g:
                g.write(f.read() + b"\0")
            self.assertIn("checksum", " ".join(check.check_folder(d)[1]))


if __name__ == "__main__":
    unittest.main()

"""A pinhole camera on a mast and its calibration. World: metres, x east, y north, z up, road at z = 0."""
import numpy as np


class Camera:
    def __init__(self, pos, yaw_deg, pitch_deg, focal_px, size):
        """yaw counts from east to north; pitch is positive downwards; focal length in pixels of `size`."""
        self.pos = np.asarray(pos, float)
        self.size = tuple(size)
        self.focal = float(focal_px)
        self.yaw, self.pitch = float(yaw_deg), float(pitch_deg)
        y, p = np.radians([yaw_deg, pitch_deg])
        fwd = np.array([np.cos(y) * np.cos(p), np.sin(y) * np.cos(p), -np.sin(p)])
        right = np.array([np.sin(y), -np.cos(y), 0.0])
        self.rot = np.stack([right, -np.cross(right, fwd), fwd])     # world -> camera, x right, y down, z ahead
        self.near, self.far = 1.0, 420.0

    def intrinsics(self):
        w, h = self.size
        return np.array([[self.focal, 0, w / 2], [0, self.focal, h / 2], [0, 0, 1]])

    def translation(self):
        return -self.rot @ self.pos

    def view_proj(self):
        """OpenGL clip matrix (column vectors)."""
        w, h = self.size
        f, n, far = self.focal, self.near, self.far
        proj = np.array([[2 * f / w, 0, 0, 0], [0, 2 * f / h, 0, 0], [0, 0, (far + n) / (n - far), 2 * far * n / (n - far)], [0, 0, -1, 0]])
        view = np.eye(4)
        view[:3, :3] = self.rot * np.array([1, -1, -1])[:, None]
        view[:3, 3] = -view[:3, :3] @ self.pos
        return proj @ view

    def project(self, pts):
        """World points -> pixels and depth in metres; behind the camera the depth is not positive."""
        c = np.asarray(pts, float) @ self.rot.T + self.translation()
        z = np.where(np.abs(c[:, 2]) < 1e-6, 1e-6, c[:, 2])
        w, h = self.size
        return np.stack([self.focal * c[:, 0] / z + w / 2, self.focal * c[:, 1] / z + h / 2], 1), c[:, 2]

    def ground_to_image(self):
        """3x3 homography: (x, y, 1) metres on the road -> pixels."""
        m = self.intrinsics() @ np.column_stack([self.rot[:, 0], self.rot[:, 1], self.translation()])
        return m / m[2, 2]

    def image_to_ground(self):
        m = np.linalg.inv(self.ground_to_image())
        return m / m[2, 2]

    def calibration(self):
        r = lambda a, k=9: np.round(np.asarray(a), k).tolist()
        return {"model": "pinhole", "focal_px": self.focal, "intrinsics": r(self.intrinsics(), 4), "rotation_world_to_camera": r(self.rot),
                "translation_m": r(self.translation(), 6), "position_m": r(self.pos, 4), "yaw_deg": self.yaw, "pitch_deg": self.pitch,
                "ground_to_image": r(self.ground_to_image(), 9), "image_to_ground": r(self.image_to_ground(), 9)}

"""From linear light to a camera's 8-bit picture: glow of lamps, rain, lens blur, noise, tone."""
import cv2
import numpy as np


def develop(linear, light, rng, gain=1.0, blur=.5, sharpen=.7, streak=True):
    """Linear RGB float [h, w, 3] -> uint8 RGB."""
    x = np.nan_to_num(linear * (light.exposure * gain), nan=0.0, posinf=40.0)
    h, w = x.shape[:2]
    bright = np.clip(x - 1.4, 0, 25)
    if bright.max() > 0:
        s = cv2.resize(bright, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        glow = sum(k * cv2.GaussianBlur(s, (0, 0), sg) for k, sg in ((.22, 1.5), (.14, 5.0), (.05, 16.0)))
        if light.night and streak:
            glow += .05 * cv2.blur(s, (1, 31))
        x = x + cv2.resize(glow, (w, h), interpolation=cv2.INTER_LINEAR)
    if light.rain > 0:  # falling drops: thin bright lines, veil
        n = int(260 * light.rain)
        layer = np.zeros((h, w), np.float32)
        xs, ys, ln = rng.uniform(0, w, n), rng.uniform(-30, h, n), rng.uniform(6, 26, n)
        for a, b, l in zip(xs, ys, ln):
            cv2.line(layer, (int(a), int(b)), (int(a - l * .12), int(b + l)), float(rng.uniform(.3, 1)), 1, cv2.LINE_AA)
        layer = cv2.GaussianBlur(layer, (3, 3), 0)
        x = x * (1 - .06 * light.rain) + layer[..., None] * .10 * (light.exposure * float(np.mean(light.horizon)))
    a = 2.51 * x * x + .03 * x                      # filmic curve (Narkowicz 2015)
    y = np.clip(a / (2.43 * x * x + .59 * x + .14), 0, 1) ** (1 / 2.2)
    yy, xx = np.mgrid[-1:1:h * 1j, -1:1:w * 1j]
    y = y * (1 - .10 * (xx * xx + yy * yy) / 2)[..., None]
    if blur > 0:
        y = cv2.GaussianBlur(y.astype(np.float32), (0, 0), blur)
    if sharpen > 0:  # surveillance cameras sharpen, with overshoot at edges
        y = np.clip(y + sharpen * (y - cv2.GaussianBlur(y, (0, 0), 1.3)), 0, 1)
    y = y * 255
    sigma = light.noise * (.6 + .8 * (1 - y.mean(-1, keepdims=True) / 255))
    lum = rng.standard_normal((h, w, 1), dtype=np.float32)
    chroma = cv2.GaussianBlur(rng.standard_normal((h, w, 3), dtype=np.float32), (0, 0), 1.0)
    return np.clip(y + sigma * (lum + .8 * chroma) + .5, 0, 255).astype(np.uint8)

"""The picture maker: a small rasteriser on OpenGL (software is enough: Mesa's llvmpipe through EGL).

The street is rendered once for a light and a camera: light from sky and lamps in one texture, sunlight
in another, depth, ambient occlusion. A frame then costs a shadow map of what moves, one pass that
darkens the street with it, and the moving objects. Everything is drawn at twice the size and averaged.
A second target holds the number of the object behind each pixel: boxes come from there.
"""
import cv2
import moderngl
import numpy as np

from . import shaders, street
from .mesh import translate

SS = 2            # supersampling
TILE = 32         # edge of the tiles that measure an object's whole silhouette
TILES = 16
STATIC_SHADOW, DYN_SHADOW = 4096, 2048
SHADOW_REACH = 75.0   # half edge of the shadowed square, metres


class Light:
    """One sky: directions and colours are linear."""

    def __init__(self, azimuth=200, elevation=48, sun=(3.1, 2.9, 2.55), zenith=(.42, .62, 1.0), horizon=(.95, 1.0, 1.05), bounce=(.34, .32, .30),
                 haze=(.80, .86, .92), haze_density=.0032, cloud=.45, night=False, wet=0.0, exposure=.62, head=0.0, lamp=(9.0, 6.6, 3.8), rain=0.0, noise=1.6):
        a, e = np.radians([azimuth, elevation])
        self.dir = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
        self.sun, self.zenith, self.horizon, self.bounce, self.haze = sun, zenith, horizon, bounce, haze
        self.haze_density, self.cloud, self.night, self.wet = haze_density, cloud, night, wet
        self.exposure, self.head, self.lamp, self.rain, self.noise = exposure, head, lamp, rain, noise


LIGHTS = {
    "day": dict(),
    "noon": dict(azimuth=240, elevation=72, exposure=.56),
    "morning": dict(azimuth=188, elevation=27, sun=(3.3, 2.6, 1.8), horizon=(1.05, .98, .86), haze=(.9, .86, .78)),
    "overcast": dict(elevation=60, sun=(.5, .5, .5), zenith=(.95, 1.0, 1.06), horizon=(1.1, 1.12, 1.14), bounce=(.42, .42, .42), cloud=.95, exposure=.66, haze_density=.0032),
    "rain": dict(elevation=60, sun=(.12, .12, .12), zenith=(.55, .60, .66), horizon=(.72, .76, .80), bounce=(.26, .27, .28), haze=(.62, .66, .70), haze_density=.009,
                 cloud=1.0, wet=1.0, head=.35, exposure=.95, rain=1.0, noise=2.2),
    "dusk": dict(azimuth=-150, elevation=7, sun=(.35, .20, .12), zenith=(.20, .26, .42), horizon=(.55, .45, .42), bounce=(.14, .13, .13), haze=(.42, .38, .40), haze_density=.005,
                 cloud=.6, head=.6, exposure=1.35, night=True, lamp=(22, 16, 9.5), noise=2.4),
    "wet_dusk": dict(elevation=20, sun=(.02, .02, .02), zenith=(.20, .25, .33), horizon=(.34, .38, .44), bounce=(.12, .12, .13), haze=(.30, .33, .38), haze_density=.008,
                     cloud=1.0, wet=1.0, head=.8, exposure=1.35, night=True, lamp=(28, 21, 13), rain=.7, noise=2.8),
    "night": dict(elevation=40, sun=(.02, .022, .03), zenith=(.010, .013, .024), horizon=(.030, .028, .030), bounce=(.012, .011, .010), haze=(.035, .03, .028), haze_density=.004,
                  cloud=.4, head=1.0, exposure=1.5, night=True, lamp=(95, 68, 38), noise=3.4),
}


class Renderer:
    """Holds the GL context, the models and one street; set a camera and a light, then draw frames."""

    def __init__(self, models, size, street_seed):
        self.ctx = moderngl.create_context(standalone=True, backend="egl", require=330)
        self.models = models
        self.size = size
        c = self.ctx
        P = lambda vs, fs: c.program(vertex_shader=vs, fragment_shader=fs)
        S = shaders
        self.p_static, self.p_sky, self.p_ao = P(S.STATIC_VS, S.STATIC_FS), P(S.FULL_VS, S.SKY_FS), P(S.FULL_VS, S.AO_FS)
        self.p_obj = P(S.OBJ_VS, S.OBJ_FS)
        # two programs: a software rasteriser runs both sides of a branch
        self.p_dry, self.p_wet = P(S.FULL_VS, S.COMPOSITE_FS), P(S.FULL_VS, S.COMPOSITE_FS.replace("#version 330\n", "#version 330\n#define WET\n"))
        self.p_depth, self.p_sdepth = P(S.OBJ_VS, S.DEPTH_FS), P(S.STATIC_VS, S.DEPTH_FS)
        self.p_tile, self.p_decal, self.p_res = P(S.OBJ_VS, S.TILE_FS), P(S.DECAL_VS, S.DECAL_FS), P(S.FULL_VS, S.RESOLVE_FS)
        quad = c.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], "f4"))
        self.full = {p: c.vertex_array(p, [(quad, "2f", "in_pos")]) for p in (self.p_sky, self.p_ao, self.p_dry, self.p_wet, self.p_res, self.p_decal)}
        self._load_models()
        self._load_street(street_seed)
        w, h = size[0] * SS, size[1] * SS
        self.w, self.h = w, h
        T = lambda k, dt, sz=(w, h): c.texture(sz, k, dtype=dt)
        self.texA, self.texS, self.depthS = T(4, "f2"), T(4, "f2"), c.depth_texture((w, h))
        for t in (self.texA, self.texS):
            t.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.depthS.compare_func, self.depthS.filter = "", (moderngl.NEAREST, moderngl.NEAREST)
        self.fbStatic = c.framebuffer([self.texA, self.texS], self.depthS)
        self.aoTex = T(1, "f1")
        self.fbAo = c.framebuffer([self.aoTex])
        self.aoDyn = None
        self.colour, self.ids, depth = T(4, "f2"), T(1, "u2"), c.depth_renderbuffer((w, h))
        self.fbFrame, self.fbColour, self.fbIds = c.framebuffer([self.colour, self.ids], depth), c.framebuffer([self.colour], depth), c.framebuffer([self.ids])
        rs = (size[0], size[1])
        self.reflStatic, self.reflStaticS = T(4, "f2", rs), T(4, "f2", rs)
        rdepth = c.depth_texture(rs)
        rdepth.compare_func = ""
        self.fbReflStatic = c.framebuffer([self.reflStatic, self.reflStaticS], rdepth)
        self.fbReflSource = c.framebuffer([self.reflStatic], rdepth)
        self.refl = T(4, "f2", rs)
        self.fbRefl = c.framebuffer([self.refl], c.depth_texture(rs))
        self.small = T(4, "f2", size)
        self.fbSmall = c.framebuffer([self.small])
        self.fbTiles = c.framebuffer([T(1, "f1", (TILE * TILES, TILE * TILES))])
        self.mapStatic, self.mapDyn = c.depth_texture((STATIC_SHADOW,) * 2), c.depth_texture((DYN_SHADOW,) * 2)
        for m in (self.mapStatic, self.mapDyn):
            m.compare_func, m.filter = "", (moderngl.NEAREST, moderngl.NEAREST)
        self.fbMapS, self.fbMapD = c.framebuffer([], self.mapStatic), c.framebuffer([], self.mapDyn)
        self._light_key = None

    # ---- data on the GPU
    def _load_models(self):
        c = self.ctx
        layered = [m for m in self.models if m.paint_a is not None]
        for i, m in enumerate(layered):
            m.layer = i
        self.arrA = c.texture_array((512, 512, len(layered)), 4, np.stack([m.paint_a for m in layered]).tobytes())
        self.arrB = c.texture_array((512, 512, len(layered)), 4, np.stack([m.paint_b for m in layered]).tobytes())
        for a in (self.arrA, self.arrB):
            a.build_mipmaps(0, 4)
            a.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.vaos, self.hull = [], []
        for m in self.models:
            entry = {}
            for level in ("fine", "coarse"):
                v = getattr(m, level).vertices()
                rows, idx = np.unique(v.round(5), axis=0, return_inverse=True)
                vb, ib = c.buffer(rows.astype("f4").tobytes()), c.buffer(idx.astype("i4").tobytes())
                fmt = [(vb, "3f 3f 2f 1f 1f", "in_pos", "in_nrm", "in_uv", "in_slot", "in_bone")]
                entry[level] = c.vertex_array(self.p_obj, fmt, ib)
                entry[level + "_depth"] = c.vertex_array(self.p_depth, [(vb, "3f 24x 1f", "in_pos", "in_bone")], ib)
                entry[level + "_tile"] = c.vertex_array(self.p_tile, [(vb, "3f 24x 1f", "in_pos", "in_bone")], ib)
            self.vaos.append(entry)
            s = m.coarse
            pts = np.unique(np.column_stack([s.pos, s.bone]).round(3), axis=0)
            self.hull.append((np.column_stack([pts[:, :3], np.ones(len(pts))]), pts[:, 3].astype(int)))

    def _load_street(self, seed):
        rng = np.random.default_rng(seed)
        c = self.ctx
        v = street.build(rng).vertices()
        vb = c.buffer(v.tobytes())
        self.vStatic = c.vertex_array(self.p_static, [(vb, "3f 3f 3f 1f 2f", "in_pos", "in_nrm", "in_col", "in_mat", "in_uv")])
        self.vStaticDepth = c.vertex_array(self.p_sdepth, [(vb, "3f 36x", "in_pos")])
        self.signTex = c.texture((1024, 256), 3, street.sign_texture(rng).tobytes())
        self.signTex.build_mipmaps()
        self.signTex.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.street_seed = seed

    @staticmethod
    def _set(prog, **kw):
        for k, v in kw.items():
            if k in prog:
                u = prog[k]
                if isinstance(v, np.ndarray):
                    u.write(np.ascontiguousarray(v, "f4").tobytes())
                elif isinstance(v, (tuple, list)):
                    u.value = tuple(float(x) for x in v)
                else:
                    u.value = v

    @staticmethod
    def _gl(m):
        return np.ascontiguousarray(np.asarray(m, "f4").T)

    def _sun_matrix(self, light, cam):
        """Orthographic view from the sun over what the camera sees best."""
        y = np.radians(cam.yaw)
        centre = np.array([cam.pos[0], cam.pos[1], 0]) + np.array([np.cos(y), np.sin(y), 0]) * SHADOW_REACH * .72
        d = light.dir
        right = np.cross([0, 0, 1.0], d)
        right /= np.linalg.norm(right)
        up = np.cross(d, right)
        rot = np.stack([right, up, d])
        m = np.eye(4)
        m[:3, :3] = rot / np.array([SHADOW_REACH, SHADOW_REACH, -150.0])[:, None]
        m[:3, 3] = -(rot @ centre) / np.array([SHADOW_REACH, SHADOW_REACH, -150.0])
        return m

    def look(self, cam, light, seed=0.0):
        """Bakes the street for one camera and light."""
        c = self.ctx
        self.cam, self.light = cam, light
        self.vp, self.inv = cam.view_proj(), np.linalg.inv(cam.view_proj())
        self.sunVP = self._sun_matrix(light, cam)
        lights = []
        if light.night:
            order = sorted(street.lamp_positions(), key=lambda p: np.hypot(p[0] - self.cam.pos[0], p[1] - self.cam.pos[1]))
            lights = [((*p, 1.0), (*light.lamp, 0), (0, 0, 1)) for p in order[:22]]
        self.lights = lights
        self.p_comp = self.p_wet if light.wet > .01 else self.p_dry
        common = dict(camPos=tuple(cam.pos), sunDir=tuple(light.dir), sunCol=light.sun, skyZen=light.zenith, skyHor=light.horizon, bounce=light.bounce,
                      hazeCol=light.haze, hazeDensity=light.haze_density, wet=float(light.wet), seed=float(seed), sunVP=self._gl(self.sunVP),
                      invVP=self._gl(self.inv), vp=self._gl(self.vp))
        for p in (self.p_static, self.p_sky, self.p_ao, self.p_comp, self.p_obj, self.p_decal):
            self._set(p, **common)
            self._set_lights(p, lights)
        for p in (self.p_depth, self.p_sdepth):
            self._set(p, vp=self._gl(self.sunVP), mirror=0.0, crop=(1, 1, 0, 0))
        # shadows of the street
        c.enable(moderngl.DEPTH_TEST)
        c.disable(moderngl.BLEND)
        self.fbMapS.use()
        self.fbMapS.clear(depth=1.0)
        if max(light.sun) > .05:
            self.vStaticDepth.render()
        lit = 1.0 if light.night else .12
        self._set(self.p_static, lit=lit, night=float(light.night), mirror=0.0, staticMap=0, signTex=1)
        self._set(self.p_sky, cover=float(light.cloud))
        self.mapStatic.use(0)
        self.signTex.use(1)
        self.fbStatic.use()
        self.fbStatic.clear(0, 0, 0, 0, depth=1.0)
        c.disable(moderngl.DEPTH_TEST)
        self.full[self.p_sky].render(moderngl.TRIANGLE_STRIP)
        c.enable(moderngl.DEPTH_TEST)
        self.vStatic.render()
        if light.wet > .01:
            self.fbReflStatic.use()
            self.fbReflStatic.clear(*light.horizon, 1.0, depth=1.0)
            self._set(self.p_static, mirror=1.0)
            self.vStatic.render()
        self.fbAo.use()
        c.disable(moderngl.DEPTH_TEST)
        self.depthS.use(2)
        self._set(self.p_ao, depthTex=2, texel=(1 / self.w, 1 / self.h), focal=float(cam.focal * SS))
        self.full[self.p_ao].render(moderngl.TRIANGLE_STRIP)
        ao = np.frombuffer(self.fbAo.read(components=1), np.uint8).reshape(self.h, self.w)
        ao = cv2.GaussianBlur(cv2.bilateralFilter(ao, 7, 40, 4), (5, 5), 1.2)
        self.aoTex.write(ao.tobytes())

    def _set_lights(self, prog, lights):
        pos, col, dr = np.zeros((28, 4), "f4"), np.zeros((28, 4), "f4"), np.zeros((28, 3), "f4")
        for i, (p, k, d) in enumerate(lights[:28]):
            pos[i], col[i], dr[i] = p, k, d
        self._set(prog, nLights=len(lights[:28]))
        if "lPos" in prog:
            self._set(prog, lPos=pos, lCol=col)
            if "lDir" in prog:
                self._set(prog, lDir=dr)

    def box(self, obj):
        """Amodal box in pixels (float, may leave the picture), or None behind the camera."""
        pts, bone = self.hull[obj.model_index]
        m = obj.matrix() @ obj.bones()
        w = np.einsum("nij,nj->ni", m[bone], pts)[:, :3]
        uv, z = self.cam.project(w)
        if (z < self.cam.near).any():
            return None
        lo, hi = uv.min(0), uv.max(0)
        return np.array([lo[0], lo[1], hi[0], hi[1]])

    # ---- one frame
    def frame(self, objects, t=0.0, sun_scale=1.0, decals=True, measure=True):
        """Draws objects (anything with model_index, matrix(), bones(), palette, ...).

        Returns the linear picture [h, w, 3], and per object (visible box, amodal box, visible pixels, whole silhouette pixels) or None.
        """
        c = self.ctx
        light = self.light
        night = light.night
        drawn = []
        for i, o in enumerate(objects):
            b = self.box(o)
            W, H = self.size
            if b is None:
                vis = False
                near = np.hypot(*(o.xy - self.cam.pos[:2])) < 30
            else:
                vis = b[2] > 0 and b[0] < W and b[3] > 0 and b[1] < H
                near = b[2] > -W * .5 and b[0] < W * 1.5 and b[3] > -H and b[1] < H * 1.6
            if vis or near:
                drawn.append((i, o, b, vis))
        drawn.sort(key=lambda e: np.hypot(*(e[1].xy - self.cam.pos[:2])))   # near first: hidden pixels are never shaded
        mats = {i: (self._gl(o.matrix()), np.ascontiguousarray(o.bones().transpose(0, 2, 1).astype("f4"))) for i, o, _, _ in drawn}

        def place(prog, i):
            m, bones = mats[i]
            prog["model"].write(m.tobytes())
            prog["bones"].write(bones.tobytes())

        c.disable(moderngl.BLEND)
        c.enable(moderngl.DEPTH_TEST)
        self.fbMapD.use()
        self.fbMapD.clear(depth=1.0)
        if max(light.sun) > .05:
            for i, o, b, vis in drawn:
                place(self.p_depth, i)
                self.vaos[o.model_index]["coarse_depth"].render()

        def shade(mirror, prog_vaos):
            self._set(self.p_obj, texA=3, texB=4, staticMap=5, dynMap=6, mirror=float(mirror), sunScale=float(sun_scale), crop=(1, 1, 0, 0))
            self.arrA.use(3), self.arrB.use(4), self.mapStatic.use(5), self.mapDyn.use(6)
            for i, o, b, vis in drawn:
                if not vis and not mirror:
                    continue
                place(self.p_obj, i)
                ln = sorted(self.lights, key=lambda q: np.hypot(q[0][0] - o.xy[0], q[0][1] - o.xy[1]))[:4] if night else []
                if night and light.head > .3:
                    ln = ln + self._beams(o, objects)
                if night:
                    self._set_lights(self.p_obj, ln)
                head = light.head if o.lamps_on else 0.0
                self._set(self.p_obj, headOn=float(head), tailOn=float(.8 * (light.head > .2 and o.lamps_on)), brake=float(o.brake), layer=float(self.models[o.model_index].layer), dirt=float(o.dirt))
                self.p_obj["fwd"].value = (float(np.cos(o.yaw)), float(np.sin(o.yaw)), -.03)
                self.p_obj["pal"].write(o.palette.astype("f4").tobytes())
                if "id" in self.p_obj:
                    self.p_obj["id"].value = i + 1
                big = b is None or (b[3] - b[1]) > 34
                self.vaos[o.model_index]["fine" if big and not mirror else "coarse"].render()

        if light.wet > .01:
            c.copy_framebuffer(self.fbRefl, self.fbReflSource)
            self.fbRefl.use()
            shade(1, None)
        # the street, darkened by what moves
        self.fbColour.use()
        c.depth_func = "1"
        self.texA.use(0), self.texS.use(1), self.depthS.use(2), self.aoTex.use(7), self.mapDyn.use(6), self.refl.use(8)
        self._set(self.p_comp, texA=0, texS=1, depthTex=2, aoTex=7, dynMap=6, reflTex=8, sunScale=float(sun_scale), time=float(t % 7.0) if light.rain else 0.0)
        self.full[self.p_comp].render(moderngl.TRIANGLE_STRIP)
        c.depth_func = "<="
        # soft contact shadows and head lamp pools
        c.enable(moderngl.BLEND)
        self.fbColour.depth_mask = False
        if decals:
            for i, o, b, vis in drawn:
                l, w, _ = self.models[o.model_index].size
                person = self.models[o.model_index].label == "person"
                m = o.ground_matrix() @ translate(0, 0, .022) @ np.diag([l / 2 + (.25 if person else .45), w / 2 + (.25 if person else .40), 1, 1])
                c.blend_func = moderngl.DST_COLOR, moderngl.ZERO
                self._set(self.p_decal, model=self._gl(m), kind=0, soft=(min(.9, 1.1 / (l / 2 + .45)), min(.9, .8 / (w / 2 + .4))), colour=(.62 if not person else .45, 0, 0))
                self.full[self.p_decal].render(moderngl.TRIANGLE_STRIP)
            if night and light.head > .3:
                c.blend_func = moderngl.ONE, moderngl.ONE
                for i, o, b, vis in drawn:
                    if not self.models[o.model_index].head or not o.lamps_on:
                        continue
                    l = self.models[o.model_index].size[0]
                    bike = self.models[o.model_index].label == "motorcycle"
                    reach, half = (11.0, 2.2) if bike else (18.0, 4.0)
                    k = light.head * (.30 if bike else .55)
                    m = o.ground_matrix() @ translate(l / 2 + reach / 2, 0, .03) @ np.diag([reach / 2, half, 1, 1])
                    self._set(self.p_decal, model=self._gl(m), kind=1, soft=(1, 1), colour=(k, k * .92, k * .75))
                    self.full[self.p_decal].render(moderngl.TRIANGLE_STRIP)
        c.disable(moderngl.BLEND)
        self.fbColour.depth_mask = True
        self.fbIds.clear()
        self.fbFrame.use()
        shade(0, None)
        # average and read
        self.fbSmall.use()
        c.disable(moderngl.DEPTH_TEST)
        self.colour.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self.colour.use(0)
        self._set(self.p_res, src=0, texel=(1 / self.w, 1 / self.h))
        self.full[self.p_res].render(moderngl.TRIANGLE_STRIP)
        img = np.frombuffer(self.fbSmall.read(components=3, dtype="f2"), np.float16).reshape(self.size[1], self.size[0], 3)[::-1].astype(np.float32)
        if not measure:
            return img, None
        ids = np.frombuffer(self.ids.read(), np.uint16).reshape(self.h, self.w)[::-1]
        return img, self._measure(objects, drawn, place, ids)

    def _beams(self, o, objects):
        """Head lamps of others that fall on this object; two at most."""
        out = []
        for q in objects:
            m = self.models[q.model_index]
            if q is o or not m.head or not q.lamps_on:
                continue
            d = o.xy - q.xy
            r = np.hypot(*d)
            f = np.array([np.cos(q.yaw), np.sin(q.yaw)])
            if r < 22 and d @ f > r * .9:
                k = self.light.head * (26 if m.label != "motorcycle" else 10)
                p = q.xy + f * m.size[0] / 2
                out.append((r, ((p[0], p[1], .8, 2.0), (k, k * .93, k * .78, .86), (f[0], f[1], -.04))))
        return [x for _, x in sorted(out, key=lambda e: e[0])[:2]]

    def _measure(self, objects, drawn, place, ids):
        W, H = self.size
        c = self.ctx
        vis = [(i, o, b) for i, o, b, v in drawn if v and b is not None][: TILES * TILES]
        out = [None] * len(objects)
        self.fbTiles.use()
        self.fbTiles.clear()
        self._set(self.p_tile, vp=self._gl(self.vp), mirror=0.0)
        clipped = []
        for k, (i, o, b) in enumerate(vis):
            x0, y0, x1, y1 = max(b[0], 0), max(b[1], 0), min(b[2], W), min(b[3], H)
            clipped.append((x0, y0, x1, y1))
            w, h = max(x1 - x0, .5), max(y1 - y0, .5)
            sx, sy = W / w, H / h
            cx, cy = ((x0 + x1) / W - 1), (1 - (y0 + y1) / H)
            self.p_tile["crop"].value = (sx, sy, -cx * sx, -cy * sy)
            place(self.p_tile, i)
            c.viewport = ((k % TILES) * TILE, (k // TILES) * TILE, TILE, TILE)
            self.vaos[o.model_index]["fine_tile" if b[3] - b[1] > 90 else "coarse_tile"].render()
        full = np.frombuffer(self.fbTiles.read(components=1), np.uint8).reshape(TILE * TILES, TILE * TILES)
        cover = (full.reshape(TILES, TILE, TILES, TILE) > 127).mean((1, 3))
        c.viewport = (0, 0, self.w, self.h)
        for k, (i, o, b) in enumerate(vis):
            x0, y0, x1, y1 = clipped[k]
            whole = cover[k // TILES, k % TILES] * (x1 - x0) * (y1 - y0)
            X0, Y0 = max(int(x0 * SS) - 3, 0), max(int(y0 * SS) - 3, 0)
            sub = ids[Y0:int(y1 * SS) + 4, X0:int(x1 * SS) + 4] == i + 1
            n = int(sub.sum())
            if n == 0:
                out[i] = (None, b, 0.0, whole)
                continue
            ys, xs = np.flatnonzero(sub.any(1)), np.flatnonzero(sub.any(0))
            box = np.array([X0 + xs[0], Y0 + ys[0], X0 + xs[-1] + 1, Y0 + ys[-1] + 1]) / SS
            out[i] = (box, b, n / SS ** 2, whole)
        return out

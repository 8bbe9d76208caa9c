//! Test clips made on the spot: solid rectangles that move over dark grey, drawn by us and encoded by
//! GStreamer. A colour threshold finds them again, and [`Scene::at`] says where they truly are.
// Each test binary uses its part; helpers panic as tests do, and wait by the real clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

/// Colours far apart in any colour space, and from the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
    Blue,
}

impl Colour {
    /// In RGB. Not fully saturated, so that coding clips nothing.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [220, 30, 30],
            Self::Green => [30, 200, 30],
            Self::Blue => [40, 40, 230],
        }
    }
}

/// The background in RGB.
pub const BACKGROUND: [u8; 3] = [48, 48, 48];

/// A rectangle that goes straight from one place to another.
#[derive(Debug, Clone)]
pub struct Mover {
    pub colour: Colour,
    /// Width and height in pixels.
    pub size_px: (u32, u32),
    /// Where its centre starts, normalised to the picture.
    pub from: (f64, f64),
    /// Where its centre ends. Outside of 0..1 it leaves the picture.
    pub to: (f64, f64),
    /// When it appears at `from`, in seconds of the clip.
    pub start_s: f64,
    /// When it arrives at `to` and vanishes.
    pub end_s: f64,
}

/// What a clip shows.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Later ones hide earlier ones.
    pub objects: Vec<Mover>,
}

/// An object's place in one picture, in pixels, clipped to the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub colour: Colour,
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Scene {
    /// One object of each colour crossing the picture to the right, to the left and downwards, all the time.
    pub fn crossing(seconds: f64) -> Self {
        let mover = |colour, from, to| Mover { colour, size_px: (48, 32), from, to, start_s: 0.0, end_s: seconds };
        Self {
            objects: vec![
                mover(Colour::Red, (0.1, 0.3), (0.9, 0.3)),
                mover(Colour::Green, (0.9, 0.7), (0.1, 0.7)),
                mover(Colour::Blue, (0.5, 0.1), (0.5, 0.9)),
            ],
        }
    }

    /// The truth at a time. Edges are even, so that subsampled chroma is exact.
    pub fn at(&self, seconds: f64, width: u32, height: u32) -> Vec<Place> {
        let visible = |mover: &&Mover| (mover.start_s..mover.end_s).contains(&seconds);
        let place = |mover: &Mover| {
            let part = (seconds - mover.start_s) / (mover.end_s - mover.start_s);
            let edges = |from: f64, to: f64, size: u32, side: u32| {
                let low = (from + (to - from) * part) * f64::from(side) - f64::from(size) / 2.0;
                let low = ((low / 2.0).round() * 2.0) as i64;
                let clip = |edge: i64| edge.clamp(0, i64::from(side)) as u32;
                (clip(low), clip(low + i64::from(size & !1)))
            };
            let (x0, x1) = edges(mover.from.0, mover.to.0, mover.size_px.0, width);
            let (y0, y1) = edges(mover.from.1, mover.to.1, mover.size_px.1, height);
            let place = Place { colour: mover.colour, x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
            (place.width > 0 && place.height > 0).then_some(place)
        };
        self.objects.iter().filter(visible).filter_map(place).collect()
    }

    /// One picture in I420 (BT.601, limited range), rows without padding.
    pub fn draw(&self, seconds: f64, width: u32, height: u32) -> Vec<u8> {
        let (w, h) = (width as usize, height as usize);
        let (chroma_w, chroma_h) = (w.div_ceil(2), h.div_ceil(2));
        let [y, u, v] = yuv(BACKGROUND);
        let mut luma = vec![y; w * h];
        let mut chroma = [vec![u; chroma_w * chroma_h], vec![v; chroma_w * chroma_h]];
        for place in self.at(seconds, width, height) {
            let [y, u, v] = yuv(place.colour.rgb());
            let (x0, y0) = (place.x as usize, place.y as usize);
            let (x1, y1) = (x0 + place.width as usize, y0 + place.height as usize);
            for row in y0..y1 {
                luma[row * w + x0..row * w + x1].fill(y);
            }
            for (plane, value) in chroma.iter_mut().zip([u, v]) {
                for row in y0 / 2..y1.div_ceil(2) {
                    plane[row * chroma_w + x0 / 2..row * chroma_w + x1.div_ceil(2)].fill(value);
                }
            }
        }
        let [u, v] = chroma;
        [luma, u, v].concat()
    }
}

/// ITU-R BT.601, limited range.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
    let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
    let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
    [y, u, v].map(|value| value.round() as u8)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipCodec {
    H264,
    H265,
    Mjpeg,
    Mpeg4,
    /// One that nobody serves.
    Vp8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Mp4,
    Matroska,
    Ts,
    Avi,
    /// The bare stream in byte-stream form, for H.264 and H.265.
    Bare,
}

/// How a clip is encoded.
#[derive(Debug, Clone)]
pub struct ClipSpec {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub seconds: f64,
    pub codec: ClipCodec,
    pub container: Container,
    /// B-frames between two others (H.264, H.265).
    pub bframes: u32,
    /// Frames from keyframe to keyframe.
    pub key_int: u32,
}

impl Default for ClipSpec {
    fn default() -> Self {
        Self {
            width: 320,
            height: 240,
            fps: 25,
            seconds: 2.0,
            codec: ClipCodec::H264,
            container: Container::Mp4,
            bframes: 0,
            key_int: 25,
        }
    }
}

impl ClipSpec {
    pub fn frames(&self) -> u64 {
        (self.seconds * f64::from(self.fps)).round() as u64
    }

    fn launch(&self) -> String {
        let Self { key_int, bframes, .. } = self;
        let encode = match self.codec {
            ClipCodec::H264 => format!(
                "x264enc speed-preset=veryfast bitrate=3000 key-int-max={key_int} bframes={bframes} \
                 b-adapt=false option-string=scenecut=0 ! h264parse"
            ),
            ClipCodec::H265 => format!(
                "x265enc speed-preset=ultrafast bitrate=3000 key-int-max={key_int} \
                 option-string=bframes={bframes}:scenecut=0:open-gop=0:log-level=error ! h265parse"
            ),
            ClipCodec::Mjpeg => "jpegenc quality=90 ! jpegparse".to_owned(),
            ClipCodec::Mpeg4 => format!("avenc_mpeg4 bitrate=3000000 gop-size={key_int} ! mpeg4videoparse"),
            ClipCodec::Vp8 => format!("vp8enc deadline=1 keyframe-max-dist={key_int}"),
        };
        let mux = match self.container {
            Container::Mp4 => "mp4mux",
            Container::Matroska => "matroskamux",
            Container::Ts => "mpegtsmux",
            Container::Avi => "avimux",
            Container::Bare if self.codec == ClipCodec::H265 => "video/x-h265,stream-format=byte-stream,alignment=au",
            Container::Bare => "video/x-h264,stream-format=byte-stream,alignment=au",
        };
        format!("appsrc name=frames ! {encode} ! {mux} ! filesink name=file")
    }

    fn file_name(&self, name: &str) -> String {
        let extension = match self.container {
            Container::Mp4 => "mp4",
            Container::Matroska => "mkv",
            Container::Ts => "ts",
            Container::Avi => "avi",
            Container::Bare if self.codec == ClipCodec::H265 => "265",
            Container::Bare => "264",
        };
        format!("{name}.{extension}")
    }
}

/// Encodes a scene into `dir/name.EXTENSION`. Panics with GStreamer's words when it cannot.
pub fn make(dir: &Path, name: &str, spec: &ClipSpec, scene: &Scene) -> PathBuf {
    let path = dir.join(spec.file_name(name));
    encode(&spec.launch(), &path, spec, scene);
    path
}

/// A scene as JPEG pictures.
pub fn jpegs(spec: &ClipSpec, scene: &Scene) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let launch = "appsrc name=frames ! jpegenc quality=90 ! multifilesink name=file";
    encode(launch, &dir.path().join("%05d.jpg"), spec, scene);
    let path = |number| dir.path().join(format!("{number:05}.jpg"));
    (0..spec.frames()).map(|number| std::fs::read(path(number)).unwrap()).collect()
}

/// Draws a scene into `launch`, whose sink writes to `path`.
fn encode(launch: &str, path: &Path, spec: &ClipSpec, scene: &Scene) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path.to_str().unwrap());
    let source = pipeline.by_name("frames").unwrap().downcast::<AppSrc>().unwrap();
    let rate = gst::Fraction::new(spec.fps as i32, 1);
    source.set_caps(Some(
        &gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", spec.width as i32)
            .field("height", spec.height as i32)
            .field("framerate", rate)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("interlace-mode", "progressive")
            .field("colorimetry", "bt601")
            .build(),
    ));
    source.set_format(gst::Format::Time);
    source.set_block(true);
    source.set_max_bytes(16 << 20);
    pipeline.set_state(gst::State::Playing).unwrap();
    for frame in 0..spec.frames() {
        let seconds = frame as f64 / f64::from(spec.fps);
        let mut buffer = gst::Buffer::from_mut_slice(scene.draw(seconds, spec.width, spec.height));
        let time = |frame: u64| gst::ClockTime::from_nseconds(frame * 1_000_000_000 / u64::from(spec.fps));
        let meta = buffer.get_mut().unwrap();
        meta.set_pts(time(frame));
        meta.set_duration(time(frame + 1) - time(frame));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let bus = pipeline.bus().unwrap();
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error]);
    let _ = pipeline.set_state(gst::State::Null);
    if let gst::MessageView::Error(error) = end.expect("encoding took over a minute").view() {
        panic!("{spec:?}: {} {:?}", error.error(), error.debug());
    }
}

/// The bounding box of a colour in an RGB picture (rows of `width * 3` bytes): the tiny colour detector.
pub fn find(rgb: &[u8], width: u32, colour: Colour) -> Option<Place> {
    let want = colour.rgb().map(i32::from);
    let mut bounds: Option<(u32, u32, u32, u32)> = None;
    for (index, pixel) in rgb.chunks_exact(3).enumerate() {
        let distance: i32 = pixel.iter().zip(want).map(|(&have, want)| (i32::from(have) - want).abs()).sum();
        if distance < 100 {
            let (x, y) = (index as u32 % width, index as u32 / width);
            let (x0, y0, x1, y1) = bounds.unwrap_or((x, y, x, y));
            bounds = Some((x0.min(x), y0.min(y), x1.max(x), y1.max(y)));
        }
    }
    bounds.map(|(x0, y0, x1, y1)| Place { colour, x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 })
}

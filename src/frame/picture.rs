//! A decoded picture: a reference to the decoder's own buffer, never a copy.
//!
//! A [`Picture`] holds the buffer and its description, not a mapping: a picture that is dropped in the
//! ring never pays for one. Whoever reads the pixels maps it for as long as that takes.

use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::{Colour, Matrix, Plane, PlaneFormat, Planes, Range, Rotation};
use crate::base::{CaptureTime, Error, ErrorKind, FrameSeq, MediaTime, Result, RunId, Timestamp};

/// One decoded frame on its way to the detector.
#[derive(Debug)]
pub struct Frame {
    /// The unbroken connection it belongs to.
    pub run: RunId,
    /// Its place among the decoded pictures of the run, from 0, in display order.
    pub seq: FrameSeq,
    /// Place on the camera's timeline.
    pub at: MediaTime,
    /// When it was taken.
    pub capture: CaptureTime,
    /// When it was taken as far as its arrival tells; the capture time itself for a recording.
    pub by_arrival: Timestamp,
    /// When the access unit's last packet reached the decoder.
    pub arrived: Instant,
    /// The pixels.
    pub picture: Picture,
}

/// A reference to a decoder buffer with what is needed to read it.
#[derive(Debug, Clone)]
pub struct Picture {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
    layout: PictureLayout,
}

/// What all pictures between two caps events share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLayout {
    /// Sample layout.
    pub format: PlaneFormat,
    /// Matrix and range.
    pub colour: Colour,
    /// The turn still to be applied for display.
    pub rotation: Rotation,
}

impl Picture {
    /// The raw formats that [`PictureLayout`] understands, for the decoder's output caps.
    pub const FORMATS: [&str; 8] = ["I420", "NV12", "NV21", "Y42B", "Y444", "GRAY8", "I420_10LE", "I422_10LE"];

    /// Wraps a decoder buffer.
    #[must_use]
    pub fn new(buffer: gst::Buffer, info: gst_video::VideoInfo, layout: PictureLayout) -> Self {
        Self { buffer, info, layout }
    }

    /// The turn that its pixels still need to be upright.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.layout.rotation
    }

    /// Size as displayed, pixels.
    #[must_use]
    pub fn displayed_size(&self) -> (usize, usize) {
        self.layout.rotation.turned((self.info.width() as usize, self.info.height() as usize))
    }

    /// Maps the picture and lends its planes to `read`.
    ///
    /// # Errors
    /// When the buffer cannot be mapped or does not hold the picture that its caps describe.
    pub fn read<T>(&self, read: impl FnOnce(&Planes<'_>) -> T) -> Result<T> {
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&self.buffer, &self.info)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "cannot map a decoded picture").source(error))?;
        let mut planes = [Plane { data: &[], stride: 0 }; 3];
        let count = self.layout.format.plane_count();
        for (index, plane) in planes.iter_mut().take(count).enumerate() {
            let data = frame
                .plane_data(index as u32)
                .map_err(|error| Error::new(ErrorKind::Corrupt, "a decoded picture lacks a plane").source(error))?;
            let stride = frame.plane_stride().get(index).and_then(|s| usize::try_from(*s).ok()).unwrap_or(0);
            *plane = Plane { data, stride };
        }
        let size = (self.info.width() as usize, self.info.height() as usize);
        let planes = Planes::new(
            size,
            self.layout.format,
            planes.get(..count).unwrap_or(&planes),
            self.layout.colour,
            self.layout.rotation,
        )?;
        Ok(read(&planes))
    }
}

impl PictureLayout {
    /// The layout that decoder caps describe.
    ///
    /// `tagged` says whether the stream itself carries its colour description; GStreamer fills in a
    /// default otherwise, which is not ours: [`Matrix::default_for`] the height, limited range.
    ///
    /// # Errors
    /// `Unsupported` for a sample layout outside [`Picture::FORMATS`].
    pub fn from_info(
        info: &gst_video::VideoInfo,
        tagged: bool,
        matrix: Option<Matrix>,
        range: Option<Range>,
        rotation: Rotation,
    ) -> Result<Self> {
        use gst_video::{VideoColorMatrix as M, VideoColorRange as R, VideoFormat as F};
        let format = match info.format() {
            F::I420 => PlaneFormat::I420,
            F::Nv12 => PlaneFormat::Nv12,
            F::Nv21 => PlaneFormat::Nv21,
            F::Y42b => PlaneFormat::Y42b,
            F::Y444 => PlaneFormat::Y444,
            F::Gray8 => PlaneFormat::Gray8,
            F::I42010le => PlaneFormat::I420P10Le,
            F::I42210le => PlaneFormat::I422P10Le,
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the decoder gives {} pictures, which are not handled", other.to_str()),
                )
                .help("set the camera to 8-bit 4:2:0"));
            }
        };
        let colorimetry = info.colorimetry();
        let stream_matrix = match colorimetry.matrix() {
            M::Bt601 if tagged => Some(Matrix::Bt601),
            M::Bt709 if tagged => Some(Matrix::Bt709),
            M::Bt2020 if tagged => Some(Matrix::Bt2020),
            _ => None,
        };
        let stream_range = if colorimetry.range() == R::Range0_255 { Range::Full } else { Range::Limited };
        Ok(Self {
            format,
            colour: Colour {
                matrix: matrix.or(stream_matrix).unwrap_or_else(|| Matrix::default_for(info.height() as usize)),
                range: range.unwrap_or(stream_range),
            },
            rotation,
        })
    }
}

//! The GStreamer graph of one run: source, demuxer or depayloader, parser, decoder, appsink.
//!
//! Built by hand from known parts rather than by `decodebin`: the graph has one streaming thread for a
//! recording, no hidden queues, and the same shape every time.
//!
//! ```text
//! file:  filesrc ─ demuxer ┐
//! rtsp:  rtspsrc ─ depay ──┼─ parser ─(access units)─ decoder ─(pictures)─ appsink
//! mjpeg: souphttpsrc ─ multipartdemux ┘
//! ```

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::controls::{self, Controls};
use super::run::Manner;
use super::tap::Tap;
use super::{Location, Settings, TlsTrust, Transport};
use crate::base::{Error, ErrorKind, Result};
use crate::frame::{Picture, PicturePool};
use crate::media::element::{self, make};
use crate::media::{CODECS, Codec, container};

/// Every GStreamer element that a source may need, with its Debian package.
pub fn elements() -> Vec<(&'static str, &'static str)> {
    let plain = [
        "filesrc",
        "appsink",
        "tsdemux",
        "qtdemux",
        "matroskademux",
        "avidemux",
        "rtspsrc",
        "souphttpsrc",
        "multipartdemux",
        "appsrc",
        "capsfilter",
        "fakesink",
        "filesink",
        "matroskamux",
        "mp4mux",
    ];
    let of_codecs = CODECS.iter().flat_map(|codec| [codec.parser, codec.decoder, codec.depayloader]);
    plain.into_iter().chain(of_codecs).map(|name| (name, element::package(name).unwrap_or_default())).collect()
}

/// A graph, not yet started.
pub struct Graph {
    /// The pipeline.
    pub pipeline: gst::Pipeline,
    /// What the callbacks share.
    pub tap: Arc<Tap>,
}

impl Graph {
    /// Builds the graph for `settings`.
    ///
    /// # Errors
    /// The file is not a video, a stream without times has no `assume_fps`, or a plugin is missing.
    pub fn build(settings: &Settings, tap: &Arc<Tap>, manner: Manner) -> Result<Self> {
        let graph = Self { pipeline: gst::Pipeline::new(), tap: Arc::clone(tap) };
        match &settings.location {
            Location::File(path) => graph.file(path, settings)?,
            Location::Rtsp(url) => graph.rtsp(url.as_str(), settings, manner)?,
            Location::HttpMjpeg(url) => graph.http(url.as_str(), settings)?,
        }
        Ok(graph)
    }

    fn file(&self, path: &std::path::Path, settings: &Settings) -> Result<()> {
        let container = container::sniff(path)?;
        let source = make("filesrc")?;
        source.set_property("location", path);
        if let Some(codec) = container.bare_codec() {
            if settings.assume_fps.is_none() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("{}: the stream carries no times", path.display()),
                )
                .help("give its frame rate: `assume_fps: 25` in the pipeline file, or --assume-fps 25"));
            }
            // Bigger blocks than the default 4 KiB: parsing a bare stream is a pass over bytes.
            source.set_property("blocksize", 65_536_u32);
            self.add(&[&source])?;
            let head = self.chain(codec)?;
            return link(&source, &head);
        }
        let name = container.demuxer().ok_or_else(|| internal(format!("no demuxer for {container:?}")))?;
        let demuxer = make(name)?;
        self.add(&[&source, &demuxer])?;
        link(&source, &demuxer)?;
        self.link_first_video(&demuxer);
        Ok(())
    }

    fn http(&self, url: &str, settings: &Settings) -> Result<()> {
        let source = make("souphttpsrc")?;
        source.set_property("location", url);
        source.set_property("is-live", true);
        source.set_property("do-timestamp", true);
        source.set_property("timeout", 5_u32);
        source.set_property("retries", 0_i32);
        match &settings.tls {
            TlsTrust::System => {}
            TlsTrust::CaFile(path) => source.set_property("tls-database", tls_database(path)?),
            TlsTrust::Any => source.set_property("ssl-strict", false),
        }
        source.set_property("user-agent", USER_AGENT);
        if let Some(credentials) = &settings.credentials {
            source.set_property("user-id", &credentials.username);
            source.set_property("user-pw", credentials.password.expose());
        }
        let demuxer = make("multipartdemux")?;
        self.add(&[&source, &demuxer])?;
        link(&source, &demuxer)?;
        self.link_first_video(&demuxer);
        Ok(())
    }

    fn rtsp(&self, url: &str, settings: &Settings, manner: Manner) -> Result<()> {
        let source = make("rtspsrc")?;
        source.set_property("location", url);
        source.set_property("latency", u32::try_from(settings.latency.as_millis()).unwrap_or(u32::MAX));
        source.set_property_from_str("protocols", if manner.transport == Transport::Udp { "udp" } else { "tcp" });
        source.set_property("tcp-timeout", 5_000_000_u64);
        source.set_property("timeout", 3_000_000_u64);
        source.set_property("teardown-timeout", 100_000_000_u64);
        source.set_property("user-agent", USER_AGENT);
        match &settings.tls {
            TlsTrust::System => {}
            TlsTrust::CaFile(path) => source.set_property("tls-database", tls_database(path)?),
            TlsTrust::Any => source.set_property("tls-validation-flags", gio::TlsCertificateFlags::empty()),
        }
        let (tap, location) = (Arc::clone(&self.tap), settings.location.clone());
        let any = settings.tls == TlsTrust::Any;
        source.connect("accept-certificate", false, move |args| {
            if any {
                return Some(true.to_value());
            }
            // Asked only for a certificate that was found wanting.
            let flags = args.get(3).and_then(|flags| flags.get().ok()).unwrap_or(gio::TlsCertificateFlags::empty());
            tap.fail(super::fault::refused_certificate(&location, flags));
            Some(false.to_value())
        });
        if source.find_property("add-reference-timestamp-meta").is_some() {
            source.set_property("add-reference-timestamp-meta", true);
        }
        if let Some(credentials) = &settings.credentials {
            source.set_property("user-id", &credentials.username);
            source.set_property("user-pw", credentials.password.expose());
        }
        if manner.controls == Controls::Appended {
            let address = url.to_owned();
            source.connect("on-sdp", false, move |args| {
                args.get(1).into_iter().for_each(|description| controls::append(description, &address));
                None
            });
        }
        let tap = Arc::clone(&self.tap);
        source.connect("select-stream", false, move |args| {
            let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
            Some(caps.is_some_and(|caps| tap.offer(&rtp_stream(&caps))).to_value())
        });
        // rtspsrc answers one challenge after the other with the same password, eight times in a dial: cameras
        // lock accounts for less. OPTIONS, DESCRIBE, an answer and one stale nonce make four requests.
        let (tap, sent) = (Arc::clone(&self.tap), std::sync::atomic::AtomicU32::new(0));
        source.connect("before-send", false, move |_| {
            let before = sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let refused = before >= REQUESTS_BEFORE_STREAMS && !tap.was_offered();
            if refused {
                tap.fail(super::fault::refused_credentials());
            }
            Some((!refused).to_value())
        });
        self.add(&[&source])?;
        let (pipeline, tap) = (self.pipeline.downgrade(), Arc::clone(&self.tap));
        source.connect_pad_added(move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            let graph = Graph { pipeline, tap: Arc::clone(&tap) };
            if let Err(error) = graph.on_rtp_pad(pad) {
                tap.fail(error);
            }
        });
        Ok(())
    }

    fn on_rtp_pad(&self, pad: &gst::Pad) -> Result<()> {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let stream = rtp_stream(&caps);
        let Some(codec) = stream.codec else { return Ok(()) };
        let depay = make(codec.depayloader)?;
        self.add(&[&depay])?;
        let head = self.chain(codec)?;
        link(&depay, &head)?;
        let sink = static_pad(&depay, "sink")?;
        self.tap.watch_packets(&sink);
        start(&depay)?;
        pad.link(&sink).map(drop).map_err(|e| internal(format!("cannot link {}: {e}", depay.name())))
    }

    /// Links the first video pad of a demuxer when it appears; complains when there is none.
    fn link_first_video(&self, demuxer: &gst::Element) {
        let (pipeline, tap) = (self.pipeline.downgrade(), Arc::clone(&self.tap));
        demuxer.connect_pad_added(move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            let graph = Graph { pipeline, tap: Arc::clone(&tap) };
            let offer = container_stream(&pad.current_caps().unwrap_or_else(|| pad.query_caps(None)));
            // Offered whether it can be decoded or not, so that the error can name it.
            let wanted = tap.offer(&offer);
            let Some(codec) = offer.codec.filter(|_| wanted) else { return };
            let linked = graph.chain(codec).and_then(|head| {
                let sink = static_pad(&head, "sink")?;
                pad.link(&sink).map(drop).map_err(|e| internal(format!("cannot link {}: {e}", codec.name)))
            });
            if let Err(error) = linked {
                tap.fail(error);
            }
        });
        let tap = Arc::clone(&self.tap);
        demuxer.connect_no_more_pads(move |_| tap.no_more_streams());
    }

    /// Adds what an access unit goes through, started and linked; returns the parser at its head.
    fn chain(&self, codec: &Codec) -> Result<gst::Element> {
        if self.tap.decodes() { self.decode_chain(codec) } else { self.keep_chain(codec) }
    }

    /// Parser and an end: the access units are only kept.
    fn keep_chain(&self, codec: &Codec) -> Result<gst::Element> {
        let (parser, sink) = (make(codec.parser)?, make("fakesink")?);
        sink.set_property("sync", false);
        sink.set_property("async", false);
        self.add(&[&parser, &sink])?;
        link_units(&parser, &sink, codec)?;
        let pad = static_pad(&sink, "sink")?;
        self.tap.watch_units(&pad);
        self.tap.watch_tags(&pad);
        for element in [&sink, &parser] {
            start(element)?;
        }
        Ok(parser)
    }

    /// Parser, decoder and appsink.
    fn decode_chain(&self, codec: &Codec) -> Result<gst::Element> {
        let parser = make(codec.parser)?;
        let decoder = make(codec.decoder)?;
        // One thread: frame threads would add a picture of delay each, and the guard hears the decoder's
        // complaints on the streaming thread only.
        for (property, value) in [("max-threads", "1"), ("qos", "false")] {
            if decoder.find_property(property).is_some() {
                decoder.set_property_from_str(property, value);
            }
        }
        element::require("appsink")?;
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .qos(false)
            .enable_last_sample(false)
            .max_buffers(1)
            .caps(&gst_video::VideoCapsBuilder::new().format_list(formats()).build())
            .callbacks(self.tap.callbacks())
            .build();
        let sink_element: &gst::Element = sink.upcast_ref();
        self.add(&[&parser, &decoder, sink_element])?;
        link_units(&parser, &decoder, codec)?;
        link(&decoder, sink_element)?;
        self.tap.watch_units(&static_pad(&decoder, "sink")?);
        let picture_pad = static_pad(sink_element, "sink")?;
        accept_padded_buffers(&picture_pad);
        self.tap.watch_tags(&picture_pad);
        for element in [sink_element, &decoder, &parser] {
            start(element)?;
        }
        Ok(parser)
    }

    fn add(&self, elements: &[&gst::Element]) -> Result<()> {
        self.pipeline.add_many(elements.iter().copied()).map_err(|e| internal(format!("cannot build the graph: {e}")))
    }
}

/// Requests of one dial up to the session description.
const REQUESTS_BEFORE_STREAMS: u32 = 4;

const USER_AGENT: &str = concat!("vantage/", env!("CARGO_PKG_VERSION"));

fn formats() -> impl Iterator<Item = gst_video::VideoFormat> {
    Picture::FORMATS.iter().map(|name| gst_video::VideoFormat::from_string(name))
}

/// Tells the decoder that rows and edges may be padded: it then decodes straight into the buffer that we
/// get. gst-libav copies every picture unless downstream takes `GstVideoMeta` and offers a pool whose
/// buffers it may align; an appsink by itself offers neither.
fn accept_padded_buffers(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        let Some(query) = info.query_mut() else { return gst::PadProbeReturn::Ok };
        let gst::QueryViewMut::Allocation(allocation) = query.view_mut() else { return gst::PadProbeReturn::Ok };
        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        let (caps, _) = allocation.get();
        if let Some(picture) = caps.and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok()) {
            let size = u32::try_from(picture.size()).unwrap_or(u32::MAX);
            allocation.add_allocation_pool(Some(&PicturePool::default()), size, 0, 0);
        }
        gst::PadProbeReturn::Handled
    });
}

/// One stream that a camera or a container offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `video`, `audio`, …
    pub media: String,
    /// RTP encoding name or caps name.
    pub encoding: String,
    /// What decodes it; none for audio and for video that is not handled.
    pub codec: Option<&'static Codec>,
}

fn rtp_stream(caps: &gst::Caps) -> Offer {
    let text = |field: &str| caps.structure(0).and_then(|s| s.get::<String>(field).ok()).unwrap_or_default();
    // A static payload type needs no rtpmap: 26 is JPEG (RFC 3551 §6).
    let payload = caps.structure(0).and_then(|s| s.get::<i32>("payload").ok());
    let encoding = match (text("encoding-name").to_ascii_uppercase(), payload) {
        (name, Some(26)) if name.is_empty() => "JPEG".to_owned(),
        (name, _) => name,
    };
    let media = text("media");
    let codec = Codec::of_rtp(&encoding).filter(|_| media == "video");
    Offer { media, encoding, codec }
}

fn container_stream(caps: &gst::Caps) -> Offer {
    let structure = caps.structure(0);
    let encoding = structure.map_or_else(String::new, |s| s.name().to_string());
    let media = match encoding.split('/').next() {
        Some("image") => "video",
        first => first.unwrap_or_default(),
    };
    Offer { media: media.to_owned(), codec: structure.and_then(Codec::of_structure), encoding }
}

/// The certificates of a PEM file, to vouch for a camera.
fn tls_database(path: &std::path::Path) -> Result<gio::TlsFileDatabase> {
    gio::TlsFileDatabase::new(path).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{}: no certificates can be read from it: {error}", path.display()))
            .help("`tls: {ca_file: …}` names a PEM file; GStreamer's TLS comes with the package glib-networking")
    })
}

/// Links a parser so that one buffer is one access unit.
fn link_units(parser: &gst::Element, next: &gst::Element, codec: &Codec) -> Result<()> {
    if !codec.annex_b {
        return link(parser, next);
    }
    let units = gst::Caps::builder(codec.caps[0]).field("stream-format", "byte-stream").field("alignment", "au");
    parser
        .link_filtered(next, &units.build())
        .map_err(|e| internal(format!("cannot link {} to {}: {e}", codec.parser, next.name())))
}

fn link(a: &gst::Element, b: &gst::Element) -> Result<()> {
    a.link(b).map_err(|e| internal(format!("cannot link {} to {}: {e}", a.name(), b.name())))
}

fn start(element: &gst::Element) -> Result<()> {
    element.sync_state_with_parent().map_err(|e| internal(format!("cannot start {}: {e}", element.name())))
}

fn static_pad(element: &gst::Element, name: &str) -> Result<gst::Pad> {
    element.static_pad(name).ok_or_else(|| internal(format!("{} has no pad {name}", element.name())))
}

fn internal(message: String) -> Error {
    Error::new(ErrorKind::Internal, message)
}

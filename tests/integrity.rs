//! No damaged picture passes, and every clean one does: the inspectors, the decoder's log and the gate,
//! wired around real decoders. Also the example of that wiring.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_video::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use vantage::source::integrity::{Decision, DecoderLog, Gate, Verdict, h264, h265, jpeg};

/// A decoded picture's luma and what the gate decided.
struct Picture {
    decision: Decision,
    luma: Vec<u8>,
}

struct Wiring {
    inspect: Box<dyn FnMut(&[u8]) -> Verdict + Send>,
    gate: Gate,
    /// The access unit that the decoder got last.
    number: u64,
    pictures: Vec<Picture>,
}

/// Decodes a file the way a camera is decoded.
fn decode(path: &Path) -> Vec<Picture> {
    gst::init().unwrap();
    let log = DecoderLog::install().unwrap();
    let name = path.to_str().unwrap();
    let demux = match path.extension().unwrap().to_str().unwrap() {
        "ts" => "tsdemux !",
        "mp4" => "qtdemux !",
        "mkv" => "matroskademux !",
        "avi" => "avidemux !",
        _ => "",
    };
    let h265 = name.contains("265");
    let jpeg = name.contains("mjpeg");
    let (decoder, inspect): (_, Box<dyn FnMut(&[u8]) -> Verdict + Send>) = if jpeg {
        let mut inspector = jpeg::Inspector::new();
        ("jpegparse ! avdec_mjpeg name=decoder", Box::new(move |au| inspector.access_unit(au)))
    } else if h265 {
        let mut inspector = h265::Inspector::new();
        let decoder = "h265parse ! video/x-h265,stream-format=byte-stream,alignment=au \
                       ! avdec_h265 name=decoder max-threads=1";
        (decoder, Box::new(move |au| inspector.access_unit(au)))
    } else {
        let mut inspector = h264::Inspector::new();
        let decoder = "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au \
                       ! avdec_h264 name=decoder max-threads=1";
        (decoder, Box::new(move |au| inspector.access_unit(au)))
    };
    let line = format!("filesrc location=\"{name}\" ! {demux} {decoder} ! fakesink sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Bin>().unwrap();
    let decoder = pipeline.by_name("decoder").unwrap();
    let wiring = Arc::new(Mutex::new(Wiring { inspect, gate: Gate::new(), number: 0, pictures: Vec::new() }));
    // The number travels with the buffer through the decoder: PTS may be missing or repeat.
    let tag = gst::Caps::new_empty_simple("timestamp/x-vantage-access-unit");

    let (shared, mark) = (Arc::clone(&wiring), tag.clone());
    decoder.static_pad("sink").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Wiring { inspect, gate, number, .. } = &mut *shared.lock().unwrap();
        if let Some(complaint) = log.take() {
            gate.complaint(complaint); // about the access unit before
        }
        let buffer = info.buffer_mut().unwrap();
        *number += 1;
        gate.access_unit(*number, inspect(&buffer.map_readable().unwrap()));
        let stamp = gst::ClockTime::from_nseconds(*number);
        gst::ReferenceTimestampMeta::add(buffer.make_mut(), &mark, stamp, None);
        gst::PadProbeReturn::Ok
    });
    let shared = Arc::clone(&wiring);
    decoder.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Wiring { gate, pictures, .. } = &mut *shared.lock().unwrap();
        if let Some(complaint) = log.take() {
            gate.complaint(complaint);
        }
        let buffer = info.buffer().unwrap();
        let number = buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|meta| *meta.reference() == *tag)
            .map(|meta| meta.timestamp().nseconds());
        let video = gst_video::VideoInfo::from_caps(&pad.current_caps().unwrap()).unwrap();
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &video).unwrap();
        let (width, stride) = (frame.comp_width(0) as usize, frame.comp_stride(0) as usize);
        let rows = frame.comp_data(0).unwrap().chunks(stride).take(frame.comp_height(0) as usize);
        let luma = rows.flat_map(|row| &row[..width]).copied().collect();
        pictures.push(Picture { decision: gate.picture(number), luma });
        gst::PadProbeReturn::Ok
    });
    run(&pipeline);
    std::mem::take(&mut wiring.lock().unwrap().pictures)
}

/// Plays to the end or to an error, which a damaged file may end in.
fn run(pipeline: &gst::Bin) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    assert!(bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends).is_some(), "it hangs");
    pipeline.set_state(gst::State::Null).unwrap();
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    let square: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (65025.0 * a.len() as f64 / square.max(1) as f64).log10()
}

/// (passed below 30 dB, passed at 30 dB or more, dropped), each against the clean picture most like it.
fn count(damaged: &[Picture], clean: &[Picture]) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for picture in damaged {
        let good = || clean.iter().any(|clean| psnr(&picture.luma, &clean.luma) >= 30.0);
        match picture.decision {
            Decision::Drop(_) => counts.2 += 1,
            Decision::Pass if good() => counts.1 += 1,
            Decision::Pass => counts.0 += 1,
        }
    }
    counts
}

fn footage() -> Option<PathBuf> {
    let shared = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".into());
    let folder = Path::new(&shared).join("data/footage");
    if !folder.is_dir() {
        eprintln!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn shared_damaged_files_pass_no_bad_picture() {
    let Some(folder) = footage() else { return };
    let malformed = folder.join("malformed");
    // The same pictures, undamaged; the others were encoded from these (37 dB and better).
    let clean = decode(&malformed.join("ts_pts_near_33bit_wrap.ts"));
    assert!(clean.len() == 75 && clean.iter().all(|picture| picture.decision == Decision::Pass));
    for (file, least) in [
        ("h264_bitflips_60.h264", 0),
        ("h264_bitflips_2000.h264", 0),
        ("h265_bitflips_60.h265", 0),
        ("mjpeg_bitflips_40.mjpeg", 20),
        ("ts_packet_loss_2pct.ts", 2),
        ("ts_timestamp_jump_back.ts", 75),
        ("h264_starts_mid_gop.h264", 50),
        ("h264_every_2nd_idr_lost.h264", 40),
        ("h264_without_sps_pps.h264", 0),
    ] {
        let (bad, good, dropped) = count(&decode(&malformed.join(file)), &clean);
        eprintln!("{file}: {bad} bad passed, {good} good passed, {dropped} dropped");
        assert_eq!(bad, 0, "{file}");
        assert!(good >= least, "{file}: only {good} good pictures");
    }
}

#[test]
fn shared_clean_clips_lose_nothing() {
    let Some(folder) = footage() else { return };
    for file in [
        "traffic/german_junction_truck.mp4",
        "traffic/london_a13_201709042126_night.mp4",
        "traffic/stuttgart_dense_640x360.mp4",
        "derived/parking_h264_long_gop_bframes.mp4",
        "derived/parking_h265_main10.mkv",
        "derived/parking_mjpeg.avi",
        "malformed/h264_resolution_change.h264",
        "malformed/libde265_girlshy.h265",
        "malformed/openh264_BA_MW_D.264",
    ] {
        let pictures = decode(&folder.join(file));
        let dropped: Vec<_> = pictures.iter().filter(|picture| picture.decision != Decision::Pass).collect();
        assert!(!pictures.is_empty(), "{file}");
        assert!(dropped.is_empty(), "{file}: {} of {}, {:?}", dropped.len(), pictures.len(), dropped[0].decision);
    }
}

/// What `test-media/variants/variants.json` says of a clip.
fn variants() -> Vec<(String, serde_json::Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media/variants");
    let text = std::fs::read(folder.join("variants.json")).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&text).unwrap();
    said["clips"].as_object().unwrap().iter().map(|(file, about)| (file.clone(), about.clone())).collect()
}

#[test]
fn own_clip_survives_every_coding_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media/variants");
    let clean = decode(&folder.join("h264.mp4"));
    let mut seen = Vec::new();
    for (file, about) in variants() {
        let Some(frames) = about["frames"].as_u64() else { continue }; // damaged: the test below
        let pictures = decode(&folder.join(&file));
        assert!(pictures.iter().all(|picture| picture.decision == Decision::Pass), "{file}: a clean picture dropped");
        assert_eq!(pictures.len() as u64, frames, "{file}");
        // In display order, and the pictures they should be: none repeated, none from elsewhere in the clip.
        for (number, (picture, original)) in pictures.iter().zip(&clean).enumerate() {
            if picture.luma.len() == original.luma.len() {
                let likeness = psnr(&picture.luma, &original.luma);
                assert!(likeness >= 30.0, "{file}: picture {number} is {likeness:.1} dB from the original");
            }
        }
        let mut sizes: Vec<u64> = pictures.iter().map(|picture| picture.luma.len() as u64).collect();
        sizes.dedup();
        let list = |value: &serde_json::Value| match value.as_array() {
            Some(many) => many.iter().map(|one| one.as_u64().unwrap()).collect(),
            None => vec![value.as_u64().unwrap()],
        };
        let areas: Vec<u64> = list(&about["width"]).iter().zip(list(&about["height"])).map(|(w, h)| w * h).collect();
        assert_eq!(sizes, areas, "{file}: the sizes of the pictures in turn");
        seen.push(file);
    }
    assert_eq!(seen, ["bframes.mp4", "h264.mp4", "h265.mp4", "mjpeg.avi", "resolution-change.ts"]);
}

#[test]
fn own_damaged_clips_pass_no_bad_picture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media/variants");
    let clean = decode(&folder.join("h264.mp4"));
    // Cut at 60 % of the bytes: what came whole before the cut is shown. Corrupted: both keyframes are hit, and every
    // other picture refers to them, so that not one is fit to be looked at.
    for (file, shown) in [("truncated.ts", 20), ("corrupted.ts", 0)] {
        let (bad, good, dropped) = count(&decode(&folder.join(file)), &clean);
        eprintln!("{file}: {bad} bad passed, {good} good passed, {dropped} dropped");
        assert_eq!(bad, 0, "{file}");
        assert_eq!(good, shown, "{file}: good pictures");
        assert!(dropped > 0, "{file}: no damage was seen");
    }
    // Its index is cut off: nothing to show, and it ends instead of hanging.
    assert!(decode(&folder.join("truncated.mp4")).is_empty());
}

/// Knuth's MMIX generator; high bits.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn self_made_damage_passes_no_bad_picture() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (extension, encoder) in [
        (
            "h264",
            "x264enc key-int-max=20 bframes=0 cabac=false threads=1 speed-preset=veryfast ! video/x-h264,stream-format=byte-stream",
        ),
        ("h265", "x265enc key-int-max=20 speed-preset=ultrafast ! video/x-h265,stream-format=byte-stream"),
        ("mjpeg", "jpegenc"),
    ] {
        let path = folder.path().join(format!("clean.{extension}"));
        let source = "videotestsrc num-buffers=60 pattern=pinwheel ! video/x-raw,format=I420,width=320,height=240";
        let line = format!("{source} ! {encoder} ! filesink location=\"{}\"", path.display());
        let Ok(pipeline) = gst::parse::launch(&line) else {
            eprintln!("skipped: no encoder for {extension}");
            continue;
        };
        run(&pipeline.downcast::<gst::Bin>().unwrap());
        let clean = decode(&path);
        assert_eq!(clean.len(), 60, "{extension}");
        assert!(clean.iter().all(|picture| picture.decision == Decision::Pass), "{extension}: a clean picture dropped");
        let bytes = std::fs::read(&path).unwrap();
        let mut total = (0, 0, 0);
        for seed in 0..6 {
            let mut random = Lcg(seed);
            let mut damaged = bytes.clone();
            if seed % 2 == 0 {
                for _ in 0..4 {
                    let at = 1000 + random.below(damaged.len() - 1000);
                    damaged[at] ^= 1 << random.below(8);
                }
            } else {
                for _ in 0..3 {
                    let at = 1000 + random.below(damaged.len() - 2000);
                    damaged.drain(at..at + 188);
                }
            }
            let path = folder.path().join(format!("damaged{seed}.{extension}"));
            std::fs::write(&path, damaged).unwrap();
            let (bad, good, dropped) = count(&decode(&path), &clean);
            total = (total.0 + bad, total.1 + good, total.2 + dropped);
        }
        eprintln!("{extension}: {total:?} (bad passed, good passed, dropped)");
        assert_eq!(total.0, 0, "{extension}");
        assert!(total.1 > 0 && total.2 > 0, "{extension}: {total:?}");
    }
}

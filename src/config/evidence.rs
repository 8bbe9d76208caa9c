//! Evidence: which events get clips and stills, how long clips are, what is blurred; and how long media
//! and tracks are kept.

use std::time::Duration;

use serde_json::json;

use super::compile::{Context, mark_of};
use super::diagnostic::Problems;
use super::node::Node;
use super::plan::{Blur, EvidencePlan, MediaPlan, Which};
use super::raw::default;
use super::read::{Field, FromNode, Located, choice, table};
use crate::base::Span;

/// Longest pre-roll and post-roll: what comes before an event waits in memory.
const LONGEST_ROLL: Duration = Duration::from_secs(60);
const LONGEST_CLIP: Duration = Duration::from_secs(600);

/// Default values, for the plan and the schema alike.
mod defaults {
    use std::time::Duration;

    pub const PRE_ROLL: Duration = Duration::from_secs(5);
    pub const POST_ROLL: Duration = Duration::from_secs(5);
    pub const MAX_LENGTH: Duration = Duration::from_secs(60);
    pub const BUFFER_MIB: u64 = 16;
    pub const STILL_WIDTH: u64 = 960;
    pub const MEDIA_DAYS: u64 = 30;
    pub const MEDIA_MIB: u64 = 10_240;
    pub const MIN_FREE_MIB: u64 = 512;
}

table! {
    /// Where tracks are stored and for how long.
    Tracks ("`tracks`") {
        /// Folder of the tracks files; created when it is missing.
        optional path: String = default::TRACKS_PATH,
        /// How much is kept.
        optional keep: TracksKeep,
    }
}

table! {
    /// How many tracks are kept: whichever limit is reached first.
    TracksKeep ("`keep`") {
        /// Days, 1 to 3650.
        optional days: u64 = default::TRACKS_KEEP_DAYS,
        /// Size on disk in MiB, 16 or more, of all cameras together.
        optional max_mib: u64 = default::TRACKS_KEEP_MAX_MIB,
    }
}

table! {
    /// What is kept of events besides their records. An alarm is an event that lasts (it has a start and an end) or whose severity is `warning` or `alert`.
    Evidence ("`evidence`") {
        /// Which events get a clip of the camera's compressed stream: `none`, `alarms`, or `all` that have a place in the picture.
        optional clips: Which = "alarms",
        /// Which events get a still: `none`, `alarms` or `all`. Alarms get a clean one as well.
        optional stills: Which = "all",
        /// How long before the event a clip begins, at least, up to 60s; it begins at a keyframe.
        optional pre_roll: Span = default::text(defaults::PRE_ROLL),
        /// How long a clip goes on after the event, or after its end, up to 60s.
        optional post_roll: Span = default::text(defaults::POST_ROLL),
        /// Longest clip, up to 600s: what lasts longer is not recorded to its end. Not shorter than both rolls together.
        optional max_length: Span = default::text(defaults::MAX_LENGTH),
        /// Most memory for compressed pictures that wait for an event, MiB, 1 to 512. Allows for the pre-roll and one group of pictures at the stream's bit rate.
        optional buffer_mib: u64 = defaults::BUFFER_MIB,
        /// Widest still in pixels, 160 to 3840; a smaller picture is not enlarged.
        optional still_width: u64 = defaults::STILL_WIDTH,
        /// What is made unrecognisable in stills: `person` (people, and the upper part of two-wheelers), `plate` (the lower middle of vehicles, where plates usually are). Clips are not blurred.
        optional blur: Vec<Located<Blur>> = json!([]),
    }
}

table! {
    /// How long stills and clips are kept: whichever limit is reached first. Events are not touched by it.
    Media ("`media`") {
        /// Days, 1 to 3650.
        optional days: u64 = defaults::MEDIA_DAYS,
        /// Size of all stills and clips in MiB, 16 or more.
        optional max_mib: u64 = defaults::MEDIA_MIB,
        /// Size of one camera's stills and clips in MiB, 1 or more; no limit of its own when not given.
        optional camera_max_mib: u64,
        /// Free space on the disk in MiB below which the oldest stills and clips go and none is written; 0 for no such floor.
        optional min_free_mib: u64 = defaults::MIN_FREE_MIB,
    }
}

impl Default for EvidencePlan {
    fn default() -> Self {
        Self {
            clips: Which::Alarms,
            stills: Which::All,
            pre_roll: defaults::PRE_ROLL,
            post_roll: defaults::POST_ROLL,
            max_length: defaults::MAX_LENGTH,
            buffer_bytes: (defaults::BUFFER_MIB as usize) << 20,
            still_width: defaults::STILL_WIDTH as usize,
            blur: Vec::new(),
        }
    }
}

/// Compiles one section; keys that it lacks are those of `base`.
pub(super) fn evidence(context: &mut Context<'_>, section: &Field<Evidence>, base: &EvidencePlan) -> EvidencePlan {
    let Some(raw) = section.get() else { return base.clone() };
    let roll = |context: &mut Context<'_>, field, name, base| context.at_most(field, name, LONGEST_ROLL, base);
    let pre_roll = roll(context, &raw.pre_roll, "pre_roll", base.pre_roll);
    let post_roll = roll(context, &raw.post_roll, "post_roll", base.post_roll);
    let max_length = context.at_most(&raw.max_length, "max_length", LONGEST_CLIP, base.max_length);
    if max_length < pre_roll + post_roll
        && let Some(mark) = mark_of(&raw.max_length).or(mark_of(&raw.post_roll)).or(mark_of(&raw.pre_roll))
    {
        let message = format!(
            "`max_length` ({}) is shorter than `pre_roll` ({}) and `post_roll` ({}) together",
            default::text(max_length),
            default::text(pre_roll),
            default::text(post_roll)
        );
        context.problems.error(mark, message, "lengthen it, or shorten the rolls");
    }
    let buffer_mib = context.within(&raw.buffer_mib, "buffer_mib", 1, 512, (base.buffer_bytes >> 20) as u64);
    let mut blur: Vec<Blur> = match raw.blur.get() {
        Some(listed) => listed.iter().map(|blur| blur.value).collect(),
        None => base.blur.clone(),
    };
    blur.sort_unstable();
    blur.dedup();
    EvidencePlan {
        clips: raw.clips.or(base.clips),
        stills: raw.stills.or(base.stills),
        pre_roll,
        post_roll,
        max_length,
        buffer_bytes: (buffer_mib as usize) << 20,
        still_width: context.within(&raw.still_width, "still_width", 160, 3840, base.still_width as u64) as usize,
        blur,
    }
}

/// Compiles `store.media`.
pub(super) fn media(context: &mut Context<'_>, section: Option<&Media>) -> MediaPlan {
    let Some(raw) = section else {
        return MediaPlan {
            days: defaults::MEDIA_DAYS as u32,
            max_mib: defaults::MEDIA_MIB,
            camera_max_mib: None,
            min_free_mib: defaults::MIN_FREE_MIB,
        };
    };
    let days = context.within(&raw.days, "days", 1, 3650, defaults::MEDIA_DAYS);
    MediaPlan {
        days: u32::try_from(days).unwrap_or(u32::MAX),
        max_mib: context.within(&raw.max_mib, "max_mib", 16, 1 << 30, defaults::MEDIA_MIB),
        camera_max_mib: raw
            .camera_max_mib
            .is_given()
            .then(|| context.within(&raw.camera_max_mib, "camera_max_mib", 1, 1 << 30, defaults::MEDIA_MIB)),
        min_free_mib: context.within(&raw.min_free_mib, "min_free_mib", 0, 1 << 30, defaults::MIN_FREE_MIB),
    }
}

impl FromNode for Which {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        choice(node, name, &[("none", Self::None), ("alarms", Self::Alarms), ("all", Self::All)], problems)
    }
}

impl FromNode for Blur {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        choice(node, name, &[("person", Self::Person), ("plate", Self::Plate)], problems)
    }
}

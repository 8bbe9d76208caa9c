//! All rules of one camera, in the order of the pipeline file.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Draft, FrameView, Margin, Rule, Scene};
use crate::base::{MediaTime, TrackId};
use crate::scene::Track;

/// The rules of one camera. Drafts come in the order of the rules, within a rule in the order of
/// track ids: the order of tracks in a frame never shows.
pub struct RuleSet {
    rules: Vec<(Arc<str>, Box<dyn Rule>)>,
    drafts: Vec<Draft>,
}

impl RuleSet {
    /// A set of rules with their ids from the pipeline file.
    #[must_use]
    pub fn new(rules: Vec<(Arc<str>, Box<dyn Rule>)>) -> Self {
        Self { rules, drafts: Vec::new() }
    }

    /// Takes in one frame that the detector ran on; gives each draft with the id of its rule.
    pub fn observe(&mut self, frame: &FrameView<'_>) -> Vec<(Arc<str>, Draft)> {
        let tracks = in_order(frame.tracks);
        let frame = FrameView { tracks: &tracks, ..*frame };
        self.each(|rule, out| rule.observe(&frame, out))
    }

    /// There were no frames between `from` and `to`: whatever is open ends. Tracks get new ids.
    pub fn gap(&mut self, from: MediaTime, to: MediaTime) -> Vec<(Arc<str>, Draft)> {
        self.each(|rule, out| rule.gap(from, to, out))
    }

    /// The stream is over: whatever is open ends.
    pub fn end(&mut self, at: MediaTime) -> Vec<(Arc<str>, Draft)> {
        self.each(|rule, out| rule.end(at, out))
    }

    /// The tracker has ended the track: what is open for it ends, its state goes.
    pub fn forget(&mut self, id: TrackId, at: MediaTime) -> Vec<(Arc<str>, Draft)> {
        self.each(|rule, out| rule.forget(id, at, out))
    }

    /// How far each track that a rule follows is from firing it, as of the last frame: by rule, in order.
    #[must_use]
    pub fn margins(&self, at: MediaTime, scene: &Scene) -> Vec<(Arc<str>, Vec<Margin>)> {
        let of = |rule: &dyn Rule| {
            let mut margins = Vec::new();
            rule.margins(at, scene, &mut margins);
            margins
        };
        self.rules.iter().map(|(id, rule)| (Arc::clone(id), of(rule.as_ref()))).collect()
    }

    /// How many track states the rules hold together.
    #[must_use]
    pub fn held(&self) -> usize {
        self.rules.iter().map(|(_, rule)| rule.held()).sum()
    }

    fn each(&mut self, mut call: impl FnMut(&mut dyn Rule, &mut Vec<Draft>)) -> Vec<(Arc<str>, Draft)> {
        let mut all = Vec::new();
        for (id, rule) in &mut self.rules {
            call(rule.as_mut(), &mut self.drafts);
            all.extend(self.drafts.drain(..).map(|draft| (Arc::clone(id), draft)));
        }
        all
    }
}

/// The tracks in order of id, without a copy in the usual case that they are.
fn in_order(tracks: &[Track]) -> Cow<'_, [Track]> {
    if tracks.is_sorted_by_key(|track| track.id) {
        return Cow::Borrowed(tracks);
    }
    let mut tracks = tracks.to_vec();
    tracks.sort_by_key(|track| track.id);
    Cow::Owned(tracks)
}

//! Rules at work on one camera: tracks in, events out, by nothing but what it is given.
//!
//! A live camera's tail, a replay and a backtest over stored tracks all judge here; given the same steps they
//! give the same events.

use std::sync::Arc;

use super::events::{Minter, Origin};
use super::tail::SceneBuilder;
use crate::base::{MediaTime, TrackId};
use crate::rule::{Draft, FrameView, Margin, Rest, RuleSet, Scene};
use crate::scene::{Event, Glance, Moment, Track};
use crate::source::signals::SignalFeed;
use crate::tracklog::{FrameStep, Step};

/// See the module.
pub struct Judge {
    rules: RuleSet,
    scene: Scene,
    rebuild: SceneBuilder,
    minter: Minter,
    /// What traffic signals show, if anybody tells.
    signals: Option<SignalFeed>,
    last: Option<Moment>,
}

impl Judge {
    /// A judge before the first frame.
    #[must_use]
    pub fn new(rules: RuleSet, scene: SceneBuilder, origin: Origin, signals: Option<SignalFeed>) -> Self {
        Self { rules, scene: scene(16.0 / 9.0), rebuild: scene, minter: Minter::new(origin), signals, last: None }
    }

    /// The rules and what they rest for.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// What the events share.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.minter.origin()
    }

    /// The latest frame.
    #[must_use]
    pub fn last(&self) -> Option<&Moment> {
        self.last.as_ref()
    }

    /// A frame comes, of displayed width `aspect` times its height. True when that is another shape than before.
    pub fn frame(&mut self, moment: Moment, aspect: f32) -> bool {
        self.last = Some(moment);
        let reshaped = (aspect - self.scene.aspect).abs() > 1e-6;
        if reshaped {
            self.scene = (self.rebuild)(aspect);
        }
        reshaped
    }

    /// The detector ran on that frame, and these are its tracks; `glance` is a small copy of its picture, if one was
    /// taken. Stored tracks come without pictures: rules that look at them find nothing there.
    pub fn observe(&mut self, tracks: &[Track], glance: Option<&Glance>) -> Vec<Event> {
        let Some(moment) = self.last else { return Vec::new() };
        let signals = self.signals.as_mut().map_or(&[][..], |feed| feed.at(moment.capture.utc));
        let view = FrameView { at: moment.at, capture: moment.capture, tracks, scene: &self.scene, signals, glance };
        let drafts = self.rules.observe(&view);
        self.mint(drafts, &moment)
    }

    /// These tracks have ended with that frame.
    pub fn forget(&mut self, ended: &[TrackId]) -> Vec<Event> {
        let Some(moment) = self.last else { return Vec::new() };
        let drafts: Vec<_> = ended.iter().flat_map(|id| self.rules.forget(*id, moment.at)).collect();
        self.mint(drafts, &moment)
    }

    /// There were no frames since that one up to `to`, and these tracks ended with it: what is open ends.
    pub fn gap(&mut self, to: MediaTime, ended: &[TrackId]) -> Vec<Event> {
        let Some(moment) = self.last else { return Vec::new() };
        let drafts = self.rules.gap(moment.at, to);
        let mut events = self.mint(drafts, &moment);
        events.extend(self.forget(ended));
        events
    }

    /// The stream is over: what is open ends.
    pub fn end(&mut self) -> Vec<Event> {
        let Some(moment) = self.last else { return Vec::new() };
        let drafts = self.rules.end(moment.at);
        self.mint(drafts, &moment)
    }

    /// A stored step, as it happened.
    pub fn play(&mut self, step: &Step) -> Vec<Event> {
        match step {
            Step::Frame(FrameStep { moment, aspect, tracks, ended }) => {
                self.frame(*moment, *aspect);
                let mut events = tracks.as_deref().map_or_else(Vec::new, |tracks| self.observe(tracks, None));
                events.extend(self.forget(ended));
                events
            }
            Step::Gap { to, ended } => self.gap(*to, ended),
            Step::End => self.end(),
        }
    }

    /// How far each rule is from firing, as of the latest frame.
    #[must_use]
    pub fn margins(&self) -> Vec<(Arc<str>, Vec<Margin>)> {
        self.last.map_or_else(Vec::new, |moment| self.rules.margins(moment.at, &self.scene))
    }

    /// Why each rule starts nothing after the latest frame, apart from what it measures.
    #[must_use]
    pub fn rests(&self) -> Vec<(Arc<str>, Vec<Rest>)> {
        self.last.map_or_else(Vec::new, |moment| self.rules.rests(moment.at, &moment.capture))
    }

    fn mint(&mut self, drafts: Vec<(Arc<str>, Draft)>, moment: &Moment) -> Vec<Event> {
        drafts.into_iter().map(|(rule, draft)| self.minter.mint(&rule, draft, moment)).collect()
    }
}

//! Common Alerting Protocol 1.2 (OASIS, CAP-v1.2-os, 2010): one message for each chapter of an incident.
//!
//! An incident is an Alert, then Updates, then a Cancel, each naming those before it in `references`. Identifiers are
//! derived from the incident, so that the same events give the same messages.

use std::collections::BTreeMap;

use super::chronicle::{Chapter, Step};
use super::kinds::{self, Meaning, Record};
use super::xml::Document;
use super::{Publisher, kinds::meaning};
use crate::base::{CameraId, Result};
use crate::incident::{IncidentId, SILENT_FOR};
use crate::scene::Severity;

/// UTC in CAP (§3.3.2).
const UTC: &str = "-00:00";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapMessage {
    /// Its identifier: the incident's id, a dot, and the version.
    pub identifier: String,
    /// The document.
    pub xml: Vec<u8>,
}

/// Whether a text can be a sender: no blanks, commas, `<` and `&` (CAP 1.2 §3.2.1).
#[must_use]
pub fn is_sender(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '<' | '&'))
}

/// Writes messages and remembers what they must refer to.
pub struct CapFeed<'a> {
    publisher: &'a Publisher,
    /// `sender,identifier,sent` of the earlier messages of each incident that goes on.
    sent: BTreeMap<IncidentId, Vec<String>>,
}

impl<'a> CapFeed<'a> {
    /// A feed that has sent nothing.
    #[must_use]
    pub fn new(publisher: &'a Publisher) -> Self {
        Self { publisher, sent: BTreeMap::new() }
    }

    /// The message of a chapter; `None` where nobody outside is told.
    ///
    /// # Errors
    /// `Internal` when the document cannot be written.
    pub fn message(&mut self, chapter: &Chapter) -> Result<Option<CapMessage>> {
        let incident = &chapter.incident;
        if incident.group == kinds::INTERNAL {
            return Ok(None);
        }
        let identifier = format!("{}.{}", incident.id, chapter.number);
        let sent = self.publisher.time(chapter.at, UTC);
        let earlier = self.sent.remove(&incident.id).unwrap_or_default();
        let xml = self.write(chapter, &identifier, &sent, &earlier)?;
        if chapter.step != Step::Cleared {
            let reference = format!("{},{identifier},{sent}", self.publisher.sender);
            self.sent.insert(incident.id, earlier.into_iter().chain([reference]).collect());
        }
        Ok(Some(CapMessage { identifier, xml }))
    }

    fn write(&self, chapter: &Chapter, identifier: &str, sent: &str, earlier: &[String]) -> Result<Vec<u8>> {
        let mut xml = Document::new()?;
        xml.open("alert", &[("xmlns", "urn:oasis:names:tc:emergency:cap:1.2")])?;
        xml.leaf("identifier", identifier)?;
        xml.leaf("sender", &self.publisher.sender)?;
        xml.leaf("sent", sent)?;
        xml.leaf("status", if self.publisher.exercise { "Exercise" } else { "Actual" })?;
        xml.leaf(
            "msgType",
            match chapter.step {
                Step::Began => "Alert",
                Step::Changed => "Update",
                Step::Cleared => "Cancel",
            },
        )?;
        // What cameras see is for those who act on it; whether the public is told is for people to decide.
        xml.leaf("scope", "Restricted")?;
        xml.leaf("restriction", "Operations and emergency centres")?;
        if self.publisher.exercise {
            xml.leaf("note", "This is a drill. Nothing in this message has happened.")?;
        }
        if !earlier.is_empty() {
            xml.leaf("references", &earlier.join(" "))?;
        }
        xml.leaf("incidents", &chapter.incident.id.to_string())?;
        let meaning = meaning(&chapter.incident.kinds);
        self.info(&mut xml, chapter, meaning, "en-US", meaning.english)?;
        self.info(&mut xml, chapter, meaning, "vi-VN", meaning.vietnamese)?;
        xml.close("alert")?;
        Ok(xml.finish())
    }

    fn info(
        &self,
        xml: &mut Document,
        chapter: &Chapter,
        meaning: &Meaning,
        language: &str,
        event: &str,
    ) -> Result<()> {
        let incident = &chapter.incident;
        let is_alert = incident.severity == Severity::Alert;
        let is_over = chapter.step == Step::Cleared;
        let names: Vec<&str> = incident.places.keys().map(|camera| self.publisher.name(camera)).collect();
        xml.open("info", &[])?;
        xml.leaf("language", language)?;
        xml.leaf("category", "Transport")?;
        if meaning.record == Record::Accident {
            xml.leaf("category", "Rescue")?;
        }
        xml.leaf("event", event)?;
        xml.leaf(
            "responseType",
            match (is_over, is_alert) {
                (true, _) => "AllClear",
                (false, true) => "Assess",
                (false, false) => "Monitor",
            },
        )?;
        xml.leaf(
            "urgency",
            match (is_over, is_alert) {
                (true, _) => "Past",
                (false, true) => "Immediate",
                (false, false) => "Expected",
            },
        )?;
        xml.leaf(
            "severity",
            match (is_alert, meaning.record) {
                (true, Record::Accident) => "Severe",
                (true, _) => "Moderate",
                (false, _) => "Minor",
            },
        )?;
        xml.leaf("certainty", if meaning.is_plain { "Observed" } else { "Likely" })?;
        for kind in &incident.kinds {
            pair(xml, "eventCode", "vantage:kind", kind)?;
        }
        xml.leaf("onset", &self.publisher.time(incident.began, UTC))?;
        xml.leaf("expires", &self.publisher.time(chapter.at + SILENT_FOR, UTC))?;
        xml.leaf("senderName", "Vantage")?;
        xml.leaf("headline", &format!("{event}: {}", names.join(", ")))?;
        xml.leaf("description", &incident.summary)?;
        pair(xml, "parameter", "vantage:happenings", &incident.happenings.to_string())?;
        let time = &chapter.detail.time;
        let source = serde_json::to_value(time.source).ok().and_then(|word| word.as_str().map(str::to_owned));
        pair(xml, "parameter", "vantage:timeSource", &source.unwrap_or_default())?;
        if let Some(error) = time.error_ns {
            pair(xml, "parameter", "vantage:timeErrorSeconds", &format!("{:.3}", error as f64 * 1e-9))?;
        }
        self.area(xml, &names.join(", "), incident.places.keys())?;
        xml.close("info")
    }

    /// One area: a circle around each camera whose place is known, as far as it sees (§3.2.4: latitude, longitude, radius in
    /// kilometres).
    fn area<'c>(
        &self,
        xml: &mut Document,
        names: &str,
        cameras: impl Iterator<Item = &'c CameraId> + Clone,
    ) -> Result<()> {
        xml.open("area", &[])?;
        xml.leaf("areaDesc", names)?;
        for place in cameras.clone().filter_map(|camera| self.publisher.place(camera)) {
            xml.leaf("circle", &format!("{:.6},{:.6} {:.3}", place.lat, place.lon, place.reach_m / 1_000.0))?;
        }
        let wards = cameras.filter_map(|camera| self.publisher.cameras.get(camera)?.ward.as_deref());
        for ward in wards.collect::<std::collections::BTreeSet<_>>() {
            pair(xml, "geocode", "ward", ward)?;
        }
        xml.close("area")
    }
}

fn pair(xml: &mut Document, element: &str, name: &str, value: &str) -> Result<()> {
    xml.open(element, &[])?;
    xml.leaf("valueName", name)?;
    xml.leaf("value", value)?;
    xml.close(element)
}

//! DATEX II version 3 (CEN/TS 16157, schema 3.4): a `SituationPublication` with one situation for each incident.
//!
//! A situation has one record, in the version that the incident has reached; its validity tells whether it goes on. The
//! location is the camera's, since that is what is known: without a place in the pipeline file there is no situation, and
//! [`Situations::unplaced`] counts it.

use std::collections::BTreeMap;

use super::Publisher;
use super::chronicle::{Chapter, Step};
use super::kinds::{self, Mobility, Record, abnormal, is_animal, meaning};
use super::xml::Document;
use crate::base::{CameraId, Result, Timestamp};
use crate::config::PlacePlan;
use crate::incident::IncidentId;
use crate::scene::Severity;

const UTC: &str = "+00:00";

/// The latest version of each situation.
pub struct Situations<'a> {
    publisher: &'a Publisher,
    latest: BTreeMap<IncidentId, (Timestamp, Chapter)>,
    /// Incidents without a place, and when they were last told of.
    unplaced: BTreeMap<IncidentId, Timestamp>,
}

impl<'a> Situations<'a> {
    /// No situation yet.
    #[must_use]
    pub fn new(publisher: &'a Publisher) -> Self {
        Self { publisher, latest: BTreeMap::new(), unplaced: BTreeMap::new() }
    }

    /// Takes the next chapter. What DATEX II has no situation for is left out.
    pub fn take(&mut self, chapter: Chapter) {
        let id = chapter.incident.id;
        let is_road = chapter.incident.group != kinds::INTERNAL && record_of(&chapter) != Record::None;
        if !is_road {
            return;
        }
        if self.place(&chapter).is_none() {
            self.unplaced.insert(id, chapter.at);
            return;
        }
        let created = self.latest.get(&id).map_or(chapter.at, |(created, _)| *created);
        self.unplaced.remove(&id);
        self.latest.insert(id, (created, chapter));
    }

    /// Keeps the situations, and the incidents without a place, whose latest version is of a time that is wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(Timestamp) -> bool) {
        self.latest.retain(|_, (_, chapter)| wanted(chapter.at));
        self.unplaced.retain(|_, at| wanted(*at));
    }

    /// Situations so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.latest.len()
    }

    /// Incidents that were left out because no camera of theirs has a place.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced.len() as u64
    }

    /// The publication, made at `now`.
    ///
    /// # Errors
    /// `Internal` when the document cannot be written.
    pub fn publication(&self, now: Timestamp) -> Result<Vec<u8>> {
        let mut xml = Document::new()?;
        xml.open(
            "d2:payload",
            &[
                ("xmlns:d2", "http://datex2.eu/schema/3/d2Payload"),
                ("xmlns:com", "http://datex2.eu/schema/3/common"),
                ("xmlns:loc", "http://datex2.eu/schema/3/locationReferencing"),
                ("xmlns:sit", "http://datex2.eu/schema/3/situation"),
                ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
                ("xsi:type", "sit:SituationPublication"),
                ("lang", "en"),
                ("modelBaseVersion", "3"),
            ],
        )?;
        xml.leaf("com:publicationTime", &self.publisher.time(now, UTC))?;
        xml.open("com:publicationCreator", &[])?;
        xml.leaf("com:country", &self.publisher.country)?;
        xml.leaf("com:nationalIdentifier", &self.publisher.sender)?;
        xml.close("com:publicationCreator")?;
        for (created, chapter) in self.latest.values() {
            self.situation(&mut xml, *created, chapter)?;
        }
        xml.close("d2:payload")?;
        Ok(xml.finish())
    }

    /// The first camera of the incident that has a place; that of its latest event before the others.
    fn place(&self, chapter: &Chapter) -> Option<(&CameraId, PlacePlan)> {
        self.publisher
            .cameras
            .get_key_value(&chapter.detail.camera)
            .into_iter()
            .chain(chapter.incident.places.keys().filter_map(|camera| self.publisher.cameras.get_key_value(camera)))
            .find_map(|(camera, about)| Some((camera, about.place?)))
    }

    fn situation(&self, xml: &mut Document, created: Timestamp, chapter: &Chapter) -> Result<()> {
        let Some((camera, place)) = self.place(chapter) else { return Ok(()) };
        let incident = &chapter.incident;
        let severity = match incident.severity {
            Severity::Alert => "high",
            Severity::Warning => "medium",
            Severity::Info => "low",
        };
        xml.open("sit:situation", &[("id", &incident.id.to_string())])?;
        xml.leaf("sit:overallSeverity", severity)?;
        xml.leaf("sit:situationVersionTime", &self.publisher.time(chapter.at, UTC))?;
        xml.open("sit:headerInformation", &[])?;
        xml.leaf("com:informationStatus", if self.publisher.exercise { "securityExercise" } else { "real" })?;
        xml.close("sit:headerInformation")?;

        let record = record_of(chapter);
        let kind = record.type_name();
        let (id, version) = (format!("{}-1", incident.id), chapter.number.to_string());
        xml.open("sit:situationRecord", &[("xsi:type", kind), ("id", &id), ("version", &version)])?;
        xml.leaf("sit:situationRecordCreationTime", &self.publisher.time(created, UTC))?;
        xml.leaf("sit:situationRecordObservationTime", &self.publisher.time(chapter.detail.time.utc, UTC))?;
        xml.leaf("sit:situationRecordVersionTime", &self.publisher.time(chapter.at, UTC))?;
        let is_plain = meaning(&incident.kinds).is_plain;
        xml.leaf("sit:probabilityOfOccurrence", if is_plain { "certain" } else { "probable" })?;
        xml.leaf("sit:severity", severity)?;
        xml.open("sit:source", &[])?;
        xml.leaf("com:sourceIdentification", camera.as_str())?;
        xml.leaf("com:sourceType", "cameraObservation")?;
        xml.close("sit:source")?;
        self.validity(xml, chapter)?;
        // Who reads it is for the receiving centre to decide, as in CAP.
        comment(xml, &incident.summary)?;
        location(xml, place)?;
        body(xml, record, chapter)?;
        xml.close("sit:situationRecord")?;
        xml.close("sit:situation")
    }

    fn validity(&self, xml: &mut Document, chapter: &Chapter) -> Result<()> {
        let is_over = chapter.step == Step::Cleared;
        xml.open("sit:validity", &[])?;
        xml.leaf("com:validityStatus", if is_over { "definedByValidityTimeSpec" } else { "active" })?;
        xml.open("com:validityTimeSpecification", &[])?;
        xml.leaf("com:overallStartTime", &self.publisher.time(chapter.incident.began, UTC))?;
        if is_over {
            xml.leaf("com:overallEndTime", &self.publisher.time(chapter.incident.last, UTC))?;
        }
        xml.close("com:validityTimeSpecification")?;
        xml.close("sit:validity")
    }
}

fn comment(xml: &mut Document, text: &str) -> Result<()> {
    xml.open("sit:nonGeneralPublicComment", &[])?;
    xml.open("sit:comment", &[])?;
    xml.open("com:values", &[])?;
    xml.open("com:value", &[("lang", "en")])?;
    xml.text(text)?;
    for name in ["com:value", "com:values", "sit:comment", "sit:nonGeneralPublicComment"] {
        xml.close(name)?;
    }
    Ok(())
}

fn location(xml: &mut Document, place: PlacePlan) -> Result<()> {
    xml.open("sit:locationReference", &[("xsi:type", "loc:PointLocation")])?;
    xml.open("loc:pointByCoordinates", &[])?;
    xml.open("loc:pointCoordinates", &[])?;
    xml.leaf("loc:latitude", &format!("{:.6}", place.lat))?;
    xml.leaf("loc:longitude", &format!("{:.6}", place.lon))?;
    for name in ["loc:pointCoordinates", "loc:pointByCoordinates", "sit:locationReference"] {
        xml.close(name)?;
    }
    Ok(())
}

/// What the record's own type adds.
fn body(xml: &mut Document, record: Record, chapter: &Chapter) -> Result<()> {
    match record {
        Record::Accident => xml.leaf("sit:accidentType", "collision"),
        Record::Vehicle(sort, mobility) => {
            moves(xml, mobility)?;
            xml.leaf("sit:vehicleObstructionType", sort)
        }
        Record::General(sort, mobility) => {
            moves(xml, mobility)?;
            xml.leaf("sit:obstructionType", sort)
        }
        Record::Animal => {
            moves(xml, Mobility::Mobile)?;
            xml.leaf("sit:animalPresenceType", "animalsOnTheRoad")
        }
        Record::Traffic => {
            xml.leaf("sit:abnormalTrafficType", abnormal(chapter.detail.level.as_deref()))?;
            match chapter.detail.queue_metres {
                Some(metres) if metres >= 0.0 => xml.leaf("sit:queueLength", &format!("{metres:.0}")),
                _ => Ok(()),
            }
        }
        Record::None => Ok(()),
    }
}

fn moves(xml: &mut Document, mobility: Mobility) -> Result<()> {
    xml.open("sit:mobilityOfObstruction", &[])?;
    let word = if mobility == Mobility::Mobile { "mobile" } else { "stationary" };
    xml.leaf("sit:mobilityType", word)?;
    xml.close("sit:mobilityOfObstruction")
}

/// The kind's record, unless it is an animal that stands or walks there.
fn record_of(chapter: &Chapter) -> Record {
    let record = meaning(&chapter.incident.kinds).record;
    let is_animal = chapter.detail.class.as_deref().is_some_and(is_animal);
    match record {
        Record::Vehicle(..) | Record::General(..) if is_animal => Record::Animal,
        other => other,
    }
}

impl Record {
    /// Its `xsi:type`.
    fn type_name(self) -> &'static str {
        match self {
            Self::Accident => "sit:Accident",
            Self::Vehicle(..) => "sit:VehicleObstruction",
            Self::General(..) => "sit:GeneralObstruction",
            Self::Animal => "sit:AnimalPresenceObstruction",
            Self::Traffic | Self::None => "sit:AbnormalTraffic",
        }
    }
}

//! Lists for people: events and incidents by any filter, newest first, page by page.
//!
//! Both are ordered by time and then by key, so that a page's last row is where the next one begins, whatever came
//! meanwhile. Every filter is driven by an index that carries the other filters' columns: one scan in order for each
//! value of the driving filter, of at most a page's rows, which are then merged. Bodies are read for the page only.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params_from_iter};

use super::ledger::{to_signed, to_unsigned};
use super::query::{Reader, severity_name};
use crate::base::{CameraId, EventId, Result, Timestamp};
use crate::incident::work::{Work, WorkState};
use crate::incident::{Incident, IncidentId, seen_in};
use crate::scene::{Position, Severity, StoredEvent};

/// What narrows a list; an empty set does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ListFilter {
    /// These cameras only; `None` for all, and an empty list for none.
    pub cameras: Option<Vec<String>>,
    /// Ids or kinds of rules.
    pub rules: Vec<String>,
    /// Class names.
    pub classes: Vec<String>,
    /// Severities.
    pub severities: Vec<Severity>,
    /// States of people's work; of incidents only.
    pub states: Vec<WorkState>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// The cameras that whoever asks may see; `None` for all. Incidents that others saw too are told, and filtered by
    /// severity, as these saw them.
    pub eyes: Option<Vec<String>>,
}

/// Where a page of events begins: right after (that is, older than) this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMark {
    /// Capture time.
    pub utc: Timestamp,
    /// Position.
    pub position: Position,
}

/// Where a page of incidents begins: right after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentMark {
    /// When it began.
    pub began: Timestamp,
    /// Its id.
    pub id: IncidentId,
}

/// An incident with what people did about it and the event that began it, all as whoever asked may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedIncident {
    /// The incident.
    pub incident: Incident,
    /// Where a page begins after it: lists are in the order in which incidents began for whoever sees all.
    pub mark: IncidentMark,
    /// What people did.
    pub work: Work,
    /// Happenings in it.
    pub events: u64,
    /// Whether all its cameras are seen.
    pub whole: bool,
    /// The first record of the event that began it, unless retention took it.
    pub first: Option<StoredEvent>,
}

/// A statement under construction.
#[derive(Default)]
struct Terms {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Terms {
    fn add(&mut self, term: impl Into<String>, values: impl IntoIterator<Item = Value>) {
        self.terms.push(term.into());
        self.values.extend(values);
    }

    /// `column IN (?, …)`; nothing for an empty set.
    fn among(&mut self, column: &str, values: Vec<Value>) {
        if !values.is_empty() {
            self.add(format!("{column} IN ({})", marks(values.len())), values);
        }
    }

    fn filter(&self) -> String {
        if self.terms.is_empty() { "TRUE".to_owned() } else { self.terms.join(" AND ") }
    }
}

fn marks(count: usize) -> String {
    let mut text = "?, ".repeat(count);
    text.truncate(text.len().saturating_sub(2));
    text
}

fn texts(words: &[String]) -> Vec<Value> {
    words.iter().cloned().map(Value::from).collect()
}

fn severities(wanted: &[Severity]) -> Vec<Value> {
    wanted.iter().map(|severity| Value::from(severity_name(*severity).to_owned())).collect()
}

/// One ordered scan: an index and the value it is entered at.
type Scan = (&'static str, Option<(&'static str, String)>);

/// The scans of a list of events: by what usually narrows most. None when no camera is meant.
fn event_scans(filter: &ListFilter) -> Vec<Scan> {
    if filter.cameras.as_ref().is_some_and(Vec::is_empty) {
        return Vec::new();
    }
    let each = |index: &'static str, column: &'static str, values: &[String]| -> Vec<Scan> {
        values.iter().map(|value| (index, Some((column, value.clone())))).collect()
    };
    // Of most stores' events few are alarms, whichever camera, rule or class gave them.
    if !filter.severities.is_empty() && !filter.severities.contains(&Severity::Info) {
        let words: Vec<String> = filter.severities.iter().map(|s| severity_name(*s).to_owned()).collect();
        return each("events_by_severity", "severity", &words);
    }
    // Of many cameras a seldom class is found sooner by the class: its index has the camera too.
    if let Some(cameras) = filter.cameras.as_ref().filter(|cameras| cameras.len() == 1 || filter.classes.is_empty()) {
        return each("events_by_camera", "camera", cameras);
    }
    if filter.cameras.is_some() {
        return each("events_by_class", "class", &filter.classes);
    }
    if !filter.rules.is_empty() {
        let mut scans = each("events_by_rule", "rule", &filter.rules);
        scans.extend(each("events_by_kind", "kind", &filter.rules));
        return scans;
    }
    if !filter.classes.is_empty() {
        return each("events_by_class", "class", &filter.classes);
    }
    vec![("events_by_time", None)]
}

impl Reader {
    /// A page of events, the newest first: at most `limit` after `mark`.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn list_events(&self, filter: &ListFilter, mark: Option<EventMark>, limit: usize) -> Result<Vec<StoredEvent>> {
        let mut found: Vec<(i64, i64)> = Vec::new();
        for (index, entry) in event_scans(filter) {
            let mut terms = Terms::default();
            if let Some((column, value)) = entry {
                terms.add(format!("{column} = ?"), [Value::from(value)]);
                if column == "severity" {
                    // The condition of the partial index.
                    terms.add("severity <> 'info'", []);
                }
            }
            if !filter.rules.is_empty() {
                let places = marks(filter.rules.len());
                let twice = texts(&filter.rules).into_iter().chain(texts(&filter.rules));
                terms.add(format!("(rule IN ({places}) OR kind IN ({places}))"), twice);
            }
            if index != "events_by_camera" {
                terms.among("camera", filter.cameras.as_deref().map(texts).unwrap_or_default());
            }
            terms.among("class", texts(&filter.classes));
            terms.among("severity", severities(&filter.severities));
            if index == "events_by_class" {
                terms.add("class IS NOT NULL", []);
            }
            between(&mut terms, "utc_ns", filter);
            if let Some(mark) = mark {
                let values = [Value::from(mark.utc.0), Value::from(to_signed(mark.position.0))];
                terms.add("(utc_ns, position) < (?, ?)", values);
            }
            let sql = format!(
                "SELECT utc_ns, position FROM events INDEXED BY {index} WHERE {}
                 ORDER BY utc_ns DESC, position DESC LIMIT {limit}",
                terms.filter()
            );
            self.rows(&sql, terms.values, |row| Ok((row.get(0)?, row.get(1)?)), &mut found)?;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(limit);
        found.into_iter().filter_map(|(_, position)| self.event_at(position).transpose()).collect()
    }

    fn event_at(&self, position: i64) -> Result<Option<StoredEvent>> {
        let mut found = Vec::new();
        let sql = "SELECT position, body FROM events WHERE position = ?";
        self.stored_events(sql, [Value::from(position)], &mut found)?;
        Ok(found.pop())
    }

    /// All records of one happening, in order of revision.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn records(&self, id: EventId) -> Result<Vec<StoredEvent>> {
        let mut found = Vec::new();
        let sql = "SELECT position, body FROM events WHERE id = ? ORDER BY revision LIMIT 1000";
        self.stored_events(sql, [Value::from(id.0.as_bytes().to_vec())], &mut found)?;
        Ok(found)
    }

    /// The records of an incident's happenings, oldest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn events_of_incident(&self, id: IncidentId, limit: usize) -> Result<Vec<StoredEvent>> {
        let mut found = Vec::new();
        let sql = "SELECT position, body FROM events WHERE id IN (SELECT event FROM incident_events WHERE incident = ?)
                   ORDER BY position LIMIT ?";
        let values = [Value::from(id.0.as_bytes().to_vec()), Value::from(to_signed(limit as u64))];
        self.stored_events(sql, values, &mut found)?;
        Ok(found)
    }

    /// A page of incidents, those that began last first: at most `limit` after `mark`.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn list_incidents(
        &self,
        filter: &ListFilter,
        mark: Option<IncidentMark>,
        limit: usize,
    ) -> Result<Vec<ListedIncident>> {
        let mut found: Vec<(i64, Vec<u8>)> = Vec::new();
        for (from, entry) in incident_scans(filter) {
            let mut terms = Terms::default();
            if let Some((term, values)) = entry {
                terms.add(term, values);
            }
            facet(&mut terms, &["rule", "kind"], &filter.rules, filter.cameras.as_deref());
            facet(&mut terms, &["class"], &filter.classes, filter.cameras.as_deref());
            severity(&mut terms, &filter.severities, filter.eyes.as_deref());
            terms.among("i.state", filter.states.iter().map(|s| Value::from(s.as_str().to_owned())).collect());
            between(&mut terms, from.began, filter);
            if let Some(mark) = mark {
                let values = [Value::from(mark.began.0), Value::from(mark.id.0.as_bytes().to_vec())];
                terms.add(format!("({}, {}) < (?, ?)", from.began, from.id), values);
            }
            let sql = format!(
                "SELECT {began}, {id} FROM {from} WHERE {filter} ORDER BY {began} DESC, {id} DESC LIMIT {limit}",
                began = from.began,
                id = from.id,
                from = from.sql,
                filter = terms.filter()
            );
            self.rows(&sql, terms.values, |row| Ok((row.get(0)?, row.get(1)?)), &mut found)?;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(limit);
        found.into_iter().filter_map(|(_, id)| self.listed(&id, filter.eyes.as_deref()).transpose()).collect()
    }

    /// One incident, if there is such a one that one of the cameras `eyes` saw.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn listed_incident(&self, id: IncidentId, eyes: Option<&[String]>) -> Result<Option<ListedIncident>> {
        self.listed(id.0.as_bytes(), eyes)
    }

    /// Incidents of all cameras that changed after `touched`, in the order of their latest change, at most `limit`: how
    /// far each had changed, and the incident where one of the cameras `eyes` saw it.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn incidents_touched(
        &self,
        touched: u64,
        limit: usize,
        eyes: Option<&[String]>,
    ) -> Result<Vec<(u64, Option<ListedIncident>)>> {
        let mut changed: Vec<(i64, Vec<u8>)> = Vec::new();
        let sql = "SELECT touched, id FROM incidents WHERE touched > ? ORDER BY touched LIMIT ?";
        let values = vec![Value::from(to_signed(touched)), Value::from(to_signed(limit as u64))];
        self.rows(sql, values, |row| Ok((row.get(0)?, row.get(1)?)), &mut changed)?;
        changed.into_iter().map(|(touched, id)| Ok((to_unsigned(touched), self.listed(&id, eyes)?))).collect()
    }

    /// How far incidents have changed.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn last_touched(&self) -> Result<u64> {
        self.conn
            .prepare_cached("SELECT coalesce(max(touched), 0) FROM incidents")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map(to_unsigned)
            .map_err(|e| self.failed(e))
    }

    fn listed(&self, id: &[u8], eyes: Option<&[String]>) -> Result<Option<ListedIncident>> {
        let row = self
            .conn
            .prepare_cached(
                "SELECT body, work, (SELECT count(*) FROM incident_events WHERE incident = id)
                 FROM incidents WHERE id = ?1",
            )
            .and_then(|mut select| {
                select
                    .query_row([id], |row| {
                        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
                    })
                    .optional()
            })
            .map_err(|e| self.failed(e))?;
        let Some((body, work, events)) = row else { return Ok(None) };
        let incident = self.incident(&body)?;
        let work = work.map(|work| self.work(&work)).transpose()?.unwrap_or_default();
        let mark = IncidentMark { began: incident.began, id: incident.id };
        let hidden = |eyes: &&[String]| incident.places.keys().any(|camera| !sees(eyes, camera));
        if let Some(eyes) = eyes.filter(hidden) {
            return self.listed_in_part(&incident, work, mark, eyes);
        }
        let mut first = Vec::new();
        let sql = "SELECT position, body FROM events WHERE id = ? ORDER BY revision LIMIT 1";
        self.stored_events(sql, [Value::from(incident.first_event.0.as_bytes().to_vec())], &mut first)?;
        Ok(Some(ListedIncident { incident, mark, work, events: to_unsigned(events), whole: true, first: first.pop() }))
    }

    /// What of an incident that others saw too these cameras saw; `None` when it is nothing.
    fn listed_in_part(
        &self,
        incident: &Incident,
        work: Work,
        mark: IncidentMark,
        eyes: &[String],
    ) -> Result<Option<ListedIncident>> {
        if !incident.places.keys().any(|camera| sees(eyes, camera)) {
            return Ok(None);
        }
        let mut events = Vec::new();
        let sql = format!(
            "SELECT position, body FROM events WHERE id IN (SELECT event FROM incident_events WHERE incident = ?)
             AND camera IN ({}) ORDER BY position",
            marks(eyes.len())
        );
        let id = Value::from(incident.id.0.as_bytes().to_vec());
        self.stored_events(&sql, std::iter::once(id).chain(texts(eyes)), &mut events)?;
        let Some(incident) = seen_in(incident, &events) else { return Ok(None) };
        let happenings: BTreeSet<EventId> = events.iter().map(|stored| stored.event.id).collect();
        let events_seen = happenings.len() as u64;
        let first = events.into_iter().find(|stored| stored.event.id == incident.first_event);
        Ok(Some(ListedIncident { incident, mark, work, events: events_seen, whole: false, first }))
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        found: &mut Vec<T>,
    ) -> Result<()> {
        let mut select = self.conn.prepare_cached(sql).map_err(|e| self.failed(e))?;
        let rows = select.query_map(params_from_iter(values), |row| read(row)).map_err(|e| self.failed(e))?;
        for row in rows {
            found.push(row.map_err(|e| self.failed(e))?);
        }
        Ok(())
    }
}

/// What a scan of incidents, `i`, goes through in order of time.
#[derive(Clone, Copy)]
struct Driver {
    sql: &'static str,
    /// The column of the incident's beginning.
    began: &'static str,
    /// The column of its id.
    id: &'static str,
}

const BY_FACET: Driver = Driver {
    sql: "incident_facets d CROSS JOIN incidents i ON i.id = d.incident",
    began: "d.began_ns",
    id: "d.incident",
};
const BY_STATE: Driver = Driver { sql: "incidents i INDEXED BY incidents_state", began: "i.began_ns", id: "i.id" };
const BY_SEVERITY: Driver =
    Driver { sql: "incidents i INDEXED BY incidents_severity", began: "i.began_ns", id: "i.id" };
const BY_TIME: Driver = Driver { sql: "incidents i INDEXED BY incidents_began", began: "i.began_ns", id: "i.id" };

type IncidentScan = (Driver, Option<(String, Vec<Value>)>);

fn incident_scans(filter: &ListFilter) -> Vec<IncidentScan> {
    let facets = |names: &[&str], values: &[String]| -> Vec<IncidentScan> {
        let pairs = names.iter().flat_map(|name| values.iter().map(move |value| (*name, value.clone())));
        pairs
            .map(|(name, value)| {
                (BY_FACET, Some((format!("d.facet = '{name}' AND d.value = ?"), vec![Value::from(value)])))
            })
            .collect()
    };
    if let Some(cameras) = &filter.cameras {
        return facets(&["camera"], cameras);
    }
    if !filter.rules.is_empty() {
        return facets(&["rule", "kind"], &filter.rules);
    }
    if !filter.classes.is_empty() {
        return facets(&["class"], &filter.classes);
    }
    if !filter.states.is_empty() {
        let of = |state: &WorkState| {
            (BY_STATE, Some(("i.state = ?".to_owned(), vec![Value::from(state.as_str().to_owned())])))
        };
        return filter.states.iter().map(of).collect();
    }
    if !filter.severities.is_empty() && filter.eyes.is_none() {
        let of = |value: Value| (BY_SEVERITY, Some(("i.severity = ?".to_owned(), vec![value])));
        return severities(&filter.severities).into_iter().map(of).collect();
    }
    vec![(BY_TIME, None)]
}

/// An incident's events, from the incident to them: `CROSS JOIN` keeps that order, and `+` before a column of theirs keeps
/// its index out. By themselves they would go through all events of a kind, seconds of them.
const OF_INCIDENT: &str = "incident_events m CROSS JOIN events e ON e.id = m.event";

/// One of the incident's events has one of the values. Where only some cameras count it is an event of theirs: who may
/// not see a camera must not learn by filters what it saw.
fn facet(terms: &mut Terms, facets: &[&str], values: &[String], cameras: Option<&[String]>) {
    if values.is_empty() {
        return;
    }
    let names = facets.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let places = marks(values.len());
    let has = format!(
        "EXISTS (SELECT 1 FROM incident_facets f WHERE f.incident = i.id AND f.facet IN ({names})
         AND f.value IN ({places}))"
    );
    let Some(cameras) = cameras else { return terms.add(has, texts(values)) };
    let any = facets.iter().map(|name| format!("+e.{name} IN ({places})")).collect::<Vec<_>>().join(" OR ");
    // Most incidents fail at the first, which an index alone answers.
    let term = format!(
        "CASE WHEN {has} THEN EXISTS (SELECT 1 FROM {OF_INCIDENT}
                                      WHERE m.incident = i.id AND +e.camera IN ({}) AND ({any})) END",
        marks(cameras.len())
    );
    let of_events = texts(cameras).into_iter().chain(facets.iter().flat_map(|_| texts(values)));
    terms.add(term, texts(values).into_iter().chain(of_events));
}

/// The incident's highest severity is one of these; of what `eyes` saw where others saw it too.
fn severity(terms: &mut Terms, wanted: &[Severity], eyes: Option<&[String]>) {
    let Some(eyes) = eyes.filter(|_| !wanted.is_empty()) else {
        return terms.among("i.severity", severities(wanted));
    };
    let (cameras, places) = (marks(eyes.len()), marks(wanted.len()));
    let term = format!(
        "CASE WHEN EXISTS (SELECT 1 FROM incident_facets f WHERE f.incident = i.id AND f.facet = 'camera'
                           AND f.value NOT IN ({cameras}))
         THEN (SELECT CASE max(CASE e.severity WHEN 'alert' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END)
                      WHEN 2 THEN 'alert' WHEN 1 THEN 'warning' ELSE 'info' END
               FROM {OF_INCIDENT} WHERE m.incident = i.id AND +e.camera IN ({cameras}))
         ELSE i.severity END IN ({places})"
    );
    terms.add(term, texts(eyes).into_iter().chain(texts(eyes)).chain(severities(wanted)));
}

fn sees(eyes: &[String], camera: &CameraId) -> bool {
    eyes.iter().any(|one| one == camera.as_str())
}

fn between(terms: &mut Terms, column: &str, filter: &ListFilter) {
    if let Some(from) = filter.from {
        terms.add(format!("{column} >= ?"), [Value::from(from.0)]);
    }
    if let Some(to) = filter.to {
        terms.add(format!("{column} < ?"), [Value::from(to.0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    /// Without statistics SQLite takes the events of a kind or camera for few, and they are the most of the store.
    #[test]
    fn what_an_incident_holds_is_looked_up_from_the_incident() {
        let folder = tempfile::tempdir().unwrap();
        let conn = schema::open_writer(folder.path()).unwrap();
        let words = ["word".to_owned()];
        let mut terms = Terms::default();
        facet(&mut terms, &["rule", "kind"], &words, Some(&words));
        facet(&mut terms, &["class"], &words, Some(&words));
        severity(&mut terms, &[Severity::Alert], Some(&words));
        let sql = format!("EXPLAIN QUERY PLAN SELECT 1 FROM incidents i WHERE {}", terms.filter());
        let mut select = conn.prepare(&sql).unwrap();
        let steps = select.query_map(params_from_iter(terms.values), |row| row.get::<_, String>("detail")).unwrap();
        let of_events: Vec<String> = steps.map(Result::unwrap).filter(|step| step.contains(" e ")).collect();
        assert_eq!(of_events.len(), 3, "{of_events:?}");
        assert!(of_events.iter().all(|step| step.contains("events_identity")), "{of_events:?}");
    }
}

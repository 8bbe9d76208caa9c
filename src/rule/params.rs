//! Parameters of rules: read from the pipeline file, checked with every error at once.
//!
//! A rule's parameters are one struct made by [`params!`], which adds those that all rules share.
//! The JSON Schema is derived from it, and the numeric bounds written there are the ones checked.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::held::Cooldown;
use super::names::nearest;
use super::roles::PEOPLE;
use super::scene::SceneNames;
use crate::base::{MediaTime, Span};
use crate::scene::{ClassId, Labels, Severity, Track};

/// One mistake in a rule's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    /// The parameter; empty when the parameters as a whole are wrong.
    pub param: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it, such as the name that was probably meant.
    pub help: Option<String>,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.param.is_empty() {
            write!(f, "{}: ", self.param)?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// Class names that models use for road vehicles, in lower case.
pub const VEHICLES: &[&str] = &[
    "auto rickshaw",
    "awning-tricycle",
    "bicycle",
    "bike",
    "bus",
    "car",
    "coach",
    "container truck",
    "fire truck",
    "lorry",
    "minibus",
    "motor",
    "motorbike",
    "motorbiker",
    "motorcycle",
    "moto",
    "pickup",
    "rickshaw",
    "scooter",
    "taxi",
    "tractor",
    "trailer",
    "tricycle",
    "truck",
    "van",
    "vehicle",
];

/// Defines a rule's parameters: `field: type = default`, after those that all rules share.
macro_rules! params {
    (
        $(#[$meta:meta])*
        struct $name:ident with $severity:expr;
        $( $(#[$doc:meta])* $field:ident: $kind:ty = $default:expr, )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        struct $name {
            $( $(#[$doc])* $field: $kind, )*
            /// Object classes by name; empty takes the rule's own choice.
            classes: Vec<String>,
            /// How much an operator should care.
            severity: $crate::scene::Severity,
            /// After one happening starts, this rule starts no other for so long.
            cooldown: $crate::base::Span,
            /// A track younger than this is followed but fires nothing.
            min_track_age: $crate::base::Span,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $default, )*
                    classes: Vec::new(),
                    severity: $severity,
                    cooldown: $crate::base::Span::ZERO,
                    min_track_age: $crate::base::Span::ZERO,
                }
            }
        }

        impl $name {
            fn common(&self, taken_by_default: &'static [&'static str]) -> $crate::rule::params::Common {
                $crate::rule::params::Common::new(
                    self.classes.clone(), taken_by_default, self.severity, self.cooldown, self.min_track_age,
                )
            }
        }
    };
}
pub(super) use params;

/// The shared parameters at work.
#[derive(Debug)]
pub(super) struct Common {
    classes: Vec<String>,
    taken_by_default: &'static [&'static str],
    pub(super) severity: Severity,
    pub(super) cooldown: Cooldown,
    min_track_age: Duration,
    /// Which classes of the model are taken, worked out once: names are compared for no track.
    taken: RefCell<Option<(Labels, Vec<bool>)>>,
}

impl Common {
    pub(super) fn new(
        classes: Vec<String>,
        taken_by_default: &'static [&'static str],
        severity: Severity,
        cooldown: Span,
        min_track_age: Span,
    ) -> Self {
        let cooldown = Cooldown::new(cooldown.duration());
        Self {
            classes,
            taken_by_default,
            severity,
            cooldown,
            min_track_age: min_track_age.duration(),
            taken: RefCell::new(None),
        }
    }

    /// Whether the rule looks at tracks of this class. Without any list, at all of them.
    pub(super) fn takes(&self, class: ClassId, labels: &Labels) -> bool {
        let mut taken = self.taken.borrow_mut();
        if !taken.as_ref().is_some_and(|(known, _)| known.is(labels)) {
            *taken = Some((labels.clone(), labels.names().iter().map(|name| self.takes_name(name)).collect()));
        }
        let known = taken.as_ref().and_then(|(_, by_class)| by_class.get(usize::from(class.0)).copied());
        known.unwrap_or_else(|| self.takes_name(&labels.name(class)))
    }

    fn takes_name(&self, name: &str) -> bool {
        if !self.classes.is_empty() {
            return self.classes.iter().any(|taken| taken == name);
        }
        self.taken_by_default.is_empty() || self.taken_by_default.iter().any(|taken| taken.eq_ignore_ascii_case(name))
    }

    pub(super) fn old_enough(&self, track: &Track, at: MediaTime) -> bool {
        at.since(track.first_seen) >= self.min_track_age
    }
}

/// Reads parameters, each by itself, so that one mistake does not hide the next; a wrong one keeps
/// its default in the result. `required` ones have no default and must be given.
pub(super) fn read<P>(given: &Value, required: &[&str]) -> (P, Vec<ParamError>)
where
    P: Default + Serialize + DeserializeOwned + JsonSchema,
{
    let nothing = Map::new();
    let given = match given {
        Value::Null => &nothing,
        Value::Object(map) => map,
        _ => return (P::default(), vec![error("", "parameters are `name: value` pairs".to_owned(), None)]),
    };
    let Ok(Value::Object(mut merged)) = serde_json::to_value(P::default()) else {
        return (P::default(), vec![error("", "internal: parameters do not serialise".to_owned(), None)]);
    };
    let known: BTreeSet<String> = merged.keys().cloned().collect();
    let schema = schema_for!(P).to_value();
    let mut errors = Vec::new();
    for (name, value) in given {
        if !known.contains(name) {
            let help = nearest(name, known.iter().map(String::as_str)).map(|meant| format!("did you mean `{meant}`?"));
            errors.push(error(name, "no such parameter".to_owned(), help));
            continue;
        }
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        if let Err(wrong) = serde_json::from_value::<P>(alone) {
            errors.push(error(name, wrong.to_string(), None));
        } else if let Some(message) = out_of_bounds(&schema["properties"][name], value) {
            errors.push(error(name, message, None));
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    for name in required.iter().filter(|name| !given.contains_key(**name)) {
        errors.push(error(name, "is missing".to_owned(), None));
    }
    (serde_json::from_value(Value::Object(merged)).unwrap_or_default(), errors)
}

/// What is wrong with a number, by the bounds of its schema (both inclusive).
fn out_of_bounds(schema: &Value, value: &Value) -> Option<String> {
    let value = value.as_f64()?;
    let low = schema["minimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let high = schema["maximum"].as_f64().unwrap_or(f64::INFINITY);
    (!(low..=high).contains(&value)).then(|| format!("{value} is out of range: {low} to {high}"))
}

/// Gathers the mistakes that a type cannot tell: names, spans, combinations.
pub(super) struct Check<'a> {
    names: &'a SceneNames,
    errors: Vec<ParamError>,
}

impl<'a> Check<'a> {
    /// Goes on from the errors of [`read`]; a parameter that has one gets no second.
    pub(super) fn new(names: &'a SceneNames, errors: Vec<ParamError>) -> Self {
        Self { names, errors }
    }

    pub(super) fn fail(&mut self, param: &str, message: String, help: Option<String>) {
        if !self.has_failed(param) {
            self.errors.push(error(param, message, help));
        }
    }

    /// Whether the parameter, or all of them together, already has a mistake.
    pub(super) fn has_failed(&self, param: &str) -> bool {
        self.errors.iter().any(|e| e.param == param || e.param.is_empty())
    }

    pub(super) fn at_least(&mut self, param: &str, span: Span, least: Span) {
        if span < least {
            self.fail(param, format!("{span} is too short: at least {least}"), None);
        }
    }

    pub(super) fn at_most(&mut self, param: &str, span: Span, most: Span) {
        if span > most {
            self.fail(param, format!("{span} is too long: at most {most}"), None);
        }
    }

    /// The rule measures in metres, so the camera must be calibrated.
    pub(super) fn calibrated(&mut self, rule: &str) {
        if !self.names.calibrated {
            let help = "add `calibration:` with four places or more on the road to the camera";
            let message = format!("{rule} measures in metres, and this camera has no calibration");
            self.errors.push(error("", message, Some(help.to_owned())));
        }
    }

    /// Names of classes in a parameter other than `classes`.
    pub(super) fn class_names<'n>(&mut self, param: &str, names: impl Iterator<Item = &'n String>) {
        let Some(labels) = self.names.labels.as_ref().filter(|labels| !labels.is_empty()) else { return };
        for name in names.filter(|name| labels.find(name).is_none()) {
            let help = help_with(name, labels.names().iter().map(String::as_str), "the model names no class");
            self.errors.push(error(param, format!("the model has no class `{name}`"), Some(help)));
        }
    }

    pub(super) fn tripwire(&mut self, param: &str, name: &str) {
        self.name(param, "tripwire", name, &self.names.tripwires);
    }

    pub(super) fn zone(&mut self, param: &str, name: &str) {
        self.name(param, "zone", name, &self.names.zones);
    }

    pub(super) fn lane(&mut self, param: &str, name: &str) {
        self.name(param, "lane", name, &self.names.lanes);
    }

    /// Refuses a parameter that is in metres when nobody knows where the ground is.
    pub(super) fn in_metres(&mut self, param: &str) {
        if !self.names.calibrated {
            let help = "add `calibration:` to the camera, or leave this parameter out".to_owned();
            self.fail(param, "needs a camera with a calibration".to_owned(), Some(help));
        }
    }

    /// Refuses a parameter that names a signal when nobody tells what signals show.
    pub(super) fn signals(&mut self, param: &str) {
        if !self.names.signals {
            let help = "add `signals:` to the camera".to_owned();
            self.fail(param, "needs a camera with a feed of traffic signals".to_owned(), Some(help));
        }
    }

    fn name(&mut self, param: &str, what: &str, name: &str, known: &BTreeSet<String>) {
        if !known.contains(name) {
            let help = help_with(name, known.iter().map(String::as_str), &format!("no {what} is drawn"));
            self.fail(param, format!("there is no {what} `{name}`"), Some(help));
        }
    }

    /// Checks class names against the model's, if they are known.
    pub(super) fn classes(&mut self, classes: &[String], taken_by_default: &[&str]) {
        self.classes_of(classes, taken_by_default, "a vehicle");
    }

    /// The same for a rule about people on foot.
    pub(super) fn people(&mut self, classes: &[String]) {
        self.classes_of(classes, PEOPLE, "a person");
    }

    fn classes_of(&mut self, classes: &[String], taken_by_default: &[&str], what: &str) {
        let Some(labels) = self.names.labels.as_ref().filter(|labels| !labels.is_empty()) else { return };
        let known = || labels.names().iter().map(String::as_str);
        for name in classes.iter().filter(|name| labels.find(name).is_none()) {
            // Several names may be wrong in this one parameter, so each is told.
            let help = help_with(name, known(), "the model names no class");
            self.errors.push(error("classes", format!("the model has no class `{name}`"), Some(help)));
        }
        let takes_some = taken_by_default.is_empty()
            || known().any(|name| taken_by_default.iter().any(|taken| taken.eq_ignore_ascii_case(name)));
        if classes.is_empty() && !takes_some {
            let help = help_with("", known(), "the model names no class");
            self.fail("classes", format!("the model names no class that is known to be {what}: list them"), Some(help));
        }
    }

    /// Nothing, or all mistakes.
    pub(super) fn finish(self) -> Result<(), Vec<ParamError>> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// The nearest name, else the first names there are, else `none`.
fn help_with<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone, none: &str) -> String {
    const SHOWN: usize = 12;
    if let Some(meant) = nearest(name, known.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let shown: Vec<String> = known.clone().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match shown.len() {
        0 => none.to_owned(),
        _ if known.count() > SHOWN => format!("there are {}, …", shown.join(", ")),
        _ => format!("there are {}", shown.join(", ")),
    }
}

fn error(param: &str, message: String, help: Option<String>) -> ParamError {
    ParamError { param: param.to_owned(), message, help }
}

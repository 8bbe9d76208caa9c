//! The list of rules: what the pipeline file may name, and how each is built.

use serde_json::Value;

use super::params::ParamError;
use super::scene::SceneNames;
use super::{
    Rule, abandoned_object, camera_unfit, collision, congestion, crowd, illegal_parking, line_crossing, motorbike_flow,
    near_miss, pedestrian_on_road, queue_length, red_light, speeding, stopped_vehicle, turning_movement, wrong_way,
    zone_dwell,
};

/// A rule ready to run, and its parameters with every default written out.
pub struct Compiled {
    /// The rule, with no state yet.
    pub rule: Box<dyn Rule>,
    /// The parameters as they are in force, for the pipeline's digest.
    pub params: Value,
}

/// One kind of rule.
pub struct Kind {
    /// Its name in the pipeline file and in events.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
    /// Parameters without a default.
    pub required: &'static [&'static str],
    /// Builds a rule from its parameters, or gives every mistake in them.
    pub compile: fn(&Value, &SceneNames) -> Result<Compiled, Vec<ParamError>>,
    /// JSON Schema of the parameters as derived; take [`schema`], which knows the required ones.
    pub(super) derived_schema: fn() -> Value,
}

/// Every kind of rule, by name.
pub const TABLE: &[Kind] = &[
    abandoned_object::KIND,
    camera_unfit::KIND,
    collision::KIND,
    congestion::KIND,
    crowd::KIND,
    illegal_parking::KIND,
    line_crossing::KIND,
    motorbike_flow::KIND,
    near_miss::KIND,
    pedestrian_on_road::KIND,
    queue_length::KIND,
    red_light::KIND,
    speeding::KIND,
    stopped_vehicle::KIND,
    turning_movement::KIND,
    wrong_way::KIND,
    zone_dwell::KIND,
];

/// The kind of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Kind> {
    TABLE.iter().find(|kind| kind.name == name)
}

/// The JSON Schema (draft 2020-12) of a kind's parameters.
#[must_use]
pub fn schema(kind: &Kind) -> Value {
    let mut schema = (kind.derived_schema)();
    for name in kind.required {
        if let Some(property) = schema["properties"][*name].as_object_mut() {
            property.remove("default");
        }
    }
    if let (Some(object), false) = (schema.as_object_mut(), kind.required.is_empty()) {
        object.insert("required".to_owned(), kind.required.into());
        object.insert("title".to_owned(), kind.name.into());
    }
    schema
}

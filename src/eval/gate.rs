//! Conditions that a report must meet, for continuous integration: `detection_rate>=0.95,mota>0.5`.

use std::str::FromStr;

use serde::Serialize;

use crate::base::{Error, ErrorKind};

/// How a measure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Operator {
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = ">")]
    Above,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "==")]
    Equal,
}

impl Operator {
    /// Two signs before one: `<=` begins with `<`.
    const ALL: [(Self, &str); 5] =
        [(Self::AtLeast, ">="), (Self::AtMost, "<="), (Self::Equal, "=="), (Self::Above, ">"), (Self::Below, "<")];

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => value >= bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::Below => value < bound,
            Self::Equal => value == bound,
        }
    }
}

/// A condition as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    measure: String,
    operator: Operator,
    bound: f64,
}

/// A condition and whether it is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateResult {
    /// The condition, such as `detection_rate >= 0.95`.
    pub condition: String,
    /// The measured value; none where there was nothing to measure, which meets no condition.
    pub value: Option<f64>,
    /// Whether it is met.
    pub met: bool,
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = |(operator, sign): &(Operator, &str)| {
            let (measure, bound) = text.split_once(sign)?;
            Some((measure.trim(), *operator, bound.trim()))
        };
        let found = Operator::ALL.iter().find_map(split);
        let (measure, operator, bound) =
            found.ok_or_else(|| format!("{text:?}: write MEASURE>=NUMBER or <=, >, <, =="))?;
        let bound = bound.parse::<f64>().ok().filter(|bound| bound.is_finite());
        let bound = bound.ok_or_else(|| format!("{text:?}: the bound is no number"))?;
        Ok(Self { measure: measure.to_owned(), operator, bound })
    }
}

impl Gate {
    /// Compares with the measures of a report.
    ///
    /// # Errors
    /// `Usage` when there is no such measure.
    pub fn check(&self, measures: &[(&'static str, Option<f64>)]) -> Result<GateResult, Error> {
        let Some((_, value)) = measures.iter().find(|(name, _)| *name == self.measure) else {
            let known: Vec<&str> = measures.iter().map(|(name, _)| *name).collect();
            return Err(Error::new(ErrorKind::Usage, format!("--require {}: there is no such measure", self.measure))
                .help(format!("this report has {}", known.join(", "))));
        };
        let sign = Operator::ALL.iter().find(|(operator, _)| *operator == self.operator).map_or("", |(_, sign)| sign);
        Ok(GateResult {
            condition: format!("{} {sign} {}", self.measure, self.bound),
            value: *value,
            met: value.is_some_and(|value| self.operator.holds(value, self.bound)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_compared() {
        let measures = [("mota", Some(0.5)), ("f1", None)];
        let met = |text: &str| text.parse::<Gate>().unwrap().check(&measures).unwrap().met;
        assert!(met("mota>=0.5") && met("mota <= 0.5") && met("mota==0.5"));
        assert!(!met("mota>0.5") && !met("mota<0.5"));
        assert!(!met("f1>=0"), "nothing measured meets nothing");
        assert_eq!("mota>=0.5".parse::<Gate>().unwrap().check(&measures).unwrap().condition, "mota >= 0.5");
        for text in ["mota", "mota>=", "mota>=much", "mota>=NaN"] {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
        let unknown = "motta>=1".parse::<Gate>().unwrap().check(&measures).unwrap_err();
        assert!(unknown.advice().unwrap().contains("mota, f1"));
    }
}

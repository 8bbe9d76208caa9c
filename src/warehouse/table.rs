//! What a table, a column and a cell are.

use jiff::SignedDuration;

use crate::base::Timestamp;

/// A table: its name and columns, in order.
#[derive(Debug)]
pub struct Table {
    /// Its name, which is that of its files.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sort: Type,
    /// Whether cells may be null.
    pub nullable: bool,
    /// What it means, with its unit.
    pub about: &'static str,
}

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Real,
    /// Microseconds since 1970, UTC.
    Time,
}

impl Type {
    /// The type as SQL calls it.
    #[must_use]
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Text => "VARCHAR",
            Self::Int => "BIGINT",
            Self::Real => "DOUBLE",
            Self::Time => "TIMESTAMP WITH TIME ZONE",
        }
    }
}

/// A value of a row, of its column's type.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// An integer.
    Int(i64),
    /// A float.
    Real(f64),
    /// Microseconds since 1970, UTC.
    Time(i64),
}

impl Cell {
    /// A capture time, to the microsecond below.
    pub(super) fn time(time: Timestamp) -> Self {
        Self::Time(time.0.div_euclid(1_000))
    }

    /// A number that may be too large for 64 bits with a sign.
    pub(super) fn count(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// The cell as text; `None` where there is nothing. Times as RFC 3339 with six digits.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::Int(number) => Some(number.to_string()),
            // With a point, so that a reader of CSV that guesses types takes a whole number for what it is.
            Self::Real(number) => Some(format!("{number:?}")),
            Self::Time(micros) => {
                let at = jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(*micros)).ok()?;
                Some(format!("{at:.6}"))
            }
        }
    }

    /// The cell as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Int(number) => (*number).into(),
            Self::Real(number) => (*number).into(),
            other => other.text().into(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Self::Null, Into::into)
    }
}

pub(super) const fn column(name: &'static str, sort: Type, about: &'static str) -> Column {
    Column { name, sort, nullable: false, about }
}

pub(super) const fn nullable(name: &'static str, sort: Type, about: &'static str) -> Column {
    Column { name, sort, nullable: true, about }
}

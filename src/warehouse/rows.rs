//! Rows into a file of one of the formats.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::atomic::AtomicFile;
use super::parquet::ParquetRows;
use super::table::{Cell, Table};
use crate::base::{Error, ErrorKind, Result};
use crate::config::PlacePlan;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header (RFC 4180), UTF-8.
    Csv,
    /// A GeoJSON feature collection (RFC 7946), each row a feature at its camera's place.
    GeoJson,
}

impl Format {
    /// Ending of the files' names.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::GeoJson => "geojson",
        }
    }
}

/// A file of rows in the making. Dropped before [`Rows::finish`], it leaves what was there before.
pub struct Rows {
    table: &'static Table,
    rows: u64,
    sort: Sort,
}

enum Sort {
    Parquet(Box<ParquetRows>),
    Csv(Box<csv::Writer<BufWriter<AtomicFile>>>),
    GeoJson(BufWriter<AtomicFile>),
}

impl Rows {
    /// Begins the file at `place`.
    ///
    /// # Errors
    /// `Io`, `Permission` or `DiskFull`.
    pub fn begin(table: &'static Table, format: Format, place: &Path) -> Result<Self> {
        let file = AtomicFile::create(place)?;
        let sort = match format {
            Format::Parquet => Sort::Parquet(Box::new(ParquetRows::begin(table, file)?)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let header = table.columns.iter().map(|column| column.name);
                writer.write_record(header).map_err(|e| csv_failed(place, e))?;
                Sort::Csv(Box::new(writer))
            }
            Format::GeoJson => {
                let mut writer = BufWriter::new(file);
                let head = b"{\"type\":\"FeatureCollection\",\"features\":[";
                writer.write_all(head).map_err(|e| Error::io(place, e))?;
                Sort::GeoJson(writer)
            }
        };
        Ok(Self { table, rows: 0, sort })
    }

    /// Adds a row; `place` is where its camera stands, for GeoJSON.
    ///
    /// # Errors
    /// `Io` or `DiskFull`.
    pub fn put(&mut self, row: Vec<Cell>, place: Option<&PlacePlan>) -> Result<()> {
        let is_first = self.rows == 0;
        self.rows += 1;
        match &mut self.sort {
            Sort::Parquet(writer) => writer.put(row),
            Sort::Csv(writer) => {
                let fields = row.iter().map(|cell| cell.text().unwrap_or_default());
                writer.write_record(fields).map_err(|e| csv_failed(Path::new(self.table.name), e))
            }
            Sort::GeoJson(writer) => {
                let comma = if is_first { "\n" } else { ",\n" };
                let feature = feature(self.table, &row, place);
                write!(writer, "{comma}{feature}").map_err(|e| Error::io(Path::new(self.table.name), e))
            }
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows
    }

    /// Puts the file in its place, on disk.
    ///
    /// # Errors
    /// `Io` or `DiskFull`; then there is what was there before.
    pub fn finish(self) -> Result<()> {
        match self.sort {
            Sort::Parquet(writer) => writer.finish(),
            Sort::Csv(writer) => whole(writer.into_inner().map_err(|e| inner(self.table, e.into_error()))?, self.table),
            Sort::GeoJson(mut writer) => {
                writer.write_all(b"\n]}\n").map_err(|e| Error::io(Path::new(self.table.name), e))?;
                whole(writer, self.table)
            }
        }
    }
}

fn whole(writer: BufWriter<AtomicFile>, table: &Table) -> Result<()> {
    writer.into_inner().map_err(|e| inner(table, e.into_error()))?.finish()
}

fn inner(table: &Table, error: std::io::Error) -> Error {
    Error::io(Path::new(table.name), error)
}

/// A row as a feature: longitude first (RFC 7946 §3.1.1); without a place, no geometry (§3.2).
fn feature(table: &Table, row: &[Cell], place: Option<&PlacePlan>) -> Value {
    let geometry = place.map(|place| json!({"type": "Point", "coordinates": [place.lon, place.lat]}));
    let properties: Map<String, Value> =
        table.columns.iter().zip(row).map(|(column, cell)| (column.name.to_owned(), cell.json())).collect();
    json!({"type": "Feature", "geometry": geometry, "properties": properties})
}

fn csv_failed(place: &Path, error: csv::Error) -> Error {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(io) => Error::io(place, io),
        _ => Error::new(ErrorKind::Internal, format!("{}: {text}", place.display())),
    }
}

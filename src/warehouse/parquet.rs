//! Rows as Apache Parquet: one column chunk per column and row group, Snappy, times as `TIMESTAMP(MICROS, UTC)`.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::atomic::AtomicFile;
use super::table::{Cell, Table, Type};
use crate::base::{Error, ErrorKind, Result};

/// Rows of a row group; what is held in memory.
const GROUP_ROWS: usize = 16_384;

/// Writes rows into a file.
pub(super) struct ParquetRows {
    table: &'static Table,
    writer: SerializedFileWriter<AtomicFile>,
    rows: Vec<Vec<Cell>>,
}

impl ParquetRows {
    pub(super) fn begin(table: &'static Table, file: AtomicFile) -> Result<Self> {
        let place = file.place().display().to_string();
        let schema = parse_message_type(&message(table)).map_err(|e| failed(&place, e))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("vantage ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer =
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(|e| failed(&place, e))?;
        Ok(Self { table, writer, rows: Vec::new() })
    }

    pub(super) fn put(&mut self, row: Vec<Cell>) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() < GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        let place = self.place();
        self.writer.into_inner().map_err(|e| failed(&place, e))?.finish()
    }

    fn place(&self) -> String {
        self.writer.inner().place().display().to_string()
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let place = self.place();
        self.write_group(&rows).map_err(|e| failed(&place, e))
    }

    fn write_group(&mut self, rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (at, column) in self.table.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
            let levels: Option<Vec<i16>> =
                column.nullable.then(|| cells.clone().map(|cell| i16::from(*cell != Cell::Null)).collect());
            let levels = levels.as_deref();
            let mut writer =
                group.next_column()?.ok_or_else(|| ParquetError::General(format!("no column {}", column.name)))?;
            match writer.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let values: Vec<ByteArray> = cells.filter_map(text).map(ByteArray::from).collect();
                    writer.write_batch(&values, levels, None)?;
                }
                ColumnWriter::Int64ColumnWriter(writer) => {
                    writer.write_batch(&cells.filter_map(integer).collect::<Vec<_>>(), levels, None)?;
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    writer.write_batch(&cells.filter_map(real).collect::<Vec<_>>(), levels, None)?;
                }
                _ => return Err(ParquetError::General(format!("column {} has another type", column.name))),
            }
            writer.close()?;
        }
        group.close().map(|_| ())
    }
}

fn text(cell: &Cell) -> Option<&str> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}

fn integer(cell: &Cell) -> Option<i64> {
    if let Cell::Int(number) | Cell::Time(number) = cell { Some(*number) } else { None }
}

fn real(cell: &Cell) -> Option<f64> {
    if let Cell::Real(number) = cell { Some(*number) } else { None }
}

/// The schema in Parquet's own language.
fn message(table: &Table) -> String {
    let mut message = format!("message {} {{\n", table.name);
    for column in table.columns {
        let repetition = if column.nullable { "optional" } else { "required" };
        let (physical, logical) = match column.sort {
            Type::Text => ("binary", " (STRING)"),
            Type::Int => ("int64", ""),
            Type::Real => ("double", ""),
            Type::Time => ("int64", " (TIMESTAMP(MICROS,true))"),
        };
        message.push_str(&format!("  {repetition} {physical} {}{logical};\n", column.name));
    }
    message.push('}');
    message
}

/// The library's error as ours: a full disk is one, however deep it lies.
fn failed(place: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => Error::io(std::path::Path::new(place), *io),
            Err(other) => Error::new(ErrorKind::Io, format!("{place}: {other}")),
        },
        other => Error::new(ErrorKind::Internal, format!("{place}: {other}")),
    }
}

//! `vantage export`: a store's events and incidents as files for others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::plan;
use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{CameraId, Clock, Error, ErrorKind, Result};
use crate::config::Plan;
use crate::document::{Publisher, is_sender};
use crate::export::{self, Days, Exported};
use crate::store::Store;
use crate::warehouse;

/// Arguments of `vantage export`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to write.
    #[arg(long)]
    format: Format,
    /// The store's folder.
    #[arg(long, default_value = "vantage-data", value_name = "FOLDER")]
    store: PathBuf,
    /// The pipeline file: names, wards and places of cameras. GeoJSON, CAP and DATEX II want them.
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// The first day, such as 2026-01-31; all that the store has when not given.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The first day that is left out.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// IANA name of the time zone whose days they are, and that documents write times in.
    #[arg(long, default_value = "UTC", value_name = "NAME")]
    time_zone: String,
    /// Only this camera; of tables and envelopes.
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Where to: a folder; for datex and cloudevents, a file.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Who sends a document, globally unique, such as vantage@traffic.example.
    #[arg(long, default_value = "vantage", value_name = "NAME")]
    sender: String,
    /// Country of the sender, two letters of ISO 3166-1.
    #[arg(long, default_value = "vn", value_name = "CODE")]
    country: String,
    /// Marks documents as a drill: nothing in them has happened.
    #[arg(long)]
    exercise: bool,
    /// What was written, as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables of events, counts and cameras, by day and camera: Apache Parquet.
    Parquet,
    /// The same tables as comma-separated values.
    Csv,
    /// The same as GeoJSON, and cameras and incidents on the map.
    Geojson,
    /// Incidents as CAP 1.2 messages: Alert, Update, Cancel.
    Cap,
    /// Incidents as one DATEX II version 3 publication.
    Datex,
    /// Events in their envelopes, one a line, as sinks send them.
    Cloudevents,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let days = arguments.days()?;
    let plan = arguments.pipeline.as_ref().map(|path| plan::load(path)).transpose()?;
    let reader = Store::open_reader(&arguments.store)?;
    let now = SystemClock.utc();
    let range = days.range()?;
    let out = arguments.out.as_path();
    let told = match arguments.format {
        Format::Parquet | Format::Csv => {
            let format =
                if arguments.format == Format::Csv { warehouse::Format::Csv } else { warehouse::Format::Parquet };
            tell(&export::tables(&reader, plan.as_ref(), &days, format, out)?, out)
        }
        Format::Geojson => {
            let plan = arguments.wanted(plan.as_ref())?;
            let done = export::tables(&reader, Some(plan), &days, warehouse::Format::GeoJson, out)?;
            let incidents = export::geojson(&reader, plan, &arguments.publisher(plan, &days)?, now, out)?;
            let mut told = tell(&done, out);
            if let Some(object) = told.as_object_mut() {
                object.insert("incidents".to_owned(), incidents.into());
            }
            told
        }
        Format::Cap => {
            let publisher = arguments.publisher(arguments.wanted(plan.as_ref())?, &days)?;
            json!({"out": out, "messages": export::cap(&reader, &publisher, range, now, out)?})
        }
        Format::Datex => {
            let publisher = arguments.publisher(arguments.wanted(plan.as_ref())?, &days)?;
            let (situations, unplaced) = export::datex(&reader, &publisher, range, now, out)?;
            if unplaced > 0 {
                let what = "incidents are left out: their cameras have no `place` in the pipeline file";
                eprintln!("warning: {unplaced} {what}");
            }
            json!({"out": out, "situations": situations, "unplaced": unplaced})
        }
        Format::Cloudevents => {
            let events = export::samples(&reader, arguments.camera.clone(), range, out)?;
            json!({"out": out, "events": events})
        }
    };
    if arguments.json {
        say_json(&told)?;
    } else {
        say(in_words(&told))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn days(&self) -> Result<Days> {
        let zone = TimeZone::get(&self.time_zone).map_err(|_| {
            Error::new(ErrorKind::Usage, format!("there is no time zone \"{}\"", self.time_zone))
                .help("use an IANA name, such as Asia/Ho_Chi_Minh")
        })?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Error::new(ErrorKind::Usage, format!("no day lies from {from} to before {to}"))
                .help("`--to` is the first day that is left out"));
        }
        Ok(Days { from: self.from, to: self.to, zone, camera: self.camera.as_deref().map(CameraId::new) })
    }

    fn wanted<'p>(&self, plan: Option<&'p Plan>) -> Result<&'p Plan> {
        plan.ok_or_else(|| {
            Error::new(ErrorKind::Usage, "this format needs `--pipeline`: names and places of cameras are there")
                .help("name the pipeline file that the store was written by")
        })
    }

    fn publisher(&self, plan: &Plan, days: &Days) -> Result<Publisher> {
        if !is_sender(&self.sender) {
            return Err(Error::new(ErrorKind::Usage, format!("\"{}\" cannot be the sender", self.sender))
                .help("no blanks, commas, `<` and `&`: such as vantage@traffic.example"));
        }
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(Error::new(ErrorKind::Usage, format!("\"{}\" is no country", self.country))
                .help("two letters of ISO 3166-1, such as vn"));
        }
        Ok(Publisher {
            sender: self.sender.clone(),
            country: self.country.to_ascii_lowercase(),
            exercise: self.exercise,
            zone: days.zone.clone(),
            cameras: Publisher::cameras_of(plan),
        })
    }
}

fn tell(done: &Exported, out: &Path) -> Value {
    for kept in &done.kept {
        eprintln!("warning: {} stays: it has more rows than the store has by now", out.join(kept).display());
    }
    json!({"out": out, "files": done.files, "rows": done.rows, "kept": done.kept})
}

fn in_words(told: &Value) -> String {
    let counts = ["files", "rows", "incidents", "messages", "situations", "events"];
    let counts: Vec<String> =
        counts.iter().filter_map(|what| Some(format!("{} {what}", told.get(what)?.as_u64()?))).collect();
    format!("{}: {}", told["out"].as_str().unwrap_or_default(), counts.join(", "))
}

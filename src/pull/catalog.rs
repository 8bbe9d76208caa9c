//! The catalogue: which models can be pulled, from where, and how each file is known to be the right one.
//!
//! `models/catalog.yaml` is part of the program; a site may keep one of its own. An entry that exists is
//! valid: its name is a plain folder name, its size and checksum are stated, its licence is named.

use std::path::Path;

use serde::Deserialize;
use url::Url;

use crate::base::{Error, ErrorKind, Result};
use crate::config::nearest;
use crate::infer::{Input, LabelSource, Manifest, Thresholds};

/// Name of the file in a pulled model's folder.
pub(super) const MODEL_FILE: &str = "model.onnx";
/// The catalogue of this program.
const BUILT_IN: &str = include_str!("../../models/catalog.yaml");
/// The only layout there is.
const VERSION: u32 = 1;

/// A catalogue, checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    version: u32,
    models: Vec<Entry>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of its folder: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it is, in a line.
    pub about: String,
    /// Where its makers publish the file.
    pub url: Url,
    /// The file's size.
    pub bytes: u64,
    /// The file's SHA-256, hexadecimal.
    pub sha256: String,
    /// Licence of the weights (SPDX identifier).
    pub licence: String,
    /// Where the licence can be read.
    pub licence_url: Url,
    /// The makers' page.
    pub source: Url,
    /// As in `model.yaml`, like the three below.
    family: String,
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    thresholds: Thresholds,
}

impl Catalog {
    /// The catalogue of this program.
    ///
    /// # Errors
    /// `Config`; a test reads it, so a released program has none.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN, "models/catalog.yaml")
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// `Config` with the place when it is malformed; I/O kinds when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, shown: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Config, format!("{shown}: {what}"));
        let catalog: Self = serde_saphyr::from_str(text).map_err(|error| {
            wrong(error.to_string()).help("models/README.md lists the fields of a catalogue's entries")
        })?;
        if catalog.version != VERSION {
            return Err(wrong(format!("version {} is not known, this program reads {VERSION}", catalog.version)));
        }
        for (at, entry) in catalog.models.iter().enumerate() {
            entry.check().map_err(|what| wrong(format!("{}: {what}", entry.name)))?;
            if catalog.models.iter().take(at).any(|other| other.name == entry.name) {
                return Err(wrong(format!("{} stands twice", entry.name)));
            }
        }
        Ok(catalog)
    }

    /// All entries, in the catalogue's order.
    #[must_use]
    pub fn models(&self) -> &[Entry] {
        &self.models
    }

    /// The entry of a name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest name.
    pub fn find(&self, name: &str) -> Result<&Entry> {
        self.models.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let names = || self.models.iter().map(|entry| entry.name.as_str());
            Error::new(ErrorKind::NotFound, format!("the catalogue has no model {name:?}")).help(
                match nearest(name, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
                },
            )
        })
    }
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err("a name is made of letters, digits, -, _ and ., and does not begin with one".to_owned());
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("sha256 must be 64 hexadecimal digits in lower case".to_owned());
        }
        if self.bytes == 0 {
            return Err("bytes must be the size of the file".to_owned());
        }
        if self.licence.trim().is_empty() {
            return Err("a model without a licence does not belong here".to_owned());
        }
        if !matches!(self.url.scheme(), "http" | "https") || self.file_name().is_empty() {
            return Err(format!("{} is no address of a file on the web", self.url));
        }
        Ok(())
    }

    /// The file's name where its makers publish it.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default()
    }

    /// The `model.yaml` of the pulled model.
    pub(super) fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.clone(),
            file: MODEL_FILE.to_owned(),
            family: self.family.clone(),
            input: self.input.clone(),
            labels: self.labels.clone().map(LabelSource::Names),
            sha256: self.sha256.clone(),
            licence: Some(self.licence.clone()),
            source: Some(self.source.to_string()),
            thresholds: self.thresholds,
        }
    }

    /// The note on the licence beside the model.
    pub(super) fn licence_note(&self) -> String {
        format!(
            "{name}: {about}\n\nThe weights are not part of Vantage. Their licence: {licence}, see\n{licence_url}\n\n\
            Makers:    {source}\nPublished: {url}\nSHA-256:   {sha256}\n",
            name = self.name,
            about = self.about,
            licence = self.licence,
            licence_url = self.licence_url,
            source = self.source,
            url = self.url,
            sha256 = self.sha256,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_catalogue_is_valid() {
        let catalog = Catalog::built_in().unwrap();
        assert!(catalog.models().len() >= 6);
        for entry in catalog.models() {
            assert_eq!(entry.url.scheme(), "https", "{}", entry.name);
            crate::infer::family::find(&entry.family).unwrap();
            // Only what may be used for anything.
            assert!(["Apache-2.0", "MIT", "BSD-3-Clause"].contains(&entry.licence.as_str()), "{}", entry.name);
        }
    }

    const GOOD: &str = "version: 1
models:
  - name: tiny
    about: a test
    url: http://127.0.0.1/a/tiny.onnx?x=1
    bytes: 10
    sha256: 0000000000000000000000000000000000000000000000000000000000000000
    licence: MIT
    licence_url: https://example.org/licence
    source: https://example.org/
    family: yolox
";

    #[test]
    fn a_good_one_is_read() {
        let catalog = Catalog::parse(GOOD, "c.yaml").unwrap();
        let entry = catalog.find("tiny").unwrap();
        assert_eq!(entry.file_name(), "tiny.onnx");
        let manifest = entry.manifest();
        assert_eq!((manifest.file.as_str(), manifest.licence.as_deref()), (MODEL_FILE, Some("MIT")));
        assert!(catalog.find("tini").unwrap_err().advice().unwrap().contains("did you mean tiny"));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, told) in [
            ("name: tiny", "name: ../tiny", "a name is made of"),
            ("name: tiny", "name: .tiny", "a name is made of"),
            ("bytes: 10", "bytes: 0", "size of the file"),
            ("bytes: 10", "bytes: ten", "bytes"),
            ("sha256: 00", "sha256: 0", "64 hexadecimal"),
            ("licence: MIT", "licence: ''", "without a licence"),
            ("    licence: MIT\n", "", "licence"),
            ("url: http://127.0.0.1/a/tiny.onnx?x=1", "url: file:///a/tiny.onnx", "no address"),
            ("url: http://127.0.0.1/a/tiny.onnx?x=1", "url: http://127.0.0.1/", "no address"),
            ("version: 1", "version: 2", "version 2"),
            ("family: yolox", "famly: yolox", "famly"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Catalog::parse(&GOOD.replace(from, to), "c.yaml").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(told) && error.to_string().contains("c.yaml"), "{to}: {error}");
        }
        let (head, entry) = GOOD.split_once("  - ").unwrap();
        let twice = format!("{head}  - {entry}  - {entry}");
        assert!(Catalog::parse(&twice, "c.yaml").unwrap_err().to_string().contains("stands twice"));
    }
}

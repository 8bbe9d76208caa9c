//! Under which licence weights may be used, and what to say when nobody states one.

use std::path::Path;

use super::graph::Graph;
use super::manifest::Manifest;

/// How names of files with a licence's text begin, in lower case.
const FILES: [&str; 3] = ["license", "licence", "copying"];

/// The licence that `model.yaml`, the file's metadata or, for a model folder, a licence file in it states.
pub(super) fn stated(model: &Path, manifest: Option<&Manifest>, graph: &Graph) -> Option<String> {
    let written = |text: &&str| !text.trim().is_empty();
    manifest
        .and_then(|m| m.licence.as_deref())
        .filter(written)
        .or_else(|| graph.meta("license").filter(written))
        .map(ToOwned::to_owned)
        // Beside a bare file anything may lie.
        .or_else(|| manifest.and(model.parent()).and_then(file_in))
}

/// What to say of a model without one.
pub(super) const WARNING: &str = "no licence is stated: ask the makers of the weights whether you may use them, and write \
    it into model.yaml (licence: ...)";

fn file_in(folder: &Path) -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| FILES.iter().any(|file| name.to_ascii_lowercase().starts_with(file)))
        .collect();
    names.sort();
    names.first().map(|name| format!("see {name}"))
}

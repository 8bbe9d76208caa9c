//! The plan for `vantage run --camera URL`: one camera, one model, every default.

use std::path::Path;

use serde_json::json;

use super::compile::compile;
use super::plan::{Plan, Provider};
use super::registry::Registry;
use crate::base::{Error, ErrorKind, Result};

impl Plan {
    /// A plan of one camera named `camera` at `url` (or a recording's path), with the model at `model`.
    ///
    /// Relative paths, the event store's included, count from `folder`, which must be absolute.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the address, the path or the family is not usable.
    pub fn for_camera_url(
        url: &str,
        model: &Path,
        family: Option<&str>,
        provider: Provider,
        folder: &Path,
        registry: &Registry<'_>,
    ) -> Result<Self> {
        let model = model.to_str().ok_or_else(|| Error::new(ErrorKind::Usage, "the model's path is not UTF-8"))?;
        let mut settings = json!({"path": model, "provider": provider.as_str()});
        if let (Some(family), Some(settings)) = (family, settings.as_object_mut()) {
            settings.insert("family".to_owned(), json!(family));
        }
        // JSON is YAML, and this way the command line and the file cannot come to mean different things.
        let document = json!({
            "version": super::raw::VERSION,
            "models": {"default": settings},
            "cameras": [{"id": "camera", "url": url}],
        });
        match compile(&document.to_string(), "command line", folder, registry, &|_| None) {
            Ok(loaded) => Ok(loaded.plan),
            Err(report) => {
                // The made-up text has no lines that the user knows.
                let first = report.diagnostics().iter().find(|d| d.severity() == super::Severity::Error);
                let message = first.map_or("the camera cannot be used", |first| first.message());
                let error = Error::new(ErrorKind::Usage, format!("--camera: {message}"));
                Err(match first.and_then(|first| first.help()) {
                    Some(help) => error.help(help),
                    None => error,
                })
            }
        }
    }
}

//! From the document as written to the checked plan: what the keys mean together.
//!
//! Every check runs whatever the others found, and a part that could not be read is not complained of twice.
//! Pure but for reading the files that `password_file` names.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::camera;
use super::diagnostic::{Problems, Report};
use super::evidence;
use super::node;
use super::plan::{EvidencePlan, InferencePlan, ModelPlan, Plan, Provider, SinkPlan, StorePlan, TracksPlan};
use super::raw::{self, Document, Kind, default};
use super::read::{Field, FromNode, Located, quoted};
use super::registry::{KindInfo, Registry, SceneNames};
use super::setting::{self, Setting};
use super::text::{Mark, SourceText};
use super::{Loaded, managed, params, suggest};
use crate::base::Span;

/// Everything that the parts of the compilation share.
pub(super) struct Context<'a> {
    /// The problems so far.
    pub problems: Problems,
    /// Relative paths count from here; absolute.
    pub folder: &'a Path,
    /// Known kinds and families.
    pub registry: &'a Registry<'a>,
    /// Environment variables.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Compiles the text of a pipeline file.
///
/// `name` is shown as the file's name, relative paths count from `folder`, which must be absolute, and `env` looks up
/// the variables that `password_env` names.
///
/// # Errors
/// Every mistake in the text, each with its place.
pub fn compile(
    text: &str,
    name: &str,
    folder: &Path,
    registry: &Registry<'_>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Loaded, Report> {
    compile_with(&Texts { text, managed: None, settings: &[] }, name, folder, registry, env)
}

/// What a plan is compiled from.
pub(super) struct Texts<'a> {
    /// The pipeline file's.
    pub text: &'a str,
    /// The managed file's, if there is one.
    pub managed: Option<&'a str>,
    /// Parameters of rules that take another value.
    pub settings: &'a [Setting],
}

/// The same of all texts.
pub(super) fn compile_with(
    texts: &Texts<'_>,
    name: &str,
    folder: &Path,
    registry: &Registry<'_>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Loaded, Report> {
    let Texts { text, managed, settings } = *texts;
    let whole = managed.map(|managed| managed::append(text, managed));
    let (shown, marks) = setting::append(whole.as_ref().map_or(text, |(shown, _)| shown), settings);
    let mut problems = Problems::new(SourceText::new(name, &shown));
    let root = node::parse(text, &mut problems).map(|mut root| {
        if let Some((_, padded)) = &whole {
            managed::merge(&mut root, padded, &mut problems);
        }
        for (setting, mark) in settings.iter().zip(marks) {
            setting.apply(&mut root, mark, &mut problems);
        }
        root
    });
    let document = root.and_then(|root| match root.value {
        node::NodeValue::Null => {
            problems.error(Mark::default(), "the file is empty", "begin with `version: 1`, `models:` and `cameras:`");
            None
        }
        _ => Document::from_node(&root, "file", &mut problems),
    });
    let mut context = Context { problems, folder, registry, env };
    let plan = document.map(|document| context.plan(&document));
    let warnings = context.problems.finish()?;
    // Without a document there was an error, which `finish` has returned.
    plan.map(|plan| Loaded { plan, warnings }).ok_or_else(|| {
        Problems::new(SourceText::new(name, text)).whole_file(crate::base::ErrorKind::Internal, "no plan", "")
    })
}

impl Context<'_> {
    fn plan(&mut self, document: &Document) -> Plan {
        if let Some(version) = document.version.located().filter(|version| version.value != raw::VERSION) {
            let message = format!("version {} of the pipeline file is not known", version.value);
            self.problems.error(version.mark, message, "this program reads version 1");
        }
        let models = self.models(&document.models);
        let recording = evidence::evidence(self, &document.evidence, &EvidencePlan::default());
        Plan {
            folder: self.folder.to_owned(),
            store: self.store(document.store.get()),
            tracks: self.tracks(document.tracks.get()),
            server: document.server.get().and_then(|server| super::server::server(self, server)),
            inference: self.inference(document.inference.get()),
            sinks: self.sinks(&document.sinks),
            cameras: camera::cameras(self, &document.cameras, &document.models, document.tracks.is_given(), &recording),
            models,
        }
    }

    fn store(&mut self, store: Option<&raw::Store>) -> StorePlan {
        let keep = store.and_then(|store| store.keep.get());
        let days = keep.map_or(default::KEEP_DAYS, |k| self.within(&k.days, "days", 1, 3650, default::KEEP_DAYS));
        StorePlan {
            path: self.path(store.and_then(|store| store.path.get()).map_or(default::STORE_PATH, String::as_str)),
            keep_days: u32::try_from(days).unwrap_or(u32::MAX),
            keep_max_mib: keep.map_or(default::KEEP_MAX_MIB, |k| {
                self.within(&k.max_mib, "max_mib", 16, 1 << 30, default::KEEP_MAX_MIB)
            }),
            media: evidence::media(self, store.and_then(|store| store.media.get())),
        }
    }

    fn tracks(&mut self, tracks: Option<&raw::Tracks>) -> TracksPlan {
        let keep = tracks.and_then(|tracks| tracks.keep.get());
        let (days, max_mib) = (default::TRACKS_KEEP_DAYS, default::TRACKS_KEEP_MAX_MIB);
        let days = keep.map_or(days, |k| self.within(&k.days, "days", 1, 3650, days));
        TracksPlan {
            path: self.path(tracks.and_then(|tracks| tracks.path.get()).map_or(default::TRACKS_PATH, String::as_str)),
            keep_days: u32::try_from(days).unwrap_or(u32::MAX),
            keep_max_mib: keep.map_or(max_mib, |k| self.within(&k.max_mib, "max_mib", 16, 1 << 30, max_mib)),
        }
    }

    fn inference(&mut self, inference: Option<&raw::Inference>) -> InferencePlan {
        let Some(i) = inference else {
            return InferencePlan {
                workers: default::WORKERS as usize,
                max_batch: default::MAX_BATCH as usize,
                max_wait: default::MAX_WAIT,
            };
        };
        InferencePlan {
            workers: self.within(&i.workers, "workers", 1, 64, default::WORKERS) as usize,
            max_batch: self.within(&i.max_batch, "max_batch", 1, 64, default::MAX_BATCH) as usize,
            max_wait: self.at_most(&i.max_wait, "max_wait", Duration::from_secs(1), default::MAX_WAIT),
        }
    }

    fn models(&mut self, models: &Field<BTreeMap<String, Located<raw::Model>>>) -> BTreeMap<String, ModelPlan> {
        let Some(models) = models.located() else { return BTreeMap::new() };
        if models.value.is_empty() {
            self.problems.error(models.mark, "there is no model", "name one: `default: {path: models/…}`");
        }
        models
            .value
            .iter()
            .map(|(name, model)| {
                self.check_id(name, model.mark, "model");
                (name.clone(), self.model(&model.value))
            })
            .collect()
    }

    fn model(&mut self, model: &raw::Model) -> ModelPlan {
        if let Some(family) = model.family.located() {
            let known = self.registry.model_families;
            if !known.contains(&family.value.as_str()) {
                let message = format!("there is no model family {}", quoted(&family.value));
                self.problems.error(family.mark, message, suggest::advice(&family.value, known, ""));
            }
        }
        let provider = model.provider.or(Provider::Cpu);
        if !matches!(model.provider, Field::Bad) {
            self.ignored_with_provider(model, provider);
        }
        ModelPlan {
            path: self.path_of(&model.path).unwrap_or_default(),
            family: model.family.get().cloned(),
            labels: self.path_of(&model.labels),
            score: self.share_if_given(&model.score, "score"),
            nms: self.share_if_given(&model.nms, "nms"),
            provider,
            device: u32::try_from(self.within(&model.device, "device", 0, 255, 0)).unwrap_or(0),
            fp16: model.fp16.or(false),
            engine_cache: self.path_of(&model.engine_cache),
            fallback_to_cpu: model.fallback.get().is_some(),
        }
    }

    fn ignored_with_provider(&mut self, model: &raw::Model, provider: Provider) {
        let on_gpu = provider != Provider::Cpu;
        let with_tensorrt = provider == Provider::Tensorrt;
        let gpu = "it is for `provider: cuda` or `tensorrt`: remove it, or set the provider";
        let tensorrt = "it is for `provider: tensorrt`: remove it, or set the provider";
        for (name, mark, used, help) in [
            ("device", mark_of(&model.device), on_gpu, gpu),
            ("fallback", mark_of(&model.fallback), on_gpu, gpu),
            ("fp16", mark_of(&model.fp16), with_tensorrt, tensorrt),
            ("engine_cache", mark_of(&model.engine_cache), with_tensorrt, tensorrt),
        ] {
            if let Some(mark) = mark.filter(|_| !used) {
                let message = format!("`{name}` would be ignored with `provider: {}`", provider.as_str());
                self.problems.error(mark, message, help);
            }
        }
    }

    fn sinks(&mut self, sinks: &Field<Vec<Located<Kind>>>) -> Vec<SinkPlan> {
        let Some(sinks) = sinks.get() else { return Vec::new() };
        self.unique(sinks.iter().map(|sink| &sink.value.id), "sink");
        let kinds = self.registry.sink_kinds;
        sinks
            .iter()
            .filter_map(|sink| self.kind(&sink.value, kinds, "sink", &SceneNames::default()))
            .map(|(id, kind, params)| SinkPlan { id, kind, params })
            .collect()
    }

    /// Checks a rule's or sink's type and parameters; its id, kind and parameters if they can be had.
    pub fn kind(
        &mut self,
        kind: &Kind,
        known: &[KindInfo],
        what: &str,
        names: &SceneNames,
    ) -> Option<(String, String, serde_json::Map<String, serde_json::Value>)> {
        let written = kind.kind.located()?;
        let Some(info) = known.iter().find(|info| info.name == written.value) else {
            let known: Vec<&str> = known.iter().map(|info| info.name).collect();
            let message = format!("there is no {what} of type {}", quoted(&written.value));
            let help = suggest::advice(&written.value, &known, &format!("this program has no {what}s"));
            self.problems.error(written.mark, message, help);
            return None;
        };
        let mut params = params::of(kind);
        for problem in (info.validate)(&params, names) {
            params::report(&problem, kind, written.mark, &mut self.problems);
        }
        for name in info.path_params {
            if let Some(serde_json::Value::String(path)) = params.get_mut(*name) {
                *path = self.folder.join(&path).display().to_string();
            }
        }
        Some((kind.id.get()?.clone(), info.name.to_owned(), params))
    }

    /// Checks that ids are well formed and used once, showing both places otherwise.
    pub fn unique<'f>(&mut self, ids: impl Iterator<Item = &'f Field<String>>, what: &str) {
        let mut seen: HashMap<&str, Mark> = HashMap::new();
        for id in ids.filter_map(Field::located) {
            self.check_id(&id.value, id.mark, what);
            if let Some(first) = seen.get(id.value.as_str()) {
                let message = format!("the {what} id {} is used twice", quoted(&id.value));
                self.problems.clash(id.mark, message, "give each its own id", (*first, "first used here"));
            } else {
                seen.insert(&id.value, id.mark);
            }
        }
    }

    /// Checks that an id is well formed.
    pub fn check_id(&mut self, id: &str, mark: Mark, what: &str) {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = id.starts_with(word) && id.len() <= 64 && id.chars().all(|c| word(c) || c == '-' || c == '_');
        if !good {
            let message = format!("{} cannot be the id of a {what}", quoted(id));
            let help = "use lower-case letters, digits, `-` and `_`, at most 64, beginning with a letter or digit";
            self.problems.error(mark, message, help);
        }
    }

    /// A path counted from the file's folder.
    pub fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    pub fn path_of(&self, field: &Field<String>) -> Option<PathBuf> {
        field.get().map(|written| self.path(written))
    }

    /// A whole number between two bounds, both included.
    pub fn within(&mut self, field: &Field<u64>, name: &str, min: u64, max: u64, default: u64) -> u64 {
        if let Some(number) = field.located().filter(|number| !(min..=max).contains(&number.value)) {
            let message = format!("`{name}` cannot be {}", number.value);
            self.problems.error(number.mark, message, format!("it is a number from {min} to {max}"));
        }
        field.or(default)
    }

    /// A number between 0 and 1.
    pub fn share(&mut self, field: &Field<f64>, name: &str, default: f64) -> f32 {
        if let Some(number) = field.located().filter(|number| !(0.0..=1.0).contains(&number.value)) {
            let message = format!("`{name}` cannot be {}", number.value);
            self.problems.error(number.mark, message, "it is a number from 0 to 1");
        }
        field.or(default) as f32
    }

    /// The same where nothing given means nothing.
    pub fn share_if_given(&mut self, field: &Field<f64>, name: &str) -> Option<f32> {
        field.get().is_some().then(|| self.share(field, name, 0.0))
    }

    /// A duration with an upper bound.
    pub fn at_most(&mut self, field: &Field<Span>, name: &str, max: Duration, default: Duration) -> Duration {
        if let Some(span) = field.located().filter(|span| span.value.duration() > max) {
            self.problems.error(
                span.mark,
                format!("`{name}` is too long"),
                format!("it is at most {}s", max.as_secs()),
            );
        }
        field.get().map_or(default, |span| span.duration())
    }
}

/// Where a good value stands.
pub(super) fn mark_of<T>(field: &Field<T>) -> Option<Mark> {
    field.located().map(|located| located.mark)
}

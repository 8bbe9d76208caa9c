//! Opens the HTTP port of `vantage run`: with the page, or with metrics and health alone.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::terminal::say_aside;
use crate::access::Access;
use crate::base::{Clock, Result, Stop};
use crate::config::ServerPlan;
use crate::ops;
use crate::pipeline::monitor::Monitor;
use crate::store::Store;
use crate::web::{self, PlanCell};

/// Reads the pipeline file again and applies it.
pub type Reload = Arc<dyn Fn() -> Result<String> + Send + Sync>;

/// What the port needs.
pub struct Parts {
    /// The section of the pipeline file.
    pub plan: ServerPlan,
    /// The plan that runs.
    pub pipeline: PlanCell,
    /// The pipeline file, if there is one.
    pub file: Option<PathBuf>,
    /// The state of cameras and sinks.
    pub source: ops::Source,
    /// Events, incidents, media.
    pub store: Arc<Store>,
    /// What cameras see now.
    pub monitor: Arc<Monitor>,
    /// The latest packets of a camera.
    pub packets: web::Packets,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Applies a changed pipeline file.
    pub reload: Reload,
    /// Closes the port.
    pub stop: Stop,
}

/// Opens it. A one-time password that came to be is told on the terminal, and nowhere else.
pub fn open(parts: Parts, tasks: &Handle) -> Result<()> {
    let Parts { plan, pipeline, file, source, store, monitor, packets, clock, reload, stop } = parts;
    if !plan.page {
        let server = ops::serve(plan.listen, source, stop, tasks)?;
        tracing::info!("metrics and health on http://{}", server.address());
        return Ok(());
    }
    let folder = pipeline.read().unwrap_or_else(std::sync::PoisonError::into_inner).store.path.clone();
    let (access, first) = match plan.authentication {
        true => {
            let (access, first) = Access::open(&folder, Arc::clone(&clock))?;
            (Some(Arc::new(access)), first)
        }
        false => (None, None),
    };
    let server = web::serve(
        web::Parts { plan, pipeline, file, source, store, access, monitor, packets, clock, reload, stop },
        tasks,
    )?;
    say_aside(&format!("page: {}", server.url()));
    if let Some(first) = first {
        say_aside(&format!("first login: {}, one-time password: {}", first.user, first.password));
    }
    Ok(())
}

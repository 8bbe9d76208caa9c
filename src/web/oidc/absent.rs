//! Stands in for the provider in builds without the feature `oidc`, whose pipeline files cannot name one.

use std::convert::Infallible;
use std::time::Instant;

use serde_json::{Map, Value};

use super::Refused;
use crate::base::{Error, ErrorKind, Result};
use crate::config::OidcPlan;

/// There is none.
pub(super) struct Provider(Infallible);

/// Of which none is begun.
#[allow(dead_code, reason = "only a provider makes one")]
pub(super) struct Attempt;

impl Provider {
    /// # Errors
    /// Always.
    pub(super) fn new(_: &OidcPlan, _: &str) -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, "this program was built without the feature `oidc`")
            .help("build it with `cargo build --release --features oidc`"))
    }

    pub(super) async fn begin(
        &self,
        _: &OidcPlan,
        _: Instant,
    ) -> std::result::Result<(String, String, Attempt), Refused> {
        match self.0 {}
    }

    pub(super) async fn finish(
        &self,
        _: &OidcPlan,
        _: String,
        _: Attempt,
        _: Instant,
    ) -> std::result::Result<Map<String, Value>, Refused> {
        match self.0 {}
    }
}

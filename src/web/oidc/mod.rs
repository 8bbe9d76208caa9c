//! Login by an OpenID Connect provider: the way there and the way back.
//!
//! The browser is sent to the provider with a state, a nonce and a PKCE challenge (RFC 7636), and comes back with a code.
//! What was begun is kept here, once, for ten minutes, under the hash of the state; a cookie ties it to the browser that
//! began it. Which user a token stands for, and what that user may do, is decided by [`claims`]; `provider` (builds with the
//! feature `oidc`) speaks with the far side. A login that fails ends on the login page, with a word for why.

#[cfg(not(feature = "oidc"))]
mod absent;
mod claims;
#[cfg(feature = "oidc")]
mod provider;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

#[cfg(not(feature = "oidc"))]
use self::absent::{Attempt, Provider};
#[cfg(feature = "oidc")]
use self::provider::{Attempt, Provider};
use super::app::{App, blocking};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::{Peer, Who};
use super::listing::json;
use super::problem::Problem;
use super::query::Params;
use super::session;
use crate::access::Stranger;
use crate::base::Result;
use crate::config::OidcPlan;

/// The cookie that ties a login to the browser that began it.
const COOKIE: &str = "vantage_oidc";
/// Where the browser comes back to, below `/api/v1`.
const CALLBACK: &str = "/session/oidc/callback";
/// A login takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(600);
/// Logins that may be under way at a time.
const MOST: usize = 1000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/session/methods",
            Need::Nothing,
            "How one may log in.",
            Gives::Json(schema_of::<Methods>),
            get(methods),
        ),
        Endpoint::new(
            Method::GET,
            "/session/oidc",
            Need::Nothing,
            "Sends the browser to the OpenID Connect provider; 404 without one.",
            Gives::Elsewhere,
            get(begin),
        ),
        Endpoint::new(
            Method::GET,
            CALLBACK,
            Need::Nothing,
            "Where the provider sends the browser back to; sets the session's cookie and goes on to the page.",
            Gives::Elsewhere,
            get(come_back),
        )
        .query(&[
            ("code", "the provider's code"),
            ("state", "what the login was begun with"),
            ("error", "why the provider let nobody in"),
        ]),
    ]
}

/// How one may log in.
#[derive(Serialize, JsonSchema)]
struct Methods {
    /// With a name and a password.
    password: bool,
    /// By an OpenID Connect provider.
    oidc: Option<OidcView>,
}

/// The provider, for the login page.
#[derive(Serialize, JsonSchema)]
struct OidcView {
    /// What it is called here.
    name: Option<String>,
}

/// Why nobody was let in: the word in the login page's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The provider cannot be reached, or does not answer as one.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "only a provider can fail to answer"))]
    Unavailable,
    /// The provider let nobody in.
    Provider,
    /// The login was not begun here, or too long ago, or has been used already.
    State,
    /// The token is not what it must be.
    Token,
    /// No grant names one of the user's groups.
    Unmapped,
    /// The name is another user's, or none.
    Name,
    /// An administrator shut the user out.
    Disabled,
    /// Something failed here.
    Internal,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Provider => "provider",
            Self::State => "state",
            Self::Token => "token",
            Self::Unmapped => "unmapped",
            Self::Name => "name",
            Self::Disabled => "disabled",
            Self::Internal => "internal",
        }
    }
}

/// Why nobody was let in, with what only the log and the trail are told.
type Refused = (Refusal, String);

/// The provider, and logins that are under way.
pub(super) struct Oidc {
    plan: OidcPlan,
    provider: Provider,
    attempts: Mutex<HashMap<String, (Instant, Attempt)>>,
}

impl Oidc {
    /// Of the plan, if it names a provider.
    pub(super) fn new(plan: Option<&OidcPlan>) -> Result<Option<Self>> {
        let Some(plan) = plan else { return Ok(None) };
        let callback = format!("{}/api/v1{CALLBACK}", plan.page_url);
        let provider = Provider::new(plan, &callback)?;
        Ok(Some(Self { plan: plan.clone(), provider, attempts: Mutex::default() }))
    }

    fn keep(&self, state: &str, attempt: Attempt, now: Instant) -> std::result::Result<(), Problem> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, (begun, _)| now.saturating_duration_since(*begun) < PATIENCE);
        if attempts.len() >= MOST {
            let detail = format!("{MOST} logins are under way already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many", detail));
        }
        attempts.insert(hashed(state), (now, attempt));
        Ok(())
    }

    /// Takes out what was begun with that state: it serves once.
    fn take(&self, state: &str, now: Instant) -> Option<Attempt> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, attempt) = attempts.remove(&hashed(state))?;
        (now.saturating_duration_since(begun) < PATIENCE).then_some(attempt)
    }
}

fn hashed(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn methods(State(app): State<Arc<App>>) -> Response {
    let oidc = app.oidc.as_ref().map(|oidc| OidcView { name: oidc.plan.name.clone() });
    json(&Methods { password: app.access.is_some(), oidc })
}

fn configured(app: &App) -> std::result::Result<&Oidc, Problem> {
    app.oidc.as_ref().ok_or_else(|| Problem::absent("way to log in").help("`server.authentication.oidc` is not given"))
}

async fn begin(State(app): State<Arc<App>>) -> std::result::Result<Response, Problem> {
    let oidc = configured(&app)?;
    let begun = oidc.provider.begin(&oidc.plan, app.clock.monotonic()).await;
    let (address, state, attempt) = match begun {
        Ok(begun) => begun,
        Err((refusal, why)) => {
            tracing::warn!(why, "no login by the provider");
            return Ok(to_login(oidc, refusal));
        }
    };
    oidc.keep(&state, attempt, app.clock.monotonic())?;
    let secure = if oidc.plan.page_url.starts_with("https:") { "; Secure" } else { "" };
    // Lax: the browser comes back from another site, and must bring it along.
    let kept = format!(
        "{COOKIE}={}; Path=/api/v1{CALLBACK}; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        hashed(&state),
        PATIENCE.as_secs()
    );
    Ok(redirect(&address, &[kept]))
}

async fn come_back(
    State(app): State<Arc<App>>,
    axum::Extension(Peer(peer)): axum::Extension<Peer>,
    headers: HeaderMap,
    params: Params,
) -> std::result::Result<Response, Problem> {
    let oidc = configured(&app)?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let address = peer.ip();
    let outcome = match vouched(&app, oidc, &headers, &params).await {
        Ok(vouched) => {
            let access = app.access("users")?;
            let entered = blocking(move || Ok((access.login_vouched(&vouched, address, &agent), vouched))).await?;
            match entered {
                (Ok((login, is_new)), vouched) => Ok((login, is_new, vouched)),
                (Err(stranger), vouched) => Err((refusal(&stranger), format!("{}: {stranger:?}", vouched.name))),
            }
        }
        Err(refused) => Err(refused),
    };
    let ended = format!("{COOKIE}=; Path=/api/v1{CALLBACK}; HttpOnly; SameSite=Lax; Max-Age=0");
    match outcome {
        Ok((login, is_new, vouched)) => {
            let who = Who { principal: login.principal, address };
            let name = who.principal.user.clone();
            let detail = format!("by {}, subject {}", vouched.subject.issuer, vouched.subject.id);
            if is_new {
                let told = format!("{detail}: {}", vouched.role.as_str());
                app.audit_durably(&who, "user.create", &name, &told).await;
            }
            app.audit_durably(&who, "login", &name, &detail).await;
            Ok(redirect(&format!("{}/", oidc.plan.page_url), &[session::cookie(&app, &login.secret, false), ended]))
        }
        Err((refusal, why)) => {
            tracing::warn!(refusal = refusal.as_str(), why, "no login by the provider");
            let who = session::nobody(address);
            // One row a minute from an address: whoever is not logged in must not fill the trail.
            app.audit_view(&who, "login.refused", &format!("oidc {} {address}", refusal.as_str())).await;
            let mut response = to_login(oidc, refusal);
            if let Ok(value) = ended.parse() {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
            Ok(response)
        }
    }
}

/// Whom the provider vouches for, once everything that came back was looked at.
async fn vouched(
    app: &App,
    oidc: &Oidc,
    headers: &HeaderMap,
    params: &Params,
) -> std::result::Result<crate::access::Vouched, Refused> {
    let one = |name: &str| params.one(name).ok().flatten();
    let foreign = |why: &str| (Refusal::State, why.to_owned());
    let state = one("state").ok_or_else(|| foreign("no state came back"))?;
    // Taken out before anything else is looked at: whatever comes of it, it does not serve twice.
    let attempt = oidc.take(&state, app.clock.monotonic());
    let attempt = attempt.ok_or_else(|| foreign("nothing was begun with this state, or it has been used"))?;
    if super::guard::cookie_of(headers, COOKIE) != Some(hashed(&state).as_str()) {
        return Err(foreign("another browser began it"));
    }
    // RFC 9207: the answer says whose it is.
    if let Some(issuer) = one("iss").filter(|issuer| *issuer != oidc.plan.issuer) {
        return Err((Refusal::Token, format!("the answer is of {issuer}")));
    }
    if let Some(error) = one("error") {
        let more = one("error_description").unwrap_or_default();
        return Err((Refusal::Provider, format!("{error} {more}").chars().take(300).collect()));
    }
    let code = one("code").ok_or_else(|| (Refusal::Provider, "no code came back".to_owned()))?;
    let said = oidc.provider.finish(&oidc.plan, code, attempt, app.clock.monotonic()).await?;
    claims::vouched(&oidc.plan, &said)
}

fn refusal(stranger: &Stranger) -> Refusal {
    match stranger {
        Stranger::NameTaken | Stranger::NoName => Refusal::Name,
        Stranger::Disabled => Refusal::Disabled,
        Stranger::Failed(_) => Refusal::Internal,
    }
}

fn to_login(oidc: &Oidc, refusal: Refusal) -> Response {
    redirect(&format!("{}/?refused={}", oidc.plan.page_url, refusal.as_str()), &[])
}

/// Sends the browser on. `303`, so that it asks with GET.
fn redirect(address: &str, cookies: &[String]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    };
    add(header::LOCATION, address);
    add(header::CACHE_CONTROL, "no-store");
    for cookie in cookies {
        add(header::SET_COOKIE, cookie);
    }
    response
}

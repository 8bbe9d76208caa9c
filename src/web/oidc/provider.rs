//! The far side: discovery, the address to send the browser to, and the exchange of a code for claims that hold.
//!
//! Signatures, issuer, audience, times and nonce are checked by the crate `openidconnect`; only asymmetric signatures count,
//! so that nobody who knows the client's secret can write a token. What the provider says of itself (RFC 8414, OpenID
//! Connect Discovery 1.0) is kept for an hour, and asked again at once when a token is signed with a key that is not in it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, TokenResponse,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{Refusal, Refused};
use crate::base::{Error, ErrorKind, Result, with_causes};
use crate::config::OidcPlan;

/// How long the provider may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long is kept what it says of itself.
const KEPT: Duration = Duration::from_secs(3600);
/// It is not asked again sooner than this because of an unknown key, whatever comes in.
const ASKED_AGAIN: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const LONGEST: usize = 1 << 20;
/// Signatures that only the provider can make.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// See the module.
pub(super) struct Provider {
    http: Http,
    issuer: IssuerUrl,
    callback: RedirectUrl,
    known: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// A login that is under way.
pub(super) struct Attempt {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Provider {
    /// A provider that nobody has asked yet.
    ///
    /// # Errors
    /// `Config` for an address that is none; `Internal` when there is no HTTP client.
    pub(super) fn new(plan: &OidcPlan, callback: &str) -> Result<Self> {
        let bad = |e: openidconnect::url::ParseError| Error::new(ErrorKind::Config, format!("oidc: {e}"));
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(ErrorKind::Internal, format!("TLS: {e}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .user_agent(concat!("vantage/", env!("CARGO_PKG_VERSION")))
            // A provider that sends us elsewhere is not asked elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|e| Error::new(ErrorKind::Internal, format!("oidc: {e}")))?;
        let issuer = IssuerUrl::new(plan.issuer.clone()).map_err(bad)?;
        let callback = RedirectUrl::new(callback.to_owned()).map_err(bad)?;
        Ok(Self { http: Http(http), issuer, callback, known: Mutex::default() })
    }

    /// Where to send the browser, the state that it comes back with, and what is to be kept until then.
    pub(super) async fn begin(
        &self,
        plan: &OidcPlan,
        now: Instant,
    ) -> std::result::Result<(String, String, Attempt), Refused> {
        let metadata = self.metadata(KEPT, now).await?;
        let client = CoreClient::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(plan.client_id.clone()),
            plan.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned())),
        )
        .set_redirect_uri(self.callback.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request =
            client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random);
        for scope in &plan.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (address, state, nonce) = request.set_pkce_challenge(challenge).url();
        Ok((address.to_string(), state.secret().clone(), Attempt { nonce, verifier }))
    }

    /// What the provider says of whoever came back with that code.
    pub(super) async fn finish(
        &self,
        plan: &OidcPlan,
        code: String,
        attempt: Attempt,
        now: Instant,
    ) -> std::result::Result<Map<String, Value>, Refused> {
        let metadata = self.metadata(KEPT, now).await?;
        let secret = plan.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(plan.client_id.clone());
        let client = CoreClient::from_provider_metadata((*metadata).clone(), id.clone(), secret.clone())
            .set_redirect_uri(self.callback.clone());
        let unavailable = |e: &(dyn std::error::Error + 'static)| (Refusal::Unavailable, with_causes(e));
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| unavailable(&e))?
            .set_pkce_verifier(attempt.verifier)
            .request_async(&self.http)
            .await;
        let answer = answer.map_err(|error| match &error {
            openidconnect::RequestTokenError::ServerResponse(said) => (Refusal::Token, format!("no token: {said}")),
            openidconnect::RequestTokenError::Parse(..) => (Refusal::Token, with_causes(&error)),
            _ => unavailable(&error),
        })?;
        let bad = |why: String| (Refusal::Token, why);
        let token = answer.id_token().ok_or_else(|| bad("there is no ID token".to_owned()))?;
        let verifier = |metadata: &CoreProviderMetadata| -> CoreIdTokenVerifier<'static> {
            let (issuer, keys) = (metadata.issuer().clone(), metadata.jwks().clone());
            CoreIdTokenVerifier::new_public_client(id.clone(), issuer, keys).set_allowed_algs(SIGNATURES)
        };
        let mut checker = verifier(&metadata);
        if let Err(ClaimsVerificationError::SignatureVerification(_)) = token.claims(&checker, &attempt.nonce) {
            // The provider may have changed its keys since it was asked for them.
            let asked_again = self.metadata(ASKED_AGAIN, now).await?;
            checker = verifier(&asked_again);
        }
        let claims = token.claims(&checker, &attempt.nonce).map_err(|e| bad(with_causes(&e)))?;
        if let Some(told) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|e| bad(with_causes(&e)))?;
            let key = token.signing_key(&checker).map_err(|e| bad(with_causes(&e)))?;
            let own = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
            if own.map_err(|e| bad(with_causes(&e)))? != *told {
                return Err(bad("the access token belongs to another ID token".to_owned()));
            }
        }
        let mut said = payload(token).ok_or_else(|| bad("the ID token has no claims".to_owned()))?;
        let lacks = |said: &Map<String, Value>| {
            [&plan.user_claim, &plan.groups_claim].into_iter().any(|claim| !said.contains_key(claim))
        };
        if lacks(&said)
            && let Some(endpoint) = metadata.userinfo_endpoint()
        {
            let more = self.userinfo(endpoint.as_str(), answer.access_token().secret()).await?;
            if more.get("sub") != said.get("sub") {
                return Err(bad("the user information is about somebody else".to_owned()));
            }
            for (name, value) in more {
                said.entry(name).or_insert(value);
            }
        }
        Ok(said)
    }

    /// What the provider says of itself, asked again when it is older than `age`.
    async fn metadata(&self, age: Duration, now: Instant) -> std::result::Result<Arc<CoreProviderMetadata>, Refused> {
        let mut known = self.known.lock().await;
        let fresh = |known: &&(Instant, Arc<CoreProviderMetadata>)| now.saturating_duration_since(known.0) < age;
        if let Some((_, metadata)) = known.as_ref().filter(fresh) {
            return Ok(Arc::clone(metadata));
        }
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let found = Arc::new(found.map_err(|e| (Refusal::Unavailable, with_causes(&e)))?);
        *known = Some((now, Arc::clone(&found)));
        Ok(found)
    }

    async fn userinfo(&self, address: &str, token: &str) -> std::result::Result<Map<String, Value>, Refused> {
        let request = openidconnect::http::Request::get(address)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json")
            .body(Vec::new());
        let bad = |why: String| (Refusal::Token, format!("user information: {why}"));
        let request = request.map_err(|e| bad(e.to_string()))?;
        let answer = self.http.ask(request).await.map_err(|e| (Refusal::Unavailable, with_causes(&e)))?;
        if !answer.status().is_success() {
            return Err(bad(format!("status {}", answer.status())));
        }
        serde_json::from_slice(answer.body()).map_err(|e| bad(e.to_string()))
    }
}

/// The way to the provider.
struct Http(reqwest::Client);

impl Http {
    /// One question to the provider.
    async fn ask(&self, request: HttpRequest) -> std::result::Result<HttpResponse, Unanswered> {
        let failed = |e: reqwest::Error| Unanswered(with_causes(&e));
        let request: reqwest::Request = request.try_into().map_err(failed)?;
        let mut answer = self.0.execute(request).await.map_err(failed)?;
        let mut response = openidconnect::http::Response::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if response.body().len() + piece.len() > LONGEST {
                return Err(Unanswered(format!("an answer of more than {LONGEST} bytes")));
            }
            response.body_mut().extend_from_slice(&piece);
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Unanswered;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, Unanswered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

/// Why the provider gave no answer.
#[derive(Debug)]
struct Unanswered(String);

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unanswered {}

/// All claims of a token whose signature was checked: the crate reads only those it knows.
fn payload(token: &CoreIdToken) -> Option<Map<String, Value>> {
    let text = token.to_string();
    let bytes = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

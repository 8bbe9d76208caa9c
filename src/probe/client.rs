//! One request, one answer: CSeq, session, challenges.

use rtsp_types::headers::{AUTHORIZATION, CSEQ, SESSION, USER_AGENT, WWW_AUTHENTICATE};
use rtsp_types::{HeaderName, Method, Request, Response, StatusCode, Version};
use url::Url;

use super::auth::{AuthScheme, Challenge};
use super::failure::{Failure, Step, shown};
use super::target::Credentials;
use super::wire::{Incoming, Wire};

/// Nonces that may go stale under one request before we call it a refusal.
const MAX_STALE: u32 = 2;

/// An RTSP client on one connection.
pub(super) struct Client {
    wire: Wire,
    credentials: Option<Credentials>,
    challenge: Option<Challenge>,
    session: Option<String>,
    cseq: u32,
    /// Departures from the standard that we got over, for the report.
    pub quirks: Vec<String>,
}

impl Client {
    pub(super) fn new(wire: Wire, credentials: Option<Credentials>) -> Self {
        Self { wire, credentials, challenge: None, session: None, cseq: 0, quirks: Vec::new() }
    }

    /// The scheme of the last challenge.
    pub(super) fn scheme(&self) -> AuthScheme {
        self.challenge.as_ref().map_or(AuthScheme::None, |challenge| challenge.scheme)
    }

    /// Sends a request and returns its answer, after answering challenges. The first challenge is no
    /// refusal, nor is a stale nonce; two refusals end it.
    pub(super) async fn request(
        &mut self,
        step: Step,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Vec<u8>>, Failure> {
        let (mut refusals, mut stale) = (0, 0);
        loop {
            let answered = self.send(step, &method, url, headers).await?;
            let response = self.response(step).await?;
            if response.status() != StatusCode::Unauthorized {
                return Ok(response);
            }
            let offered = response.header(&WWW_AUTHENTICATE).map_or("", |value| value.as_str());
            let challenge = Challenge::parse(offered)?;
            let scheme = challenge.scheme;
            if self.credentials.is_none() {
                return Err(Failure::CredentialsNeeded { scheme: scheme.name().to_owned() });
            }
            if challenge.stale && stale < MAX_STALE {
                stale += 1;
            } else if answered {
                refusals += 1;
            }
            self.challenge = Some(challenge);
            if refusals == 2 {
                return Err(Failure::CredentialsRefused { scheme: scheme.name().to_owned() });
            }
        }
    }

    /// Sends without waiting for the answer. True when credentials went along.
    pub(super) async fn send(
        &mut self,
        step: Step,
        method: &Method,
        url: &Url,
        headers: &[(HeaderName, String)],
    ) -> Result<bool, Failure> {
        self.cseq += 1;
        let mut request = Request::builder(method.clone(), Version::V1_0)
            .request_uri(url.clone())
            .header(CSEQ, self.cseq.to_string())
            .header(USER_AGENT, concat!("Vantage/", env!("CARGO_PKG_VERSION")));
        let mut answered = false;
        if let (Some(challenge), Some(credentials)) = (&mut self.challenge, &self.credentials) {
            let name: &str = method.into();
            request = request.header(AUTHORIZATION, challenge.answer(credentials, name, url.as_str())?);
            answered = true;
        }
        if let Some(session) = &self.session {
            request = request.header(SESSION, session.as_str());
        }
        for (name, value) in headers {
            request = request.header(name.clone(), value.as_str());
        }
        self.wire.send(&request.empty(), step).await?;
        Ok(answered)
    }

    /// The answer to the request last sent. Packets that come before it belong to no stream of ours yet.
    async fn response(&mut self, step: Step) -> Result<Response<Vec<u8>>, Failure> {
        let response = loop {
            if let Incoming::Response(response) = self.wire.receive(step).await? {
                break response;
            }
        };
        // Requests go out one at a time, so the answer is ours even when a camera miscounts.
        let sent = self.cseq.to_string();
        let cseq = response.header(&CSEQ).map_or("", |value| value.as_str().trim());
        if cseq != sent {
            self.quirk(format!("answers CSeq {sent} with {:?}", shown(cseq)));
        }
        if let Some(session) = response.header(&SESSION)
            && step >= Step::Setup
        {
            let id = session.as_str().split(';').next().unwrap_or_default().trim();
            self.session = (!id.is_empty()).then(|| id.to_owned());
        }
        Ok(response)
    }

    /// What comes next, once a stream plays.
    pub(super) async fn receive(&mut self) -> Result<Incoming, Failure> {
        self.wire.receive(Step::Stream).await
    }

    /// Notes a departure from the standard, once, and no more than a dozen of them.
    pub(super) fn quirk(&mut self, quirk: String) {
        if self.quirks.len() < 12 && !self.quirks.contains(&quirk) {
            self.quirks.push(quirk);
        }
    }
}

/// The failure that a status other than success stands for; `session` when it was asked within one.
pub(super) fn failed(step: Step, response: &Response<Vec<u8>>) -> Failure {
    let status = u16::from(response.status());
    match status {
        404 => Failure::NotFound { status },
        454 if step >= Step::Setup => Failure::SessionLost,
        454 => Failure::NotFound { status },
        461 => Failure::UdpOnly,
        453 | 503 => Failure::Overloaded { status },
        _ => Failure::Status { step, status, reason: shown(response.reason_phrase()) },
    }
}

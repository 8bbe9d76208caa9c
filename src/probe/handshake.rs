//! `OPTIONS` and `DESCRIBE`: who answers, and what it offers.

use std::time::Instant;

use rtsp_types::headers::{ACCEPT, CONTENT_BASE, CONTENT_LOCATION, LOCATION, PUBLIC, SERVER};
use rtsp_types::{Method, Response};
use serde::Serialize;
use url::Url;

use super::auth::AuthScheme;
use super::client::{Client, failed};
use super::failure::{Failure, Step, shown};
use super::sdp::{self, Media, MediaKind};
use super::target::{Options, Target, strip_credentials};
use super::wire::{self, Wire};
use crate::base::{Clock, redact_url};

/// How many redirects are followed.
const MAX_REDIRECTS: u8 = 3;

/// How long one step took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepTime {
    /// Which.
    pub step: Step,
    /// Milliseconds.
    pub ms: f64,
}

/// What the camera said about itself. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Handshake {
    /// The URL that answered, redacted.
    pub url: String,
    /// The address that the TCP connection went to.
    pub address: String,
    /// Whether under TLS.
    pub tls: bool,
    /// The `Server` banner.
    pub server: Option<String>,
    /// The methods that `OPTIONS` lists.
    pub methods: Vec<String>,
    /// How it wanted to be convinced.
    pub auth: AuthScheme,
    /// Redirects that were followed.
    pub redirects: u8,
    /// Time per step, in order; a redirect repeats them.
    pub steps: Vec<StepTime>,
    /// Everything on offer, in order.
    pub media: Vec<Media>,
    /// Departures from the standard that we got over.
    pub quirks: Vec<String>,
}

impl Handshake {
    /// The video that a pipeline would take: the first with a codec of ours.
    #[must_use]
    pub fn video(&self) -> Option<&Media> {
        self.media.iter().find(|media| media.usable())
    }

    /// Milliseconds of the last such step.
    #[must_use]
    pub fn step_ms(&self, step: Step) -> Option<f64> {
        self.steps.iter().rev().find(|taken| taken.step == step).map(|taken| taken.ms)
    }
}

/// Where the handshake is, kept outside of it so that a timeout can tell.
pub(super) struct Progress<'a> {
    clock: &'a dyn Clock,
    began: Instant,
    pub step: Step,
    steps: Vec<StepTime>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, began: clock.monotonic(), step: Step::Resolve, steps: Vec::new() }
    }

    fn enter(&mut self, step: Step) {
        self.step = step;
        self.began = self.clock.monotonic();
    }

    fn leave(&mut self) {
        let ms = self.clock.monotonic().saturating_duration_since(self.began).as_secs_f64() * 1e3;
        self.steps.push(StepTime { step: self.step, ms });
    }
}

/// A camera that has described itself, and the connection to go on with.
pub(super) struct Described {
    pub handshake: Handshake,
    pub client: Client,
    /// The URL for `PLAY` and `TEARDOWN`.
    pub aggregate: Url,
}

/// Connects and describes, without a deadline of its own.
pub(super) async fn run(
    mut target: Target,
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<Described, Failure> {
    let mut redirects = 0;
    loop {
        match attempt(&target, options, progress).await? {
            Attempt::Done(mut described) => {
                described.handshake.redirects = redirects;
                described.handshake.steps = std::mem::take(&mut progress.steps);
                return Ok(*described);
            }
            Attempt::Redirect(to) => {
                let refuse = |why| Failure::Redirect { to: redact_url(to.as_str()), why };
                if to.scheme() != target.url.scheme() {
                    return Err(refuse("another scheme"));
                }
                if to.host_str() != target.url.host_str() {
                    return Err(refuse("another host"));
                }
                if redirects == MAX_REDIRECTS {
                    return Err(refuse("too many redirects"));
                }
                redirects += 1;
                target.url = to;
                strip_credentials(&mut target.url);
            }
        }
    }
}

enum Attempt {
    Done(Box<Described>),
    Redirect(Url),
}

async fn attempt(target: &Target, options: &Options, progress: &mut Progress<'_>) -> Result<Attempt, Failure> {
    progress.enter(Step::Resolve);
    let addresses = wire::resolve(target).await?;
    progress.leave();
    progress.enter(Step::Connect);
    let (socket, address) = wire::connect(&addresses).await?;
    progress.leave();
    progress.enter(Step::Tls);
    let wire = Wire::new(socket, target, options).await?;
    if target.tls() {
        progress.leave();
    }
    let mut client = Client::new(wire, target.credentials.clone());

    progress.enter(Step::Options);
    let answer = client.request(Step::Options, Method::Options, &target.url, &[]).await?;
    progress.leave();
    if let Some(to) = redirect(&answer, &target.url)? {
        return Ok(Attempt::Redirect(to));
    }
    let mut server = header(&answer, &SERVER);
    let methods = header(&answer, &PUBLIC).unwrap_or_default();
    let methods: Vec<String> = methods.split(',').map(|m| m.trim().to_owned()).filter(|m| !m.is_empty()).collect();
    if !answer.status().is_success() {
        // DESCRIBE decides: some cameras know no OPTIONS, or answer it with the session's error.
        client.quirk(format!("answers OPTIONS with {}", u16::from(answer.status())));
    }

    progress.enter(Step::Describe);
    let accept = [(ACCEPT, "application/sdp".to_owned())];
    let answer = client.request(Step::Describe, Method::Describe, &target.url, &accept).await?;
    progress.leave();
    if let Some(to) = redirect(&answer, &target.url)? {
        return Ok(Attempt::Redirect(to));
    }
    if !answer.status().is_success() {
        return Err(failed(Step::Describe, &answer));
    }
    server = header(&answer, &SERVER).or(server);
    let base = base(&answer, &target.url, &mut client);
    let sdp::Description { aggregate, media } = sdp::parse(answer.body(), &base)?;
    check(&media)?;
    let handshake = Handshake {
        url: redact_url(target.url.as_str()),
        address: address.to_string(),
        tls: target.tls(),
        server,
        methods,
        auth: client.scheme(),
        redirects: 0,
        steps: Vec::new(),
        media,
        quirks: client.quirks.clone(),
    };
    Ok(Attempt::Done(Box::new(Described { handshake, client, aggregate })))
}

fn header(response: &Response<Vec<u8>>, name: &rtsp_types::HeaderName) -> Option<String> {
    response.header(name).map(|value| shown(value.as_str())).filter(|value| !value.is_empty())
}

fn redirect(response: &Response<Vec<u8>>, from: &Url) -> Result<Option<Url>, Failure> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let to = response.header(&LOCATION).map_or("", |value| value.as_str());
    let bad = |why| Failure::Redirect { to: redact_url(&shown(to)), why };
    if to.trim().is_empty() {
        return Err(bad("no address given"));
    }
    from.join(to.trim()).map(Some).map_err(|_| bad("no URL"))
}

/// What controls hang on (RFC 2326 §C.1.1), without credentials.
fn base(response: &Response<Vec<u8>>, request: &Url, client: &mut Client) -> Url {
    let given = [&CONTENT_BASE, &CONTENT_LOCATION].into_iter().find_map(|name| response.header(name));
    let Some(given) = given else { return request.clone() };
    match Url::parse(given.as_str().trim()) {
        Ok(mut url) if url.scheme() == request.scheme() && url.has_host() => {
            strip_credentials(&mut url);
            if url.host_str() != request.host_str() {
                client.quirk(format!("names itself {} in Content-Base", shown(url.host_str().unwrap_or_default())));
            }
            url
        }
        _ => {
            client.quirk(format!("Content-Base is no RTSP URL: {}", redact_url(&shown(given.as_str()))));
            request.clone()
        }
    }
}

fn check(media: &[Media]) -> Result<(), Failure> {
    if media.iter().any(Media::usable) {
        return Ok(());
    }
    let names = |of: &[&Media]| of.iter().map(|media| media.codec.name().to_owned()).collect();
    let video: Vec<&Media> = media.iter().filter(|media| media.kind == MediaKind::Video).collect();
    Err(if video.is_empty() {
        Failure::NoVideo { offered: names(&media.iter().collect::<Vec<_>>()) }
    } else {
        Failure::NoKnownCodec { offered: names(&video) }
    })
}

//! A short look at the stream: `SETUP` over TCP, `PLAY`, some seconds of packets, `TEARDOWN`.

use std::time::Duration;

use rtsp_types::Method;
use rtsp_types::headers::{RANGE, TRANSPORT};

use super::client::failed;
use super::failure::{Failure, Step};
use super::handshake::Described;
use super::meter::{Look, Meter};
use super::target::Options;
use super::wire::Incoming;
use crate::base::Clock;

/// How long `TEARDOWN` may take; the camera forgets us anyway when we hang up.
const TEARDOWN: Duration = Duration::from_secs(1);

/// Plays the first usable video for `length`.
pub(super) async fn run(
    described: &mut Described,
    options: &Options,
    length: Duration,
    clock: &dyn Clock,
) -> Result<Look, Failure> {
    let mut step = Step::Setup;
    let started = tokio::time::timeout(options.total(), start(described, &mut step)).await;
    let channel = started.unwrap_or_else(|_| Err(Failure::Timeout { step, seconds: options.total().as_secs_f64() }))?;
    let look = watch(described, channel, length, clock).await;
    let farewell = described.client.request(Step::Stream, Method::Teardown, &described.aggregate, &[]);
    // Courtesy only.
    let _ = tokio::time::timeout(TEARDOWN, farewell).await;
    look
}

/// `SETUP` and `PLAY`; gives the channel of the RTP packets.
async fn start(described: &mut Described, step: &mut Step) -> Result<u8, Failure> {
    let Described { handshake, client, aggregate } = described;
    let media = handshake.video().ok_or_else(|| Failure::NoVideo { offered: Vec::new() })?;
    let transport = [(TRANSPORT, "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned())];
    let answer = client.request(*step, Method::Setup, &media.control_url.0, &transport).await?;
    if !answer.status().is_success() {
        let failure = failed(*step, &answer);
        // Some servers that know UDP only say 400 or 500 instead of 461: ask whether UDP would do.
        if matches!(failure, Failure::Status { .. }) {
            let udp = [(TRANSPORT, "RTP/AVP;unicast;client_port=50000-50001".to_owned())];
            let answer = client.request(*step, Method::Setup, &media.control_url.0, &udp).await?;
            if answer.status().is_success() {
                return Err(Failure::UdpOnly);
            }
        }
        return Err(failure);
    }
    let channel = channel(answer.header(&TRANSPORT).map_or("", |value| value.as_str()))?;
    *step = Step::Play;
    let range = [(RANGE, "npt=0.000-".to_owned())];
    let answer = client.request(*step, Method::Play, aggregate, &range).await?;
    if !answer.status().is_success() {
        return Err(failed(*step, &answer));
    }
    Ok(channel)
}

/// The RTP channel of a `Transport` answer. Read by hand: cameras put spaces into fields that we do not need.
fn channel(transport: &str) -> Result<u8, Failure> {
    let mut tcp = false;
    for part in transport.split(';').map(str::trim) {
        tcp |= part.eq_ignore_ascii_case("RTP/AVP/TCP");
        if let Some(channels) = part.strip_prefix("interleaved=") {
            let first = channels.split('-').next().unwrap_or_default().trim();
            return first.parse().map_err(|_| Failure::Malformed {
                step: Step::Setup,
                why: "the interleaved channel is no number".to_owned(),
            });
        }
    }
    // TCP without a channel: then it is the one that we asked for.
    if tcp || transport.is_empty() { Ok(0) } else { Err(Failure::UdpOnly) }
}

async fn watch(
    described: &mut Described,
    rtp_channel: u8,
    length: Duration,
    clock: &dyn Clock,
) -> Result<Look, Failure> {
    let Described { handshake, client, .. } = described;
    let media = handshake.video().ok_or_else(|| Failure::NoVideo { offered: Vec::new() })?;
    let mut meter = Meter::new(media);
    let began = clock.monotonic();
    let since = || clock.monotonic().saturating_duration_since(began);
    loop {
        let left = length.saturating_sub(since());
        if left.is_zero() {
            break;
        }
        match tokio::time::timeout(left, client.receive()).await {
            Err(_) => break,
            Ok(Ok(Incoming::Packet { channel, data })) => {
                if channel == rtp_channel {
                    meter.rtp(&data, since());
                } else if channel == rtp_channel.wrapping_add(1) {
                    meter.rtcp(&data, clock.utc());
                }
            }
            Ok(Ok(Incoming::Response(_) | Incoming::Request)) => {}
            // A recording that is over ends the look, not the probe.
            Ok(Err(Failure::Closed { .. })) if meter.packets() > 0 => break,
            Ok(Err(failure)) => return Err(failure),
        }
    }
    let look = meter.finish(since());
    if look.frames == 0 { Err(Failure::NoPictures { packets: look.packets }) } else { Ok(look) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_out_of_real_transport_headers() {
        assert_eq!(channel("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc= d6d6627"), Ok(0));
        assert_eq!(channel("RTP/AVP/TCP;unicast;destination=1.2.3.4; interleaved=2-3"), Ok(2));
        assert_eq!(channel("RTP/AVP/TCP;ssrc=22345684;interleaved=4"), Ok(4));
        assert_eq!(channel("RTP/AVP/TCP;unicast"), Ok(0));
        assert_eq!(channel("RTP/AVP;unicast;client_port=18714-18715"), Err(Failure::UdpOnly));
        assert!(matches!(channel("RTP/AVP/TCP;interleaved=x"), Err(Failure::Malformed { .. })));
    }
}

//! The few fields of RTP, RTCP and payload headers that a look needs.

use super::sdp::Codec;

/// An RTP packet's header and payload (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rtp<'a> {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        let [first, second, s0, s1, t0, t1, t2, t3, _, _, _, _, ..] = *packet else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let mut start = 12 + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let [high, low] = *packet.get(start + 2..start + 4)? else { return None };
            start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        }
        let mut end = packet.len();
        if first & 0x20 != 0 {
            end = end.checked_sub(usize::from(*packet.last()?))?;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            payload: packet.get(start..end)?,
        })
    }

    /// Whether a picture that can be decoded alone begins here.
    pub(super) fn starts_keyframe(&self, codec: &Codec) -> bool {
        match codec {
            Codec::H264 => h264_keyframe(self.payload),
            Codec::H265 => h265_keyframe(self.payload),
            // Every JPEG stands alone; its first packet has fragment offset 0 (RFC 2435 §3.1.2).
            Codec::Jpeg => matches!(self.payload, [_, 0, 0, 0, ..]),
            Codec::Mpeg4 => mpeg4_keyframe(self.payload),
            Codec::Other(_) => false,
        }
    }
}

/// RFC 6184 §5.2: single NAL units, STAP-A (24), the first of FU-A (28). 5 is an IDR slice.
fn h264_keyframe(payload: &[u8]) -> bool {
    let [header, rest @ ..] = payload else { return false };
    match header & 0x1f {
        5 => true,
        24 => units(rest).any(|unit| unit.first().is_some_and(|header| header & 0x1f == 5)),
        28 => rest.first().is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == 5),
        _ => false,
    }
}

/// RFC 7798 §4.4: single NAL units, aggregation packets (48), the first of a fragmentation unit (49).
/// 16 to 21 are intra random access pictures (H.265 table 7-1).
fn h265_keyframe(payload: &[u8]) -> bool {
    let irap = |nal_type: u8| (16..=21).contains(&nal_type);
    let [header, _, rest @ ..] = payload else { return false };
    match (header >> 1) & 0x3f {
        48 => units(rest).any(|unit| unit.first().is_some_and(|header| irap((header >> 1) & 0x3f))),
        49 => rest.first().is_some_and(|fu| fu & 0x80 != 0 && irap(fu & 0x3f)),
        nal_type => irap(nal_type),
    }
}

/// The NAL units of an aggregation packet: 16-bit length, unit, and again.
fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let unit = tail.get(..length)?;
        rest = tail.get(length..)?;
        Some(unit)
    })
}

/// A VOP start code whose coding type is intra (ISO/IEC 14496-2 §6.2.5).
fn mpeg4_keyframe(payload: &[u8]) -> bool {
    payload.windows(5).take(256).any(|window| matches!(window, [0, 0, 1, 0xb6, vop] if vop >> 6 == 0))
}

/// The NTP and RTP times of a sender report in a compound RTCP packet (RFC 3550 §6.4.1).
pub(super) fn sender_report(mut packet: &[u8]) -> Option<(u64, u32)> {
    loop {
        let [first, kind, high, low, ..] = *packet else { return None };
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first >> 6 != 2 {
            return None;
        }
        if kind == 200 {
            let ntp = packet.get(8..16)?.try_into().ok().map(u64::from_be_bytes)?;
            let rtp = packet.get(16..20)?.try_into().ok().map(u32::from_be_bytes)?;
            return Some((ntp, rtp));
        }
        packet = packet.get(length..)?;
    }
}

/// NTP time (seconds since 1900 in 32.32 fixed point) in nanoseconds since 1970.
pub(super) fn ntp_to_unix_ns(ntp: u64) -> i64 {
    const SECONDS_1900_TO_1970: i64 = 2_208_988_800;
    let seconds = i64::try_from(ntp >> 32).unwrap_or(0) - SECONDS_1900_TO_1970;
    let nanos = i64::try_from(((ntp & 0xffff_ffff) * 1_000_000_000) >> 32).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keyframes_by_packet_kind() {
        for (codec, payload, expected) in [
            (Codec::H264, &[0x65u8, 1][..], true),
            (Codec::H264, &[0x41, 1], false),
            (Codec::H264, &[0x7c, 0x85], true),
            (Codec::H264, &[0x7c, 0x05], false),
            (Codec::H264, &[0x78, 0, 2, 0x67, 0, 0, 2, 0x65, 0], true),
            (Codec::H264, &[0x78, 0, 2, 0x67, 0, 0, 9, 0x65, 0], false),
            (Codec::H265, &[0x26, 1, 0], true),
            (Codec::H265, &[0x02, 1, 0], false),
            (Codec::H265, &[0x62, 1, 0x93], true),
            (Codec::H265, &[0x62, 1, 0x13], false),
            (Codec::H265, &[0x60, 1, 0, 2, 0x42, 1, 0, 2, 0x28, 1], true),
            (Codec::Jpeg, &[0, 0, 0, 0, 1, 90], true),
            (Codec::Jpeg, &[0, 0, 5, 0, 1, 90], false),
            (Codec::Mpeg4, &[0, 0, 1, 0xb6, 0x10], true),
            (Codec::Mpeg4, &[0, 0, 1, 0xb6, 0x50], false),
        ] {
            let rtp = Rtp { marker: false, payload_type: 96, sequence: 0, timestamp: 0, payload };
            assert_eq!(rtp.starts_keyframe(&codec), expected, "{codec:?} {payload:x?}");
        }
    }

    #[test]
    fn a_sender_report_behind_another_packet() {
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 200, 0, 6, 0, 0, 0, 1];
        packet.extend(2_208_988_801u32.to_be_bytes());
        packet.extend(0x8000_0000u32.to_be_bytes());
        packet.extend(90_000u32.to_be_bytes());
        packet.extend([0; 8]);
        let (ntp, rtp) = sender_report(&packet).unwrap();
        assert_eq!((ntp_to_unix_ns(ntp), rtp), (1_500_000_000, 90_000));
    }

    proptest! {
        #[test]
        fn any_packet_is_fine(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = sender_report(&packet);
            if let Some(rtp) = Rtp::parse(&packet) {
                for codec in [Codec::H264, Codec::H265, Codec::Jpeg, Codec::Mpeg4] {
                    let _ = rtp.starts_keyframe(&codec);
                }
            }
        }
    }
}

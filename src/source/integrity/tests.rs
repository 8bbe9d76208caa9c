//! Whatever the bytes, an inspector answers.

use proptest::prelude::*;

use super::{h264, h265, jpeg};

/// NAL units, and the beginning of a JPEG, with anything in them.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let unit = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(kind, bytes)| [&[0, 0, 1, kind][..], &bytes].concat());
    let nal = proptest::collection::vec(unit, 0..6).prop_map(|units| units.concat());
    let jpeg =
        proptest::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| [&[0xff, 0xd8, 0xff][..], &bytes].concat());
    prop_oneof![nal, jpeg]
}

proptest! {
    #[test]
    fn never_panics(stream in proptest::collection::vec(streams(), 1..4)) {
        let (mut first, mut second, mut third) =
            (h264::Inspector::new(), h265::Inspector::new(), jpeg::Inspector::new());
        for au in &stream {
            let _ = (first.access_unit(au), second.access_unit(au), third.access_unit(au));
        }
    }
}

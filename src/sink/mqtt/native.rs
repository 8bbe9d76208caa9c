//! The native dialect: `PREFIX/events/CAMERA/KIND`, one CloudEvent in JSON a message.

use super::dialect::Message;
use crate::sink::Parcel;
use crate::sink::envelope::Origin;

pub(super) fn messages(
    prefix: &str,
    origin: &Origin,
    Parcel { stored, still }: &Parcel,
) -> Result<Vec<Message>, String> {
    let event = &stored.event;
    let topic = format!("{prefix}/events/{}/{}", event.camera, event.kind);
    Ok(vec![Message { topic, body: origin.bytes(stored, still.as_ref())?, retain: false }])
}

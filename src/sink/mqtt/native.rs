//! The native dialect: `PREFIX/events/CAMERA/KIND`, one CloudEvent in JSON a message.

use super::dialect::Message;
use crate::scene::StoredEvent;
use crate::sink::envelope::Origin;

pub(super) fn messages(prefix: &str, origin: &Origin, stored: &StoredEvent) -> Result<Vec<Message>, String> {
    let event = &stored.event;
    let topic = format!("{prefix}/events/{}/{}", event.camera, event.kind);
    Ok(vec![Message { topic, body: origin.bytes(stored)?, retain: false }])
}

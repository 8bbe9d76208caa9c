//! From a store to files for others: warehouse tables by day and camera, documents, a sample of envelopes.
//!
//! The wiring of `store`, `warehouse`, `document` and `sink`. Every file is whole or not there, and no more of the store is
//! in memory than a page of events and a row group (for documents every incident comes on top).

mod documents;
mod manifest;
mod tables;

pub use documents::{cap, datex, geojson, samples};
pub use tables::{Days, Exported, tables};

use crate::base::Result;
use crate::scene::StoredEvent;
use crate::store::{Query, Reader};

/// Events read at a time.
const PAGE: usize = 1_000;

/// Gives every event that the query asks for to `each`, page by page; the query's limit is not used.
fn every(reader: &Reader, query: Query, mut each: impl FnMut(&StoredEvent) -> Result<()>) -> Result<()> {
    let mut query = Query { limit: PAGE, ..query };
    loop {
        let page = reader.events(&query)?;
        for stored in &page {
            each(stored)?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => query.after_position = Some(last.position),
            _ => return Ok(()),
        }
    }
}

//! Dropping the oldest events, by age and by size, in steps small enough not to delay new ones.

use rusqlite::{Connection, TransactionBehavior, params};

use super::ledger::{to_signed, to_unsigned};
use super::options::Retention;
use crate::base::Timestamp;
use crate::scene::Position;

/// Rows of one step: a few milliseconds.
const STEP: usize = 500;

/// What one step did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) deleted: u64,
    /// Of these, how many the slowest live sink had not confirmed: lost to that sink.
    pub(super) unconfirmed: u64,
    /// There may be more to do.
    pub(super) more: bool,
}

/// One step. `live` names the sinks that still want every event.
pub(super) fn sweep(
    conn: &mut Connection,
    keep: &Retention,
    now: Timestamp,
    live: &[String],
) -> rusqlite::Result<Swept> {
    let over_size = match keep.max_bytes {
        Some(max) => used_bytes(conn)? > max,
        None => false,
    };
    let Some(last) = last_to_go(conn, keep, now, over_size)? else { return Ok(Swept::default()) };
    let slowest = slowest_cursor(conn, live)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let unconfirmed = match slowest {
        Some(cursor) => tx.query_row(
            "SELECT count(*) FROM events WHERE position <= ?1 AND position > ?2",
            params![to_signed(last.0), to_signed(cursor.0)],
            |r| r.get::<_, i64>(0),
        )?,
        None => 0,
    };
    let deleted = tx.execute("DELETE FROM events WHERE position <= ?1", [to_signed(last.0)])?;
    tx.execute("DELETE FROM dead_letters WHERE position <= ?1", [to_signed(last.0)])?;
    super::incidents::forget(&tx, last)?;
    tx.commit()?;
    Ok(Swept { deleted: deleted as u64, unconfirmed: to_unsigned(unconfirmed), more: deleted == STEP })
}

/// Bytes in use; free pages inside the file are reused before it grows.
fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let read = |name| conn.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    let pages = read("page_count")? - read("freelist_count")?;
    Ok(to_unsigned(pages * read("page_size")?))
}

/// The last position of this step: the oldest rows, as far as they are too old or too many.
fn last_to_go(
    conn: &Connection,
    keep: &Retention,
    now: Timestamp,
    over_size: bool,
) -> rusqlite::Result<Option<Position>> {
    if keep.max_age.is_none() && !over_size {
        return Ok(None);
    }
    let mut oldest = conn.prepare_cached("SELECT position, stored_ns FROM events ORDER BY position LIMIT ?1")?;
    let mut rows = oldest.query([to_signed(STEP as u64)])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let too_old = keep.max_age.is_some_and(|max| now - Timestamp(row.get(1).unwrap_or(i64::MAX)) > max);
        if !too_old && !over_size {
            break;
        }
        last = Some(Position(to_unsigned(row.get(0)?)));
    }
    Ok(last)
}

/// The least confirmed position of the live sinks; `None` without any.
fn slowest_cursor(conn: &Connection, live: &[String]) -> rusqlite::Result<Option<Position>> {
    let mut slowest = None;
    let mut select = conn.prepare_cached("SELECT coalesce((SELECT position FROM cursors WHERE sink = ?1), 0)")?;
    for sink in live {
        let cursor = Position(to_unsigned(select.query_row([sink], |r| r.get(0))?));
        slowest = Some(slowest.map_or(cursor, |s: Position| s.min(cursor)));
    }
    Ok(slowest)
}

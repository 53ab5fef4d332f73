//! Pauses of connectors that outlive the process.

use rusqlite::{Transaction, params};

use crate::model::connector::PauseChange;
use crate::store::error::Fault;

pub(super) fn store(tx: &Transaction<'_>, change: &PauseChange) -> Result<(), Fault> {
    let PauseChange { connector, pause } = change;
    match pause {
        Some(pause) => tx
            .prepare_cached("INSERT OR REPLACE INTO pauses (connector, since, reason, settings) VALUES (?, ?, ?, ?)")?
            .execute(params![connector, pause.since.nanos(), pause.reason, pause.settings])?,
        None => tx.prepare_cached("DELETE FROM pauses WHERE connector = ?")?.execute([connector])?,
    };
    Ok(())
}

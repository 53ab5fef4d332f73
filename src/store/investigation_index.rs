//! The full-text index of investigations.

use rusqlite::{Connection, params};

use super::error::Fault;
use super::search::words_of_investigation;
use crate::model::investigation::EngineFindings;

/// Writes the index entry anew from the row. Called whenever either side of an investigation changed.
pub(super) fn refresh(connection: &Connection, id: &str) -> Result<(), Fault> {
    let (n, texts, findings) = connection
        .prepare_cached(
            "SELECT n, title, description, coalesce(root_cause, ''), coalesce(remediation, ''), coalesce(component_affected, ''), \
             coalesce(service_affected, ''), tags, findings FROM investigations WHERE id = ?",
        )?
        .query_row([id], |row| {
            let texts = (1..8).map(|column| row.get::<_, String>(column)).collect::<Result<Vec<_>, _>>()?;
            Ok((row.get::<_, i64>(0)?, texts, row.get::<_, Option<String>>(8)?))
        })?;
    let findings: Option<EngineFindings> = findings.map(|text| serde_json::from_str(&text)).transpose()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    connection.prepare_cached("DELETE FROM investigations_fts WHERE rowid = ?")?.execute([n])?;
    connection
        .prepare_cached("INSERT INTO investigations_fts (rowid, words) VALUES (?, ?)")?
        .execute(params![n, words_of_investigation(&texts, findings.as_ref())])?;
    Ok(())
}

//! Names that mean other names: a person's, and those of the settings.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{log, rules};
use crate::model::Timestamp;
use crate::model::command::{CommandError, CommandOutcome};
use crate::model::entity::{Alias, AliasOrigin};
use crate::store::error::Fault;

const NAME_CHARS_LIMIT: usize = 200;
/// Aliases that people make: a table that they can still read.
const ALIASES_LIMIT: usize = 5_000;

pub(in crate::store) fn all(connection: &Connection) -> Result<Vec<Alias>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT name, service, origin, set_by, reason, set_at FROM aliases ORDER BY name, origin DESC")?;
    let read = statement.query_map([], |row| {
        let is_of_settings = row.get::<_, String>(2)? == SETTINGS;
        Ok(Alias {
            name: row.get(0)?,
            service: row.get(1)?,
            origin: if is_of_settings { AliasOrigin::Settings } else { AliasOrigin::Person },
            set_by: row.get(3)?,
            reason: row.get(4)?,
            set_at: Timestamp::from_nanos(row.get(5)?),
            in_force: true,
        })
    })?;
    let mut aliases = read.collect::<Result<Vec<Alias>, _>>()?;
    let told: Vec<String> = aliases.iter().filter(|alias| alias.origin == AliasOrigin::Person).map(|alias| alias.name.clone()).collect();
    for alias in aliases.iter_mut().filter(|alias| alias.origin == AliasOrigin::Settings) {
        alias.in_force = told.binary_search(&alias.name).is_err();
    }
    Ok(aliases)
}

const SETTINGS: &str = "settings";
const PERSON: &str = "person";

/// Puts those of the settings in the place of what settings said before.
pub(in crate::store) fn declare(connection: &mut Connection, aliases: &BTreeMap<String, String>, now: Timestamp) -> Result<(), Fault> {
    let known = all(connection)?.into_iter().filter(|alias| alias.origin == AliasOrigin::Settings);
    let known: BTreeMap<String, String> = known.map(|alias| (alias.name, alias.service)).collect();
    if known == *aliases {
        return Ok(());
    }
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for name in known.keys().filter(|name| !aliases.contains_key(*name)) {
        tx.prepare_cached("DELETE FROM aliases WHERE name = ? AND origin = ?")?.execute(params![name, SETTINGS])?;
    }
    for (name, service) in aliases.iter().filter(|(name, service)| known.get(*name) != Some(*service)) {
        put(
            &tx,
            &Alias {
                name: name.clone(),
                service: service.clone(),
                origin: AliasOrigin::Settings,
                set_by: SETTINGS.to_owned(),
                reason: "entities.aliases of the settings".to_owned(),
                set_at: now,
                in_force: true,
            },
        )?;
    }
    tx.commit()?;
    Ok(())
}

pub(super) fn set(
    tx: &Transaction<'_>,
    name: &str,
    service: &str,
    reason: &str,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let mut faults = rules::Faults::default();
    faults.required("name", name, NAME_CHARS_LIMIT);
    faults.required("service", service, NAME_CHARS_LIMIT);
    faults.required("reason", reason, rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    let aliases = all(tx)?;
    let mut meant: BTreeMap<&str, &str> =
        aliases.iter().filter(|alias| alias.in_force).map(|alias| (alias.name.as_str(), alias.service.as_str())).collect();
    let people = aliases.iter().filter(|alias| alias.origin == AliasOrigin::Person && alias.name != name).count();
    if people >= ALIASES_LIMIT {
        let reason = format!("there are {ALIASES_LIMIT} aliases already; remove one, or write them into entities.aliases of the settings");
        return Err(CommandError::Conflict { reason }.into());
    }
    meant.insert(name, service);
    if let Some(way) = round(name, &meant) {
        let reason = format!("goes round: {way}; remove one of these aliases first");
        return Err(CommandError::Invalid { fields: vec![("service".to_owned(), reason)] }.into());
    }
    let alias = Alias {
        name: name.to_owned(),
        service: service.to_owned(),
        origin: AliasOrigin::Person,
        set_by: who.to_owned(),
        reason: reason.to_owned(),
        set_at: now,
        in_force: true,
    };
    put(tx, &alias)?;
    log(tx, None, now, who, "alias_set", &format!("{name} means {service}: {reason}"))?;
    Ok(CommandOutcome::Alias(Box::new(alias)))
}

pub(super) fn remove(tx: &Transaction<'_>, name: &str, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    let removed = tx.prepare_cached("DELETE FROM aliases WHERE name = ? AND origin = ?")?.execute(params![name, PERSON])?;
    if removed == 0 {
        let of_settings = all(tx)?.iter().any(|alias| alias.name == name);
        let conflict = || CommandError::Conflict {
            reason: format!("{name} stands in entities.aliases of the settings: remove it there, or give it another service here"),
        };
        let unknown = || CommandError::NotFound { what: "alias", id: name.to_owned() };
        return Err(if of_settings { conflict() } else { unknown() }.into());
    }
    log(tx, None, now, who, "alias_removed", name)?;
    Ok(CommandOutcome::Done)
}

fn put(tx: &Transaction<'_>, alias: &Alias) -> Result<(), Fault> {
    let origin = if alias.origin == AliasOrigin::Settings { SETTINGS } else { PERSON };
    let sql = "INSERT OR REPLACE INTO aliases (name, origin, service, set_by, reason, set_at) VALUES (?, ?, ?, ?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![alias.name, origin, alias.service, alias.set_by, alias.reason, alias.set_at.nanos()])?;
    Ok(())
}

/// The way that a name goes, where it comes back to itself.
fn round(name: &str, meant: &BTreeMap<&str, &str>) -> Option<String> {
    let mut way = vec![name];
    while let Some(next) = meant.get(way.last()?) {
        way.push(next);
        if *next == name {
            return Some(way.join(" → "));
        }
        if way.len() > meant.len() + 1 {
            return None;
        }
    }
    None
}

//! Decisions on dead letters from the command line: through the API of a running whydunit, else straight in its database.

use std::fmt;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::clock;
use crate::model::command::{Action, Command, CommandOutcome, LetterSelection};
use crate::model::ports::{StoreError, StoreWriter as _};
use crate::settings::Settings;
use crate::store::{self, SqliteWriter};

/// Where decisions go.
pub enum Desk {
    /// whydunit runs and has the database: it is asked.
    Running { api: String, token: Option<String> },
    /// Nobody has the database.
    Stopped(Box<SqliteWriter>),
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_running() { "Running" } else { "Stopped" })
    }
}

impl Desk {
    /// # Errors
    /// A database that cannot be opened for another reason than that whydunit has it.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        match store::open_writer(&settings.store) {
            Ok(writer) => Ok(Self::Stopped(Box::new(writer))),
            Err(StoreError::Busy(_)) => {
                Ok(Self::Running { api: format!("http://{}/api/v1/dead-letters", settings.web.listen), token: settings.web.token.clone() })
            }
            Err(error) => Err(error).context("opening the database"),
        }
    }

    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Asks for the letters to be decoded again; how many were taken.
    ///
    /// # Errors
    /// Letters that are not there or not waiting; an API that refuses or cannot be reached.
    pub fn replay(&mut self, select: &LetterSelection, who: &str) -> anyhow::Result<u64> {
        match self {
            Self::Running { api, token } => {
                let (path, body) = match select {
                    LetterSelection::One(id) => (format!("{api}/{id}/replay"), json!({})),
                    many => (format!("{api}/replay"), selection(many)),
                };
                ask(&path, token.as_deref(), &body)
            }
            Self::Stopped(writer) => execute(writer, who, Action::ReplayDeadLetters { select: select.clone(), edited: None }),
        }
    }

    /// Sets the letters aside for good; how many were taken.
    ///
    /// # Errors
    /// As [`Desk::replay`].
    pub fn discard(&mut self, select: &LetterSelection, reason: &str, who: &str) -> anyhow::Result<u64> {
        match self {
            Self::Running { api, token } => {
                let body = match select {
                    LetterSelection::One(_) => {
                        bail!("whydunit is running: discard a single letter on its page, or name its group with --group")
                    }
                    many => {
                        let mut body = selection(many);
                        body["reason"] = json!(reason);
                        body
                    }
                };
                ask(&format!("{api}/discard"), token.as_deref(), &body)
            }
            Self::Stopped(writer) => execute(writer, who, Action::DiscardDeadLetters { select: select.clone(), reason: reason.to_owned() }),
        }
    }
}

fn selection(select: &LetterSelection) -> Value {
    match select {
        LetterSelection::Group(fingerprint) => json!({ "fingerprint": fingerprint }),
        LetterSelection::Connector(name) => json!({ "connector": name }),
        LetterSelection::All | LetterSelection::One(_) => json!({ "all": true }),
    }
}

fn ask(url: &str, token: Option<&str>, body: &Value) -> anyhow::Result<u64> {
    let hint = "whydunit has the database open but its API did not answer; is web.listen the same as in the running one's settings?";
    let said = super::ask::post(url, token, body, hint)?;
    Ok(said["count"].as_u64().unwrap_or(0))
}

fn execute(writer: &mut SqliteWriter, who: &str, action: Action) -> anyhow::Result<u64> {
    let command = Command { who: who.to_owned(), idempotency_key: None, expected_version: None, action };
    match writer.execute(&command, clock::now())? {
        CommandOutcome::Letters { count } => Ok(count),
        _ => Ok(0),
    }
}

//! Subcommands, one file each.

mod backup;
mod check;
mod dead_letters;
mod decode;
mod demo;
mod discover;
mod evaluate;
mod export;
mod health;
mod note;
mod progress;
mod replay;
mod restore;
mod run;
mod simulate;
mod tell;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};

use crate::settings::Settings;

const FIRST_STEPS: &str = "\
Try it:          whydunit demo
Your own Kafka:  whydunit discover --brokers HOST:PORT --write whydunit.toml
                 whydunit run --config whydunit.toml
Without Kafka:   whydunit run, then send to http://127.0.0.1:8080: /v1/logs, /v1/metrics, /v1/traces,
                 /api/v1/write, /ingest/git …";

/// Reads logs, metrics, traces, commits and builds from Kafka or over HTTP, opens an investigation by itself when something
/// breaks, and ranks what caused it, with the evidence for and against.
#[derive(Debug, Parser)]
#[command(name = "whydunit", version, long_version = LONG_VERSION.as_str(), max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = FIRST_STEPS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads the configured topics, investigates, serves page and API, until Ctrl-C.
    Run(run::Arguments),
    /// Shows a real incident found: a shop that breaks, its records on an in-process Kafka, and the page.
    Demo(demo::Arguments),
    /// Validates the settings and prints them; with --connect tries them against the brokers.
    Check(check::Arguments),
    /// Looks at the topics of a Kafka, says what each seems to hold, and writes settings that read them.
    Discover(discover::Arguments),
    /// Shows what records become: one JSON line an item, with the format recognised; exits with 1 if any cannot be read.
    Decode(decode::Arguments),
    /// Says whether a running whydunit is well; exits with 1 when it is not.
    Health(health::Arguments),
    /// Shows who is told of investigations, and whether they are there; with --test sends each a test.
    Tell(tell::Arguments),
    /// Puts a manual event on the timeline of a running whydunit.
    Note(note::Arguments),
    /// Writes the records of a shop that breaks on purpose to a Kafka.
    Simulate(simulate::Arguments),
    /// Writes a pack of recorded incidents to a Kafka, in event time.
    Replay(replay::Arguments),
    /// Runs a pack of labelled incidents through the pipeline and scores what it finds.
    Evaluate(evaluate::Arguments),
    /// Records that could not be read: list, show, export, replay, discard.
    DeadLetters(dead_letters::Arguments),
    /// Checks that nothing that was read was lost or doubled; exits with 1 and names the hole when something was.
    Verify(verify::Arguments),
    /// Copies the database into a new file, beside a running whydunit.
    Backup(backup::Arguments),
    /// Puts a backup in the database's place.
    Restore(restore::Arguments),
    /// Prints everything a run determined, one JSON value a line, sorted, without wall-clock times.
    Export(export::Arguments),
}

/// Where settings come from.
#[derive(Clone, Debug, Args)]
struct SettingsFrom {
    /// Settings file over the defaults; the environment (WHYDUNIT__KAFKA__BROKERS=…) goes over both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SettingsFrom {
    fn load(&self) -> anyhow::Result<Settings> {
        Ok(Settings::load(self.config.as_deref())?)
    }
}

/// Runs the command that the process's arguments name. Exit codes: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Tell(arguments) => tell::run(&arguments),
        Command::Note(arguments) => note::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whydunit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Version with what the Kafka client was built with: TLS, SASL, compression.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), crate::kafka::version_features()));

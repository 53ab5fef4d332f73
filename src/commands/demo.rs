//! `whydunit demo`: a real incident, found while you watch.

use std::path::PathBuf;
use std::time::Duration;

use crate::app::demo::{self, Demo};
use crate::telemetry::tracing_setup;

/// Starts a shop of fifteen services, breaks it, and shows what whydunit finds: the records go over an in-process Kafka, the
/// way every record goes.
///
/// With --once --json it prints the first investigation with its ranked suspects and ends.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What breaks; `whydunit simulate --list` names them.
    #[arg(long, value_name = "NAME", default_value = "bad-deploy")]
    fault: String,
    /// Same seed, same shop.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Address of the page; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// Keep the database here; default: a temporary folder that goes with the demo.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// End once an investigation is open.
    #[arg(long)]
    once: bool,
    /// Print the investigation as JSON.
    #[arg(long, requires = "once")]
    json: bool,
}

/// Longest wait for the first investigation.
const PATIENCE: Duration = Duration::from_secs(120);

/// # Errors
/// A port or database that cannot be used; with --once, no investigation within two minutes.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let quiet = tracing_setup::Options { log: "error".to_owned(), ..tracing_setup::Options::default() };
    let _tracing = tracing_setup::install(&quiet);
    let options = demo::Options {
        fault: arguments.fault.clone(),
        seed: arguments.seed,
        listen: arguments.listen,
        database: arguments.database.clone(),
        // Who asks for any port wants no fixed one anywhere.
        free_ports: arguments.once || arguments.listen.port() == 0,
    };
    actix::System::new().block_on(async {
        let demo = Demo::start(&options)?;
        if arguments.once {
            return once(demo, arguments.json).await;
        }
        explain(&demo);
        demo.run_until(crate::app::signals::signalled()).await
    })
}

fn explain(demo: &Demo) {
    println!("A shop of fifteen services, 20 minutes of its life, and one thing that broke a minute ago ({}).", demo.fault());
    println!("Its logs, metrics, traces, commits and builds go over an in-process Kafka into whydunit, now at full speed, then live.");
    println!("Nobody tells whydunit what broke: it learns what is normal, notices, opens an investigation and ranks causes.");
    println!("On the page, left: what may have caused it, for and against. Right: the proof. ? shows every key.");
    println!("Open http://{}   (Ctrl-C ends it)", demo.address());
}

async fn once(demo: Demo, json: bool) -> anyhow::Result<()> {
    let found = demo.first_investigation(PATIENCE).await;
    let missing = found.is_none().then(|| demo.what_is_missing());
    demo.run_until(std::future::ready(())).await?;
    let Some(investigation) = found else {
        anyhow::bail!("no investigation after {} s: {}", PATIENCE.as_secs(), missing.unwrap_or_default());
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&investigation)?);
    } else {
        println!("{}", investigation.title);
    }
    Ok(())
}

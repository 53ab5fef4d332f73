//! A start on a full disk: the probes say so, and it goes on by itself once there is room.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::{disk, service};
use crate::actors::status::StatusBoard;
use crate::model::ports::{PipelineStatus as _, StoreError};
use crate::settings::Settings;
use crate::store::SqliteWriter;
use crate::telemetry::metrics;
use crate::web;

/// How often to try again.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// The database, open for writing as soon as its disk has room for that; `None` when `stop` came first.
///
/// # Errors
/// As [`service::open_writer`], but for a full disk; probes that cannot listen.
pub async fn waited_for(settings: &Settings, stop: impl Future<Output = ()>) -> anyhow::Result<Option<SqliteWriter>> {
    let status = Arc::new(StatusBoard::default());
    let said = match opened(settings, &status).await? {
        Some(writer) => return Ok(Some(writer)),
        None => status.health().reasons.join("; "),
    };
    let (end, ended) = oneshot::channel::<()>();
    let stopped = async {
        // Its drop tells it too.
        let _ = ended.await;
    };
    let probes = web::serve_ops(&settings.ops, status.clone(), Arc::new(|| metrics::NOT_READY.to_owned()), stopped).await?;
    eprintln!("whydunit {}: {said}. Probes at http://{}/readyz", env!("CARGO_PKG_VERSION"), probes.address);
    let mut ticks = tokio::time::interval(TRY_EVERY);
    let room = async {
        loop {
            ticks.tick().await;
            if let Some(writer) = opened(settings, &status).await? {
                return anyhow::Ok(writer);
            }
        }
    };
    let writer = tokio::select! {
        writer = room => Some(writer?),
        () = stop => None,
    };
    drop(end);
    probes.ended().await;
    Ok(writer)
}

/// `None`, with the reason on the board, while the disk is full.
async fn opened(settings: &Settings, status: &StatusBoard) -> anyhow::Result<Option<SqliteWriter>> {
    let settings = settings.clone();
    let options = settings.store.clone();
    // Opening looks through the whole file: the probes answer meanwhile.
    let opened = tokio::task::spawn_blocking(move || service::open_writer(&settings)).await.context("opening the database")?;
    let error = match opened {
        Ok(writer) => return Ok(Some(writer)),
        Err(error) => error,
    };
    let Some(StoreError::DiskFull(reason)) = error.downcast_ref::<StoreError>() else { return Err(error) };
    let full = disk::located(StoreError::DiskFull(reason.clone()), &options);
    status.trouble("start", &format!("{full}; reading waits and nothing is lost; tried again every {} s", TRY_EVERY.as_secs()), true);
    Ok(None)
}

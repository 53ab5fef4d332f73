//! A plan as it is written in a file: `shop.toml` explains the keys.

use serde::Deserialize;

use super::topology::{Kind, Language, Level, LogShape, Pool};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShopFile {
    pub nodes: Vec<String>,
    pub service: Vec<ServiceFile>,
    pub operation: Vec<OperationFile>,
    pub action: Vec<ActionFile>,
    pub job: Vec<JobFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceFile {
    pub name: String,
    #[serde(default)]
    pub kind: Kind,
    pub logs: Option<LogShape>,
    #[serde(default)]
    pub language: Language,
    #[serde(default)]
    pub pods: usize,
    #[serde(default)]
    pub version: String,
    pub address: Option<String>,
    pub system: Option<String>,
    #[serde(default)]
    pub cpu: f64,
    #[serde(default)]
    pub memory_mib: f64,
    #[serde(default)]
    pub memory_limit_mib: f64,
    pub pool: Option<Pool>,
    #[serde(default)]
    pub queue: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationFile {
    pub name: String,
    pub statement: Option<String>,
    pub steps: Vec<StepFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionFile {
    pub operation: String,
    pub path: String,
    pub weight: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFile {
    pub operation: String,
    pub every_s: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum StepFile {
    Work {
        work_ms: f64,
    },
    Log {
        log: String,
        #[serde(default)]
        level: Level,
    },
    Noise {
        noise: String,
        share: f64,
        level: Level,
    },
    Call {
        call: String,
        timeout_ms: Option<u32>,
        #[serde(default)]
        retries: u32,
        #[serde(default)]
        optional: bool,
    },
    Together {
        together: Vec<String>,
        timeout_ms: Option<u32>,
        #[serde(default)]
        retries: u32,
    },
    Read {
        read: String,
        hit: f64,
        miss: String,
    },
    Send {
        send: String,
    },
}

//! Tells the supervisor that a stage is gone, and whether it panicked.

use actix::{Message, Recipient};

/// A field of every stage; its drop is the report.
#[derive(Debug)]
pub struct LifeLine {
    stage: String,
    generation: u64,
    supervisor: Option<Recipient<StageDied>>,
}

#[derive(Clone, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct StageDied {
    pub stage: String,
    /// Which build of the pipeline it belonged to; reports of earlier ones are old news.
    pub generation: u64,
    pub panicked: bool,
}

impl LifeLine {
    pub fn new(stage: &str, generation: u64, supervisor: Recipient<StageDied>) -> Self {
        Self { stage: stage.to_owned(), generation, supervisor: Some(supervisor) }
    }

    /// For tests of one stage alone.
    pub const fn unattended() -> Self {
        Self { stage: String::new(), generation: 0, supervisor: None }
    }
}

impl Drop for LifeLine {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            let panicked = std::thread::panicking();
            // The one place that passes the mailbox's bound: a death must be heard, and there are few stages.
            supervisor.do_send(StageDied { stage: std::mem::take(&mut self.stage), generation: self.generation, panicked });
        }
    }
}

//! What a stage let go because a limit was reached: counted, and said as long as it goes on.

use std::sync::Arc;

use super::status::StatusBoard;
use crate::telemetry::metrics::metrics;

/// Bucket closes without another eviction after which it is no longer said (1 h of event time).
const QUIET_CLOSES: u32 = 240;

/// One kind of thing that one stage may let go.
#[derive(Debug)]
pub struct LetGo {
    who: String,
    /// What was done with them.
    done: &'static str,
    /// Label of the metric and word of the sentence: `services`, `traces`, `items`.
    what: &'static str,
    /// What holds the number, and what to do.
    advice: String,
    status: Arc<StatusBoard>,
    total: u64,
    quiet: u32,
}

impl LetGo {
    pub fn new(stage: &str, what: &'static str, advice: String, status: Arc<StatusBoard>) -> Self {
        Self { who: format!("{what} of {stage}"), done: "forgotten", what, advice, status, total: 0, quiet: 0 }
    }

    /// For things that are not let go but lose their own place.
    #[must_use]
    pub fn but(mut self, done: &'static str) -> Self {
        self.done = done;
        self
    }

    /// After a bucket's close: how many were let go since the stage began.
    pub fn closed(&mut self, total: u64) {
        if total > self.total {
            metrics().evicted(self.what, total - self.total);
            let Self { what, advice, done, .. } = self;
            self.status.trouble(&self.who, &format!("{total} {what} were {done} to keep memory bounded: {advice}"), false);
            (self.total, self.quiet) = (total, 0);
        } else if self.total > 0 {
            self.quiet = self.quiet.saturating_add(1);
            if self.quiet == QUIET_CLOSES {
                self.status.well(&self.who);
            }
        }
    }
}

impl Drop for LetGo {
    /// A stage that is built anew has let nothing go yet.
    fn drop(&mut self) {
        self.status.well(&self.who);
    }
}

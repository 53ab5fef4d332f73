//! What a person does not want to be woken by for a while: a detector's key at a service, after a false alarm. It opens nothing
//! and makes nothing turn hot again; as evidence in what something else opened it counts as before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::investigator::Investigator;
use crate::model::investigation::Opener;
use crate::model::signal::Signal;
use crate::model::{Bucket, Timestamp};

/// Mutes kept, about 200 bytes each; of more, those that end first go.
const MAX_MUTES: usize = 1_000;
/// Key of the snapshot's entry that holds them all: they are few and change seldom.
pub(super) const MUTES: &[u8] = b"m";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mutes(BTreeMap<(String, Opener), Mute>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mute {
    until: Timestamp,
    /// The investigation that was a false alarm.
    investigation: String,
}

impl Mutes {
    /// True for a signal that may not open anything at the close of `bucket`.
    pub fn cover(&self, environment: &str, signal: &Signal, bucket: Bucket) -> bool {
        self.0.iter().any(|((muted_in, opener), mute)| {
            mute.until >= bucket.end()
                && muted_in == environment
                && opener.service == signal.service.service
                && opener.detector == signal.detector
                && opener.key == signal.key
        })
    }

    fn mute(&mut self, environment: &str, openers: &BTreeSet<Opener>, until: Timestamp, investigation: &str) {
        for opener in openers {
            let mute = Mute { until, investigation: investigation.to_owned() };
            self.0.insert((environment.to_owned(), opener.clone()), mute);
        }
        while self.0.len() > MAX_MUTES {
            let first = self.0.iter().min_by(|left, right| left.1.until.cmp(&right.1.until).then(left.0.cmp(right.0)));
            let Some(key) = first.map(|(key, _)| key.clone()) else { break };
            self.0.remove(&key);
        }
    }
}

impl Investigator {
    /// After a false alarm: what opened it opens nothing until then. A later word about the same key replaces the earlier.
    pub(super) fn mute(&mut self, id: &str, until: Timestamp) {
        let Some(case) = self.cases.get(id).cloned() else { return };
        Arc::make_mut(&mut self.mutes).mute(&case.environment, &case.opened_by, until, id);
        self.dirty.insert(MUTES.to_vec());
    }

    /// Somebody took back that it was a false alarm.
    pub(super) fn unmute(&mut self, id: &str) {
        if self.mutes.0.values().any(|mute| mute.investigation == id) {
            Arc::make_mut(&mut self.mutes).0.retain(|_, mute| mute.investigation != id);
            self.dirty.insert(MUTES.to_vec());
        }
    }

    /// Forgets those that have ended.
    pub(super) fn end_mutes(&mut self, bucket: Bucket) {
        if self.mutes.0.values().any(|mute| mute.until < bucket.end()) {
            Arc::make_mut(&mut self.mutes).0.retain(|_, mute| mute.until >= bucket.end());
            self.dirty.insert(MUTES.to_vec());
        }
    }
}

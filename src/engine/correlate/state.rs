//! The investigator's state as entries of a snapshot: one a service, a case, a change, an alert.

use std::sync::Arc;

use super::case::Case;
use super::investigator::Investigator;
use super::node::Node;
use crate::model::Timestamp;
use crate::model::entity::ServiceName;
use crate::model::snapshot::{Encode, StateEntry};

impl Investigator {
    /// Changed state since the last call, ordered by key.
    pub fn delta(&mut self) -> Vec<StateEntry> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|key| StateEntry { value: self.state(&key), key }).collect()
    }

    fn state(&self, key: &[u8]) -> Option<Arc<dyn Encode>> {
        let (kind, rest) = key.split_first()?;
        match kind {
            b't' => self.bucket.map(|bucket| Arc::new(bucket) as Arc<dyn Encode>),
            b'm' => Some(Arc::clone(&self.mutes) as Arc<dyn Encode>),
            b'u' => self.teach_until.map(|until| Arc::new(until) as Arc<dyn Encode>),
            b's' => {
                let text = std::str::from_utf8(rest).ok()?;
                let (environment, service) = text.split_once('\0')?;
                let name = ServiceName { environment: environment.to_owned(), service: service.to_owned() };
                self.nodes.get(&name).map(|node| Arc::clone(node) as Arc<dyn Encode>)
            }
            b'i' => self.cases.get(std::str::from_utf8(rest).ok()?).map(|case| Arc::clone(case) as Arc<dyn Encode>),
            b'x' => self.changes.get(&timed(rest)?).map(|change| Arc::clone(change) as Arc<dyn Encode>),
            b'a' => self.alerts.get(&timed(rest)?).map(|alert| Arc::clone(alert) as Arc<dyn Encode>),
            _ => None,
        }
    }

    /// Takes back one entry of a snapshot.
    pub fn restore(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let wrong = |error: postcard::Error| format!("investigator state: {error}");
        let (kind, rest) = key.split_first().ok_or_else(|| "investigator state: empty key".to_owned())?;
        match kind {
            b't' => self.bucket = Some(postcard::from_bytes(value).map_err(wrong)?),
            b'm' => self.mutes = Arc::new(postcard::from_bytes(value).map_err(wrong)?),
            b'u' => self.teach_until = Some(postcard::from_bytes(value).map_err(wrong)?),
            b's' => {
                let node: Node = postcard::from_bytes(value).map_err(wrong)?;
                self.nodes.insert(node.name.clone(), Arc::new(node));
            }
            b'i' => {
                let case: Case = postcard::from_bytes(value).map_err(wrong)?;
                self.cases.insert(case.id.clone(), Arc::new(case));
            }
            b'x' => {
                let at = timed(rest).ok_or_else(|| "investigator state: bad key of a change".to_owned())?;
                self.changes.insert(at, Arc::new(postcard::from_bytes(value).map_err(wrong)?));
            }
            b'a' => {
                let at = timed(rest).ok_or_else(|| "investigator state: bad key of an alert".to_owned())?;
                self.alerts.insert(at, Arc::new(postcard::from_bytes(value).map_err(wrong)?));
            }
            _ => return Err(format!("investigator state: unknown key {key:?}")),
        }
        Ok(())
    }
}

fn timed(bytes: &[u8]) -> Option<(Timestamp, String)> {
    let (at, id) = bytes.split_at_checked(8)?;
    Some((Timestamp::from_nanos(i64::from_be_bytes(at.try_into().ok()?)), std::str::from_utf8(id).ok()?.to_owned()))
}

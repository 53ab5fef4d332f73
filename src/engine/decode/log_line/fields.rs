//! Names under which producers write the fields of a log line.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::entities::MAX_ATTRIBUTES;

use super::names::{FIRST_CONTAINER_NAME, LAST_POD_NAME, NAMES, WRAPPERS};

/// A field of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::decode) enum Slot {
    Time,
    Message,
    Level,
    /// OpenTelemetry's 1 to 24.
    SeverityNumber,
    Service,
    Environment,
    Host,
    Version,
    Trace,
    Span,
    ExceptionType,
    ExceptionMessage,
    Stack,
    RequestId,
    CorrelationId,
    HttpStatus,
    /// A level (Datadog) or an HTTP status, as its value tells.
    Status,
}

impl Slot {
    pub(in crate::engine::decode) const ALL: [Self; 17] = [
        Self::Time,
        Self::Message,
        Self::Level,
        Self::SeverityNumber,
        Self::Service,
        Self::Environment,
        Self::Host,
        Self::Version,
        Self::Trace,
        Self::Span,
        Self::ExceptionType,
        Self::ExceptionMessage,
        Self::Stack,
        Self::RequestId,
        Self::CorrelationId,
        Self::HttpStatus,
        Self::Status,
    ];
    pub(in crate::engine::decode) const COUNT: usize = Self::ALL.len();
}

/// What a key means: a field, the start of a longer dotted name, both, or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct Target {
    pub(in crate::engine::decode) slot: Option<Slot>,
    /// Among several names of one field the lowest rank is taken.
    pub(in crate::engine::decode) rank: u8,
    /// An object under this key may hold fields.
    pub(in crate::engine::decode) nested: bool,
    /// An object under this key is a mere wrapper: its keys count as if they stood outside, with less weight.
    pub(in crate::engine::decode) wrapper: bool,
}

/// Rank added inside a wrapper.
pub(in crate::engine::decode) const WRAPPED: u8 = 100;

/// Rank from which on a name of a service is that of a container.
pub(super) const CONTAINER_RANK: u8 = rank_of(Slot::Service, FIRST_CONTAINER_NAME);
/// Rank up to which a name of a host is that of a pod.
pub(super) const LAST_POD_RANK: u8 = rank_of(Slot::Host, LAST_POD_NAME);

/// Place of a name among those of its field.
pub(in crate::engine::decode) const fn rank_of(slot: Slot, name: &str) -> u8 {
    let names = NAMES[slot as usize].1;
    let mut at = 0;
    while at < names.len() && !are_same(names[at].as_bytes(), name.as_bytes()) {
        at += 1;
    }
    first_rank(slot) + at as u8
}

/// Before the known names of a service there is room for the settings' own.
const fn first_rank(slot: Slot) -> u8 {
    if matches!(slot, Slot::Service) { MAX_ATTRIBUTES as u8 } else { 0 }
}

const fn are_same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// Key → meaning.
#[derive(Debug)]
pub(in crate::engine::decode) struct Fields {
    targets: FxHashMap<Box<str>, Target>,
    longest: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self::asking(&[])
    }
}

impl Fields {
    /// `own`: names of a service that go before those known.
    pub(in crate::engine::decode) fn asking(own: &[String]) -> Self {
        let mut fields = Self { targets: FxHashMap::default(), longest: 0 };
        let mut prefixes = FxHashSet::default();
        for (slot, names) in NAMES {
            for (rank, name) in names.iter().enumerate() {
                fields.add(name, |target| (target.slot, target.rank) = (Some(slot), first_rank(slot) + rank as u8));
                prefixes.extend(name.match_indices('.').map(|(dot, _)| &name[..dot]));
            }
        }
        for name in prefixes {
            fields.add(name, |target| target.nested = true);
        }
        for (rank, name) in own.iter().take(MAX_ATTRIBUTES).enumerate() {
            fields.add_own(name, rank as u8);
        }
        for name in WRAPPERS {
            fields.add(name, |target| target.wrapper = true);
        }
        fields
    }

    /// A name that stands for another field goes on doing so.
    fn add_own(&mut self, name: &str, rank: u8) {
        let is_free = |target: &Target| target.slot.is_none_or(|slot| slot == Slot::Service);
        self.add(name, |target| {
            if is_free(target) {
                (target.slot, target.rank) = (Some(Slot::Service), rank);
            }
        });
        for (dot, _) in name.match_indices('.') {
            self.add(&name[..dot], |target| target.nested = true);
        }
    }

    /// Meaning of a dotted name; a name in other capitals is taken for its lower-case form.
    pub(in crate::engine::decode) fn find(&self, name: &str) -> Target {
        if name.len() > self.longest {
            return Target::default();
        }
        if let Some(target) = self.targets.get(name) {
            return *target;
        }
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Target::default();
        }
        self.targets.get(name.to_ascii_lowercase().as_str()).copied().unwrap_or_default()
    }

    fn add(&mut self, name: &str, change: impl FnOnce(&mut Target)) {
        change(self.targets.entry(name.into()).or_default());
        self.longest = self.longest.max(name.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_open_their_objects() {
        let fields = Fields::default();
        let service = fields.find("service");
        assert!(service.nested && service.slot == Some(Slot::Service));
        assert!(fields.find("kubernetes.labels").nested);
        assert_eq!(fields.find("Level").slot, Some(Slot::Level));
        assert_eq!(fields.find("thread").slot, None);
    }

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut seen = FxHashSet::default();
        for name in NAMES.iter().flat_map(|(_, names)| *names) {
            assert!(seen.insert(*name), "{name} twice");
        }
        assert!(NAMES.iter().enumerate().all(|(at, (slot, _))| *slot as usize == at && Slot::ALL[at] == *slot));
        assert_eq!(NAMES[Slot::Service as usize].1[usize::from(CONTAINER_RANK) - MAX_ATTRIBUTES], FIRST_CONTAINER_NAME);
        assert_eq!(NAMES[Slot::Host as usize].1[usize::from(LAST_POD_RANK)], LAST_POD_NAME);
    }
}

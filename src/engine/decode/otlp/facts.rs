//! What attributes and resources say, however they were encoded.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::engine::decode::json_logs::{UNKNOWN_SERVICE, limited};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::engine::decode::workload;
use crate::engine::entities::{MAX_ATTRIBUTES, is_attribute};
use crate::model::{EntityKey, Symbol};

/// An attribute's value. Texts are bytes: only those that are used are checked to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::decode) enum Scalar<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// Empty, a list, a map or bytes.
    Other,
}

impl<'a> Scalar<'a> {
    pub(in crate::engine::decode) fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(in crate::engine::decode) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    fn hash(self, key: u64) -> u64 {
        match self {
            Self::Text(text) => xxh3_64_with_seed(text, key),
            Self::Integer(value) => xxh3_64_with_seed(&value.to_le_bytes(), key ^ 1),
            Self::Float(value) => xxh3_64_with_seed(&value.to_bits().to_le_bytes(), key ^ 2),
            Self::Bool(value) => xxh3_64_with_seed(&[u8::from(value)], key ^ 3),
            Self::Other => xxh3_64_with_seed(&[], key ^ 4),
        }
    }
}

/// Of several names of one fact, the best one's value.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct Best<'a> {
    taken: Option<(u8, &'a [u8])>,
}

impl<'a> Best<'a> {
    /// Takes the value if its rank is lower than what is there.
    pub(in crate::engine::decode) fn offer(&mut self, rank: u8, value: Scalar<'a>) {
        if let Some(text) = value.text()
            && self.taken.is_none_or(|(taken, _)| rank < taken)
        {
            self.taken = Some((rank, text));
        }
    }

    pub(in crate::engine::decode) fn get(self) -> Option<&'a [u8]> {
        self.taken.map(|(_, text)| text)
    }
}

/// Hash of a set of attributes, whatever their order.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct SeriesHash(u64);

impl SeriesHash {
    #[inline]
    pub(in crate::engine::decode) fn attribute(&mut self, key: &[u8], value: Scalar<'_>) {
        self.0 = self.0.wrapping_add(value.hash(xxh3_64_with_seed(key, 0)));
    }

    /// The series of a point: its attributes, and the host, so that two instances of a service are two series.
    pub(in crate::engine::decode) fn of(self, host: Symbol) -> u64 {
        self.0.wrapping_add(host.0.rotate_left(17))
    }
}

/// Attributes of a resource as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct ResourceFacts<'a> {
    /// Attributes that go before those known.
    own: &'a [String],
    service: Best<'a>,
    environment: Best<'a>,
    host: Best<'a>,
    version: Best<'a>,
}

/// Rank of the first known name of a service: before it there is room for the settings' own.
const KNOWN: u8 = MAX_ATTRIBUTES as u8;

impl<'a> ResourceFacts<'a> {
    /// `own`: attributes that name the service, before those known.
    pub(in crate::engine::decode) fn asking(own: &'a [String]) -> Self {
        Self { own, ..Self::default() }
    }

    pub(in crate::engine::decode) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        if let Some(rank) = self.own.iter().position(|name| is_attribute(name, key)) {
            self.service.offer(rank as u8, value);
        }
        match key {
            b"service.name" => self.service.offer(KNOWN, value),
            b"k8s.deployment.name" => self.service.offer(KNOWN + 1, value),
            b"k8s.statefulset.name" => self.service.offer(KNOWN + 2, value),
            b"k8s.daemonset.name" => self.service.offer(KNOWN + 3, value),
            b"k8s.cronjob.name" => self.service.offer(KNOWN + 4, value),
            b"k8s.job.name" => self.workload(KNOWN + 5, value, workload::of_job),
            b"k8s.replicaset.name" => self.workload(KNOWN + 6, value, workload::of_replica_set),
            b"faas.name" => self.service.offer(KNOWN + 7, value),
            b"k8s.container.name" => self.service.offer(KNOWN + 9, value),
            b"container.name" => self.service.offer(KNOWN + 10, value),
            b"deployment.environment.name" => self.environment.offer(0, value),
            b"deployment.environment" => self.environment.offer(1, value),
            b"k8s.pod.name" => {
                self.workload(KNOWN + 8, value, workload::of_pod);
                self.host.offer(0, value);
            }
            b"host.name" => self.host.offer(1, value),
            b"k8s.node.name" => self.host.offer(2, value),
            b"service.instance.id" => self.host.offer(3, value),
            b"service.version" => self.version.offer(0, value),
            _ => {}
        }
    }

    /// The workload that made what is called so; a name that was not made says nothing of it, and the next one is asked.
    fn workload(&mut self, rank: u8, value: Scalar<'a>, of: fn(&str) -> &str) {
        if let Some(name) = value.text().and_then(|name| std::str::from_utf8(name).ok())
            && of(name) != name
        {
            self.service.offer(rank, Scalar::Text(of(name).as_bytes()));
        }
    }

    pub(in crate::engine::decode) fn resolve(self, sink: &mut RecordSink<'_>) -> Resource<'a> {
        let service = self.service.get().map_or(Cow::Borrowed(UNKNOWN_SERVICE), String::from_utf8_lossy);
        let environment = match self.environment.get() {
            Some(name) => String::from_utf8_lossy(name),
            None => Cow::Borrowed(sink.options.default_environment.as_str()),
        };
        let entity = sink.symbols.entity(limited(&environment), limited(&service));
        Resource {
            entity,
            host: define(self.host.get(), sink),
            version: define(self.version.get(), sink),
            version_text: self.version.get(),
        }
    }
}

/// Who a block of items is from.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::decode) struct Resource<'a> {
    pub(in crate::engine::decode) entity: EntityKey,
    pub(in crate::engine::decode) host: Symbol,
    pub(in crate::engine::decode) version: Symbol,
    pub(in crate::engine::decode) version_text: Option<&'a [u8]>,
}

/// Symbol of a name, broken UTF-8 replaced; none for none.
pub(in crate::engine::decode) fn define(name: Option<&[u8]>, sink: &mut RecordSink<'_>) -> Symbol {
    name.map_or(Symbol::NONE, |name| sink.symbols.define(limited(&String::from_utf8_lossy(name))))
}

/// Text that an item cannot do without.
pub(in crate::engine::decode) fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|error| Refusal::malformed(format!("{what} is not UTF-8: {error}")))
}

/// The first characters of a text for people, broken UTF-8 replaced.
pub(in crate::engine::decode) fn lossy(bytes: &[u8], max_chars: usize) -> String {
    crate::model::event::truncate(&String::from_utf8_lossy(bytes), max_chars)
}

//! Where a record stands, to the byte.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One life of one partition. `incarnation` rises when the topic was deleted and made anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct PartitionKey {
    #[schema(value_type = String)]
    pub cluster: Arc<str>,
    #[schema(value_type = String)]
    pub topic: Arc<str>,
    pub incarnation: u32,
    pub partition: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(from = "FlatPosition", into = "FlatPosition")]
#[schema(as = Position)]
pub struct Position {
    #[schema(inline)]
    #[serde(flatten)]
    pub partition: PartitionKey,
    pub offset: i64,
}

/// A position on one level, without `flatten`: snapshots are written in a format that must know every length ahead.
#[derive(Clone, Serialize, Deserialize)]
struct FlatPosition {
    cluster: Arc<str>,
    topic: Arc<str>,
    incarnation: u32,
    partition: i32,
    offset: i64,
}

impl From<FlatPosition> for Position {
    fn from(flat: FlatPosition) -> Self {
        let FlatPosition { cluster, topic, incarnation, partition, offset } = flat;
        Self { partition: PartitionKey { cluster, topic, incarnation, partition }, offset }
    }
}

impl From<Position> for FlatPosition {
    fn from(position: Position) -> Self {
        let PartitionKey { cluster, topic, incarnation, partition } = position.partition;
        Self { cluster, topic, incarnation, partition, offset: position.offset }
    }
}

impl Position {
    /// Id of the `item`-th thing read from this position.
    pub fn item_id(&self, item: u32) -> String {
        let key = format!(
            "{}\0{}\0{}\0{}\0{}\0{item}",
            self.partition.cluster, self.partition.topic, self.partition.incarnation, self.partition.partition, self.offset
        );
        derived_id(&key)
    }
}

/// A stable id for a key: equal keys give equal ids in every process and run.
pub fn derived_id(key: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(key.as_bytes()))
}

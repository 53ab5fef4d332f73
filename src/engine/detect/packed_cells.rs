//! Newest buckets of a share in a snapshot: each event's symbol once, each bucket as its distance from the one before.

use std::collections::{BTreeSet, VecDeque};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::share::ShareCell;
use crate::model::{Bucket, Symbol};

#[derive(Serialize, Deserialize)]
struct Packed {
    events: Vec<Symbol>,
    cells: Vec<PackedCell>,
}

#[derive(Serialize, Deserialize)]
struct PackedCell {
    /// From the bucket before, of the first from zero; wraps.
    distance: i64,
    cases: u32,
    /// Places in the events, and hits.
    hits: Vec<(u32, u32)>,
}

pub fn serialize<S: Serializer>(ring: &VecDeque<ShareCell>, serializer: S) -> Result<S::Ok, S::Error> {
    let events: BTreeSet<Symbol> = ring.iter().flat_map(|cell| cell.hits.keys().copied()).collect();
    let events: Vec<Symbol> = events.into_iter().collect();
    let place = |event: &Symbol| events.binary_search(event).ok().and_then(|place| u32::try_from(place).ok());
    let mut before = 0;
    let cell = |cell: &ShareCell| {
        let distance = cell.bucket.0.wrapping_sub(before);
        before = cell.bucket.0;
        let hits = cell.hits.iter().filter_map(|(event, hits)| Some((place(event)?, *hits))).collect();
        PackedCell { distance, cases: cell.cases, hits }
    };
    let cells = ring.iter().map(cell).collect();
    Packed { events, cells }.serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<ShareCell>, D::Error> {
    let Packed { events, cells } = Packed::deserialize(deserializer)?;
    let mut bucket = 0_i64;
    let cell = |cell: PackedCell| {
        bucket = bucket.wrapping_add(cell.distance);
        let event = |place: u32| events.get(place as usize).copied().ok_or_else(|| D::Error::custom("a share's cell names no event"));
        let hits = cell.hits.into_iter().map(|(place, hits)| Ok((event(place)?, hits))).collect::<Result<_, _>>()?;
        Ok(ShareCell { bucket: Bucket(bucket), cases: cell.cases, hits })
    };
    cells.into_iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept(#[serde(with = "super")] VecDeque<ShareCell>);

    proptest! {
        #[test]
        fn any_cells_come_back_as_they_were(
            cells in prop::collection::vec((any::<i64>(), any::<u32>(), prop::collection::btree_map(0..9_u64, any::<u32>(), 0..6)), 0..30)
        ) {
            let cell = |(bucket, cases, hits): (i64, u32, std::collections::BTreeMap<u64, u32>)| {
                let hits = hits.into_iter().map(|(event, hits)| (Symbol(event), hits)).collect();
                ShareCell { bucket: Bucket(bucket), cases, hits }
            };
            let kept = Kept(cells.into_iter().map(cell).collect());
            let bytes = postcard::to_stdvec(&kept).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Kept>(&bytes).unwrap(), kept);
        }
    }

    #[test]
    fn a_place_without_an_event_is_an_error() {
        let bytes =
            postcard::to_stdvec(&Packed { events: Vec::new(), cells: vec![PackedCell { distance: 1, cases: 1, hits: vec![(0, 1)] }] });
        assert!(postcard::from_bytes::<Kept>(&bytes.unwrap()).is_err());
    }
}

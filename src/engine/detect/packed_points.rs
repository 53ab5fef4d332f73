//! Points of a series in a snapshot. A series tells its values at regular times: of each time only is kept how much the gap before it
//! differs from the gap before that one, mostly one byte.

use serde::{Deserialize, Deserializer, Serializer};

use crate::model::Timestamp;

/// Time of a point, and the gap before it, nanoseconds. Sums wrap, so that any two times have a gap.
#[derive(Clone, Copy, Default)]
struct Pace {
    at: i64,
    gap: i64,
}

impl Pace {
    /// The next point's difference of gaps.
    fn pack(&mut self, at: i64) -> i64 {
        let gap = at.wrapping_sub(self.at);
        let difference = gap.wrapping_sub(self.gap);
        *self = Self { at, gap };
        difference
    }

    fn unpack(&mut self, difference: i64) -> i64 {
        self.gap = self.gap.wrapping_add(difference);
        self.at = self.at.wrapping_add(self.gap);
        self.at
    }
}

pub fn serialize<'a, C, S: Serializer>(points: &'a C, serializer: S) -> Result<S::Ok, S::Error>
where
    &'a C: IntoIterator<Item = &'a (Timestamp, f32), IntoIter: ExactSizeIterator>,
{
    let mut pace = Pace::default();
    serializer.collect_seq(points.into_iter().map(|(at, value)| (pace.pack(at.nanos()), *value)))
}

pub fn deserialize<'de, C: FromIterator<(Timestamp, f32)>, D: Deserializer<'de>>(deserializer: D) -> Result<C, D::Error> {
    let mut pace = Pace::default();
    let packed = Vec::<(i64, f32)>::deserialize(deserializer)?;
    Ok(packed.into_iter().map(|(difference, value)| (Timestamp::from_nanos(pace.unpack(difference)), value)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::VecDeque;

    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept(#[serde(with = "super")] VecDeque<(Timestamp, f32)>);

    proptest! {
        #[test]
        fn any_points_come_back_as_they_were(points in prop::collection::vec((any::<i64>(), -1e9f32..1e9), 0..80)) {
            let kept = Kept(points.into_iter().map(|(at, value)| (Timestamp::from_nanos(at), value)).collect());
            let bytes = postcard::to_stdvec(&kept).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Kept>(&bytes).unwrap(), kept);
        }
    }

    #[test]
    fn a_regular_series_takes_five_bytes_a_point() {
        let point = |number: i64| (Timestamp::from_seconds(1_780_000_000 + 15 * number), number as f32);
        let bytes = postcard::to_stdvec(&Kept((0..40).map(point).collect())).unwrap();
        assert!(bytes.len() <= 5 * 40 + 20, "{} bytes of 40 points", bytes.len());
    }
}

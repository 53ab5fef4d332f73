//! Figures of others on the same data, quoted and never measured here.

use serde::Serialize;

/// One quoted line. What a source does not give is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparator {
    pub name: &'static str,
    pub source: &'static str,
    /// AC@1, AC@3, Avg@5 when told that something is wrong.
    pub told: Option<[f64; 3]>,
    pub recall: Option<f64>,
    pub false_per_hour: Option<f64>,
    pub median_ttd_s: Option<f64>,
    /// AC@1 without being told.
    pub ac1: Option<f64>,
}

const NEZHA_TT: [Comparator; 5] = [
    Comparator {
        name: "Nezha, 22 development cases",
        source: "Nezha (Yu et al., ESEC/FSE 2023), on the same cases",
        told: Some([0.818, 1.0, 0.945]),
        recall: None,
        false_per_hour: None,
        median_ttd_s: None,
        ac1: None,
    },
    Comparator {
        name: "Nezha, kept cases",
        source: "the same, on the cases nobody tuned on",
        told: Some([0.91, 0.96, 0.95]),
        recall: None,
        false_per_hour: None,
        median_ttd_s: None,
        ac1: None,
    },
    Comparator {
        name: "prototype, 22 development cases",
        source: "Python prototype of these algorithms, drawn quiet traffic, 2 seeds; written looking at these cases",
        told: Some([0.955, 1.0, 0.982]),
        recall: Some(0.955),
        false_per_hour: Some(0.0),
        median_ttd_s: Some(85.0),
        ac1: Some(0.909),
    },
    Comparator {
        name: "prototype, kept cases",
        source: "the same, on the cases nobody tuned on",
        told: Some([0.89, 0.94, 0.93]),
        recall: Some(0.78),
        false_per_hour: Some(1.2),
        median_ttd_s: Some(60.0),
        ac1: Some(0.76),
    },
    Comparator {
        name: "alarm on the front page's latency, all cases",
        source: "a threshold on one service level indicator",
        told: None,
        recall: Some(0.49),
        false_per_hour: Some(2.3),
        median_ttd_s: Some(117.0),
        ac1: None,
    },
];

/// What is known of others on this set.
pub fn comparators(set: &str) -> Vec<Comparator> {
    if set.starts_with("nezha-tt") { NEZHA_TT.to_vec() } else { Vec::new() }
}

//! Does a confidence of .8 mean right in eight of ten?

use serde::Serialize;

const BINS: usize = 10;

/// Confidences of one tenth of the scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    pub from: f64,
    pub to: f64,
    pub n: usize,
    pub mean_confidence: f64,
    pub share_right: f64,
}

/// A reliability table and its summary: the expected calibration error (Naeini, Cooper & Hauskrecht 2015), the mean distance
/// between confidence and share of right answers over ten bins of equal width, weighted by their answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calibration {
    pub n: usize,
    pub ece: f64,
    pub bins: Vec<Bin>,
}

/// Of answers with their confidence and whether they were right.
pub(super) fn calibration(answers: &[(f64, bool)]) -> Calibration {
    let bin_of = |confidence: f64| ((confidence.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1);
    let bins: Vec<Bin> = (0..BINS)
        .map(|bin| {
            let own: Vec<&(f64, bool)> = answers.iter().filter(|(confidence, _)| bin_of(*confidence) == bin).collect();
            let mean = |sum: f64| if own.is_empty() { 0.0 } else { sum / own.len() as f64 };
            Bin {
                from: bin as f64 / BINS as f64,
                to: (bin + 1) as f64 / BINS as f64,
                n: own.len(),
                mean_confidence: mean(own.iter().map(|(confidence, _)| confidence).sum()),
                share_right: mean(own.iter().filter(|(_, right)| *right).count() as f64),
            }
        })
        .collect();
    let off: f64 = bins.iter().map(|bin| bin.n as f64 * (bin.mean_confidence - bin.share_right).abs()).sum();
    Calibration { n: answers.len(), ece: if answers.is_empty() { 0.0 } else { off / answers.len() as f64 }, bins }
}

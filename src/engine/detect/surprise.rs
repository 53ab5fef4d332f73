//! The one currency: S = −log10 p.

use statrs::function::erf::erfc;

use super::limits::MAX_SURPRISE;

/// −log10 of the upper tail of χ² with one degree of freedom, at most [`MAX_SURPRISE`].
pub fn of_chi_square(g: f64) -> f64 {
    if !g.is_finite() {
        return if g > 0.0 { MAX_SURPRISE } else { 0.0 };
    }
    if g <= 0.0 {
        return 0.0;
    }
    let x = (g / 2.0).sqrt();
    // Above 20 the complementary error function underflows; its asymptotic form is exact to 1e-3 there.
    let surprise =
        if x < 20.0 { -erfc(x).max(1e-300).log10() } else { (x * x + (x * std::f64::consts::PI.sqrt()).ln()) / std::f64::consts::LN_10 };
    surprise.clamp(0.0, MAX_SURPRISE)
}

/// How surprising `hits_now` of `cases_now` is against `hits` of `cases`: two-sided 2×2 G-test with half counts
/// (Sokal and Rohlf, Biometry, ch. 17), its statistic divided by the overdispersion `phi`.
pub fn of_shares(hits: f64, cases: f64, hits_now: f64, cases_now: f64, phi: f64) -> f64 {
    let (a, b) = (hits.max(0.0) + 0.5, (cases - hits).max(0.0) + 0.5);
    let (c, d) = (hits_now.max(0.0) + 0.5, (cases_now - hits_now).max(0.0) + 0.5);
    let total = a + b + c + d;
    let term = |cell: f64, row: f64, column: f64| cell * (cell * total / (row * column)).ln();
    let g = 2.0 * (term(a, a + b, a + c) + term(b, a + b, b + d) + term(c, c + d, a + c) + term(d, c + d, b + d));
    of_chi_square(g / phi.max(1.0))
}

/// How surprising several independent things are together: Fisher's method (Statistical Methods for Research Workers, § 21.1), whose
/// χ² has an even number of degrees of freedom, so that its tail is a finite sum.
pub fn of_independent(surprises: impl Iterator<Item = f64>) -> f64 {
    let (mut all, mut sum, mut term) = (0.0, 0.0, 1.0);
    let surprises: Vec<f64> = surprises.map(|surprise| surprise.max(0.0)).inspect(|surprise| all += surprise).collect();
    let half = all * std::f64::consts::LN_10;
    for index in 0..surprises.len() {
        sum += term;
        term *= half / (index + 1) as f64;
    }
    (all - sum.max(1.0).log10()).clamp(0.0, MAX_SURPRISE)
}

/// f(S) = S/(S + 8): surprise as a strength between 0 and 1.
pub fn strength(surprise: f64) -> f64 {
    let surprise = surprise.max(0.0);
    surprise / (surprise + 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 0.02
    }

    #[test]
    fn known_tables_give_their_known_surprise() {
        assert!(close(of_shares(0.0, 24.54, 12.0, 12.0, 1.0), 9.62));
        assert!(close(of_shares(66.0, 66.0, 0.0, 7.0, 1.0), 9.88));
        assert!(close(of_shares(3.0, 30.0, 9.0, 10.0, 1.0), 5.42));
        assert!(close(of_shares(0.0, 25.0, 12.0, 12.0, 2.0), 5.16));
    }

    #[test]
    fn several_together_are_as_surprising_as_fishers_method_says() {
        let of = |list: &[f64]| of_independent(list.iter().copied());
        assert!(close(of(&[5.0]), 5.0));
        // χ² of 4 degrees of freedom above 36.84, of 6 above 50.66.
        assert!(close(of(&[4.0, 4.0]), 6.71), "{}", of(&[4.0, 4.0]));
        assert!(close(of(&[4.0, 4.0, 3.0]), 8.46), "{}", of(&[4.0, 4.0, 3.0]));
        assert!(of(&[0.5, 0.2, 0.1]) < 0.5, "chance in three places is chance");
        assert_eq!(of(&[]), 0.0);
        assert_eq!(of(&[300.0, 300.0]), MAX_SURPRISE);
    }

    #[test]
    fn the_tail_is_smooth_where_its_formula_changes_and_capped_at_the_end() {
        assert!((of_chi_square(799.9) - of_chi_square(800.1)).abs() < 0.2);
        assert!(close(of_chi_square(3.841_458_8), 1.301));
        assert_eq!(of_chi_square(f64::INFINITY), MAX_SURPRISE);
        assert_eq!(of_chi_square(f64::NAN), 0.0);
    }
}

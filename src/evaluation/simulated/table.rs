//! The report as text for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Calibration, Part, SeedScore, SimulatedReport};

impl SimulatedReport {
    /// Figures with n and intervals, then by kind, strength and share, the reliability table, seeds, and false openings.
    pub fn to_text(&self) -> String {
        let hours = self.end_to_end.quiet_hours;
        let mut text =
            format!("simulator: {} seeds, {} with one fault, {} with two, {hours:.2} quiet hours\n", self.seeds, self.n, self.two_faults.n);
        // Writing into a String cannot fail.
        let _ = self.write_figures(&mut text);
        for (title, parts) in [("fault", &self.by_type), ("strength", &self.by_strength), ("requests hit", &self.by_share)] {
            let _ = write_parts(&mut text, title, parts);
        }
        let _ = write_calibration(&mut text, "confidence, unaided", &self.calibration);
        let _ = write_calibration(&mut text, "confidence, told", &self.calibration_told);
        let _ = self.write_cases(&mut text);
        text
    }

    fn write_figures(&self, text: &mut String) -> std::fmt::Result {
        let (told, end, changes, two) = (&self.told, &self.end_to_end, &self.changes, &self.two_faults);
        writeln!(text, "\n{:<44} {:>7}  95 %", "", "")?;
        line(text, "told, +120 s       AC@1", told.ac1, Some(told.intervals.ac1))?;
        line(text, "                   AC@3", told.ac3, Some(told.intervals.ac3))?;
        line(text, "                   Avg@5", told.avg5, Some(told.intervals.avg5))?;
        line(text, "                   the change, or none", changes.ac1, Some(changes.ac1_interval))?;
        line(text, "end to end         recall", end.recall, Some(end.recall_interval))?;
        line(text, "                   recall within 180 s", end.strict_recall, Some(end.strict_recall_interval))?;
        line(text, "                   false openings an hour", end.false_per_hour, end.false_per_hour_interval)?;
        line(text, "                   median seconds to detect", end.median_ttd_s.unwrap_or(f64::NAN), None)?;
        line(text, "                   AC@1 at +180 s", end.ac1, Some(end.ac1_interval))?;
        line(text, "                   AC@3", end.ac3, None)?;
        line(text, "                   Avg@5", end.avg5, None)?;
        line(text, "                   the change, or none", changes.end_to_end_ac1, Some(changes.end_to_end_ac1_interval))?;
        line(text, "two at once        both, each by its own", two.share, Some(two.interval))?;
        line(text, "confidence         calibration error", self.calibration.ece, None)?;
        line(text, "                   the same, told", self.calibration_told.ece, None)?;
        writeln!(
            text,
            "changes, told: {} of {} named, {} of {} times \"none\" rightly, {} harmless ones named, {} times \"none\" wrongly; {} duplicate openings; {} of {} faults of two named",
            changes.sha1,
            changes.n_change,
            changes.none_correct,
            changes.n_none,
            changes.decoy1,
            changes.none_wrong,
            end.duplicates,
            two.named,
            2 * two.n
        )
    }

    fn write_cases(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n{:>5} {:>4} {:>7} {:<20} {:>5} {:>5} {:>7} {:>5} {:>4} {:>6}  culprit",
            "seed", "n", "records", "fault", "times", "share", "opened", "told", "end", "change"
        )?;
        for case in &self.cases {
            write_case(text, case)?;
        }
        for opening in &self.false_openings {
            let first = opening.first.as_deref().unwrap_or("nobody");
            writeln!(text, "false: seed {} {:+.0} s, {first}: {}", opening.seed, opening.after_start_s, opening.because)?;
        }
        for error in &self.errors {
            writeln!(text, "not run: {error}")?;
        }
        Ok(())
    }
}

fn write_parts(text: &mut String, title: &str, parts: &BTreeMap<String, Part>) -> std::fmt::Result {
    writeln!(
        text,
        "\n{title:<22} {:>3} {:>10} {:>8} {:>14} {:>8} {:>9} {:>8}",
        "n", "told AC@1", "recall", "95 %", "AC@1", "median s", "change"
    )?;
    for (name, part) in parts {
        let median = part.median_ttd_s.map_or_else(|| "–".to_owned(), |median_s| format!("{median_s:.0}"));
        let interval = format!("[{:.2}, {:.2}]", part.recall_interval[0], part.recall_interval[1]);
        writeln!(
            text,
            "{name:<22} {:>3} {:>10.3} {:>8.3} {interval:>14} {:>8.3} {median:>9} {:>8.3}",
            part.n, part.told.ac1, part.recall, part.end_to_end.ac1, part.change_ac1
        )?;
    }
    Ok(())
}

fn write_calibration(text: &mut String, title: &str, calibration: &Calibration) -> std::fmt::Result {
    writeln!(text, "\n{title:<22} {:>4} {:>7} {:>7}   expected calibration error {:.3}", "n", "mean", "right", calibration.ece)?;
    for bin in calibration.bins.iter().filter(|bin| bin.n > 0) {
        let range = format!("{:.1} to {:.1}", bin.from, bin.to);
        writeln!(text, "{range:<22} {:>4} {:>7.2} {:>7.2}", bin.n, bin.mean_confidence, bin.share_right)?;
    }
    Ok(())
}

fn write_case(text: &mut String, case: &SeedScore) -> std::fmt::Result {
    let rank = |rank: Option<u32>| rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
    let faulty = !case.fault_type.is_empty();
    let opened = match case.ttd_s {
        Some(ttd_s) => format!("{ttd_s:+.0} s"),
        None if case.both.is_some() => (if case.both == Some(true) { "both" } else { "not both" }).to_owned(),
        None if faulty => "missed".to_owned(),
        None => format!("{} false", case.false_openings),
    };
    let change = match (faulty, case.change_told_right) {
        (false, _) => "",
        (true, true) => "right",
        (true, false) => "wrong",
    };
    let (told, end) = (rank(case.rank_told), rank(case.rank_at_end));
    write!(
        text,
        "{:>5} {:>4} {:>7} {:<20} {:>5.1} {:>5.2} {opened:>7} {told:>5} {end:>4} {change:>6}  {}",
        case.seed,
        case.services,
        case.records,
        if faulty { case.fault_type.as_str() } else { "–" },
        case.strength,
        case.share,
        case.culprit
    )?;
    for (word, first, rank) in [("told", &case.first_told, case.rank_told), ("first", &case.first_at_end, case.rank_at_end)] {
        if let Some(first) = first.as_ref().filter(|_| rank != Some(1)) {
            write!(text, "  {word}: {first}")?;
        }
    }
    writeln!(text)
}

fn line(text: &mut String, title: &str, value: f64, interval: Option<[f64; 2]>) -> std::fmt::Result {
    match interval {
        Some([low, high]) => writeln!(text, "{title:<44} {value:>7.3}  [{low:.3}, {high:.3}]"),
        None => writeln!(text, "{title:<44} {value:>7.3}"),
    }
}

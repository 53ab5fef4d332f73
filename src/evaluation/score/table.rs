//! The report as text for a terminal.

use std::fmt::Write;

use super::{Accuracy, CaseScore, Comparator, Report};

impl Report {
    /// Figures with n and intervals, comparators beside them, then fault types, cases and false openings.
    pub fn to_text(&self) -> String {
        // Writing into a String cannot fail.
        let mut text = format!("{}: {} labelled faults, {:.2} quiet hours\n", self.set, self.n, self.end_to_end.quiet_hours);
        let _ = self.write_figures(&mut text);
        let _ = self.write_comparators(&mut text);
        let _ = self.write_types(&mut text);
        let _ = self.write_cases(&mut text);
        text
    }

    fn write_figures(&self, text: &mut String) -> std::fmt::Result {
        let end = &self.end_to_end;
        writeln!(text, "\n{:<34} {:>7}  {:<16} {:>7}", "", "", "95 %", "chance")?;
        match &self.told {
            Some(told) => write_accuracy(text, "told, +120 s", told, [self.random.ac1, self.random.ac3, self.random.avg5])?,
            None => writeln!(text, "told, +120 s: not tried")?,
        }
        let chance = self.random.recall;
        line(text, "end to end  recall", end.recall, end.intervals.recall, Some(chance))?;
        line(text, "            recall, after the label", end.strict_recall, end.intervals.strict_recall, None)?;
        match end.intervals.false_per_hour {
            Some(interval) => line(text, "            false openings an hour", end.false_per_hour, interval, None)?,
            None => writeln!(text, "{:<34} {:>7}", "            false openings an hour", "–")?,
        }
        match end.median_ttd_s {
            Some(median_s) => writeln!(text, "{:<34} {median_s:>7.0}  s", "            median time to detect")?,
            None => writeln!(text, "{:<34} {:>7}", "            median time to detect", "none")?,
        }
        line(text, "            AC@1 at +180 s", end.ac1, end.intervals.accuracy.ac1, Some(chance * self.random.ac1))?;
        line(text, "            AC@3", end.ac3, end.intervals.accuracy.ac3, Some(chance * self.random.ac3))?;
        line(text, "            Avg@5", end.avg5, end.intervals.accuracy.avg5, Some(chance * self.random.avg5))?;
        line(text, "            AC@1 at opening", end.at_opening.ac1, end.at_opening.intervals.ac1, None)?;
        writeln!(text, "{:<34} {:>7}", "            duplicate openings", end.duplicates)?;
        let random = &self.random;
        writeln!(text, "chance: {} openings at random times, services drawn from {}", random.openings, random.services)
    }

    fn write_comparators(&self, text: &mut String) -> std::fmt::Result {
        if self.comparators.is_empty() {
            return Ok(());
        }
        let titles = ["told AC@1", "AC@3", "Avg@5", "recall", "false/h", "median s", "AC@1"];
        write!(text, "\n{:<46}", "quoted, not measured here")?;
        for title in titles {
            write!(text, " {title:>9}")?;
        }
        writeln!(text)?;
        for comparator in &self.comparators {
            write!(text, "{:<46}", comparator.name)?;
            for figure in figures(comparator) {
                match figure {
                    Some(figure) => write!(text, " {figure:>9.3}")?,
                    None => write!(text, " {:>9}", "–")?,
                }
            }
            writeln!(text, "\n    {}", comparator.source)?;
        }
        Ok(())
    }

    fn write_types(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n{:<20} {:>3} {:>10} {:>8} {:>16} {:>10} {:>9}",
            "fault type", "n", "told AC@1", "recall", "95 %", "AC@1", "median s"
        )?;
        for (name, score) in &self.by_type {
            let told = score.told.as_ref().map_or_else(|| "–".to_owned(), |told| format!("{:.3}", told.ac1));
            let median = score.median_ttd_s.map_or_else(|| "–".to_owned(), |median_s| format!("{median_s:.0}"));
            let [low, high] = score.recall_interval;
            let interval = format!("[{low:.2}, {high:.2}]");
            writeln!(
                text,
                "{name:<20} {:>3} {told:>10} {:>8.3} {interval:>16} {:>10.3} {median:>9}",
                score.n, score.recall, score.end_to_end.ac1
            )?;
        }
        Ok(())
    }

    fn write_cases(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n{:<14} {:<26} {:<16} {:>7} {:>5} {:>8} {:>5}",
            "case", "culprit", "fault type", "opened", "told", "opening", "end"
        )?;
        for case in &self.cases {
            write_case(text, case)?;
        }
        for opening in &self.false_openings {
            let first = opening.first.as_deref().unwrap_or("nobody");
            writeln!(text, "false: {} {:+.0} s, {first}: {}", opening.episode, opening.after_start_s, opening.because)?;
        }
        for error in &self.errors {
            writeln!(text, "not run: {error}")?;
        }
        Ok(())
    }
}

fn write_case(text: &mut String, case: &CaseScore) -> std::fmt::Result {
    let rank = |rank: Option<u32>| rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
    let opened = case.ttd_s.map_or_else(|| "missed".to_owned(), |ttd_s| format!("{ttd_s:+.0} s"));
    let (told, opening, end) = (rank(case.rank_told), rank(case.rank_at_opening), rank(case.rank_at_end));
    write!(text, "{:<14} {:<26} {:<16} {opened:>7} {told:>5} {opening:>8} {end:>5}", case.case, case.service, case.fault_type)?;
    match &case.first_at_end {
        Some(first) if *first != case.service => writeln!(text, "  first: {first}"),
        _ => writeln!(text),
    }
}

fn figures(comparator: &Comparator) -> [Option<f64>; 7] {
    let told = |index: usize| comparator.told.map(|told| told[index]);
    [told(0), told(1), told(2), comparator.recall, comparator.false_per_hour, comparator.median_ttd_s, comparator.ac1]
}

fn write_accuracy(text: &mut String, title: &str, found: &Accuracy, chance: [f64; 3]) -> std::fmt::Result {
    line(text, &format!("{title:<13}AC@1"), found.ac1, found.intervals.ac1, Some(chance[0]))?;
    line(text, &format!("{:<13}AC@3", ""), found.ac3, found.intervals.ac3, Some(chance[1]))?;
    line(text, &format!("{:<13}Avg@5", ""), found.avg5, found.intervals.avg5, Some(chance[2]))
}

fn line(text: &mut String, title: &str, value: f64, [low, high]: [f64; 2], chance: Option<f64>) -> std::fmt::Result {
    let interval = format!("[{low:.3}, {high:.3}]");
    match chance {
        Some(chance) => writeln!(text, "{title:<34} {value:>7.3}  {interval:<16} {chance:>7.3}"),
        None => writeln!(text, "{title:<34} {value:>7.3}  {interval}"),
    }
}

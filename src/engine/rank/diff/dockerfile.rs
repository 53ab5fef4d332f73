//! Dockerfiles, instruction by instruction.

use std::collections::BTreeSet;

use super::DiffPower;
use super::arguments::changed_arguments;
use super::code::CodeLine;
use super::meaning::changed_value;
use super::patch::Side;

/// Instructions of one version, continued lines joined.
fn instructions(lines: &[CodeLine], side: Side) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in lines.iter().filter(|line| line.side == side || line.side == Side::Kept) {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        let (body, continues) = text.strip_suffix('\\').map_or((text, false), |body| (body.trim_end(), true));
        match found.last_mut().filter(|_| open) {
            Some((_, arguments)) => arguments.push_str(&format!(" {body}")),
            None => {
                let (name, arguments) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
                found.push((name.to_ascii_uppercase(), arguments.trim().to_owned()));
            }
        }
        open = continues;
    }
    // The name of a stage is a name only.
    let stages: Vec<String> = found.iter().filter(|(name, _)| name == "FROM").map(|(_, arguments)| stage(arguments).to_owned()).collect();
    for (name, arguments) in &mut found {
        if name == "FROM" {
            let image = arguments.split_whitespace().find(|word| !word.starts_with("--")).unwrap_or_default().to_owned();
            *arguments = stages.iter().position(|stage| *stage == image && !stage.is_empty()).map_or(image, |at| format!("stage {at}"));
        } else {
            for (at, stage) in stages.iter().enumerate().filter(|(_, stage)| !stage.is_empty()) {
                *arguments = arguments.replace(&format!("--from={stage} "), &format!("--from=stage{at} "));
            }
        }
    }
    found
}

fn stage(arguments: &str) -> &str {
    let mut words = arguments.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("as"));
    words.nth(1).unwrap_or_default()
}

fn is_exec(arguments: &str) -> bool {
    arguments.starts_with('[')
}

fn changed(name: &str, before: &str, after: &str) -> DiffPower {
    match name {
        "FROM" => {
            let power = changed_value("image", before, after);
            DiffPower { reason: format!("it changed the base image from {} to {}", short(before), short(after)), ..power }
        }
        "ENV" | "ARG" => {
            let pair = |text: &str| text.split_once(['=', ' ']).map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()));
            match (pair(before), pair(after)) {
                (Some((old_key, old)), Some((key, new))) if old_key == key => changed_value(&key, &old, &new),
                _ => DiffPower::new(0.5, &format!("it changed {name} {}", short(before))),
            }
        }
        "LABEL" | "MAINTAINER" | "HEALTHCHECK" | "COPY" | "ADD" => DiffPower::new(0.1, &format!("it changed {name}")),
        "CMD" | "ENTRYPOINT" if is_exec(before) && !is_exec(after) => {
            DiffPower::new(0.6, "it starts the program through a shell, which keeps signals from it")
        }
        "CMD" | "ENTRYPOINT" => changed_arguments(before, after).unwrap_or_else(|| DiffPower::new(0.6, "it changed what is started")),
        "USER" | "WORKDIR" | "EXPOSE" | "STOPSIGNAL" => {
            DiffPower::new(0.6, &format!("it changed {name} from {} to {}", short(before), short(after)))
        }
        "RUN" => {
            let words = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
            let (old, new) = (words(before), words(after));
            match old.difference(&new).find(|word| word.len() > 2) {
                Some(gone) => DiffPower::new(0.5, &format!("it builds the image without {}", short(gone))),
                None => DiffPower::new(0.15, "it builds the image with more"),
            }
        }
        _ => DiffPower::new(0.3, &format!("it changed {name}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

pub fn dockerfile_power(lines: &[CodeLine]) -> DiffPower {
    let (mut before, mut after) = (instructions(lines, Side::Minus), instructions(lines, Side::Plus));
    let squeezed = |(name, arguments): &(String, String)| format!("{name}{}", super::squeeze(arguments));
    let (old, new): (BTreeSet<String>, BTreeSet<String>) = (before.iter().map(squeezed).collect(), after.iter().map(squeezed).collect());
    before.retain(|instruction| !new.contains(&squeezed(instruction)));
    after.retain(|instruction| !old.contains(&squeezed(instruction)));
    let mut found = Vec::new();
    for (name, arguments) in &before {
        let twin = after.iter().position(|(other, _)| other == name);
        found.push(match twin.map(|at| after.remove(at)) {
            Some((_, now)) => changed(name, arguments, &now),
            None if matches!(name.as_str(), "LABEL" | "MAINTAINER" | "HEALTHCHECK" | "ARG" | "COPY") => {
                DiffPower::new(0.15, &format!("it removed {name}"))
            }
            None => DiffPower::new(0.5, &format!("it removed {name} {}", short(arguments))),
        });
    }
    for (name, arguments) in &after {
        found.push(match name.as_str() {
            "USER" | "ENTRYPOINT" | "CMD" | "WORKDIR" | "STOPSIGNAL" => {
                DiffPower::new(0.6, &format!("it added {name} {}", short(arguments)))
            }
            "LABEL" | "MAINTAINER" | "HEALTHCHECK" | "COPY" | "ARG" | "EXPOSE" => DiffPower::new(0.1, &format!("it added {name}")),
            _ => DiffPower::new(0.2, &format!("it added {name} {}", short(arguments))),
        });
    }
    if found.is_empty() {
        return DiffPower::new(0.05, "it writes the same instructions another way");
    }
    DiffPower::strongest(found)
}

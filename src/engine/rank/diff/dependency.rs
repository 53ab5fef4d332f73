//! Manifests and lock files: which dependency went how far (semver.org).

use super::DiffPower;
use super::code::{CodeLine, Kind};
use super::patch::{FileDiff, Side};
use super::value::{version, version_power};

/// Lines of a part that only developers and tests use.
fn is_for_developers(line: &str) -> bool {
    const PARTS: [&str; 9] = [
        "devDependencies",
        "dev-dependencies",
        "[tool.black",
        "[tool.ruff",
        "[tool.mypy",
        "[tool.pytest",
        "[tool.isort",
        "[build-dependencies",
        "group.dev",
    ];
    PARTS.iter().any(|part| line.contains(part))
}

fn is_part(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('[') && line.ends_with(']') || line.contains("ependencies") && line.ends_with('{')
}

/// Test frameworks, linters and types: not in what runs.
fn is_tool(name: &str) -> bool {
    const TOOLS: [&str; 16] = [
        "test", "jest", "mocha", "junit", "mockito", "assertj", "eslint", "prettier", "lint", "types/", "vitest", "cypress", "pylint",
        "flake8", "black", "clippy",
    ];
    TOOLS.iter().any(|tool| name.contains(tool))
}

/// Name and version of a dependency's line; a name of its own major version (`pgx/v5`) is that of the dependency without it.
fn dependency(line: &str) -> Option<(String, [u64; 3])> {
    const SPEAKING: [&str; 8] = ["\"resolved\"", "\"integrity\"", "h1:", "sha256", "sha512", "checksum", "\"license\"", "\"node\""];
    if SPEAKING.iter().any(|word| line.contains(word)) && !line.contains("h1:") {
        return None;
    }
    let found = |text: &str| {
        let mut parts = text.split_whitespace().filter(|part| {
            part.starts_with(|letter: char| letter.is_ascii_digit() || "\"'^~v=<>:(".contains(letter)) || part.contains(['=', '>', ':'])
        });
        parts.find_map(|part| version(part.trim_start_matches(['"', '\'', '^', '~', '=', '<', '>'])).filter(|_| part.contains('.')))
    };
    let text = line.split("h1:").next().unwrap_or(line).replace(['<', '>', ','], " ");
    let (numbers, _) = found(&text)?;
    let name: String =
        text.trim().trim_start_matches(['"', '\'', '+', '-', ' ']).chars().take_while(|letter| !"\"' =~^><".contains(*letter)).collect();
    // Gradle and Maven coordinates: group and artefact say it, the word before does not.
    let name = text
        .split(['\'', '"'])
        .find(|part| part.matches(':').count() >= 2)
        .map_or(name, |part| part.split(':').nth(1).unwrap_or_default().to_owned());
    let name = name
        .split("/v")
        .enumerate()
        .filter(|(at, part)| *at == 0 || !part.chars().all(|letter| letter.is_ascii_digit()))
        .map(|(_, part)| part)
        .collect::<Vec<_>>()
        .join("/v");
    Some((name, numbers))
}

pub fn dependency_power(lines: &[CodeLine], file: &FileDiff<'_>) -> DiffPower {
    let lower = file.path.to_ascii_lowercase();
    let whole = ["-dev", "-test", "_dev", "_test", "/dev", "/test"].iter().any(|part| lower.contains(&format!("requirements{part}")));
    let mut best = DiffPower::new(0.1, "it updates dependencies");
    let mut dev = whole;
    let mut before: Vec<(String, [u64; 3])> = Vec::new();
    let mut after: Vec<(String, [u64; 3])> = Vec::new();
    let mut hunk = usize::MAX;
    let mut acts = false;
    let mut only_tools = true;
    for line in lines {
        if line.hunk != hunk {
            hunk = line.hunk;
            dev = whole || file.hunks.get(hunk).is_some_and(|hunk| is_for_developers(hunk.section));
        }
        if is_part(&line.text) {
            dev = whole || is_for_developers(&line.text);
        }
        if line.side == Side::Kept || line.kind == Kind::Comment {
            continue;
        }
        acts = true;
        only_tools &= dev;
        if let Some((name, version)) = dependency(&line.text).filter(|(name, _)| !dev && !is_tool(name)) {
            if line.side == Side::Minus { &mut before } else { &mut after }.push((name, version));
        }
    }
    if !acts || only_tools {
        return DiffPower::new(
            0.02,
            if acts { "it changes only what developers and tests use" } else { "it changes only comments or white space" },
        );
    }
    for (name, old) in &before {
        for (_, new) in after.iter().filter(|(other, _)| other == name) {
            let power = version_power(*old, *new);
            if power > best.power {
                let text = |version: &[u64; 3]| format!("{}.{}.{}", version[0], version[1], version[2]);
                let name: String = name.chars().take(80).collect();
                best = DiffPower {
                    hint: Some(format!("{name}: {} → {}", text(old), text(new))),
                    ..DiffPower::new(power, &format!("it updates {name} from {} to {}", text(old), text(new)))
                };
            }
        }
    }
    let new_names = after.iter().filter(|(name, _)| !before.iter().any(|(other, _)| other == name)).count();
    if new_names > 0 && best.power < 0.2 {
        best = DiffPower::new(0.2, "it adds or replaces a dependency");
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_read_in_many_spellings() {
        for (line, name, numbers) in [
            ("\tgithub.com/jackc/pgx/v5 v5.5.0", "github.com/jackc/pgx", [5, 5, 0]),
            ("    \"express\": \"^4.18.2\",", "express", [4, 18, 2]),
            ("pydantic==1.10.13", "pydantic", [1, 10, 13]),
            ("tokio = { version = \"1.38.0\", features = [\"full\"] }", "tokio", [1, 38, 0]),
            ("    implementation 'org.postgresql:postgresql:42.7.1'", "postgresql", [42, 7, 1]),
            ("      \"version\": \"6.11.0\",", "version", [6, 11, 0]),
        ] {
            assert_eq!(dependency(line), Some((name.to_owned(), numbers)), "{line}");
        }
    }
}

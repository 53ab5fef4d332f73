//! Settings by key path, before and after: YAML, JSON, HCL and nginx by indentation, TOML, INI, properties and environment files by
//! section. What moved, was quoted or spelt another way is the same.

use std::collections::BTreeMap;

use super::DiffPower;
use super::code::{CodeLine, Kind};
use super::file::Language;
use super::meaning::{changed_value, is_wording, shown};
use super::patch::{FileDiff, Side};
use super::value::{Value, unquoted, value_of};

/// A key path's value that is not the same before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub path: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Changed values of one key path that are compared one by one.
const MOST_VALUES: usize = 20;

type Settings = BTreeMap<String, Vec<String>>;

/// Settings of one version of a hunk.
fn read(lines: &[CodeLine], hunk: usize, section: &str, side: Side, language: Language) -> Settings {
    let mut settings = Settings::new();
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut table = String::new();
    let mine = lines.iter().filter(|line| line.hunk == hunk && (line.side == Side::Kept || line.side == side));
    for text in std::iter::once(section).chain(mine.map(|line| line.text.as_str())) {
        if language == Language::Flat {
            flat(text, &mut table, &mut settings);
        } else {
            tree(text, &mut stack, &mut settings);
        }
    }
    settings
}

fn flat(text: &str, table: &mut String, settings: &mut Settings) {
    let line = text.trim().trim_start_matches("export ");
    if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'))
        && !name.contains(['"', ','])
    {
        *table = name.trim_matches(['[', ']']).to_owned();
        return;
    }
    let (key, value) = if let Some(option) = line.strip_prefix("-X") {
        let option = option.trim_start_matches("X:");
        let at = option.find(|letter: char| letter == '=' || letter.is_ascii_digit()).unwrap_or(option.len());
        let key = option[..at].trim_start_matches(['+', '-']);
        (
            if key.len() <= 2 { format!("x{key}") } else { key.to_owned() },
            if at == option.len() { option } else { option[at..].trim_start_matches('=') },
        )
    } else {
        match line.split_once('=').or_else(|| line.split_once(':')) {
            Some((key, value)) => (key.trim().trim_matches('"').to_owned(), value.trim()),
            // `timeout server 60s`, `maxmemory 8gb`: the last word is the value.
            None => match line.rsplit_once(char::is_whitespace) {
                Some((key, value)) => (key.split_whitespace().collect::<Vec<_>>().join("."), value),
                None => ("-".to_owned(), line),
            },
        }
    };
    if !line.is_empty() {
        let path = if table.is_empty() { key } else { format!("{table}.{key}") };
        settings.entry(path).or_default().push(value.to_owned());
    }
}

/// Key and value of a line of a tree; an empty value opens a level.
fn entry(line: &str) -> Option<(String, &str)> {
    let block = line.strip_suffix(['{', '[']).map(str::trim_end);
    let sign = [line.find(": "), line.find(" = "), line.find('=').filter(|at| !line[..*at].contains(' '))];
    if let Some(at) = sign.into_iter().flatten().min() {
        let value = line[at..].trim_start_matches([':', ' ', '=']).trim();
        let opens = matches!(value, "{" | "[" | "|" | ">" | "|-" | ">-" | "(" | "{}" | "[]");
        return Some((unquoted(&line[..at]).to_owned(), if opens { "" } else { value }));
    }
    if let Some(key) = line.strip_suffix(':').or(block) {
        return Some((unquoted(key).split_whitespace().map(unquoted).collect::<Vec<_>>().join("."), ""));
    }
    // nginx: `proxy_read_timeout 5s;`
    let (key, value) = line.strip_suffix(';')?.split_once(char::is_whitespace)?;
    Some((key.to_owned(), value.trim()))
}

fn tree(text: &str, stack: &mut Vec<(usize, String)>, settings: &mut Settings) {
    const DEEPEST: usize = 40;
    let mut indent = text.len() - text.trim_start().len();
    let mut line = text.trim();
    if line.is_empty() || line.chars().all(|letter| "{}[](),;".contains(letter)) || line == "---" {
        return;
    }
    while let Some(rest) = line.strip_prefix("- ").or((line == "-").then_some("")) {
        // A list may stand as far left as the key that holds it.
        while stack.last().is_some_and(|(at, key)| *at > indent || *at == indent && key == "-") {
            stack.pop();
        }
        stack.push((indent, "-".to_owned()));
        indent += 2;
        line = rest.trim_start();
    }
    if line.starts_with("{{") {
        settings.entry("template".to_owned()).or_default().push(line.to_owned());
        return;
    }
    while stack.last().is_some_and(|(at, _)| *at >= indent) {
        stack.pop();
    }
    let above = stack.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(".");
    let path = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
    match entry(line) {
        Some((key, "")) => {
            settings.entry(format!("{}.{{}}", path(&key))).or_default();
            if stack.len() < DEEPEST {
                stack.push((indent, key));
            }
        }
        Some((key, value)) => settings.entry(path(&key)).or_default().push(value.to_owned()),
        None => settings.entry(path("-")).or_default().push(line.trim_end_matches(',').to_owned()),
    }
}

fn same(path: &str, before: &str, after: &str) -> bool {
    unquoted(before) == unquoted(after)
        || value_of(before) == value_of(after) && !matches!(value_of(before), Value::Text)
        || changed_value(path, before, after).power == 0.0 && !is_wording(path)
}

/// What is different, path by path; equal values cancel wherever they stand.
pub fn differences(lines: &[CodeLine], file: &FileDiff<'_>, language: Language) -> Vec<Difference> {
    let mut found = Vec::new();
    let (mut before, mut after) = (Settings::new(), Settings::new());
    for (index, hunk) in file.hunks.iter().enumerate() {
        for (path, values) in read(lines, index, hunk.section, Side::Minus, language) {
            before.entry(path).or_default().extend(values);
        }
        for (path, values) in read(lines, index, hunk.section, Side::Plus, language) {
            after.entry(path).or_default().extend(values);
        }
    }
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let mut old = before.get(path).cloned().unwrap_or_default();
        let mut new = after.get(path).cloned().unwrap_or_default();
        old.retain(|value| new.iter().position(|other| other == value).map(|at| new.remove(at)).is_none());
        // A list of hundreds of changed values is judged by its first ones.
        old.truncate(MOST_VALUES);
        new.truncate(MOST_VALUES);
        old.retain(|value| new.iter().position(|other| same(path, value, other)).map(|at| new.remove(at)).is_none());
        let longest = old.len().max(new.len());
        for index in 0..longest {
            found.push(Difference { path: path.clone(), before: old.get(index).cloned(), after: new.get(index).cloned() });
        }
    }
    found
}

fn last(path: &str) -> &str {
    path.rsplit('.').find(|part| *part != "-").unwrap_or(path)
}

fn contains(path: &str, words: &[&str]) -> bool {
    let lower = path.to_ascii_lowercase();
    words.iter().any(|word| lower.contains(word))
}

/// Resources that watch, describe or hand out values.
const WATCHING: [&str; 12] = [
    "servicemonitor",
    "podmonitor",
    "prometheusrule",
    "metric_alarm",
    "cloudwatch_dashboard",
    "grafana",
    "metrics",
    "prometheus",
    "scrape",
    "alarm",
    "log_format",
    "output.",
];
const REFUSING: [&str; 9] = [
    "networkpolicy",
    "resourcequota",
    "limitrange",
    "validatingwebhook",
    "mutatingwebhook",
    "peerauthentication",
    "authorizationpolicy",
    "deny",
    "block_",
];

/// Power of a setting that came.
fn added(path: &str, value: &str, siblings: &[Difference]) -> f64 {
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let off = |difference: &Difference| {
        difference.path.starts_with(parent) && difference.after.as_deref().is_some_and(|value| value_of(value) == Value::Switch(false))
    };
    match () {
        () if !parent.is_empty() && siblings.iter().any(off) || value_of(value) == Value::Switch(false) => 0.1,
        () if contains(
            path,
            &["securitycontext", "runas", "readonlyroot", "selector", "matchlabels", "affinity", "toleration", "deny", "forbid"],
        ) =>
        {
            0.6
        }
        () if contains(
            path,
            &["livenessprobe", "readinessprobe", "startupprobe", "resources.limits", "limits.", "command", "args", "entrypoint"],
        ) =>
        {
            0.5
        }
        () if value_of(value) == Value::Switch(true) => 0.5,
        () if contains(path, &["ports"]) => 0.1,
        () => 0.2,
    }
}

fn power_of(difference: &Difference, all: &[Difference]) -> DiffPower {
    let key = shown(&difference.path);
    let text = |value: &str| unquoted(value).chars().take(60).collect::<String>();
    let mut power = match (&difference.before, &difference.after) {
        (Some(before), Some(after)) => changed_value(&difference.path, before, after),
        (Some(before), None) => {
            let renamed = all.iter().find(|other| {
                other.before.is_none()
                    && other.path != difference.path
                    && other.after.as_ref().is_some_and(|after| unquoted(after) == unquoted(before))
            });
            match renamed {
                Some(other) if last(&other.path) == last(&difference.path) => DiffPower::new(0.15, &format!("it moved {key}")),
                Some(other) => DiffPower::new(0.6, &format!("it renamed the setting {key} to {}", shown(&other.path))),
                None if value_of(before) == Value::Switch(false) => DiffPower::new(0.2, &format!("it removed {key} = false")),
                None => DiffPower::new(0.5, &format!("it removed {key}, which was {}", text(before))),
            }
        }
        (None, Some(after)) => DiffPower::new(added(&difference.path, after, all), &format!("it added {key} = {}", text(after))),
        (None, None) => DiffPower::default(),
    };
    if is_wording(&difference.path) || contains(&difference.path, &WATCHING) {
        power.power = power.power.min(0.05);
    }
    power
}

/// The strongest changed setting of a file.
pub fn settings_power(lines: &[CodeLine], file: &FileDiff<'_>, language: Language) -> DiffPower {
    let acts = |line: &&CodeLine| line.side != Side::Kept && line.kind != Kind::Comment;
    if !lines.iter().any(|line| acts(&line)) {
        return DiffPower::new(0.02, "it changes only comments or white space");
    }
    let kept = lines.iter().map(|line| line.text.as_str()).chain(file.hunks.iter().map(|hunk| hunk.section)).collect::<Vec<_>>().join("\n");
    let kind = kept.lines().find_map(|line| line.trim().strip_prefix("kind: ")).unwrap_or_default();
    if contains(kind, &WATCHING) {
        return DiffPower::new(0.05, "it changes only what watches the system");
    }
    if file.is_new {
        return if contains(kind, &REFUSING) || contains(file.path, &["networkpolic"]) {
            DiffPower::new(0.7, &format!("it adds a {kind}, which refuses what it does not allow"))
        } else {
            DiffPower::new(0.15, "it adds a new resource or settings file")
        };
    }
    if file.is_gone {
        return DiffPower::new(0.6, &format!("it removes {}", file.path.chars().take(80).collect::<String>()));
    }
    let all = differences(lines, file, language);
    if all.is_empty() {
        return DiffPower::new(0.05, "it writes the same settings another way");
    }
    DiffPower::strongest(all.iter().take(200).map(|difference| power_of(difference, &all)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::code::lines_of;
    use super::super::patch::Patch;
    use super::*;

    fn power(path: &str, diff: &str) -> DiffPower {
        let patch = Patch::of(diff, path);
        let language = super::super::file::language(path);
        settings_power(&lines_of(&patch.files[0], language), &patch.files[0], language)
    }

    #[test]
    fn a_value_is_known_by_its_whole_path() {
        let yaml = "       containers:\n       - name: a\n         resources:\n           limits:\n-            memory: 2Gi\n+            memory: 512Mi";
        assert_eq!(power("d.yaml", yaml).reason, "it lowered limits.memory from 2Gi to 512Mi");
        assert_eq!(
            power("c.toml", " [sinks.buffer]\n-max_events = 50000\n+max_events = 100").hint.as_deref(),
            Some("buffer.max_events: 50000 → 100")
        );
        assert!(power("c.json", "   \"retry\": {\n-    \"limit\": 2,\n+    \"limit\": 15,\n   }").power > 0.8);
        assert_eq!(power("haproxy.cfg", "-  timeout server 60s\n+  timeout server 2s").reason, "it lowered timeout.server from 60s to 2s");
        assert!(power("nginx.conf", " location / {\n-  proxy_read_timeout 120s;\n+  proxy_read_timeout 5s;\n }").power > 0.9);
    }

    #[test]
    fn order_quotes_and_spelling_do_not_count() {
        assert!(power("d.yaml", "-a: 1\n b: 2\n+a: 1").power < 0.1);
        assert!(power("d.yaml", "-a: x\n+a: \"x\"").power < 0.1);
        assert!(power("d.yaml", "-poll: 60s\n+poll: 1m").power < 0.1);
        assert!(power("d.yaml", " c:\n-- name: a\n-  b: x\n+  - name: a\n+    b: x").power < 0.1, "indentation");
    }

    #[test]
    fn renamed_removed_and_added_keys() {
        assert_eq!(power("d.yaml", "-visibility_timeout: 300\n+visibilityTimeout: 300").power, 0.6);
        assert_eq!(power("d.yaml", " smtp:\n-  port: 2525\n   host: a").power, 0.5);
        assert!(power("d.yaml", " metadata:\n   labels:\n+    team: a").power < 0.1);
        assert!(power("d.yaml", " old:\n   x: 1\n+new:\n+  owner: a\n+  enabled: false").power < 0.3);
    }
}

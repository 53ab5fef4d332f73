//! Migrations and queries: which statement locks, rewrites, scans or takes away. Weights after PostgreSQL's manual (explicit
//! locking; ALTER TABLE, notes; CREATE INDEX, building concurrently), which MySQL's differ from in detail, not in kind.

use std::collections::BTreeSet;

use super::DiffPower;
use super::code::{CodeLine, Kind};
use super::meaning::changed_value;
use super::patch::Side;
use super::value::unquoted;

/// (words that must all occur in order, power, sentence); the first that fits a statement decides.
const STATEMENTS: [(&str, f64, &str); 38] = [
    ("DROP INDEX", 0.7, "it drops an index"),
    ("DROP TABLE", 0.7, "it drops a table"),
    ("DROP VIEW", 0.6, "it drops a view"),
    ("TRUNCATE", 0.8, "it empties a table"),
    ("LOCK TABLE", 0.8, "it locks a table"),
    ("VACUUM FULL", 0.7, "it rewrites a table under a lock"),
    ("CLUSTER ", 0.7, "it rewrites a table under a lock"),
    ("REINDEX CONCURRENTLY", 0.2, "it rebuilds an index without blocking"),
    ("REINDEX", 0.6, "it rebuilds an index while others wait"),
    ("CREATE UNIQUE INDEX CONCURRENTLY", 0.2, "it builds a unique index without blocking"),
    ("CREATE INDEX CONCURRENTLY", 0.1, "it builds an index without blocking"),
    ("CREATE UNIQUE INDEX", 0.6, "it builds an index while others wait"),
    ("CREATE INDEX", 0.55, "it builds an index while others wait"),
    ("ALTER TABLE DROP COLUMN", 0.7, "it drops a column"),
    ("ALTER TABLE RENAME", 0.7, "it renames what running code asks for"),
    ("ALTER TABLE VALIDATE CONSTRAINT", 0.2, "it validates a constraint"),
    ("ALTER TABLE NOT VALID", 0.1, "it adds a constraint without checking what is there"),
    ("ALTER TABLE USING INDEX", 0.2, "it adds a constraint over an existing index"),
    ("ALTER TABLE ADD CONSTRAINT", 0.6, "it adds a constraint and checks every row under a lock"),
    ("ALTER TABLE ADD PRIMARY KEY", 0.6, "it adds a key and checks every row under a lock"),
    ("ALTER TABLE ADD UNIQUE", 0.6, "it adds a key and checks every row under a lock"),
    ("ALTER TABLE ADD FOREIGN KEY", 0.6, "it adds a constraint and checks every row under a lock"),
    ("ALTER TABLE ALTER SET NOT NULL", 0.6, "it forbids NULL and scans the table under a lock"),
    ("ALTER TABLE DROP NOT NULL", 0.15, "it allows NULL"),
    ("ALTER TABLE DROP CONSTRAINT", 0.4, "it drops a constraint"),
    ("ALTER TABLE SET DEFAULT", 0.2, "it sets a default"),
    ("ALTER TABLE ALTER TYPE", 0.7, "it changes a column's type, which rewrites the table"),
    ("ALTER TABLE MODIFY", 0.7, "it changes a column, which can rewrite the table"),
    ("ALTER TABLE CHANGE", 0.7, "it changes a column, which can rewrite the table"),
    ("ALTER TABLE ADD NOT NULL", 0.7, "it adds a column that existing rows have no value for"),
    ("ALTER TABLE ADD", 0.1, "it adds a column that may be empty"),
    ("ALTER TABLE", 0.5, "it changes the database schema"),
    ("REVOKE", 0.6, "it takes a permission away"),
    ("CREATE TRIGGER", 0.5, "it adds work to every write"),
    ("CREATE OR REPLACE", 0.4, "it replaces a view or function"),
    ("DROP FUNCTION", 0.6, "it drops a function"),
    ("DROP TRIGGER", 0.5, "it drops a trigger"),
    ("DROP ", 0.5, "it drops something"),
];

fn upper(line: &str) -> String {
    line.to_ascii_uppercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True when all words of the pattern occur in this order.
fn fits(statement: &str, pattern: &str) -> bool {
    // Two words belong together where a list of columns could stand between them and mean another statement.
    const PAIRS: [&str; 12] = [
        "ALTER TABLE",
        "NOT NULL",
        "NOT VALID",
        "DROP COLUMN",
        "ADD CONSTRAINT",
        "PRIMARY KEY",
        "FOREIGN KEY",
        "VACUUM FULL",
        "DROP NOT NULL",
        "SET NOT NULL",
        "DROP INDEX",
        "SET DEFAULT",
    ];
    let mut rest = statement;
    let mut pattern = pattern;
    let mut first = true;
    while !pattern.is_empty() {
        let part = PAIRS.iter().filter(|pair| pattern.starts_with(*pair)).max_by_key(|pair| pair.len()).copied();
        let part = part.unwrap_or_else(|| pattern.split(' ').next().unwrap_or(pattern));
        let Some(at) = rest.match_indices(part).map(|(at, _)| at).find(|at| {
            let word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
            !word(rest[..*at].chars().next_back()) && !word(rest[at + part.len()..].chars().next())
        }) else {
            return false;
        };
        if first && at > 0 {
            return false;
        }
        first = false;
        rest = &rest[at + part.len()..];
        pattern = pattern[part.len()..].trim_start();
    }
    true
}

fn statement_power(statement: &str, created: &BTreeSet<String>) -> DiffPower {
    let words: Vec<&str> =
        statement.split(|letter: char| letter.is_whitespace() || "(),;".contains(letter)).filter(|word| !word.is_empty()).collect();
    if words.iter().any(|word| created.contains(*word)) && !statement.starts_with("DROP") {
        return DiffPower::new(0.1, "it changes a table that the same migration makes");
    }
    if matches!(words.first().copied(), Some("UPDATE" | "DELETE")) {
        let bounded = ["LIMIT", "BETWEEN", "BATCH"].iter().any(|word| words.contains(word)) || statement.contains("WHERE ID =");
        return if bounded {
            DiffPower::new(0.25, "it changes rows in batches")
        } else {
            DiffPower::new(0.6, "it changes many rows in one transaction")
        };
    }
    if statement.starts_with("ALTER TABLE") && fits(statement, "ALTER TABLE ADD NOT NULL") && statement.contains("DEFAULT") {
        // A constant is kept in the catalogue; what differs from row to row is written into each.
        let volatile = ["RANDOM()", "UUID", "CLOCK_TIMESTAMP", "NEXTVAL"].iter().any(|call| statement.contains(call));
        return if volatile {
            DiffPower::new(0.6, "it adds a column and writes every row")
        } else {
            DiffPower::new(0.3, "it adds a column with a default")
        };
    }
    let found = STATEMENTS.iter().find(|(pattern, ..)| fits(statement, pattern.trim_end()));
    found.map_or_else(|| DiffPower::new(0.1, "it adds SQL that takes nothing away"), |(_, power, reason)| DiffPower::new(*power, reason))
}

/// Statements of the lines, upper case, without comments.
fn statements(lines: &[&str]) -> Vec<String> {
    lines
        .iter()
        .map(|line| upper(line))
        .collect::<Vec<_>>()
        .join(" ")
        .split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

fn created(statements: &[String]) -> BTreeSet<String> {
    let name = |statement: &String| -> Option<String> {
        let rest = statement.strip_prefix("CREATE TABLE ")?.trim_start_matches("IF NOT EXISTS ");
        rest.split([' ', '(']).next().map(str::to_owned)
    };
    statements.iter().filter_map(name).collect()
}

fn count(lines: &[&str], words: &[&str]) -> usize {
    let text = format!(" {} ", upper(&lines.join(" ")).replace(['(', ')', ','], " "));
    words.iter().map(|word| text.matches(&format!(" {word} ")).count()).sum()
}

/// A function around a column in a condition keeps an index from serving it.
fn wraps_column(lines: &[&str]) -> usize {
    const CALLS: [&str; 9] = ["LOWER(", "UPPER(", "TRIM(", "CAST(", "DATE(", "COALESCE(", "DATE_TRUNC(", "TO_CHAR(", "EXTRACT("];
    let conditions =
        lines.iter().map(|line| upper(line)).filter(|line| ["WHERE ", "AND ", "ON ", "OR "].iter().any(|start| line.contains(start)));
    conditions.map(|line| CALLS.iter().map(|call| line.matches(call).count()).sum::<usize>() + line.matches("LIKE '%").count()).sum()
}

/// A query that stands in a file and was changed.
fn query_power(minus: &[&str], plus: &[&str]) -> Option<DiffPower> {
    const FILTERS: [&str; 5] = ["WHERE", "AND", "LIMIT", "HAVING", "FETCH"];
    let lost = count(minus, &FILTERS) > count(plus, &FILTERS);
    let ordered = count(plus, &["ORDER BY", "DISTINCT"]) > count(minus, &["ORDER BY", "DISTINCT"]);
    match () {
        () if lost => Some(DiffPower::new(0.6, "it removes a condition from a query")),
        () if wraps_column(plus) > wraps_column(minus) => {
            Some(DiffPower::new(0.6, "it asks by an expression that no index of the column serves"))
        }
        () if count(plus, &["JOIN"]) > count(minus, &["JOIN"]) => Some(DiffPower::new(0.4, "it joins one more table")),
        () if ordered => Some(DiffPower::new(0.35, "it sorts what it reads")),
        () if count(plus, &["OR"]) > count(minus, &["OR"]) => Some(DiffPower::new(0.4, "it widens a condition")),
        () => None,
    }
}

/// `SET name = 'value'`, before and after.
fn setting(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    upper(line).contains("SET ").then_some(())?;
    Some((key.split_whitespace().last()?.to_owned(), value.trim().trim_end_matches(';').to_owned()))
}

/// The strongest statement of the changed lines, which were already freed of what only moved.
pub fn sql_power(lines: &[CodeLine], minus: &[&str], plus: &[&str], is_new: bool) -> DiffPower {
    if minus.is_empty() && plus.is_empty() {
        return DiffPower::new(0.02, "it changes only comments or white space");
    }
    let mut found = Vec::new();
    let pairs = minus.iter().filter_map(|line| setting(line)).filter_map(|(key, old)| {
        let (_, new) = plus.iter().filter_map(|line| setting(line)).find(|(other, _)| *other == key)?;
        Some(changed_value(&key, unquoted(&old), unquoted(&new)))
    });
    found.extend(pairs);
    if !minus.is_empty()
        && let Some(power) = query_power(minus, plus)
    {
        found.push(power);
    }
    let all: Vec<&str> =
        lines.iter().filter(|line| line.side != Side::Minus && line.kind != Kind::Comment).map(|line| line.text.as_str()).collect();
    let created: BTreeSet<String> = created(&statements(&all)).into_iter().chain(created(&statements(plus))).collect();
    let is_query = |statement: &String| statement.starts_with("SELECT") || statement.starts_with("WITH");
    for statement in statements(plus).iter().take(200) {
        if statement.starts_with("CREATE TABLE") || statement.starts_with("BEGIN") || statement.starts_with("COMMIT") {
            found.push(DiffPower::new(0.1, "it adds a table that nothing uses yet"));
        } else if !is_query(statement) && (is_new || minus.is_empty() || !found.iter().any(|power| power.power > 0.0)) {
            found.push(statement_power(statement, &created));
        } else {
            found.push(DiffPower::new(0.15, "it changes a query"));
        }
    }
    if plus.is_empty() && found.is_empty() {
        found.push(DiffPower::new(0.3, "it removes SQL"));
    }
    DiffPower::strongest(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(statement: &str) -> f64 {
        sql_power(&[], &[], &[statement], true).power
    }

    #[test]
    fn what_blocks_or_takes_away_is_told_from_what_does_not() {
        for risky in [
            "ALTER TABLE a ADD COLUMN b int NOT NULL;",
            "alter table a alter column b set not null;",
            "CREATE INDEX i ON a (b);",
            "DROP INDEX CONCURRENTLY i;",
            "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d (id);",
            "UPDATE a SET b = 1;",
            "ALTER TABLE a RENAME COLUMN b TO c;",
            "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        ] {
            assert!(power(risky) >= 0.5, "{risky}: {}", power(risky));
        }
        for harmless in [
            "ALTER TABLE a ADD COLUMN b text;",
            "CREATE INDEX CONCURRENTLY i ON a (b);",
            "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d (id) NOT VALID;",
            "CREATE TABLE a (id int NOT NULL); CREATE INDEX i ON a (id);",
            "COMMENT ON COLUMN a.b IS 'x';",
            "GRANT SELECT ON a TO b;",
            "UPDATE a SET b = 1 WHERE id BETWEEN 1 AND 1000;",
        ] {
            assert!(power(harmless) < 0.3, "{harmless}: {}", power(harmless));
        }
    }
}

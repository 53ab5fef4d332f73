//! Conditions of a query, every value bound as a parameter.

use rusqlite::types::Value;

use crate::model::ports::StoreError;
use crate::model::query::TimeRange;
use crate::store::error::bad_query;

/// Values one field may be asked for at once.
const VALUES_LIMIT: usize = 100;

#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    clauses: Vec<String>,
    pub values: Vec<Value>,
}

impl Filter {
    /// `?` in the clause stand for the values, in order.
    pub fn add(&mut self, clause: impl Into<String>, values: impl IntoIterator<Item = Value>) {
        self.clauses.push(clause.into());
        self.values.extend(values);
    }

    /// The column has one of these values; any, when there are none.
    pub fn any_of<T: Into<Value>>(&mut self, column: &str, values: impl IntoIterator<Item = T>) {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            let marks = vec!["?"; values.len()].join(", ");
            self.add(format!("{column} IN ({marks})"), values);
        }
    }

    pub fn range(&mut self, column: &str, range: TimeRange) {
        if let Some(from) = range.from {
            self.add(format!("{column} >= ?"), [Value::Integer(from.nanos())]);
        }
        if let Some(to) = range.to {
            self.add(format!("{column} < ?"), [Value::Integer(to.nanos())]);
        }
    }

    /// ` WHERE …`, or nothing.
    pub fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!(" WHERE {}", self.clauses.join(" AND ")) }
    }
}

pub(super) fn check_range(field: &str, range: TimeRange) -> Result<(), StoreError> {
    match (range.from, range.to) {
        (Some(from), Some(to)) if from > to => Err(bad_query(field, "ends before it begins")),
        _ => Ok(()),
    }
}

pub(super) fn check_lengths(lists: &[(&str, usize)]) -> Result<(), StoreError> {
    match lists.iter().find(|(_, length)| *length > VALUES_LIMIT) {
        Some((field, length)) => Err(bad_query(field, format!("at most {VALUES_LIMIT} values, got {length}"))),
        None => Ok(()),
    }
}

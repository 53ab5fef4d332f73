//! Pages and cursors. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::model::ports::StoreError;
use crate::model::query::Paging;
use crate::store::error::bad_query;

/// Totals are exact up to here, and pages by number go no further.
pub(super) const EXACT_UP_TO: u64 = 10_000;

/// Where the next page starts: after this row, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    #[serde(rename = "s")]
    pub sort: String,
    #[serde(rename = "d")]
    pub descending: bool,
    /// Value of the sort field in the last row seen.
    #[serde(rename = "v")]
    pub value: SortValue,
    /// Row number of the last row seen.
    #[serde(rename = "n")]
    pub row: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum SortValue {
    Integer(i64),
    Real(f64),
    Text(String),
}

impl rusqlite::ToSql for SortValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Integer(value) => value.to_sql(),
            Self::Real(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

/// A checked request for a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub sort: String,
    pub descending: bool,
    pub limit: u64,
    pub offset: u64,
    pub after: Option<Cursor>,
}

impl Window {
    /// Checks `paging` against the fields that can be sorted by, the first of which is the default.
    pub fn of(paging: &Paging, sortable: &[&str]) -> Result<Self, StoreError> {
        let default = sortable.first().copied().unwrap_or_default();
        let sort = if paging.sort.is_empty() { default } else { paging.sort.as_str() };
        if !sortable.contains(&sort) {
            return Err(bad_query("sort", format!("cannot sort by {sort}; can by {}", sortable.join(", "))));
        }
        if !(1..=100).contains(&paging.per_page) {
            return Err(bad_query("per_page", "1 to 100"));
        }
        if paging.page == 0 {
            return Err(bad_query("page", "from 1"));
        }
        let limit = u64::from(paging.per_page);
        let after = paging.cursor.as_deref().map(|text| decode(text, sort, paging.descending)).transpose()?;
        let offset = if after.is_some() { 0 } else { u64::from(paging.page - 1) * limit };
        if offset + limit > EXACT_UP_TO {
            return Err(bad_query("page", format!("only the first {EXACT_UP_TO} rows have page numbers; go on with the cursor")));
        }
        Ok(Self { sort: sort.to_owned(), descending: paging.descending, limit, offset, after })
    }

    /// Cursor after a row.
    pub fn cursor(&self, value: SortValue, row: i64) -> String {
        encode(&Cursor { sort: self.sort.clone(), descending: self.descending, value, row })
    }

    pub fn direction(&self) -> &'static str {
        if self.descending { "DESC" } else { "ASC" }
    }

    /// Comparison that leads past the cursor.
    pub fn past(&self) -> &'static str {
        if self.descending { "<" } else { ">" }
    }
}

fn encode(cursor: &Cursor) -> String {
    // A struct of plain fields has no way to fail; should it, the cursor is one that `decode` refuses.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

fn decode(text: &str, sort: &str, descending: bool) -> Result<Cursor, StoreError> {
    if text.len() > 2_000 {
        return Err(bad_query("cursor", "not one of ours"));
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad_query("cursor", "not one of ours"))?;
    let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| bad_query("cursor", "not one of ours"))?;
    if cursor.sort != sort || cursor.descending != descending {
        return Err(bad_query("cursor", "made for another order"));
    }
    Ok(cursor)
}

/// What callers are told of the number of rows.
pub(super) const fn told_total(counted: u64) -> (u64, bool) {
    if counted > EXACT_UP_TO { (EXACT_UP_TO, false) } else { (counted, true) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_only_serves_its_own_order() {
        let window = Window::of(&Paging::default(), &["timestamp"]).unwrap();
        let cursor = window.cursor(SortValue::Integer(7), 9);
        let next = Window::of(&Paging { cursor: Some(cursor.clone()), ..Paging::default() }, &["timestamp"]).unwrap();
        assert_eq!(next.after.unwrap().row, 9);
        let other = Paging { cursor: Some(cursor), descending: false, ..Paging::default() };
        assert!(matches!(Window::of(&other, &["timestamp"]), Err(StoreError::BadQuery { field, .. }) if field == "cursor"));
    }

    proptest! {
        #[test]
        fn no_text_is_a_cursor_by_accident(text in ".{0,80}") {
            let paging = Paging { cursor: Some(text), ..Paging::default() };
            prop_assert!(Window::of(&paging, &["timestamp"]).is_err());
        }
    }
}

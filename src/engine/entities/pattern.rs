//! Patterns of names and paths.

/// True when `text` is what the pattern says; `*` stands for any letters, also for none.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// True when `path` is the folder or file, or lies under it.
pub(super) fn lies_under(folder: &str, path: &str) -> bool {
    let (folder, path) = (folder.trim_matches('/'), path.trim_start_matches('/'));
    path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        assert!(
            fits("shop/*", "shop/cart") && fits("*/payments", "ghcr.io/shop/payments") && fits("a*b*c", "a-b-b-c") && fits("cart", "cart")
        );
        assert!(!fits("shop/*", "other/cart") && !fits("cart", "cart-db") && !fits("a*b*c", "a-c") && !fits("ab*ba", "aba"));
    }

    #[test]
    fn a_folder_holds_what_lies_under_it_and_not_what_is_called_alike() {
        assert!(lies_under("services/payments/", "services/payments/src/main.rs") && lies_under("services/payments", "services/payments"));
        assert!(!lies_under("services/payments", "services/payments-api/main.rs") && !lies_under("payments", "services/payments/x"));
    }
}

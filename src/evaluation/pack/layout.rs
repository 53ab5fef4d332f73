//! Which kind of pack this is, told by its files.

use std::path::Path;

use super::super::EvaluationError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    NezhaTt,
    Petshop,
    RootCauseBench,
    Nab,
}

/// A layout, and the folder inside the pack under which it lies.
#[derive(Debug, PartialEq)]
pub(super) struct Recognised {
    pub layout: Layout,
    pub set: String,
    /// With its closing `/`; empty when the pack's own folder is the root.
    pub prefix: String,
}

/// Looks at the root and, when everything lies in one folder, inside that.
pub(super) fn recognise(path: &Path, names: &[String]) -> Result<Recognised, EvaluationError> {
    let mut prefix = String::new();
    loop {
        let inside: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(prefix.as_str())).collect();
        if let Some(layout) = layout_of(&inside) {
            return Ok(Recognised { layout, set: set_name(path, &prefix), prefix });
        }
        let first = inside.first().and_then(|name| name.split_once('/')).map(|(folder, _)| format!("{folder}/"));
        match first {
            Some(folder) if inside.iter().all(|name| name.starts_with(&folder)) => prefix += &folder,
            _ => return Err(EvaluationError::UnknownLayout(path.to_owned())),
        }
    }
}

fn layout_of(names: &[&str]) -> Option<Layout> {
    let ends = |suffix: &str| names.iter().any(|name| name.ends_with(suffix));
    let lies = |folder: &str, file: &str| names.iter().any(|name| name.starts_with(folder) && name.ends_with(file));
    // Two of its three parts are enough to know it; the loader names the missing one.
    let parts = [names.contains(&"labels.json"), lies("cases/", "/trace.csv"), lies("metrics/", "_metric.csv")];
    if parts.into_iter().filter(|present| *present).count() >= 2 {
        return Some(Layout::NezhaTt);
    }
    if ends("/graph.csv") && ends("/target.json") {
        return Some(Layout::Petshop);
    }
    if lies("cases/", "/alert.json") {
        return Some(Layout::RootCauseBench);
    }
    (names.contains(&"combined_windows.json") && lies("data/", ".csv")).then_some(Layout::Nab)
}

fn set_name(path: &Path, prefix: &str) -> String {
    if let Some(folder) = prefix.trim_end_matches('/').rsplit('/').next().filter(|folder| !folder.is_empty()) {
        return folder.to_owned();
    }
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".tar.zst").trim_end_matches(".tzst").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_pack_is_found_inside_its_own_folder() {
        let files = names(&["set-a/labels.json", "set-a/cases/x/trace.csv", "set-a/metrics/d/p_metric.csv"]);
        let found = recognise(Path::new("somewhere.tar.zst"), &files).unwrap();
        assert_eq!((found.layout, found.set.as_str(), found.prefix.as_str()), (Layout::NezhaTt, "set-a", "set-a/"));
    }

    #[test]
    fn an_unknown_pack_says_what_was_expected() {
        let error = recognise(Path::new("photos"), &names(&["a/b.jpg", "c.txt"])).unwrap_err();
        assert!(error.to_string().contains("labels.json"), "{error}");
        assert!(recognise(Path::new("photos"), &[]).is_err());
    }
}

//! A pack's files, from a folder or out of an archive, without writing anything.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use super::super::EvaluationError;

/// A file larger than this is refused, so that a small archive cannot fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// All files of a pack together.
const PACK_BYTES_MAX: u64 = 8 << 30;
/// Files of a pack.
const FILES_MAX: usize = 100_000;
/// Folders inside each other.
const DEPTH_MAX: usize = 16;

type Visit<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), EvaluationError> + 'a;

pub(super) enum PackSource {
    Folder(PathBuf),
    Archive(PathBuf),
}

impl PackSource {
    pub fn at(path: &Path) -> Result<Self, EvaluationError> {
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => EvaluationError::NotFound(path.to_owned()),
            _ => io_error(path, error),
        })?;
        if metadata.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if metadata.is_file() && (name.ends_with(".tar.zst") || name.ends_with(".tzst")) {
            return Ok(Self::Archive(path.to_owned()));
        }
        Err(EvaluationError::NotAPack(path.to_owned()))
    }

    /// Names of all files, `/`-separated, relative to the pack.
    pub fn names(&self) -> Result<Vec<String>, EvaluationError> {
        if let Self::Folder(root) = self {
            return folder_names(root);
        }
        let mut names = Vec::new();
        self.visit(&mut |name, _| {
            names.push(name.to_owned());
            Ok(())
        })?;
        Ok(names)
    }

    /// Shows each file once.
    pub fn visit(&self, visit: &mut Visit) -> Result<(), EvaluationError> {
        match self {
            Self::Folder(root) => visit_folder(root, visit),
            Self::Archive(path) => visit_archive(path, visit),
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> EvaluationError {
    EvaluationError::Io { path: path.display().to_string(), source }
}

fn folder_names(root: &Path) -> Result<Vec<String>, EvaluationError> {
    let mut names = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| io_error(&folder, error))? {
            let entry = entry.map_err(|error| io_error(&folder, error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = std::fs::metadata(entry.path()).map_err(|error| io_error(&entry.path(), error))?;
            if metadata.is_dir() && depth < DEPTH_MAX {
                folders.push((entry.path(), format!("{name}/"), depth + 1));
            } else if metadata.is_file() {
                names.push(name);
            }
            if names.len() > FILES_MAX {
                return Err(EvaluationError::TooLarge {
                    path: format!("{}: number of files", root.display()),
                    limit_bytes: FILES_MAX as u64,
                });
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn visit_folder(root: &Path, visit: &mut Visit) -> Result<(), EvaluationError> {
    for name in folder_names(root)? {
        let path = root.join(&name);
        let file = File::open(&path).map_err(|error| io_error(&path, error))?;
        let bytes = file.metadata().map_err(|error| io_error(&path, error))?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(EvaluationError::TooLarge { path: path.display().to_string(), limit_bytes: FILE_BYTES_MAX });
        }
        visit(&name, &mut BufReader::with_capacity(1 << 16, file))?;
    }
    Ok(())
}

fn visit_archive(path: &Path, visit: &mut Visit) -> Result<(), EvaluationError> {
    let broken = |error: io::Error| EvaluationError::Archive { path: path.to_owned(), reason: error.to_string() };
    let file = File::open(path).map_err(|error| io_error(path, error))?;
    let mut archive = tar::Archive::new(zstd::stream::read::Decoder::new(file).map_err(broken)?);
    let (mut total_bytes, mut files) = (0_u64, 0_usize);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = safe_name(path, &entry.path().map_err(broken)?)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        total_bytes = total_bytes.saturating_add(entry.size());
        files += 1;
        if entry.size() > FILE_BYTES_MAX {
            return Err(EvaluationError::TooLarge { path: name, limit_bytes: FILE_BYTES_MAX });
        }
        if total_bytes > PACK_BYTES_MAX || files > FILES_MAX {
            return Err(EvaluationError::TooLarge { path: path.display().to_string(), limit_bytes: PACK_BYTES_MAX });
        }
        visit(&name, &mut entry).map_err(|error| match error {
            // What fails while reading an entry is the archive, not the file inside it.
            EvaluationError::Io { path: entry, source } => {
                EvaluationError::Archive { path: path.to_owned(), reason: format!("{entry}: {source}") }
            }
            other => other,
        })?;
    }
    if files == 0 {
        return Err(EvaluationError::Archive { path: path.to_owned(), reason: "it holds no file".to_owned() });
    }
    Ok(())
}

/// The entry's path with `/` between its parts; refused when it points out of the archive.
fn safe_name(archive: &Path, entry: &Path) -> Result<String, EvaluationError> {
    let mut parts = Vec::new();
    for part in entry.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(EvaluationError::UnsafePath { path: archive.to_owned(), entry: entry.display().to_string() });
            }
        }
    }
    Ok(parts.join("/"))
}

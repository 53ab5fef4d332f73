//! A disk that can be filled.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A file system of a few megabytes; unmounted when dropped.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None`, with a message, where file systems cannot be mounted.
    pub fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            Ok(output) => {
                println!("skipped: no file system to fill: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                println!("skipped: no file system to fill: {error}");
                None
            }
        }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("whydunit.db")
    }

    /// Takes the room that is left, but for so many KiB.
    pub fn fill(&self, left_kib: u64) {
        let disk = rustix::fs::statvfs(self.folder.path()).unwrap();
        let bytes = (disk.f_bavail * disk.f_frsize).saturating_sub(left_kib * 1_024);
        let mut ballast = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        ballast.write_all(&vec![0; usize::try_from(bytes).unwrap()]).unwrap();
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that just ended may hold it for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

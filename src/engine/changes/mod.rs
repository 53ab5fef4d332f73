//! Change events → changes: commit, pull request, build, artifact and deployment joined into one life.
//!
//! What joins, strongest first: a commit's hash, whole or at least seven digits of it; a pull request and the branch it merges; a
//! pipeline's run; an image or artifact; a version, within one service only. A merge commit joins, and is never the change itself.

mod facts;
mod join;
mod keys;
mod life;
mod noun;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use join::join;
pub use life::{life, rollbacks};
pub use noun::{change_with, changes};

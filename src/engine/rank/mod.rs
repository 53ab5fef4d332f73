//! An investigation → ranked suspects with factors. Two questions, ranked apart: where, and what changed (or nothing).

mod candidates;
mod changes;
mod diff;
mod evidence;
mod graph;
mod memo;
mod names;
mod outside;
mod sentences;
mod services;
#[cfg(test)]
mod tests;

pub use candidates::Candidates;
pub use changes::{Change, ChangeContext, RankedChange, Without, rank_changes};
pub use evidence::Wording;
pub use graph::CallGraph;
pub use names::{ServiceNames, same_service};
pub use outside::{Outside, Surge, outside_cause};
pub use sentences::{change_suspects, minutes, service_suspects};
pub use services::{Local, RankedService, rank_services};

//! Bugs planted on purpose, between the pipeline and its world.

use std::sync::Arc;

use whydunit::model::ports::StoreWriter;

use crate::disk::Disk;
use crate::faults::Injector;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {}

impl Mutation {
    pub fn writer(self, _disk: Disk, _injector: &Arc<Injector>) -> Box<dyn StoreWriter> {
        match self {}
    }
}

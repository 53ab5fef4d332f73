//! What is worked out of a value once and kept beside it.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest result with the key of what it was worked out of. No part of the value that it lies beside: a copy has none.
#[derive(Debug)]
pub struct Memo<T>(Mutex<Option<(u64, Arc<T>)>>);

impl<T> Memo<T> {
    /// The result of `work_out` for what `key` stands for.
    pub fn get_or(&self, key: u64, work_out: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((known, result)) if *known == key => Arc::clone(result),
            _ => Arc::clone(&kept.insert((key, Arc::new(work_out()))).1),
        }
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

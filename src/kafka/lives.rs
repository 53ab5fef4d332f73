//! Which life of its topic each partition was placed in: a topic made anew under its old name is another log.

use std::collections::BTreeMap;

use super::context::TopicPartition;
use super::native::TopicId;

#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The topic's id and our incarnation when the partition was placed last.
    placed: BTreeMap<TopicPartition, (TopicId, u32)>,
}

impl Lives {
    pub(super) fn placed(&mut self, name: TopicPartition, id: TopicId, incarnation: u32) {
        self.placed.insert(name, (id, incarnation));
    }

    /// True when we stand in `incarnation` of the topic and the topic is another one by now. Had another member of the group
    /// seen that before us, the incarnation stored would be higher than the one we knew.
    pub(super) fn is_over(&self, name: &TopicPartition, id: Option<&TopicId>, incarnation: u32) -> bool {
        match (self.placed.get(name), id) {
            (Some((known, known_incarnation)), Some(id)) => known != id && *known_incarnation == incarnation,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_over_when_the_topic_has_another_id_and_nobody_noticed_before() {
        let name = ("t".to_owned(), 0);
        let mut lives = Lives::default();
        assert!(!lives.is_over(&name, Some(&(1, 1)), 0), "never placed");
        lives.placed(name.clone(), (1, 1), 0);
        assert!(!lives.is_over(&name, Some(&(1, 1)), 0), "the same");
        assert!(!lives.is_over(&name, None, 0), "not told");
        assert!(lives.is_over(&name, Some(&(2, 2)), 0));
        assert!(!lives.is_over(&name, Some(&(2, 2)), 1), "another member was there before");
    }
}

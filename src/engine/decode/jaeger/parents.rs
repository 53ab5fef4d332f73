//! Which of a span's references is its parent.

use crate::model::observation::{SpanId, TraceId};

/// References of a span as they are met.
#[derive(Clone, Debug, Default)]
pub(super) struct Parents {
    child_of: Vec<(TraceId, SpanId)>,
    follows: Vec<(TraceId, SpanId)>,
}

impl Parents {
    pub(super) fn reference(&mut self, is_child: bool, trace: TraceId, span: SpanId) {
        if is_child { self.child_of.push((trace, span)) } else { self.follows.push((trace, span)) }
    }

    /// The first it is a child of in its own trace, else the first it follows from there; none for a root.
    pub(super) fn of(&self, trace: Option<TraceId>) -> SpanId {
        let mut all = self.child_of.iter().chain(&self.follows);
        all.find(|(other, span)| Some(*other) == trace && !span.is_none()).map_or(SpanId::default(), |(_, span)| *span)
    }
}

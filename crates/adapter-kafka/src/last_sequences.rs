use std::collections::HashMap;

use domain::event::Event;

/// The last sequence of every aggregate. A consumer recognizes duplicates by it.
///
/// An aggregate is identified by `source` and `subject`, and its `sequence` counts over all event types. An event is a
/// duplicate if its `sequence` is not greater than the last one of its aggregate.
///
/// Scenario: relay A publishes sequence 1 and stalls. Its lease expires, and relay B publishes 1, 2 and 3. A continues
/// and publishes 2. The topic has 1, 1, 2, 3, 2. The consumer keeps the first 1, the first 2 and the 3, in order.
///
/// The sequences are kept only in memory, with one entry for each aggregate. A consumer whose effects must happen
/// exactly once stores the sequence with the effect, in one transaction.
#[derive(Debug, Clone, Default)]
pub struct LastSequences(HashMap<&'static str, HashMap<String, u64>>);

impl LastSequences {
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether the event's sequence is greater than the last one recorded for its aggregate. Records nothing.
    pub fn is_new(&self, event: &Event) -> bool {
        let last = self
            .0
            .get(event.kind.source)
            .and_then(|subjects| subjects.get(&event.subject));
        last.is_none_or(|last| event.sequence > *last)
    }

    /// Records the event's sequence. Call it once the effect of the event is carried out. A lower sequence changes
    /// nothing.
    pub fn record(&mut self, event: &Event) {
        let subjects = self.0.entry(event.kind.source).or_default();
        let last = subjects.entry(event.subject.clone()).or_default();
        *last = event.sequence.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
    use domain::event::EventType;
    use domain::factors::events::FACTOR_ADDED;

    use super::*;
    use crate::fixtures::event_with;

    fn event(kind: &'static EventType, subject: &str, sequence: u64) -> Event {
        event_with(kind, subject, Vec::new(), sequence)
    }

    #[test]
    fn a_repeated_sequence_of_any_type_is_not_new() {
        let mut last = LastSequences::new();
        let locked = event(CREDENTIAL_LOCKED, "u", 1);
        assert!(last.is_new(&locked));
        assert!(last.is_new(&locked), "is_new records nothing");
        last.record(&locked);
        assert!(!last.is_new(&locked));
        assert!(!last.is_new(&event(CREDENTIAL_UNLOCKED, "u", 1)));
        assert!(last.is_new(&event(CREDENTIAL_UNLOCKED, "u", 2)));
    }

    #[test]
    fn aggregates_have_separate_sequences() {
        let mut last = LastSequences::new();
        last.record(&event(CREDENTIAL_LOCKED, "u", 5));
        assert!(last.is_new(&event(FACTOR_ADDED, "u", 1)));
        assert!(last.is_new(&event(CREDENTIAL_LOCKED, "other", 1)));
    }

    #[test]
    fn recording_a_lower_sequence_changes_nothing() {
        let mut last = LastSequences::new();
        last.record(&event(CREDENTIAL_LOCKED, "u", 5));
        last.record(&event(CREDENTIAL_LOCKED, "u", 3));
        assert!(!last.is_new(&event(CREDENTIAL_LOCKED, "u", 4)));
    }
}

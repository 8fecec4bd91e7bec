use std::collections::HashMap;

use domain::event::Event;

/// The last sequence of every aggregate, by which a consumer drops what it has had.
///
/// An aggregate is a `source` and a `subject`. Its `sequence` counts over all types, so an event whose `sequence` is
/// not greater than the last one is dropped, whatever its type. This lives in memory and forgets nothing: it holds a
/// number for each aggregate it has met. A consumer whose effects must not happen twice stores the number with the
/// effect.
#[derive(Debug, Clone, Default)]
pub struct LastSequences(HashMap<&'static str, HashMap<String, u64>>);

impl LastSequences {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the event is after all that were recorded of its aggregate.
    pub fn is_new(&self, event: &Event) -> bool {
        let last = self
            .0
            .get(event.kind.source())
            .and_then(|subjects| subjects.get(&event.subject));
        last.is_none_or(|last| event.sequence > *last)
    }

    /// Remembers that the effect of the event is done. An earlier event changes nothing.
    pub fn record(&mut self, event: &Event) {
        let subjects = self.0.entry(event.kind.source()).or_default();
        let last = subjects.entry(event.subject.clone()).or_default();
        *last = event.sequence.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use domain::actor::Actor;
    use domain::event::{EventContext, EventKind, NewEvent};
    use domain::ids::{EventId, UserId};
    use domain::time::Timestamp;

    use super::*;

    fn event(kind: EventKind, subject: &str, sequence: u64) -> Event {
        let new = NewEvent {
            context: EventContext {
                id: EventId("e".to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::default(),
                correlation_id: None,
            },
            kind,
            data: Vec::new(),
        };
        new.recorded(subject, UserId::parse("u").unwrap(), sequence)
    }

    #[test]
    fn an_event_that_comes_again_is_dropped_whatever_its_type() {
        let mut last = LastSequences::new();
        let locked = event(EventKind::CredentialLocked, "u", 1);
        assert!(last.is_new(&locked));
        assert!(last.is_new(&locked), "asking records nothing");
        last.record(&locked);
        assert!(!last.is_new(&locked));
        assert!(!last.is_new(&event(EventKind::CredentialUnlocked, "u", 1)));
        assert!(last.is_new(&event(EventKind::CredentialUnlocked, "u", 2)));
    }

    #[test]
    fn aggregates_count_apart() {
        let mut last = LastSequences::new();
        last.record(&event(EventKind::CredentialLocked, "u", 5));
        assert!(last.is_new(&event(EventKind::FactorAdded, "u", 1)));
        assert!(last.is_new(&event(EventKind::CredentialLocked, "other", 1)));
    }

    #[test]
    fn a_late_record_takes_nothing_back() {
        let mut last = LastSequences::new();
        last.record(&event(EventKind::CredentialLocked, "u", 5));
        last.record(&event(EventKind::CredentialLocked, "u", 3));
        assert!(!last.is_new(&event(EventKind::CredentialLocked, "u", 4)));
    }
}

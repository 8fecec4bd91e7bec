use std::collections::HashMap;
use std::time::Duration;

use adapter_kafka::LastSequences;
use domain::event::Event;
use end_to_end::{Follower, follow_events};
use tokio::time::{Instant, timeout_at};

/// Reads events as a consumer should: it drops what it has had, by the sequence of the aggregate.
pub(crate) struct Consumer {
    follower: Follower,
    last: LastSequences,
    /// By source, then by subject, in the order in which they took effect.
    effects: HashMap<&'static str, HashMap<String, Vec<Event>>>,
    repeated: usize,
    wrong: Vec<String>,
}

impl Consumer {
    pub(crate) fn of(brokers: &str, users: &[String]) -> Self {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        Self {
            follower: follow_events(brokers, &users),
            last: LastSequences::new(),
            effects: HashMap::new(),
            repeated: 0,
            wrong: Vec::new(),
        }
    }

    /// Reads on until `is_enough`; whether that was so in time.
    pub(crate) async fn hear_until(&mut self, within: Duration, is_enough: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + within;
        while !is_enough(self) {
            let Ok(received) = timeout_at(deadline, self.follower.next()).await else {
                return false;
            };
            match received.event.clone() {
                Ok(event) => self.take(event),
                Err(unreadable) => self.wrong.push(unreadable.to_string()),
            }
        }
        true
    }

    fn take(&mut self, event: Event) {
        let subjects = self.effects.entry(event.kind.source()).or_default();
        let effects = subjects.entry(event.subject.clone()).or_default();
        if !self.last.is_new(&event) {
            self.repeated += 1;
            if !effects.contains(&event) {
                self.wrong.push(format!("another event has the place of {event:?}"));
            }
            return;
        }
        let before = effects.last().map_or(0, |last| last.sequence);
        if event.sequence != before + 1 {
            self.wrong.push(format!("after {before} came {event:?}"));
        }
        self.last.record(&event);
        effects.push(event);
    }

    /// What took effect on an aggregate.
    pub(crate) fn effects(&self, source: &str, subject: &str) -> &[Event] {
        let found = self.effects.get(source).and_then(|subjects| subjects.get(subject));
        found.map_or(&[], Vec::as_slice)
    }

    /// How many took effect, on whatever aggregate.
    pub(crate) fn total(&self) -> usize {
        self.effects.values().flat_map(HashMap::values).map(Vec::len).sum()
    }

    /// How often something came again.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    /// Whether nothing was lost or out of order since the last time it was asked.
    pub(crate) fn judge(&mut self) -> Result<(), String> {
        let wrong = std::mem::take(&mut self.wrong);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("; "))
        }
    }
}

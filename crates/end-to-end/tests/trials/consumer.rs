use std::collections::HashMap;
use std::time::Duration;

use adapter_kafka::LastSequences;
use domain::event::Event;
use end_to_end::{EventReader, open_event_reader};
use tokio::time::{Instant, timeout_at};

/// A consumer that ignores repeated events by the sequence number of their aggregate, as every consumer should.
pub(crate) struct Consumer {
    reader: EventReader,
    last: LastSequences,
    /// The events without repetitions, by source and subject.
    events: HashMap<&'static str, HashMap<String, Vec<Event>>>,
    repetitions: usize,
    defects: Vec<String>,
}

impl Consumer {
    pub(crate) fn new(brokers: &str, users: &[String]) -> Self {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        Self {
            reader: open_event_reader(brokers, &users),
            last: LastSequences::new(),
            events: HashMap::new(),
            repetitions: 0,
            defects: Vec::new(),
        }
    }

    /// Reads until `is_enough` returns true; returns whether that happened within the time.
    pub(crate) async fn read_until(&mut self, within: Duration, is_enough: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + within;
        while !is_enough(self) {
            let Ok(received) = timeout_at(deadline, self.reader.next()).await else {
                return false;
            };
            match received.event.clone() {
                Ok(event) => self.add(event),
                Err(error) => self.defects.push(error.to_string()),
            }
        }
        true
    }

    fn add(&mut self, event: Event) {
        let subjects = self.events.entry(event.kind.source).or_default();
        let events = subjects.entry(event.subject.clone()).or_default();
        if !self.last.is_new(&event) {
            self.repetitions += 1;
            if !events.contains(&event) {
                self.defects
                    .push(format!("another event has the sequence number of {event:?}"));
            }
            return;
        }
        let before = events.last().map_or(0, |last| last.sequence);
        if event.sequence != before + 1 {
            self.defects
                .push(format!("sequence number {before} is followed by {event:?}"));
        }
        self.last.record(&event);
        events.push(event);
    }

    /// Returns the events of an aggregate without repetitions.
    pub(crate) fn events(&self, source: &str, subject: &str) -> &[Event] {
        let events = self.events.get(source).and_then(|subjects| subjects.get(subject));
        events.map_or(&[], Vec::as_slice)
    }

    /// Returns the number of events without repetitions.
    pub(crate) fn event_count(&self) -> usize {
        self.events.values().flat_map(HashMap::values).map(Vec::len).sum()
    }

    /// Returns the number of repetitions.
    pub(crate) fn repetitions(&self) -> usize {
        self.repetitions
    }

    /// Returns an error when an event was lost or out of order since the last call.
    pub(crate) fn verify(&mut self) -> Result<(), String> {
        let defects = std::mem::take(&mut self.defects);
        if defects.is_empty() {
            Ok(())
        } else {
            Err(defects.join("; "))
        }
    }
}

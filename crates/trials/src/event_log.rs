//! The event log, compared with the events that are expected in it.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use serde_json::Value;

use crate::connection::Connection;

/// An aggregate, whose events are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    source: String,
    id: String,
}

impl Subject {
    pub(crate) fn new(source: &str, id: &str) -> Self {
        Self {
            source: source.to_owned(),
            id: id.to_owned(),
        }
    }
}

/// The events of each aggregate, in order: the type of each, and the value that distinguishes it from others of its
/// type.
#[derive(Debug, Default)]
pub(crate) struct EventHistories(HashMap<Subject, Vec<String>>);

impl EventHistories {
    pub(crate) fn set(&mut self, subject: Subject, history: Vec<String>) {
        self.0.insert(subject, history);
    }
}

/// The part of the log that has been read.
#[derive(Default)]
pub(crate) struct EventLog {
    histories: EventHistories,
    ids: HashSet<String>,
    cursor: u64,
}

impl EventLog {
    /// Adds a page of lines; returns the defects in them, and the number of lines.
    pub(crate) fn add_page(&mut self, lines: &str) -> anyhow::Result<(Vec<String>, usize)> {
        let mut defects = Vec::new();
        let mut count = 0;
        for line in lines.lines() {
            count += 1;
            let event: Value = serde_json::from_str(line).context("an event is not JSON")?;
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let cursor: u64 = text("cursor").parse().context("no cursor")?;
            let sequence: usize = text("sequence").parse().context("no sequence")?;
            if cursor <= self.cursor {
                defects.push(format!("cursor {cursor} comes after {}", self.cursor));
            }
            self.cursor = cursor;
            if !self.ids.insert(text("id").to_owned()) {
                defects.push(format!("the id {} occurs twice", text("id")));
            }
            let history = self.histories.0.entry(Subject::new(text("source"), text("subject")));
            let history = history.or_default();
            if sequence != history.len() + 1 {
                defects.push(format!("sequence {sequence} follows {} events: {line}", history.len()));
            }
            history.push(label(&event));
        }
        Ok((defects, count))
    }

    /// Reads the rest of the log; returns the defects in it.
    pub(crate) fn read_to_end(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut defects = Vec::new();
        loop {
            let page = connection.get(&format!("/events?after={}&wait=0", self.cursor))?;
            let (new_defects, count) = self.add_page(std::str::from_utf8(&page.expect_status(200)?.body)?)?;
            defects.extend(new_defects);
            if count == 0 {
                return Ok(defects);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the aggregates whose events in the log are not a prefix of the expected ones. An unexpected session with
    /// nothing but its start is allowed: the server can have been killed before it acknowledged the start.
    pub(crate) fn find_unexpected(&self, expected: &EventHistories) -> Vec<String> {
        let mut defects = Vec::new();
        for (subject, history) in &self.histories.0 {
            let is_expected = match expected.0.get(subject) {
                Some(expected) => expected.starts_with(history),
                None => *history == ["session.started"],
            };
            if !is_expected {
                let expected = expected.0.get(subject);
                defects.push(format!("{subject:?} has {history:?}, expected {expected:?}"));
            }
        }
        defects
    }

    /// Returns the aggregates that have fewer events in the log than expected.
    pub(crate) fn find_missing(&self, expected: &EventHistories) -> Vec<String> {
        let mut missing = Vec::new();
        for (subject, expected) in &expected.0 {
            let history = self.histories.0.get(subject).map(Vec::len).unwrap_or_default();
            if history < expected.len() {
                missing.push(format!("{subject:?} has {history} of {} events", expected.len()));
            }
        }
        missing
    }

    pub(crate) fn has_same_content(&self, other: &Self) -> bool {
        self.histories.0 == other.histories.0 && self.ids == other.ids && self.cursor == other.cursor
    }
}

/// Returns the type of an event, with its epoch or contact if it has one.
fn label(event: &Value) -> String {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let data = |name: &str| event.get("data").and_then(|data| data.get(name));
    match (data("epoch"), data("factorId")) {
        (Some(epoch), _) => format!("{kind} {epoch}"),
        (_, Some(Value::String(factor))) => format!("{kind} {factor}"),
        _ => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cursor: u64, id: &str, sequence: u64) -> String {
        serde_json::json!({
            "cursor": cursor.to_string(), "id": id, "sequence": format!("{sequence:020}"),
            "source": "/authme/tokens", "subject": "family", "type": "session.started", "data": {}
        })
        .to_string()
    }

    #[test]
    fn add_page_finds_gaps_and_repetitions() {
        let mut log = EventLog::default();
        assert_eq!(log.add_page(&line(1, "a", 1)).unwrap(), (vec![], 1));
        assert_eq!(log.add_page(&line(2, "b", 3)).unwrap().0.len(), 1);
        assert_eq!(log.add_page(&line(3, "b", 3)).unwrap().0.len(), 1);
        assert_eq!(log.add_page(&line(3, "c", 4)).unwrap().0.len(), 1);
    }

    #[test]
    fn missing_and_unexpected_events_are_distinguished() {
        let mut log = EventLog::default();
        log.add_page(&line(1, "a", 1)).unwrap();
        let mut expected = EventHistories::default();
        assert!(log.find_unexpected(&expected).is_empty());
        expected.set(Subject::new("/authme/tokens", "family"), vec![]);
        assert_eq!(log.find_unexpected(&expected).len(), 1);
        let twice = vec!["session.started".to_owned(), "session.revoked".to_owned()];
        expected.set(Subject::new("/authme/tokens", "family"), twice);
        assert!(log.find_unexpected(&expected).is_empty());
        assert_eq!(log.find_missing(&expected).len(), 1);
    }
}

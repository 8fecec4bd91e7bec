//! The event log, held against what must be in it.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use serde_json::Value;

use super::connection::Connection;

/// An aggregate: whose events stand in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    source: String,
    id: String,
}

impl Subject {
    pub(super) fn new(source: &str, id: &str) -> Self {
        Self {
            source: source.to_owned(),
            id: id.to_owned(),
        }
    }
}

/// What happened to each aggregate, in order: the type of an event and what tells it from others of its type.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<Subject, Vec<String>>);

impl Histories {
    pub(super) fn set(&mut self, subject: Subject, history: Vec<String>) {
        self.0.insert(subject, history);
    }
}

/// The log as far as it was read.
#[derive(Default)]
pub(super) struct Log {
    histories: Histories,
    ids: HashSet<String>,
    cursor: u64,
}

impl Log {
    /// Reads a page of lines; what is wrong with them, and how many there were.
    pub(super) fn read(&mut self, lines: &str) -> anyhow::Result<(Vec<String>, usize)> {
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in lines.lines() {
            count += 1;
            let event: Value = serde_json::from_str(line).context("an event is no JSON")?;
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let cursor: u64 = text("cursor").parse().context("no cursor")?;
            let sequence: usize = text("sequence").parse().context("no sequence")?;
            if cursor <= self.cursor {
                wrong.push(format!("cursor {cursor} comes after {}", self.cursor));
            }
            self.cursor = cursor;
            if !self.ids.insert(text("id").to_owned()) {
                wrong.push(format!("the id {} is there twice", text("id")));
            }
            let history = self.histories.0.entry(Subject::new(text("source"), text("subject")));
            let history = history.or_default();
            if sequence != history.len() + 1 {
                wrong.push(format!("sequence {sequence} follows {} events: {line}", history.len()));
            }
            history.push(label(&event));
        }
        Ok((wrong, count))
    }

    /// Reads on to the end; what is wrong with what is new.
    pub(super) fn follow(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        loop {
            let page = connection.get(&format!("/events?after={}&wait=0", self.cursor))?;
            let (wrong_here, count) = self.read(page.body()?)?;
            wrong.extend(wrong_here);
            if count == 0 {
                return Ok(wrong);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// What is in the log and should not, or stands elsewhere. A session whose start was never acknowledged may be
    /// there.
    pub(super) fn surplus(&self, expected: &Histories) -> Vec<String> {
        let mut wrong = Vec::new();
        for (subject, history) in &self.histories.0 {
            let fits = match expected.0.get(subject) {
                Some(expected) => expected.starts_with(history),
                None => *history == ["session.started"],
            };
            if !fits {
                let expected = expected.0.get(subject);
                wrong.push(format!("{subject:?} has {history:?}, expected {expected:?}"));
            }
        }
        wrong
    }

    /// What is not in the log, or not yet.
    pub(super) fn missing(&self, expected: &Histories) -> Vec<String> {
        let mut missing = Vec::new();
        for (subject, expected) in &expected.0 {
            let history = self.histories.0.get(subject).map(Vec::len).unwrap_or_default();
            if history < expected.len() {
                missing.push(format!("{subject:?} has {history} of {} events", expected.len()));
            }
        }
        missing
    }

    /// Whether both read the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.histories.0 == other.histories.0 && self.ids == other.ids && self.cursor == other.cursor
    }
}

fn label(event: &Value) -> String {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let datum = |name: &str| event.get("data").and_then(|data| data.get(name));
    match (datum("epoch"), datum("factorId")) {
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
    fn a_gap_and_a_repetition_are_found() {
        let mut log = Log::default();
        assert_eq!(log.read(&line(1, "a", 1)).unwrap(), (vec![], 1));
        assert_eq!(log.read(&line(2, "b", 3)).unwrap().0.len(), 1);
        assert_eq!(log.read(&line(3, "b", 3)).unwrap().0.len(), 1);
        assert_eq!(log.read(&line(3, "c", 4)).unwrap().0.len(), 1);
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_are_told_apart() {
        let mut log = Log::default();
        log.read(&line(1, "a", 1)).unwrap();
        let mut expected = Histories::default();
        assert!(log.surplus(&expected).is_empty());
        expected.set(Subject::new("/authme/tokens", "family"), vec![]);
        assert_eq!(log.surplus(&expected).len(), 1);
        let twice = vec!["session.started".to_owned(), "session.revoked".to_owned()];
        expected.set(Subject::new("/authme/tokens", "family"), twice);
        assert!(log.surplus(&expected).is_empty());
        assert_eq!(log.missing(&expected).len(), 1);
    }
}

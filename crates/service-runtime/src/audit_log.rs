//! Writes the audit trail as lines of JSON.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use domain::event::EventValue;
use domain::ids::{BusinessId, ClientId, UserId};
use domain::time::Timestamp;
use ports::{AuditChange, AuditOutcome, AuditRecord, AuditTrail};
use serde::Serialize;

/// Writes each audit record as one line: to the log stream (stderr), to a file, or to both.
///
/// The log filter does not apply to the lines on the log stream. A line is one unbuffered write, so the lines of
/// several processes that append to one file do not mix, and no written line is lost when the process is killed.
pub struct AuditLog {
    writes_to_stderr: bool,
    file: Option<File>,
}

impl AuditLog {
    /// Creates a log that writes to the log stream (stderr) only.
    pub fn on_stderr() -> Self {
        Self {
            writes_to_stderr: true,
            file: None,
        }
    }

    /// Opens the file for appending. Creates it, readable by its owner only, if it does not exist.
    pub fn in_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self {
            writes_to_stderr: false,
            file: Some(file),
        })
    }

    /// Adds the log stream as a second destination.
    #[must_use]
    pub fn with_stderr(self) -> Self {
        Self {
            writes_to_stderr: true,
            ..self
        }
    }
}

/// The JSON form of a record. The members `timestamp`, `level` and `target` have the same names as in the other lines of
/// the log.
#[derive(Serialize)]
struct AuditLine<'a> {
    timestamp: Timestamp,
    level: &'static str,
    target: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<std::net::IpAddr>,
    action: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    object: BTreeMap<&'a str, &'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    changes: BTreeMap<&'a str, ChangeLine<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: u64,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    before: Option<ValueLine<'a>>,
    after: Option<ValueLine<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueLine<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
    List(&'a [String]),
}

impl<'a> From<&'a EventValue> for ValueLine<'a> {
    fn from(value: &'a EventValue) -> Self {
        match value {
            EventValue::Text(text) => Self::Text(text),
            EventValue::Number(number) => Self::Number(*number),
            EventValue::Flag(flag) => Self::Flag(*flag),
            EventValue::List(list) => Self::List(list),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<'a> From<&'a AuditRecord> for AuditLine<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        let object = record.object.iter();
        Self {
            timestamp: record.time,
            level: "INFO",
            target: "audit",
            request_id: record.request_id.as_deref(),
            client: record.by.client.as_ref().map(ClientId::as_str),
            user: record.by.user.as_ref().map(UserId::as_str),
            operator: record.by.operator.as_deref(),
            business: record.business.as_ref().map(BusinessId::as_str),
            address: record.address,
            action: &record.action,
            object: object.map(|(kind, id)| (*kind, id.as_str())).collect(),
            outcome: match record.outcome {
                AuditOutcome::Done => "done",
                AuditOutcome::Refused => "refused",
            },
            status: record.status,
            code: record.code,
            reason: record.reason.as_deref(),
            changes: record.changes.iter().map(change).collect(),
            omitted: record.omitted,
        }
    }
}

fn change(change: &AuditChange) -> (&str, ChangeLine<'_>) {
    let line = ChangeLine {
        before: change.before.as_ref().map(ValueLine::from),
        after: change.after.as_ref().map(ValueLine::from),
    };
    (&change.field, line)
}

impl AuditTrail for AuditLog {
    fn record(&self, record: &AuditRecord) {
        let Ok(mut line) = serde_json::to_vec(&AuditLine::from(record)) else {
            return;
        };
        line.push(b'\n');
        if self.writes_to_stderr {
            // A closed stderr cannot report its own error.
            let _ = io::stderr().lock().write_all(&line);
        }
        if let Some(mut file) = self.file.as_ref()
            && let Err(error) = file.write_all(&line)
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a record of the audit trail could not be written to its file"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use domain::actor::Actor;

    use super::*;

    fn record(action: &str) -> AuditRecord {
        AuditRecord::new(Timestamp::UNIX_EPOCH, action, AuditOutcome::Done)
    }

    #[test]
    fn a_record_is_one_line_in_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let full = AuditRecord {
            request_id: Some("r1".into()),
            by: Actor {
                user: Some(UserId::parse("root").unwrap()),
                client: Some(ClientId::parse("portal").unwrap()),
                operator: Some("ana\n\"root\"".to_owned()),
            },
            business: Some(BusinessId::parse("b1").unwrap()),
            address: Some([192, 0, 2, 1].into()),
            object: vec![("client", "shop".to_owned())],
            outcome: AuditOutcome::Refused,
            status: Some(403),
            code: Some("03"),
            reason: Some("why".to_owned()),
            changes: vec![AuditChange {
                field: "roles".to_owned(),
                before: None,
                after: Some(EventValue::List(vec!["ADMIN".to_owned()])),
            }],
            omitted: 7,
            ..record("client set")
        };
        AuditLog::in_file(&path).unwrap().record(&full);
        AuditLog::in_file(&path).unwrap().record(&record("keys list"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {"timestamp":"1970-01-01T00:00:00Z","level":"INFO","target":"audit","request_id":"r1","client":"portal","user":"root","operator":"ana\n\"root\"","business":"b1","address":"192.0.2.1","action":"client set","object":{"client":"shop"},"outcome":"refused","status":403,"code":"03","reason":"why","changes":{"roles":{"before":null,"after":["ADMIN"]}},"omitted":7}
        {"timestamp":"1970-01-01T00:00:00Z","level":"INFO","target":"audit","action":"keys list","outcome":"done"}
        "#);
    }
}

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::contact::ContactValue;
use serde::Serialize;

use crate::error::{OpenError, SendError};
use crate::transport::{RenderedMessage, Transport};

/// Writes codes as lines of JSON into a file that only its owner can read. For local use.
pub(crate) struct FileSink {
    path: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    challenge_id: &'a str,
    contact_type: &'a str,
    to: String,
    code: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    text: &'a str,
    expires_at: String,
}

impl<'a> From<&'a RenderedMessage> for Line<'a> {
    fn from(rendered: &'a RenderedMessage) -> Self {
        let message = &rendered.message;
        Self {
            time: format!("{:.3}", message.sent_at),
            challenge_id: message.challenge.as_str(),
            contact_type: message.to.contact_type().as_str(),
            to: match &message.to {
                ContactValue::Email(email) => email.as_str().to_owned(),
                ContactValue::Mobile(mobile) => format!("+{}", mobile.comparison_key()),
            },
            code: message.code.reveal(),
            client_id: message.client.as_str(),
            subject: rendered.subject.as_deref(),
            text: &rendered.text,
            expires_at: format!("{:.3}", message.expires_at),
        }
    }
}

impl FileSink {
    /// Creates the file if it does not exist.
    pub(crate) fn open(path: PathBuf) -> Result<Self, OpenError> {
        match open_for_append(&path) {
            Ok(_) => Ok(Self { path }),
            Err(source) => Err(OpenError::Unwritable { path, source }),
        }
    }

    /// Appends the line in one write, so that lines of several processes do not mix. Opens the file anew each time,
    /// because an operator may have moved it.
    fn append(&self, line: &Line<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        open_for_append(&self.path)?.write_all(&line)
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[async_trait]
impl Transport for FileSink {
    /// Writes synchronously: a few hundred bytes do not justify a separate thread.
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError> {
        self.append(&rendered.into()).map_err(SendError::File)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::fixtures;

    fn rendered_message(to: ContactValue, subject: Option<&str>) -> RenderedMessage {
        RenderedMessage {
            message: fixtures::message(to),
            subject: subject.map(str::to_owned),
            text: "olá\n483920".to_owned(),
        }
    }

    #[tokio::test]
    async fn each_code_is_a_line_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.jsonl");
        let sink = FileSink::open(path.clone()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        sink.send(&rendered_message(fixtures::email("ana@example.com"), Some("S")))
            .await
            .unwrap();
        sink.send(&rendered_message(fixtures::mobile(), None)).await.unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        assert_eq!(
            lines,
            concat!(
                r#"{"time":"2026-11-23T03:16:24.000Z","challengeId":"07070707070707070707070707070707","#,
                r#""contactType":"EMAIL","to":"ana@example.com","code":"483920","clientId":"com.example.portal","#,
                r#""subject":"S","text":"olá\n483920","expiresAt":"2026-11-23T03:26:24.000Z"}"#,
                "\n",
                r#"{"time":"2026-11-23T03:16:24.000Z","challengeId":"07070707070707070707070707070707","#,
                r#""contactType":"MOBILE","to":"+5511911112222","code":"483920","clientId":"com.example.portal","#,
                r#""text":"olá\n483920","expiresAt":"2026-11-23T03:26:24.000Z"}"#,
                "\n",
            )
        );
    }

    #[tokio::test]
    async fn a_moved_file_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("codes.jsonl"), folder.path().join("moved"));
        let sink = FileSink::open(path.clone()).unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.send(&rendered_message(fixtures::mobile(), None)).await.unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "");
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_unwritable_file_is_rejected() {
        let result = FileSink::open("/no/such/folder/codes.jsonl".into());
        assert!(matches!(result, Err(OpenError::Unwritable { .. })));
    }
}

use async_trait::async_trait;
use ports::factors::CodeMessage;

use crate::error::SendError;

/// A message with its texts filled in.
pub(crate) struct RenderedMessage {
    pub(crate) message: CodeMessage,
    /// Present in a mail only.
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
}

/// Sends messages to one server, or into one file. The future may be dropped at any point.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// Makes one attempt.
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError>;
}

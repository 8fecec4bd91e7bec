use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connection::Answer;

/// One keep-alive connection of an event loop.
pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(crate) async fn ask(&mut self, request: &str) -> anyhow::Result<Answer> {
        self.0.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::with_capacity(4096);
        loop {
            ensure!(self.0.read_buf(&mut bytes).await? > 0, "the connection was closed");
            if let Some(answer) = Answer::parse(&bytes)? {
                return Ok(answer);
            }
        }
    }
}

use anyhow::ensure;
use test_servers::http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A keep-alive connection of an event loop.
pub(crate) struct AsyncConnection(TcpStream);

impl AsyncConnection {
    pub(crate) async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(crate) async fn send(&mut self, request: &str) -> anyhow::Result<Response> {
        self.0.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::with_capacity(4096);
        loop {
            ensure!(self.0.read_buf(&mut bytes).await? > 0, "the connection was closed");
            if let Some(response) = Response::parse(&bytes)? {
                return Ok(response);
            }
        }
    }
}

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Changes what the server sent before it is forwarded; `Break` closes both connections.
pub(crate) type OnAnswer = Box<dyn FnMut(&mut Vec<u8>) -> ControlFlow<()> + Send>;

/// A TCP proxy between a client and a server.
pub(crate) struct Relay {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    /// Starts a relay to a port of this machine. `on_answer` creates the handler of each connection from its number,
    /// counted from 1.
    pub(crate) async fn to(server: u16, on_answer: impl Fn(usize) -> OnAnswer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(forward(client, server, on_answer(number)));
            }
        });
        Self { port, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, mut on_answer: OnAnswer) {
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            length = client.read(&mut from_client) => match length {
                Ok(length @ 1..) => server.write_all(&from_client[..length]).await.unwrap_or_default(),
                _ => return,
            },
            length = server.read(&mut from_server) => {
                let Ok(length @ 1..) = length else { return };
                let mut answer = from_server[..length].to_vec();
                if on_answer(&mut answer).is_break() {
                    return;
                }
                client.write_all(&answer).await.unwrap_or_default();
            }
        }
    }
}

pub(crate) fn pass() -> OnAnswer {
    Box::new(|_| ControlFlow::Continue(()))
}

pub(crate) fn hang_up() -> OnAnswer {
    Box::new(|_| ControlFlow::Break(()))
}

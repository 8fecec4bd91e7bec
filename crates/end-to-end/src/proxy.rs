//! A TCP proxy that a trial can make slow, hang or break.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The number of connections that can wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1_024;

/// The way in which the proxy forwards bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    #[default]
    Pass,
    /// Holds everything back, the end of a connection too: the connection is half-open.
    Hold,
    /// Forwards each chunk after this delay.
    Slow(Duration),
    /// Forwards this many bytes of the next chunk, then resets both ends.
    Cut(usize),
}

/// The direction in which bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// Forwards connections to a target. Its behaviour can be changed while connections are open.
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    /// A bound socket that never listens. It reserves the port while the proxy refuses connections.
    _port: TcpSocket,
    accepting: JoinHandle<()>,
    state: watch::Sender<ProxyState>,
}

/// The behaviour that all connections share.
#[derive(Debug, Clone, Default)]
struct ProxyState {
    to_server: Flow,
    to_client: Flow,
    interception: Option<Interception>,
    /// The number of connections that the current interception holds.
    intercepted: usize,
    /// The number of interceptions so far, which is also the number of the current one.
    interceptions: u64,
    /// The numbers of the interceptions whose connections stay half-open.
    abandoned: Vec<u64>,
    /// The number of times that all connections were reset.
    resets: u64,
}

/// Changes the flow of each connection whose client sends `text`, from that request on.
#[derive(Debug, Clone)]
struct Interception {
    text: Vec<u8>,
    direction: Direction,
    flow: Flow,
}

impl ProxyState {
    const fn flow(&self, direction: Direction) -> Flow {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback interface.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let port = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port.local_addr()?;
        let state = watch::Sender::new(ProxyState::default());
        Ok(Self {
            address,
            target,
            _port: port,
            accepting: tokio::spawn(accept(listen(address)?, target, state.clone())),
            state,
        })
    }

    /// Returns the address to which clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets how bytes flow, including those that are held back.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.state.send_modify(|state| match direction {
            Direction::ToServer => state.to_server = flow,
            Direction::ToClient => state.to_client = flow,
        });
    }

    /// Applies `flow` to one direction of each connection whose client sends `text`, from that request or its response
    /// on. Replaces the last interception and releases the connections that it holds.
    pub fn intercept(&self, text: &str, direction: Direction, flow: Flow) {
        let interception = Interception {
            text: text.as_bytes().to_vec(),
            direction,
            flow,
        };
        self.state.send_modify(|state| {
            state.interception = Some(interception);
            state.interceptions += 1;
            state.intercepted = 0;
        });
    }

    /// Waits until the interception holds a request, or the response to one if it is about responses.
    pub async fn wait_until_intercepted(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| state.intercepted > 0).await;
    }

    /// Forwards everything again, except on the intercepted connections, which stay half-open.
    pub fn abandon_intercepted(&self) {
        self.state.send_modify(|state| {
            state.to_server = Flow::Pass;
            state.to_client = Flow::Pass;
            state.interception = None;
            state.abandoned.push(state.interceptions);
        });
    }

    /// Resets every connection, which loses what is held back. Accepts new connections.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Resets every connection and refuses new ones.
    pub async fn refuse(&mut self) {
        self.accepting.abort();
        // The listener is closed when the task has ended.
        let _ = (&mut self.accepting).await;
        self.reset();
    }

    /// Accepts connections and forwards everything, including what is held back.
    pub fn pass(&mut self) -> io::Result<()> {
        self.state.send_modify(|state| {
            state.to_server = Flow::Pass;
            state.to_client = Flow::Pass;
            state.interception = None;
        });
        if self.accepting.is_finished() {
            let listener = listen(self.address)?;
            self.accepting = tokio::spawn(accept(listener, self.target, self.state.clone()));
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

async fn accept(listener: TcpListener, target: SocketAddr, state: watch::Sender<ProxyState>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let state = state.clone();
        // Read here, so that a reset before the connection is served applies to it.
        let resets = state.borrow().resets;
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                let _ = client.set_zero_linger();
                return;
            };
            serve(client, server, &state, resets).await;
        });
    }
}

/// Forwards both directions until both have ended. Resets both ends when one direction fails or a reset comes.
async fn serve(mut client: TcpStream, mut server: TcpStream, state: &watch::Sender<ProxyState>, resets: u64) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        // The number of the last interception whose text the client sent.
        let last_match = AtomicU64::new(0);
        let forwarder = |direction| Forwarder {
            direction,
            sender: state,
            state: state.subscribe(),
            resets,
            last_match: &last_match,
            reported: 0,
            tail: Vec::new(),
        };
        let mut until_reset = state.subscribe();
        tokio::select! {
            biased;
            _ = until_reset.wait_for(|state| state.resets > resets) => Err(io::ErrorKind::ConnectionReset.into()),
            ended = async {
                tokio::try_join!(
                    forwarder(Direction::ToServer).forward(from_client, to_server),
                    forwarder(Direction::ToClient).forward(from_server, to_client),
                )
            } => ended,
        }
    };
    if ended.is_err() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// One direction of a connection.
struct Forwarder<'a> {
    direction: Direction,
    sender: &'a watch::Sender<ProxyState>,
    state: watch::Receiver<ProxyState>,
    /// The number of resets when the connection was accepted.
    resets: u64,
    last_match: &'a AtomicU64,
    /// The number of the interception that it has reported.
    reported: u64,
    /// The last bytes that were read, because the text can arrive in two parts.
    tail: Vec<u8>,
}

impl Forwarder<'_> {
    async fn forward(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from.read(&mut chunk).await?;
            let read = chunk.get(..length).unwrap_or_default();
            if self.direction == Direction::ToServer {
                self.match_text(read);
            }
            if let Some(kept) = self.wait_for_flow().await {
                to.write_all(read.get(..kept).unwrap_or(read)).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if length == 0 {
                return to.shutdown().await;
            }
            to.write_all(read).await?;
        }
    }

    /// Waits as long as the flow demands. Returns the number of bytes to forward before a reset, if there is to be one.
    async fn wait_for_flow(&mut self) -> Option<usize> {
        loop {
            let flow = self.flow();
            match flow {
                Flow::Pass => return None,
                Flow::Hold => {
                    // The sender lives as long as `self`.
                    let _ = self.state.changed().await;
                }
                Flow::Slow(delay) => {
                    sleep(delay).await;
                    return None;
                }
                Flow::Cut(kept) => return Some(kept),
            }
        }
    }

    fn flow(&mut self) -> Flow {
        let state = self.state.borrow_and_update();
        let last_match = self.last_match.load(Ordering::Relaxed);
        // A reset loses what was held back, even if the flow has changed to `Pass` since.
        if state.resets > self.resets {
            return Flow::Cut(0);
        }
        if state.abandoned.contains(&last_match) {
            return Flow::Hold;
        }
        let flow = match &state.interception {
            Some(interception) if last_match == state.interceptions && interception.direction == self.direction => {
                interception.flow
            }
            _ => return state.flow(self.direction),
        };
        drop(state);
        if self.reported != last_match {
            self.reported = last_match;
            self.sender.send_modify(|state| state.intercepted += 1);
        }
        flow
    }

    /// Records when the client has sent the text of the interception.
    fn match_text(&mut self, read: &[u8]) {
        let state = self.state.borrow_and_update();
        let Some(interception) = &state.interception else {
            self.tail.clear();
            return;
        };
        self.tail.extend_from_slice(read);
        let length = interception.text.len().max(1);
        if self.tail.windows(length).any(|part| part == interception.text) {
            self.last_match.store(state.interceptions, Ordering::Relaxed);
            self.tail.clear();
        } else {
            let obsolete = self.tail.len().saturating_sub(length - 1);
            self.tail.drain(..obsolete);
        }
    }
}

#[cfg(test)]
mod tests;

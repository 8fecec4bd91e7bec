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

/// The maximum number of bytes per read.
const CHUNK: usize = 64 * 1_024;

/// The way in which the proxy forwards bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    #[default]
    Pass,
    /// Holds everything back, even the end of a connection: the connection hangs.
    Hold,
    /// Forwards each chunk after this delay.
    Slow(Duration),
    /// Forwards up to this many bytes of the next chunk, then resets both ends.
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
    /// The number of connections to which the current interception has applied.
    matched_connections: usize,
    /// The id of the last interception, counted from 1.
    interception_id: u64,
    /// The ids of the interceptions whose connections were abandoned.
    abandoned_ids: Vec<u64>,
    /// The number of times all connections were reset.
    reset_count: u64,
}

/// Changes the flow in one direction of each connection whose client sends `text`, from that request or its response
/// on.
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

    /// Sets how bytes flow in one direction, including bytes that are held back. Does not change a direction to which
    /// an interception applies, or an abandoned connection.
    pub fn set_flow(&self, direction: Direction, flow: Flow) {
        self.state.send_modify(|state| match direction {
            Direction::ToServer => state.to_server = flow,
            Direction::ToClient => state.to_client = flow,
        });
    }

    /// Applies `flow` to one direction of each connection whose client sends `text`, from that request or its response
    /// on. Replaces the current interception and releases its connections.
    pub fn intercept(&self, text: &str, direction: Direction, flow: Flow) {
        let interception = Interception {
            text: text.as_bytes().to_vec(),
            direction,
            flow,
        };
        self.state.send_modify(|state| {
            state.interception = Some(interception);
            state.interception_id += 1;
            state.matched_connections = 0;
        });
    }

    /// Waits until the current interception applies to a request, or to the response to one if its direction is
    /// [`Direction::ToClient`].
    pub async fn wait_until_intercepted(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| state.matched_connections > 0).await;
    }

    /// Holds both directions of every connection that the current interception matched, until the next reset. Ends the
    /// interception and forwards everything on the other connections.
    pub fn abandon_intercepted(&self) {
        self.state.send_modify(|state| {
            state.to_server = Flow::Pass;
            state.to_client = Flow::Pass;
            state.interception = None;
            state.abandoned_ids.push(state.interception_id);
        });
    }

    /// Resets every connection, which loses the bytes that are held back. Continues to accept connections.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.reset_count += 1);
    }

    /// Resets every connection and refuses new ones.
    pub async fn refuse(&mut self) {
        self.accepting.abort();
        // The listener is closed when the task has ended.
        let _ = (&mut self.accepting).await;
        self.reset();
    }

    /// Accepts connections, ends the current interception and forwards everything, including bytes that are held back.
    /// Abandoned connections stay silent until the next reset.
    pub fn restore(&mut self) -> io::Result<()> {
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
        // Read before the task starts, so that a reset in between applies to this connection.
        let reset_count = state.borrow().reset_count;
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                let _ = client.set_zero_linger();
                return;
            };
            serve(client, server, &state, reset_count).await;
        });
    }
}

/// Forwards both directions until both have ended. Resets both ends after an error in one direction, and after
/// [`Proxy::reset`].
async fn serve(mut client: TcpStream, mut server: TcpStream, state: &watch::Sender<ProxyState>, reset_count: u64) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let result = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        // The id of the last interception whose text the client sent; 0 if there is none.
        let matched_id = AtomicU64::new(0);
        let forwarder = |direction| Forwarder {
            direction,
            sender: state,
            state: state.subscribe(),
            reset_count,
            matched_id: &matched_id,
            reported_id: 0,
            tail: Vec::new(),
        };
        let mut until_reset = state.subscribe();
        tokio::select! {
            biased;
            _ = until_reset.wait_for(|state| state.reset_count > reset_count) => Err(io::ErrorKind::ConnectionReset.into()),
            result = async {
                tokio::try_join!(
                    forwarder(Direction::ToServer).forward(from_client, to_server),
                    forwarder(Direction::ToClient).forward(from_server, to_client),
                )
            } => result,
        }
    };
    if result.is_err() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// One direction of a connection.
struct Forwarder<'a> {
    direction: Direction,
    sender: &'a watch::Sender<ProxyState>,
    state: watch::Receiver<ProxyState>,
    /// The reset count when the connection was accepted.
    reset_count: u64,
    matched_id: &'a AtomicU64,
    /// The id of the last interception for which it has counted its connection.
    reported_id: u64,
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

    /// Waits as long as the flow demands. Returns the number of bytes to forward before a reset, or `None` without a
    /// reset.
    async fn wait_for_flow(&mut self) -> Option<usize> {
        loop {
            match self.next_flow_and_report() {
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

    /// Returns the flow that applies now. Counts the connection the first time that an interception applies to it.
    fn next_flow_and_report(&mut self) -> Flow {
        let state = self.state.borrow_and_update();
        let matched_id = self.matched_id.load(Ordering::Relaxed);
        // A reset loses the bytes that were held back, even if the flow has changed to `Pass` since.
        if state.reset_count > self.reset_count {
            return Flow::Cut(0);
        }
        if state.abandoned_ids.contains(&matched_id) {
            return Flow::Hold;
        }
        let flow = match &state.interception {
            Some(interception) if matched_id == state.interception_id && interception.direction == self.direction => {
                interception.flow
            }
            _ => return state.flow(self.direction),
        };
        drop(state);
        if self.reported_id != matched_id {
            self.reported_id = matched_id;
            self.sender.send_modify(|state| state.matched_connections += 1);
        }
        flow
    }

    /// Records the id of the current interception once the client has sent its text.
    fn match_text(&mut self, read: &[u8]) {
        let state = self.state.borrow_and_update();
        let Some(interception) = &state.interception else {
            self.tail.clear();
            return;
        };
        self.tail.extend_from_slice(read);
        let length = interception.text.len().max(1);
        if self.tail.windows(length).any(|part| part == interception.text) {
            self.matched_id.store(state.interception_id, Ordering::Relaxed);
            self.tail.clear();
        } else {
            let obsolete = self.tail.len().saturating_sub(length - 1);
            self.tail.drain(..obsolete);
        }
    }
}

#[cfg(test)]
mod tests;

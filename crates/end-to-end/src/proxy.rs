//! A TCP proxy that misbehaves when it is told to.

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

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1_024;

/// What becomes of bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    #[default]
    Pass,
    /// Nothing arrives and nothing breaks, the end of a connection neither: it is half-open.
    Hold,
    /// Whatever is read arrives so much later.
    Slow(Duration),
    /// So many bytes of what is read next arrive, then both ends are reset.
    Cut(usize),
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// Forwards connections to a target. Everything about it can be changed while they run.
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    /// Bound and never listening: the port stays ours while nobody listens on it.
    _port: TcpSocket,
    accepting: JoinHandle<()>,
    orders: watch::Sender<Orders>,
}

/// What every connection obeys.
#[derive(Debug, Clone, Default)]
struct Orders {
    to_server: Flow,
    to_client: Flow,
    trap: Option<Trap>,
    /// Connections that are in the trap, with a request or an answer.
    trapped: usize,
    /// Counts the traps there were.
    traps: u64,
    /// Numbers of the traps whose connections stay in them for good.
    abandoned: Vec<u64>,
    /// Counts the times that all connections were reset.
    resets: u64,
}

/// A connection whose client says `text` flows otherwise from then on, that request included.
#[derive(Debug, Clone)]
struct Trap {
    text: Vec<u8>,
    direction: Direction,
    flow: Flow,
}

impl Orders {
    const fn flow(&self, direction: Direction) -> Flow {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

impl Proxy {
    /// Listens on a port of its own on the loopback interface.
    pub fn before(target: SocketAddr) -> io::Result<Self> {
        let port = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port.local_addr()?;
        let orders = watch::Sender::new(Orders::default());
        Ok(Self {
            address,
            target,
            _port: port,
            accepting: tokio::spawn(accept(listen(address)?, target, orders.clone())),
            orders,
        })
    }

    /// Where clients connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How bytes flow from now on, those included that are held.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.orders.send_modify(|orders| match direction {
            Direction::ToServer => orders.to_server = flow,
            Direction::ToClient => orders.to_client = flow,
        });
    }

    /// From now on a connection whose client says `text` flows by `flow` in that direction, that request or its answer
    /// included. There is one trap at a time; what is in it gets free when another takes its place.
    pub fn trap(&self, text: &str, direction: Direction, flow: Flow) {
        let trap = Trap {
            text: text.as_bytes().to_vec(),
            direction,
            flow,
        };
        self.orders.send_modify(|orders| {
            orders.trap = Some(trap);
            orders.traps += 1;
            orders.trapped = 0;
        });
    }

    /// Waits until something is in the trap: the request, or its answer when it is the answer that flows otherwise.
    pub async fn trapped(&self) {
        let mut orders = self.orders.subscribe();
        // The sender lives as long as this.
        let _ = orders.wait_for(|orders| orders.trapped > 0).await;
    }

    /// Lets everything pass but what is in the trap, which stays half-open for good.
    pub fn abandon(&self) {
        self.orders.send_modify(|orders| {
            orders.to_server = Flow::Pass;
            orders.to_client = Flow::Pass;
            orders.trap = None;
            orders.abandoned.push(orders.traps);
        });
    }

    /// Resets every connection. What is held is lost; new connections are accepted.
    pub fn reset(&self) {
        self.orders.send_modify(|orders| orders.resets += 1);
    }

    /// Resets every connection and refuses new ones.
    pub async fn refuse(&mut self) {
        self.accepting.abort();
        // The listener is closed once the task is gone.
        let _ = (&mut self.accepting).await;
        self.reset();
    }

    /// Accepts connections and lets everything pass, what is held included.
    pub fn pass(&mut self) -> io::Result<()> {
        self.orders.send_modify(|orders| {
            orders.to_server = Flow::Pass;
            orders.to_client = Flow::Pass;
            orders.trap = None;
        });
        if self.accepting.is_finished() {
            let listener = listen(self.address)?;
            self.accepting = tokio::spawn(accept(listener, self.target, self.orders.clone()));
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

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bound(address)?.listen(BACKLOG)
}

async fn accept(listener: TcpListener, target: SocketAddr, orders: watch::Sender<Orders>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let orders = orders.clone();
        // A reset that comes before the connection is served counts.
        let resets = orders.borrow().resets;
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                let _ = client.set_zero_linger();
                return;
            };
            serve(client, server, &orders, resets).await;
        });
    }
}

/// Both ways at once, until both have ended, one breaks, or a reset comes: then both ends are reset.
async fn serve(mut client: TcpStream, mut server: TcpStream, orders: &watch::Sender<Orders>, resets: u64) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        // Number of the trap whose text the client said.
        let said = AtomicU64::new(0);
        let way = |direction| Way {
            direction,
            sender: orders,
            orders: orders.subscribe(),
            resets,
            said: &said,
            trapped: 0,
            heard: Vec::new(),
        };
        let mut until_reset = orders.subscribe();
        tokio::select! {
            biased;
            _ = until_reset.wait_for(|orders| orders.resets > resets) => Err(io::ErrorKind::ConnectionReset.into()),
            ended = async {
                tokio::try_join!(
                    way(Direction::ToServer).forward(from_client, to_server),
                    way(Direction::ToClient).forward(from_server, to_client),
                )
            } => ended,
        }
    };
    if ended.is_err() {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// One direction of a connection.
struct Way<'a> {
    direction: Direction,
    sender: &'a watch::Sender<Orders>,
    orders: watch::Receiver<Orders>,
    /// How many there had been when the connection began.
    resets: u64,
    said: &'a AtomicU64,
    /// Number of the trap that it is in.
    trapped: u64,
    /// The end of what was read before: a text may come in two parts.
    heard: Vec<u8>,
}

impl Way<'_> {
    async fn forward(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from.read(&mut chunk).await?;
            let read = chunk.get(..length).unwrap_or_default();
            if self.direction == Direction::ToServer {
                self.listen(read);
            }
            if let Some(kept) = self.delayed().await {
                to.write_all(read.get(..kept).unwrap_or(read)).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if length == 0 {
                return to.shutdown().await;
            }
            to.write_all(read).await?;
        }
    }

    /// Waits as long as it must; the number of bytes to keep when the rest is to be cut off.
    async fn delayed(&mut self) -> Option<usize> {
        loop {
            let flow = self.flow();
            match flow {
                Flow::Pass => return None,
                Flow::Hold => {
                    // The sender lives as long as this.
                    let _ = self.orders.changed().await;
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
        let orders = self.orders.borrow_and_update();
        let said = self.said.load(Ordering::Relaxed);
        // What was held when a reset came is lost, even if everything passes since.
        if orders.resets > self.resets {
            return Flow::Cut(0);
        }
        if orders.abandoned.contains(&said) {
            return Flow::Hold;
        }
        let flow = match &orders.trap {
            Some(trap) if said == orders.traps && trap.direction == self.direction => trap.flow,
            _ => return orders.flow(self.direction),
        };
        drop(orders);
        if self.trapped != said {
            self.trapped = said;
            self.sender.send_modify(|orders| orders.trapped += 1);
        }
        flow
    }

    /// Notes when the client says the text of the trap.
    fn listen(&mut self, read: &[u8]) {
        let orders = self.orders.borrow_and_update();
        let Some(trap) = &orders.trap else {
            self.heard.clear();
            return;
        };
        self.heard.extend_from_slice(read);
        let length = trap.text.len().max(1);
        if self.heard.windows(length).any(|part| part == trap.text) {
            self.said.store(orders.traps, Ordering::Relaxed);
            self.heard.clear();
        } else {
            let forgotten = self.heard.len().saturating_sub(length - 1);
            self.heard.drain(..forgotten);
        }
    }
}

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bson::Document;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::command::Command;
use crate::message::Message;
use crate::server::Server;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;
type Then = Box<dyn FnOnce(Document) -> Reaction + Send>;

/// What becomes of a command.
pub enum Reaction {
    /// It goes to the server as it is, and so does the answer to the client.
    Pass,
    /// It is answered so. The server does not see it.
    Answer(Document),
    /// The server is sent this in its place; what follows depends on its answer.
    Send(Document, Then),
    /// Something else happens first.
    After(Wait, Box<Self>),
    /// The connection is reset.
    Cut,
}

impl Reaction {
    /// Passes the command on and changes the answer.
    pub fn changing(command: &Command, change: impl FnOnce(&mut Document) + Send + 'static) -> Self {
        let then = |mut answer| {
            change(&mut answer);
            Self::Answer(answer)
        };
        Self::Send(command.document().clone(), Box::new(then))
    }

    /// Lets the server carry the command out, and resets the connection before the answer.
    pub fn losing_the_answer(command: &Command) -> Self {
        Self::Send(command.document().clone(), Box::new(|_| Self::Cut))
    }

    /// Reacts so much later.
    #[must_use]
    pub fn later(self, delay: Duration) -> Self {
        self.after(sleep(delay))
    }

    /// Reacts when this has happened.
    #[must_use]
    pub fn after(self, wait: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::After(Box::pin(wait), Box::new(self))
    }
}

type Script = Arc<dyn Fn(&Command) -> Reaction + Send + Sync>;

/// Passes connections on to a server, and asks a script about every command.
pub struct MongodbProxy {
    address: SocketAddr,
    script: Arc<RwLock<Script>>,
    accepting: JoinHandle<()>,
}

impl MongodbProxy {
    /// Listens on a port of its own on the loopback interface, and passes everything.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let pass: Script = Arc::new(|_| Reaction::Pass);
        let script = Arc::new(RwLock::new(pass));
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, server, script.clone())),
            script,
        })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks this script about every command that comes from now on.
    pub fn follow(&self, script: impl Fn(&Command) -> Reaction + Send + Sync + 'static) {
        *self.script.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Passes every command that comes from now on.
    pub fn pass(&self) {
        self.follow(|_| Reaction::Pass);
    }
}

impl Drop for MongodbProxy {
    /// Resets every connection.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections end with the task.
async fn accept(listener: TcpListener, server: SocketAddr, script: Arc<RwLock<Script>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(client, server, script.clone()));
    }
}

async fn serve(mut client: TcpStream, server: SocketAddr, script: Arc<RwLock<Script>>) {
    let passing = async {
        client.set_nodelay(true)?;
        let mut server = Server::connect(server).await?;
        while let Some(message) = Message::read(&mut client).await? {
            if let Some(answer) = answer(&message, &mut server, &script).await? {
                client.write_all(answer.bytes()).await?;
            }
        }
        io::Result::Ok(())
    };
    if passing.await.is_err() {
        let _ = client.set_zero_linger();
    }
}

/// The answer to a message, when it wants one.
async fn answer(message: &Message, server: &mut Server, script: &RwLock<Script>) -> io::Result<Option<Message>> {
    if !message.wants_an_answer() {
        server.send(message).await?;
        return Ok(None);
    }
    let Some(document) = message.document()? else {
        return server.forward(message).await.map(Some);
    };
    let command = Command::new(document);
    let script = script.read().unwrap_or_else(PoisonError::into_inner).clone();
    let mut reaction = script(&command);
    let answer = loop {
        reaction = match reaction {
            Reaction::Pass => break server.ask(command.document()).await?,
            Reaction::Answer(answer) => break answer,
            Reaction::Send(command, then) => then(server.ask(&command).await?),
            Reaction::After(wait, next) => {
                wait.await;
                *next
            }
            Reaction::Cut => return Err(ErrorKind::ConnectionReset.into()),
        };
    };
    Message::of(message.id(), message.id(), &answer).map(Some)
}

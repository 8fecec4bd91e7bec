//! The proxy: it accepts connections and runs a script on every command.

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

use super::command::Command;
use super::message::Message;
use super::server::Server;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnReply = Box<dyn FnOnce(Document) -> Reaction + Send>;

/// The reaction of a script to a command.
pub enum Reaction {
    /// Forwards the command and its reply unchanged.
    Pass,
    /// Replies with this document; the server does not see the command.
    Answer(Document),
    /// Sends this command to the server instead, and reacts to its reply.
    Send(Document, OnReply),
    /// Waits, then reacts.
    After(Wait, Box<Self>),
    /// Resets the connection.
    Reset,
}

impl Reaction {
    /// Forwards the command and changes its reply.
    pub fn change_reply(command: &Command, change: impl FnOnce(&mut Document) + Send + 'static) -> Self {
        let on_reply = |mut reply| {
            change(&mut reply);
            Self::Answer(reply)
        };
        Self::Send(command.document().clone(), Box::new(on_reply))
    }

    /// Lets the server execute the command, and resets the connection instead of replying.
    pub fn lose_reply(command: &Command) -> Self {
        Self::Send(command.document().clone(), Box::new(|_| Self::Reset))
    }

    /// Delays the reaction.
    #[must_use]
    pub fn later(self, delay: Duration) -> Self {
        self.after(sleep(delay))
    }

    /// Reacts after `wait` has completed.
    #[must_use]
    pub fn after(self, wait: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::After(Box::pin(wait), Box::new(self))
    }
}

type Script = Arc<dyn Fn(&Command) -> Reaction + Send + Sync>;

/// Forwards connections to a server and runs a script on every command.
pub struct MongodbProxy {
    address: SocketAddr,
    script: Arc<RwLock<Script>>,
    accept_task: JoinHandle<()>,
}

impl MongodbProxy {
    /// Listens on a free port of the loopback interface, in front of `server`, and forwards everything.
    pub async fn in_front_of(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let pass: Script = Arc::new(|_| Reaction::Pass);
        let script = Arc::new(RwLock::new(pass));
        Ok(Self {
            address: listener.local_addr()?,
            accept_task: tokio::spawn(accept(listener, server, script.clone())),
            script,
        })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs this script on every command from now on, instead of the previous script.
    pub fn run_script(&self, script: impl Fn(&Command) -> Reaction + Send + Sync + 'static) {
        *self.script.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Forwards every command from now on.
    pub fn forward_all(&self) {
        self.run_script(|_| Reaction::Pass);
    }
}

impl Drop for MongodbProxy {
    /// Resets every connection.
    fn drop(&mut self) {
        self.accept_task.abort();
    }
}

/// Serves connections until the task is aborted, which closes them.
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
    let connection = async {
        client.set_nodelay(true)?;
        let mut server = Server::connect(server).await?;
        while let Some(message) = Message::read(&mut client).await? {
            if let Some(reply) = reply_to(&message, &mut server, &script).await? {
                client.write_all(reply.bytes()).await?;
            }
        }
        io::Result::Ok(())
    };
    if connection.await.is_err() {
        let _ = client.set_zero_linger();
    }
}

/// Runs the script on a message and returns the reply, if the client expects one.
async fn reply_to(message: &Message, server: &mut Server, script: &RwLock<Script>) -> io::Result<Option<Message>> {
    if !message.expects_reply() {
        server.send(message).await?;
        return Ok(None);
    }
    let Some(document) = message.document()? else {
        return server.forward(message).await.map(Some);
    };
    let command = Command::new(document);
    let script = script.read().unwrap_or_else(PoisonError::into_inner).clone();
    let mut reaction = script(&command);
    let reply = loop {
        reaction = match reaction {
            Reaction::Pass => break server.ask(command.document()).await?,
            Reaction::Answer(reply) => break reply,
            Reaction::Send(command, on_reply) => on_reply(server.ask(&command).await?),
            Reaction::After(wait, next) => {
                wait.await;
                *next
            }
            Reaction::Reset => return Err(ErrorKind::ConnectionReset.into()),
        };
    };
    Message::new(message.id(), message.id(), &reply).map(Some)
}

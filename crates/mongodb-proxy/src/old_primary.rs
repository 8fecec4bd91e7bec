use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, Timestamp, doc};

use crate::command::Command;
use crate::proxy::{MongodbProxy, Reaction};
use crate::server::Server;

/// A primary that can be cut off from the other members, and goes on for a while as if it were not:
///
/// - A read is answered from what a majority had when it was cut off.
/// - A linearizable read finds out that there is no majority any more, and fails.
/// - A write that matches something is not acknowledged, nor is any after it: no majority gets it.
/// - A write that matches nothing while nothing is unacknowledged is acknowledged at once.
///
/// Who goes past it reaches the new primary. It also tells the times that a replica set tells and the server behind it may
/// not, so that drivers make their causal reads causal.
pub struct OldPrimary {
    proxy: MongodbProxy,
    server: SocketAddr,
    database: String,
    state: Arc<Mutex<State>>,
}

/// What a majority had at some moment.
pub struct Past(String);

/// What the old primary did while it was cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Reads that it answered from the past.
    pub reads: usize,
    /// Those of them that were causal after a write of the same client.
    pub causal_reads: usize,
    /// Linearizable reads, which it could not answer.
    pub linearizable_reads: usize,
    /// Writes that matched nothing and were acknowledged.
    pub unmatched_writes: usize,
    /// Writes that were not acknowledged.
    pub unacknowledged_writes: usize,
}

#[derive(Default)]
struct State {
    /// Its own clock: the number of writes so far.
    time: u32,
    copies: usize,
    cut_off: Option<CutOff>,
    seen: Seen,
    /// Linearizable reads are answered from the past, too: no server does that.
    is_broken: bool,
}

struct CutOff {
    /// A copy of the database that reads are answered from.
    reads: String,
    /// The copy that reads are answered from once a write has come: it hears so late how far the majority was.
    reads_after_a_write: String,
    /// A copy of the database that writes go to.
    writes: String,
    has_unacknowledged: bool,
}

impl OldPrimary {
    /// Before a server, for one database. It is the one primary until it is cut off.
    pub async fn before(server: SocketAddr, database: &str) -> io::Result<Self> {
        let primary = Self {
            proxy: MongodbProxy::before(server).await?,
            server,
            database: database.to_owned(),
            state: Arc::default(),
        };
        let (state, database) = (primary.state.clone(), primary.database.clone());
        primary
            .proxy
            .follow(move |command| react(&state, &database, command.clone()));
        Ok(primary)
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Returns what a majority has now, for [`cut_off_since`](Self::cut_off_since).
    pub async fn present(&self) -> io::Result<Past> {
        self.copy().await.map(Past)
    }

    /// Cuts it off from the other members.
    pub async fn cut_off(&self) -> io::Result<()> {
        let present = self.present().await?;
        self.cut_off_since(present).await
    }

    /// Cuts it off when it had heard of a majority for the last time in the `past`, and of what came since just now: that
    /// shows in reads after its next write.
    pub async fn cut_off_since(&self, past: Past) -> io::Result<()> {
        let cut_off = CutOff {
            reads: past.0,
            reads_after_a_write: self.copy().await?,
            writes: self.copy().await?,
            has_unacknowledged: false,
        };
        let mut state = lock(&self.state);
        state.seen = Seen::default();
        state.cut_off = Some(cut_off);
        Ok(())
    }

    /// Makes it answer linearizable reads from the past, as no server does: what a trial must not let pass.
    pub fn break_linearizable_reads(&self) {
        lock(&self.state).is_broken = true;
    }

    /// Lets it find the others again: what was not acknowledged is rolled back. Returns what it did meanwhile.
    pub async fn rejoin(&self) -> io::Result<Seen> {
        let (cut_off, seen) = {
            let mut state = lock(&self.state);
            (state.cut_off.take(), state.seen)
        };
        let mut server = Server::connect(self.server).await?;
        for copy in cut_off.into_iter().flat_map(CutOff::copies) {
            server.run(&doc! { "dropDatabase": 1, "$db": copy }).await?;
        }
        Ok(seen)
    }

    /// Copies the database; the name of the copy.
    async fn copy(&self) -> io::Result<String> {
        let copy = {
            let mut state = lock(&self.state);
            state.copies += 1;
            format!("{}-{}", self.database, state.copies)
        };
        let mut server = Server::connect(self.server).await?;
        let list = doc! { "listCollections": 1, "nameOnly": true, "$db": &self.database };
        for collection in first_batch(server.run(&list).await?) {
            let name = collection.get_str("name").unwrap_or_default();
            // All of them in the first batch.
            let find = doc! { "find": name, "batchSize": 1_000_000, "$db": &self.database };
            let documents = first_batch(server.run(&find).await?);
            for part in documents.chunks(1_000) {
                let insert = doc! { "insert": name, "documents": part, "$db": &copy };
                server.run(&insert).await?;
            }
        }
        Ok(copy)
    }
}

impl CutOff {
    fn copies(self) -> [String; 3] {
        [self.reads, self.reads_after_a_write, self.writes]
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_batch(mut answer: Document) -> Vec<Document> {
    let cursor = answer
        .get_document_mut("cursor")
        .map(std::mem::take)
        .unwrap_or_default();
    let documents = cursor.get_array("firstBatch").into_iter().flatten();
    documents.filter_map(Bson::as_document).cloned().collect()
}

fn react(state: &Arc<Mutex<State>>, database: &str, mut command: Command) -> Reaction {
    let is_causal = command.is_causal();
    without_times(command.document_mut());
    let is_ours = command
        .document()
        .get_str("$db")
        .is_ok_and(|db| db.starts_with(database));
    let mut locked = lock(state);
    let State {
        cut_off,
        seen,
        is_broken,
        ..
    } = &mut *locked;
    match cut_off {
        Some(cut_off) if is_ours && command.is_read() => {
            if command.read_concern_level() == Some("linearizable") && !*is_broken {
                seen.linearizable_reads += 1;
                return Reaction::Answer(doc! {
                    "ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "operation exceeded time limit",
                });
            }
            seen.reads += 1;
            seen.causal_reads += usize::from(is_causal);
            command.document_mut().insert("$db", &cut_off.reads);
        }
        Some(cut_off) if is_ours && command.is_write() => {
            cut_off.reads = cut_off.reads_after_a_write.clone();
            command.document_mut().insert("$db", &cut_off.writes);
        }
        Some(_) | None => {}
    }
    drop(locked);
    let state = state.clone();
    let is_write = is_ours && command.is_write();
    let then = move |mut answer| {
        let mut state = lock(&state);
        if is_write {
            state.written(&mut answer);
        }
        state.tell_time(&mut answer);
        Reaction::Answer(answer)
    };
    Reaction::Send(command.into_document(), Box::new(then))
}

impl State {
    fn written(&mut self, answer: &mut Document) {
        let Some(cut_off) = &mut self.cut_off else {
            self.time += 1;
            return;
        };
        cut_off.has_unacknowledged |= has_matched(answer);
        if cut_off.has_unacknowledged {
            self.seen.unacknowledged_writes += 1;
            answer.insert(
                "writeConcernError",
                doc! {
                    "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out",
                    "errInfo": { "wtimeout": true },
                },
            );
        } else {
            self.seen.unmatched_writes += 1;
        }
    }

    fn tell_time(&self, answer: &mut Document) {
        let time = Timestamp {
            time: 1_000_000 + self.time,
            increment: 1,
        };
        answer.insert("operationTime", time);
        // As a server without authentication signs it.
        let signature = doc! { "hash": Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 20] }, "keyId": 0_i64 };
        answer.insert("$clusterTime", doc! { "clusterTime": time, "signature": signature });
    }
}

/// Takes out what only a replica set's own members understand.
fn without_times(command: &mut Document) {
    command.remove("$clusterTime");
    if let Ok(concern) = command.get_document_mut("readConcern") {
        concern.remove("afterClusterTime");
        if concern.is_empty() {
            command.remove("readConcern");
        }
    }
}

fn has_matched(answer: &Document) -> bool {
    let last = answer.get_document("lastErrorObject");
    let n = last.unwrap_or(answer).get("n");
    match n {
        Some(Bson::Int32(n)) => *n > 0,
        Some(Bson::Int64(n)) => *n > 0,
        Some(Bson::Double(n)) => *n > 0.0,
        _ => false,
    }
}

//! An old primary: partitioned from the other members, before it notices.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, Timestamp, doc};

use super::command::Command;
use super::proxy::{MongodbProxy, Reaction};
use super::server::Server;

/// A primary that can be partitioned from the other members and then continues as if it were not:
///
/// - A read with read concern `majority`, causal or not, returns the majority snapshot of the moment of the partition.
/// - A linearizable read needs a majority, so it fails with `MaxTimeMSExpired`.
/// - A write that matches a document does not reach a majority. It gets a `writeConcernError`, and so does every later
///   write.
/// - A write that matches nothing, before any such write, is acknowledged immediately: there is nothing to replicate.
///
/// Clients that connect to the server directly reach the new primary. The old primary also adds the `operationTime` and
/// `$clusterTime` of a replica set to each reply, so that drivers send `afterClusterTime`. A standalone server sends
/// none.
pub struct OldPrimary {
    proxy: MongodbProxy,
    server: SocketAddr,
    database: String,
    state: Arc<Mutex<State>>,
}

/// The data that a majority had at some moment: the name of a copy of the database.
pub struct MajoritySnapshot(String);

/// The commands that the old primary got during the partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionStats {
    /// Reads that it answered from the snapshot.
    pub reads: usize,
    /// Causally consistent reads among them.
    pub causal_reads: usize,
    /// Linearizable reads, which failed.
    pub linearizable_reads: usize,
    /// Acknowledged writes, which matched nothing.
    pub unmatched_writes: usize,
    /// Writes that got a `writeConcernError`.
    pub unacknowledged_writes: usize,
}

#[derive(Default)]
struct State {
    /// The logical clock: the number of writes so far.
    time: u32,
    copies: usize,
    partition: Option<Partition>,
    stats: PartitionStats,
    /// True if linearizable reads are answered from the snapshot as well, which no server does.
    breaks_linearizable_reads: bool,
}

/// The copies of the database that replace it during a partition.
struct Partition {
    /// The copy that reads go to.
    read_copy: String,
    /// The copy that reads go to after the next write, which brings the newest majority commit point.
    read_copy_after_write: String,
    /// The copy that writes go to.
    write_copy: String,
    has_unacknowledged_writes: bool,
}

impl OldPrimary {
    /// Starts in front of `server`, for one database. It is the only primary until it is partitioned.
    pub async fn before(server: SocketAddr, database: &str) -> io::Result<Self> {
        let primary = Self {
            proxy: MongodbProxy::in_front_of(server).await?,
            server,
            database: database.to_owned(),
            state: Arc::default(),
        };
        let (state, database) = (primary.state.clone(), primary.database.clone());
        primary
            .proxy
            .run_script(move |command| react(&state, &database, command.clone()));
        Ok(primary)
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Takes a snapshot of the data that a majority has now, for [`partition_at`](Self::partition_at).
    pub async fn snapshot(&self) -> io::Result<MajoritySnapshot> {
        self.copy_database().await.map(MajoritySnapshot)
    }

    /// Partitions it from the other members, with the data of this moment.
    pub async fn partition(&self) -> io::Result<()> {
        let snapshot = self.snapshot().await?;
        self.partition_at(snapshot).await
    }

    /// Partitions it with an earlier majority commit point: reads return `snapshot`. It also has the later data, and
    /// has just learned that a majority has it. Reads return the later data after its next write.
    pub async fn partition_at(&self, snapshot: MajoritySnapshot) -> io::Result<()> {
        let partition = Partition {
            read_copy: snapshot.0,
            read_copy_after_write: self.copy_database().await?,
            write_copy: self.copy_database().await?,
            has_unacknowledged_writes: false,
        };
        let mut state = lock(&self.state);
        state.stats = PartitionStats::default();
        state.partition = Some(partition);
        Ok(())
    }

    /// Makes it answer linearizable reads from the snapshot, which no server does. A trial must detect it.
    pub fn break_linearizable_reads(&self) {
        lock(&self.state).breaks_linearizable_reads = true;
    }

    /// Ends the partition and rolls back the unacknowledged writes. Returns the commands of the partition.
    pub async fn rejoin(&self) -> io::Result<PartitionStats> {
        let (partition, stats) = {
            let mut state = lock(&self.state);
            (state.partition.take(), state.stats)
        };
        let mut server = Server::connect(self.server).await?;
        for copy in partition.into_iter().flat_map(Partition::copies) {
            server.run(&doc! { "dropDatabase": 1, "$db": copy }).await?;
        }
        Ok(stats)
    }

    /// Copies the database and returns the name of the copy.
    async fn copy_database(&self) -> io::Result<String> {
        let copy = {
            let mut state = lock(&self.state);
            state.copies += 1;
            format!("{}-{}", self.database, state.copies)
        };
        let mut server = Server::connect(self.server).await?;
        let list = doc! { "listCollections": 1, "nameOnly": true, "$db": &self.database };
        for collection in first_batch(server.run(&list).await?) {
            let name = collection.get_str("name").unwrap_or_default();
            // Larger than any test collection, so that the first batch has all documents.
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

impl Partition {
    fn copies(self) -> [String; 3] {
        [self.read_copy, self.read_copy_after_write, self.write_copy]
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_batch(mut reply: Document) -> Vec<Document> {
    let cursor = reply.get_document_mut("cursor").map(std::mem::take).unwrap_or_default();
    let documents = cursor.get_array("firstBatch").into_iter().flatten();
    documents.filter_map(Bson::as_document).cloned().collect()
}

fn react(state: &Arc<Mutex<State>>, database: &str, mut command: Command) -> Reaction {
    let is_causal = command.is_causal();
    remove_times(command.document_mut());
    let is_on_database = command
        .document()
        .get_str("$db")
        .is_ok_and(|db| db.starts_with(database));
    let mut locked = lock(state);
    let State {
        partition,
        stats,
        breaks_linearizable_reads,
        ..
    } = &mut *locked;
    match partition {
        Some(partition) if is_on_database && command.is_read() => {
            if command.read_concern_level() == Some("linearizable") && !*breaks_linearizable_reads {
                stats.linearizable_reads += 1;
                return Reaction::Answer(doc! {
                    "ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "operation exceeded time limit",
                });
            }
            stats.reads += 1;
            stats.causal_reads += usize::from(is_causal);
            command.document_mut().insert("$db", &partition.read_copy);
        }
        Some(partition) if is_on_database && command.is_write() => {
            partition.read_copy = partition.read_copy_after_write.clone();
            command.document_mut().insert("$db", &partition.write_copy);
        }
        Some(_) | None => {}
    }
    drop(locked);
    let state = state.clone();
    let is_write = is_on_database && command.is_write();
    let on_reply = move |mut reply| {
        let mut state = lock(&state);
        if is_write {
            state.record_write(&mut reply);
        }
        state.insert_times(&mut reply);
        Reaction::Answer(reply)
    };
    Reaction::Send(command.into_document(), Box::new(on_reply))
}

impl State {
    /// Counts a write. If it does not reach a majority, adds a `writeConcernError` to its reply.
    fn record_write(&mut self, reply: &mut Document) {
        let Some(partition) = &mut self.partition else {
            self.time += 1;
            return;
        };
        partition.has_unacknowledged_writes |= has_matched(reply);
        if partition.has_unacknowledged_writes {
            self.stats.unacknowledged_writes += 1;
            reply.insert(
                "writeConcernError",
                doc! {
                    "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out",
                    "errInfo": { "wtimeout": true },
                },
            );
        } else {
            self.stats.unmatched_writes += 1;
        }
    }

    /// Adds `operationTime` and `$clusterTime` to a reply.
    fn insert_times(&self, reply: &mut Document) {
        let time = Timestamp {
            time: 1_000_000 + self.time,
            increment: 1,
        };
        reply.insert("operationTime", time);
        // The signature that a server without authentication sends.
        let signature = doc! { "hash": Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 20] }, "keyId": 0_i64 };
        reply.insert("$clusterTime", doc! { "clusterTime": time, "signature": signature });
    }
}

/// Removes the times, which a standalone server rejects.
fn remove_times(command: &mut Document) {
    command.remove("$clusterTime");
    if let Ok(concern) = command.get_document_mut("readConcern") {
        concern.remove("afterClusterTime");
        if concern.is_empty() {
            command.remove("readConcern");
        }
    }
}

/// Returns whether a write matched a document. `findAndModify` reports it in `lastErrorObject`.
fn has_matched(reply: &Document) -> bool {
    let last = reply.get_document("lastErrorObject");
    let n = last.unwrap_or(reply).get("n");
    match n {
        Some(Bson::Int32(n)) => *n > 0,
        Some(Bson::Int64(n)) => *n > 0,
        Some(Bson::Double(n)) => *n > 0.0,
        _ => false,
    }
}

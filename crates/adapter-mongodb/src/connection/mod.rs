//! Access to the collections of one database.
//!
//! A method sends one command and waits for its reply. It repeats nothing and has no time limit of its own except the
//! server's `maxTimeMS`; [`database`](crate::database) adds both.

mod client;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::action::RunCommand;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{FindOneOptions, ReadConcern};
use mongodb::{Client, ClientSession, Collection, Cursor};
use serde::de::DeserializeOwned;

use crate::bson_codec::integer;
use crate::error::{DriverError, MongodbError, OpenError};

pub(crate) use client::CALL_TIMEOUT;
pub use client::{MongodbSettings, certificate_key_file};

/// The size of a reply, in bytes, at which documents may be missing. A server puts up to 16 MB into one reply and
/// silently omits what does not fit. The last MB is a margin for the parts of a reply that this process does not count.
const LARGE_REPLY: usize = 15 * 1024 * 1024;

/// The `maxTimeMS` of reads, 0.5 s less than a call may take: a linearizable read hangs while there is no majority.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Documents by their `_id`, not decoded: a document that cannot be decoded fails only for its own caller.
pub(crate) type DocumentsById = HashMap<String, RawDocumentBuf>;

/// The client of one database, and what the server is.
pub(crate) struct Connection {
    client: Client,
    collections: mongodb::Database,
    /// True in a replica set or behind a `mongos`. A standalone server is its own majority.
    is_replicated: bool,
    is_sharded: bool,
}

impl Connection {
    pub(crate) async fn open(settings: &MongodbSettings) -> Result<Self, OpenError> {
        let client = client::client(settings).await?;
        let admin = client.database("admin");
        let hello = admin.run_command(doc! { "hello": 1 }).await;
        let hello: Document = hello.map_err(|error| OpenError::Unreachable((&error).into()))?;
        let is_sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        Ok(Self {
            collections: client.database(&settings.database),
            client,
            is_replicated: is_sharded || hello.contains_key("setName"),
            is_sharded,
        })
    }

    /// Returns whether the server is a `mongos`. The operation times of shards have no common order, and a command with
    /// several documents waits for the slowest of their shards.
    pub(crate) fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    pub(crate) async fn start_session(&self, is_causal: bool) -> mongodb::error::Result<ClientSession> {
        self.client.start_session().causal_consistency(is_causal).await
    }

    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.collections.collection(name)
    }

    pub(crate) fn run_command(&self, command: Document) -> RunCommand<'_> {
        self.collections.run_command(command)
    }

    /// Returns the documents with these ids. Ids without a document are left out, and so are outboxes, which only the
    /// relay reads and which may be long. Fails if documents may be missing from the reply.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = collection))]
    pub(crate) async fn find_each(
        &self,
        collection: &str,
        ids: &[String],
        session: &mut ClientSession,
    ) -> Result<DocumentsById, MongodbError> {
        let documents = self.collection::<RawDocumentBuf>(collection);
        // A negative limit makes the server return all documents in one reply, without a cursor.
        let limit = -integer(ids.len() as u64);
        let filter = match ids {
            [id] => doc! { "_id": id },
            ids => doc! { "_id": { "$in": ids } },
        };
        let find = documents
            .find(filter)
            .projection(without_outbox())
            .limit(limit)
            .max_time(READ_TIMEOUT);
        let found = async {
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(session).try_collect::<Vec<_>>().await
        };
        let found = found.await.map_err(|error| MongodbError::read(&error))?;
        if is_truncated(ids, &found) {
            return Err(MongodbError::Read(DriverError::too_large()));
        }
        let by_id = found.into_iter().filter_map(|document| {
            let id = document.get_str("_id").ok()?.to_owned();
            Some((id, document))
        });
        Ok(by_id.collect())
    }

    /// Reads the document that matches the filter. The read concern is `linearizable` in a replica set or behind a
    /// `mongos`, and `majority` on a standalone server.
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "read_linearizable", collection = collection))]
    pub(crate) async fn read_linearizable<T>(
        &self,
        collection: &str,
        filter: Document,
    ) -> Result<Option<T>, MongodbError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let concern = if self.is_replicated {
            ReadConcern::linearizable()
        } else {
            ReadConcern::majority()
        };
        let options = FindOneOptions::builder()
            .read_concern(concern)
            .projection(without_outbox())
            .max_time(READ_TIMEOUT)
            .build();
        let collection = self.collection::<T>(collection);
        let found = collection.find_one(filter).with_options(options);
        found.await.map_err(|error| MongodbError::read(&error))
    }
}

/// Collects all results of a query.
pub(crate) async fn all<T: DeserializeOwned>(found: mongodb::error::Result<Cursor<T>>) -> Result<Vec<T>, MongodbError> {
    let cursor = found.map_err(|error| MongodbError::read(&error))?;
    cursor.try_collect().await.map_err(|error| MongodbError::read(&error))
}

fn without_outbox() -> Document {
    doc! { "outbox": 0 }
}

/// Returns whether documents may be missing from a reply because of its size. A single document always fits.
fn is_truncated(requested: &[String], found: &[RawDocumentBuf]) -> bool {
    let length: usize = found.iter().map(|document| document.as_bytes().len()).sum();
    requested.len() > 1 && length >= LARGE_REPLY
}

#[cfg(test)]
mod tests {
    use mongodb::bson::rawdoc;

    use super::*;

    #[test]
    fn large_replies_count_as_truncated() {
        let ids = ["ada", "bob"].map(str::to_owned);
        let document = |length| rawdoc! { "_id": "ada", "name": "a".repeat(length) };
        let small = document(LARGE_REPLY / 2);
        let rest = LARGE_REPLY - small.as_bytes().len() - rawdoc! { "_id": "ada", "name": "" }.as_bytes().len();
        let (fits, full) = (document(rest - 1), document(rest));
        assert!(!is_truncated(&ids, &[small.clone(), fits]));
        assert!(is_truncated(&ids, &[small, full]));
        assert!(!is_truncated(&ids[..1], &[document(LARGE_REPLY)]));
    }
}

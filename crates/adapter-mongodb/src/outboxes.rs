use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::time::{self, Timestamp};
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId};
use ports::{Aggregate, Backlog, Lease, Outboxes, PendingOutbox, Settlement, StoreError};
use serde::Deserialize;

use crate::bson_codec::{self, Reader, date, integer};
use crate::call_runner::CALL_TIMEOUT;
use crate::causal_session::{CausalSession, Updated};
use crate::database::{self, Database};
use crate::error::MongodbError;
use crate::outbox::{EventDocument, collection};

/// How often a claim looks again when others took all it had found.
const LOOKS: usize = 3;

/// Events read of one outbox at a time, so that many long ones fit into memory; the rest is claimed after them.
const AT_A_TIME: i32 = 32;

pub(crate) struct MongodbOutboxes {
    aggregates: Vec<Aggregate>,
    database: Arc<Database>,
    /// How many could not be read so far.
    unreadable: AtomicU64,
}

/// An outbox that cannot be read, or published, is left alone for at most so long.
const LONGEST_HOLD: Duration = Duration::from_mins(1);

/// What a relay reads of an aggregate.
#[derive(Debug, Deserialize)]
struct PendingDocument {
    #[serde(rename = "_id")]
    key: String,
    /// A session says whose it is; the other aggregates are named by their user.
    #[serde(default)]
    user: Option<String>,
    outbox: Vec<EventDocument>,
}

#[derive(Debug, Deserialize)]
struct BacklogDocument {
    depth: i64,
    #[serde(default)]
    oldest: Option<DateTime>,
}

impl MongodbOutboxes {
    pub(crate) fn of(aggregates: &[Aggregate], database: Arc<Database>) -> Self {
        Self {
            aggregates: aggregates.to_vec(),
            database,
            unreadable: AtomicU64::new(0),
        }
    }
}

/// One outbox, read by itself: what is stored in it may be of a newer version, and concerns no other.
fn pending(aggregate: Aggregate, stored: &RawDocumentBuf) -> Result<PendingOutbox, MongodbError> {
    let stored: PendingDocument = database::document(stored)?;
    let reader = Reader::new(collection(aggregate), &stored.key);
    let user = stored.user.unwrap_or_else(|| stored.key.clone());
    let user = reader.parse(user, UserId::parse)?;
    let events = stored.outbox.into_iter();
    let events = events.map(|event| event.into_event(&stored.key, &user));
    Ok(PendingOutbox {
        aggregate,
        events: events.collect::<Result<_, _>>()?,
        key: stored.key,
    })
}

/// Those with something to send that no living lease of another holds.
fn claimable_filter(lease: &Lease) -> Document {
    doc! {
        "outboxPending": true,
        "$or": [
            { "leaseUntil": null },
            { "leaseUntil": { "$lte": date(lease.now) } },
            // Nobody claims for so long: whoever did has a clock that is far ahead.
            { "leaseUntil": { "$gt": date(time::after(lease.now, 2 * lease.length + LONGEST_HOLD)) } },
            { "leaseOwner": &lease.owner },
        ],
    }
}

/// Claims by one update that a majority acknowledges, then reads, causally after it, what it claimed: under the name of
/// this claim only, so that another's later claim is not taken for it.
async fn claim(
    session: &mut CausalSession,
    aggregate: Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<Claimed, MongodbError> {
    for _ in 0..LOOKS {
        let keys = claimable_keys(session, aggregate, lease, limit).await?;
        if keys.is_empty() {
            break;
        }
        let claim = ObjectId::new();
        let mut filter = claimable_filter(lease);
        filter.insert("_id", doc! { "$in": &keys });
        let take = doc! { "$set": {
            "leaseOwner": &lease.owner,
            "leaseUntil": date(time::after(lease.now, lease.length)),
            "claim": claim,
        } };
        let documents = session.collection::<Document>(collection(aggregate));
        let taken = documents.update_many(filter, take).session(&mut *session.inner).await;
        if taken.map_err(|error| MongodbError::write(&error))?.matched_count == 0 {
            continue;
        }
        let claimed = session
            .collection::<RawDocumentBuf>(collection(aggregate))
            .find(doc! { "_id": { "$in": keys }, "claim": claim })
            .projection(doc! { "user": 1, "outbox": { "$slice": AT_A_TIME } })
            .max_time(CALL_TIMEOUT)
            .session(&mut *session.inner)
            .await;
        let mut claimed = claimed.map_err(|error| MongodbError::read(&error))?;
        let (mut outboxes, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(stored) = claimed.next(&mut session.inner).await {
            let stored = stored.map_err(|error| MongodbError::read(&error))?;
            match pending(aggregate, &stored) {
                Ok(outbox) => outboxes.push(outbox),
                Err(fault) => {
                    let key = key(&stored);
                    tracing::error!(
                        collection = collection(aggregate),
                        key = key.as_ref().map(ToString::to_string),
                        error = &fault as &dyn std::error::Error,
                        "an outbox cannot be read"
                    );
                    unreadable.extend(key);
                }
            }
        }
        let count = unreadable.len() as u64;
        extend_lease(session, aggregate, unreadable, lease).await?;
        return Ok(Claimed {
            outboxes,
            unreadable: count,
        });
    }
    Ok(Claimed::default())
}

/// What a claim came to.
#[derive(Default)]
struct Claimed {
    outboxes: Vec<PendingOutbox>,
    /// How many more there were that could not be read.
    unreadable: u64,
}

fn key(stored: &RawDocumentBuf) -> Option<Bson> {
    let key = stored.get("_id").ok().flatten()?;
    Bson::try_from(key).ok()
}

/// Leaves outboxes alone for a while: perhaps a newer relay can read them.
async fn extend_lease(
    session: &mut CausalSession,
    aggregate: Aggregate,
    keys: Vec<Bson>,
    lease: &Lease,
) -> Result<(), MongodbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let later = date(time::after(lease.now, LONGEST_HOLD));
    let put_off = doc! { "$set": { "leaseOwner": null, "leaseUntil": later } };
    let documents = session.collection::<Document>(collection(aggregate));
    let left = documents
        .update_many(doc! { "_id": { "$in": keys } }, put_off)
        .session(&mut *session.inner);
    left.await.map(drop).map_err(|error| MongodbError::write(&error))
}

async fn claimable_keys(
    session: &mut CausalSession,
    aggregate: Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<Vec<Bson>, MongodbError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let documents = session.collection::<RawDocumentBuf>(collection(aggregate));
    let found = documents
        .find(claimable_filter(lease))
        .projection(doc! { "_id": 1 })
        .limit(integer(limit as u64))
        .max_time(CALL_TIMEOUT);
    let found = bson_codec::all(found.await).await?;
    Ok(found.iter().filter_map(key).collect())
}

/// Prune, flag and lease in one pipeline: what is pushed meanwhile stays, and the claim of another stays.
fn settlement_update(owner: &str, settlement: &Settlement) -> Document {
    let published = settlement.published.map_or(0, integer);
    let left = doc! { "$filter": {
        "input": "$outbox",
        "as": "event",
        "cond": { "$gt": ["$$event.sequence", published] },
    } };
    let if_owned = |then: Bson, field: &str| {
        doc! { "$cond": [{ "$eq": ["$leaseOwner", { "$literal": owner }] }, then, format!("${field}")] }
    };
    let held_until = settlement.held_until.map_or(Bson::Null, |until| date(until).into());
    doc! {
        "q": { "_id": &settlement.key },
        "u": [
            { "$set": {
                "outbox": left,
                "leaseUntil": if_owned(held_until, "leaseUntil"),
                "leaseOwner": if_owned(Bson::Null, "leaseOwner"),
            } },
            { "$set": { "outboxPending": { "$gt": [{ "$size": "$outbox" }, 0] } } },
        ],
    }
}

/// One command settles all outboxes of a kind.
async fn settle(
    session: &mut CausalSession,
    aggregate: Aggregate,
    owner: &str,
    settlements: &[Settlement],
) -> Result<(), MongodbError> {
    let updates: Vec<_> = settlements
        .iter()
        .filter(|settlement| settlement.aggregate == aggregate)
        .map(|settlement| (settlement.key.as_str(), settlement_update(owner, settlement)))
        .collect();
    if updates.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = updates.iter().map(|(key, _)| (*key).to_owned()).collect();
    let Updated { refused, .. } = session.update_each(collection(aggregate), updates).await?;
    for (place, failure) in &refused {
        tracing::error!(
            collection = collection(aggregate),
            key = keys.get(*place),
            error = failure as &dyn std::error::Error,
            "an outbox cannot be settled"
        );
    }
    match refused.into_iter().next() {
        Some((_, failure)) => Err(MongodbError::Write(failure)),
        None => Ok(()),
    }
}

async fn backlog(database: &Database, aggregate: Aggregate) -> Result<Backlog, MongodbError> {
    let pipeline = [
        doc! { "$match": { "outboxPending": true } },
        doc! { "$project": { "oldest": { "$arrayElemAt": ["$outbox.time", 0] } } },
        doc! { "$group": { "_id": null, "depth": { "$sum": 1_i64 }, "oldest": { "$min": "$oldest" } } },
    ];
    let documents = database.collection::<Document>(collection(aggregate));
    let found = documents
        .aggregate(pipeline)
        .max_time(CALL_TIMEOUT)
        .with_type::<BacklogDocument>()
        .await;
    let Some(found) = bson_codec::all(found).await?.pop() else {
        return Ok(Backlog::default());
    };
    let reader = Reader::new("backlog", collection(aggregate));
    Ok(Backlog {
        depth: u64::try_from(found.depth).unwrap_or(0),
        unreadable: 0,
        oldest: found.oldest.map(|oldest| reader.time(oldest)).transpose()?,
    })
}

#[async_trait]
impl Outboxes for MongodbOutboxes {
    async fn claim(&self, lease: &Lease, limit: usize) -> Result<Vec<PendingOutbox>, StoreError> {
        let (lease, aggregates) = (lease.clone(), self.aggregates.clone());
        let claimed = self.database.write(move |mut session| async move {
            let mut claimed = Claimed::default();
            for aggregate in aggregates {
                let rest = limit.saturating_sub(claimed.outboxes.len());
                let more = claim(&mut session, aggregate, &lease, rest).await?;
                claimed.outboxes.extend(more.outboxes);
                claimed.unreadable += more.unreadable;
            }
            Ok(claimed)
        });
        let Claimed { outboxes, unreadable } = claimed.await?;
        self.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        Ok(outboxes)
    }

    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreError> {
        let (owner, settlements) = (owner.to_owned(), settlements.to_vec());
        self.database
            .write(move |mut session| async move {
                for aggregate in Aggregate::ALL {
                    settle(&mut session, aggregate, &owner, &settlements).await?;
                }
                Ok(())
            })
            .await
    }

    async fn wait_for_event(&self) {
        self.database.wait_for_event().await;
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let aggregates = self.aggregates.clone();
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        self.database
            .read(|database| async move {
                let mut whole = Backlog {
                    unreadable,
                    ..Backlog::default()
                };
                for aggregate in aggregates {
                    let one = backlog(&database, aggregate).await?;
                    let oldest: [Option<Timestamp>; 2] = [whole.oldest, one.oldest];
                    whole = Backlog {
                        depth: whole.depth + one.depth,
                        oldest: oldest.into_iter().flatten().min(),
                        unreadable,
                    };
                }
                Ok(whole)
            })
            .await
    }
}

//! Claims and settles outboxes for the relay: docs/protocols.md "Relay".
//!
//! If two relays claim the same outbox, only one gets it. Scenario: A and B find the same key. A's update sets owner,
//! lease and A's claim id, and a majority acknowledges it. B's update has the same condition (no lease, or an ended
//! one) and matches nothing. If A stalls for longer than its lease, B's update matches and sets B's claim id. Each
//! relay reads, causally after its own update, only the documents with its own claim id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::time::{self, Timestamp};
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId};
use ports::{Aggregate, Lease, OutboxBacklog, Outboxes, PendingOutbox, Settlement, StoreError};
use serde::Deserialize;

use crate::bson_codec::{self, Reader, date, integer};
use crate::connection::{self, CALL_TIMEOUT, Connection};
use crate::database::Database;
use crate::driver_session::{BulkOutcome, CausalSession};
use crate::error::MongodbError;
use crate::outbox::{PendingEvent, into_event};

/// The maximum number of attempts of a claim to find outboxes that no other relay claims at the same time. After the
/// last attempt the claim is empty, and the relay tries again in its next pass.
const MAX_CLAIM_ATTEMPTS: usize = 3;

/// The maximum number of events that a claim reads from one outbox, so that a claim of 256 full outboxes fits into
/// memory: 8,192 events instead of 51,200. The remaining events are claimed after these are settled.
const MAX_EVENTS_PER_CLAIM: i32 = 32;

pub(crate) struct MongodbOutboxes {
    pub(crate) aggregates: Vec<&'static Aggregate>,
    pub(crate) database: Arc<Database>,
    /// The number of times that this process claimed an outbox that it could not read.
    pub(crate) unreadable: Arc<AtomicU64>,
}

/// The time for which an outbox that cannot be read is held. No relay holds an outbox for longer.
const MAX_HOLD: Duration = Duration::from_mins(1);

/// The part of an aggregate that a relay reads.
#[derive(Debug, Deserialize)]
struct PendingDocument {
    #[serde(rename = "_id")]
    key: String,
    outbox: Vec<PendingEvent>,
}

#[derive(Debug, Deserialize)]
struct BacklogDocument {
    depth: i64,
    #[serde(default)]
    oldest: Option<DateTime>,
}

/// Returns the member that holds the user whose events these are; `None` if the key is the user.
fn user_member(aggregate: &Aggregate) -> Option<&'static str> {
    stored_forms::collection(aggregate.name)?.user
}

/// Decodes one outbox. Each is decoded separately, so that an event of a newer version fails only for its own outbox.
fn decode_pending(aggregate: &'static Aggregate, stored: &RawDocumentBuf) -> Result<PendingOutbox, MongodbError> {
    let user = user_member(aggregate).and_then(|member| stored.get_str(member).ok());
    let user = user.map(str::to_owned);
    let stored: PendingDocument = bson_codec::decode_document(stored)?;
    let reader = Reader::new(aggregate.name, &stored.key);
    let user = reader.parse(user.unwrap_or_else(|| stored.key.clone()), UserId::parse)?;
    let events = stored.outbox.into_iter();
    let events = events.map(|event| into_event(event, &stored.key, &user));
    Ok(PendingOutbox {
        aggregate,
        events: events.collect::<Result<_, _>>()?,
        key: stored.key,
    })
}

/// Builds the filter for outboxes with pending events that no other relay leases.
fn claimable_filter(lease: &Lease) -> Document {
    doc! {
        "outboxPending": true,
        "$or": [
            { "leaseUntil": null },
            { "leaseUntil": { "$lte": date(lease.now) } },
            // No relay claims or holds an outbox for that long. A lease that ends later was set by a relay whose clock
            // was far ahead, and would block the outbox until then.
            { "leaseUntil": { "$gt": date(time::after(lease.now, 2 * lease.length + MAX_HOLD)) } },
            { "leaseOwner": &lease.owner },
        ],
    }
}

/// Claims up to `limit` outboxes of one aggregate by one update, then reads the documents with its claim id.
///
/// The filter by claim id excludes documents that another relay has claimed since. Scenario: A updates 10 documents and
/// is stopped (SIGSTOP). Its leases end. B claims 4 of the documents. A resumes and reads the other 6.
async fn claim(
    session: &mut CausalSession,
    aggregate: &'static Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<ClaimOutcome, MongodbError> {
    for _ in 0..MAX_CLAIM_ATTEMPTS {
        let keys = find_claimable_keys(session, aggregate, lease, limit).await?;
        if keys.is_empty() {
            break;
        }
        let claim = ObjectId::new();
        let mut filter = claimable_filter(lease);
        filter.insert("_id", doc! { "$in": &keys });
        let take_lease = doc! { "$set": {
            "leaseOwner": &lease.owner,
            "leaseUntil": date(time::after(lease.now, lease.length)),
            "claim": claim,
        } };
        let documents = session.collection::<Document>(aggregate.name);
        let updated = documents
            .update_many(filter, take_lease)
            .session(&mut *session.inner)
            .await;
        if updated.map_err(|error| MongodbError::write(&error))?.matched_count == 0 {
            continue;
        }
        let mut projection = doc! { "outbox": { "$slice": MAX_EVENTS_PER_CLAIM } };
        projection.insert(user_member(aggregate).unwrap_or("_id"), 1);
        let claimed = session
            .collection::<RawDocumentBuf>(aggregate.name)
            .find(doc! { "_id": { "$in": keys }, "claim": claim })
            .projection(projection)
            .max_time(CALL_TIMEOUT)
            .session(&mut *session.inner)
            .await;
        let mut claimed = claimed.map_err(|error| MongodbError::read(&error))?;
        let (mut outboxes, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(stored) = claimed.next(&mut session.inner).await {
            let stored = stored.map_err(|error| MongodbError::read(&error))?;
            match decode_pending(aggregate, &stored) {
                Ok(outbox) => outboxes.push(outbox),
                Err(error) => {
                    let key = key(&stored);
                    tracing::error!(
                        collection = aggregate.name,
                        key = key.as_ref().map(ToString::to_string),
                        error = &error as &dyn std::error::Error,
                        "an outbox cannot be read"
                    );
                    unreadable.extend(key);
                }
            }
        }
        let count = unreadable.len() as u64;
        hold(session, aggregate, unreadable, lease.now).await?;
        return Ok(ClaimOutcome {
            outboxes,
            unreadable: count,
        });
    }
    Ok(ClaimOutcome::default())
}

/// The outcome of a claim.
#[derive(Default)]
struct ClaimOutcome {
    outboxes: Vec<PendingOutbox>,
    /// The number of claimed outboxes that could not be read.
    unreadable: u64,
}

fn key(stored: &RawDocumentBuf) -> Option<Bson> {
    let key = stored.get("_id").ok().flatten()?;
    Bson::try_from(key).ok()
}

/// Holds unreadable outboxes for [`MAX_HOLD`], without an owner. After that, a relay of a newer version can claim and
/// read them.
async fn hold(
    session: &mut CausalSession,
    aggregate: &'static Aggregate,
    keys: Vec<Bson>,
    now: Timestamp,
) -> Result<(), MongodbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let until = date(time::after(now, MAX_HOLD));
    let set_hold = doc! { "$set": { "leaseOwner": null, "leaseUntil": until } };
    let documents = session.collection::<Document>(aggregate.name);
    let updated = documents
        .update_many(doc! { "_id": { "$in": keys } }, set_hold)
        .session(&mut *session.inner);
    updated.await.map(drop).map_err(|error| MongodbError::write(&error))
}

async fn find_claimable_keys(
    session: &mut CausalSession,
    aggregate: &'static Aggregate,
    lease: &Lease,
    limit: usize,
) -> Result<Vec<Bson>, MongodbError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let documents = session.collection::<RawDocumentBuf>(aggregate.name);
    let found = documents
        .find(claimable_filter(lease))
        .projection(doc! { "_id": 1 })
        .limit(integer(limit as u64))
        .max_time(CALL_TIMEOUT);
    let found = connection::all(found.await).await?;
    Ok(found.iter().filter_map(key).collect())
}

/// Builds the settlement of one outbox: an update pipeline, which is atomic for its document.
///
/// It removes events by sequence, not by position, so events pushed meanwhile stay. It recomputes `outboxPending` from
/// the remaining events. It ends the lease, or extends it without an owner until `held_until`, only if the lease is
/// still this owner's. So the settlement of a stalled relay does not touch the lease of the next relay.
fn settlement_update(owner: &str, settlement: &Settlement) -> Document {
    let published = settlement.published.map_or(0, integer);
    let unpublished = doc! { "$filter": {
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
                "outbox": unpublished,
                "leaseUntil": if_owned(held_until, "leaseUntil"),
                "leaseOwner": if_owned(Bson::Null, "leaseOwner"),
            } },
            { "$set": { "outboxPending": { "$gt": [{ "$size": "$outbox" }, 0] } } },
        ],
    }
}

/// Settles the outboxes of one aggregate in one command. If a settlement is rejected, logs it, settles the others and
/// then returns the error.
async fn settle(
    session: &mut CausalSession,
    aggregate: &'static Aggregate,
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
    let BulkOutcome { rejected, .. } = session.update_each(aggregate.name, updates).await?;
    for (index, error) in &rejected {
        tracing::error!(
            collection = aggregate.name,
            key = keys.get(*index),
            error = error as &dyn std::error::Error,
            "an outbox cannot be settled"
        );
    }
    match rejected.into_iter().next() {
        Some((_, error)) => Err(MongodbError::Write(error)),
        None => Ok(()),
    }
}

async fn backlog(connection: &Connection, aggregate: &'static Aggregate) -> Result<OutboxBacklog, MongodbError> {
    let pipeline = [
        doc! { "$match": { "outboxPending": true } },
        doc! { "$project": { "oldest": { "$arrayElemAt": ["$outbox.time", 0] } } },
        doc! { "$group": { "_id": null, "depth": { "$sum": 1_i64 }, "oldest": { "$min": "$oldest" } } },
    ];
    let documents = connection.collection::<Document>(aggregate.name);
    let found = documents
        .aggregate(pipeline)
        .max_time(CALL_TIMEOUT)
        .with_type::<BacklogDocument>()
        .await;
    let Some(found) = connection::all(found).await?.pop() else {
        return Ok(OutboxBacklog::default());
    };
    let reader = Reader::new("backlog", aggregate.name);
    Ok(OutboxBacklog {
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
            let mut claimed = ClaimOutcome::default();
            for aggregate in aggregates {
                let rest = limit.saturating_sub(claimed.outboxes.len());
                let more = claim(&mut session, aggregate, &lease, rest).await?;
                claimed.outboxes.extend(more.outboxes);
                claimed.unreadable += more.unreadable;
            }
            Ok(claimed)
        });
        let ClaimOutcome { outboxes, unreadable } = claimed.await?;
        self.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        Ok(outboxes)
    }

    async fn settle(&self, owner: &str, settlements: &[Settlement]) -> Result<(), StoreError> {
        let (owner, settlements) = (owner.to_owned(), settlements.to_vec());
        let aggregates = self.aggregates.clone();
        self.database
            .write(move |mut session| async move {
                for aggregate in aggregates {
                    settle(&mut session, aggregate, &owner, &settlements).await?;
                }
                Ok(())
            })
            .await
    }

    async fn wait_for_event(&self) {
        self.database.wait_for_event().await;
    }

    async fn backlog(&self) -> Result<OutboxBacklog, StoreError> {
        let aggregates = self.aggregates.clone();
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        self.database
            .read(|connection| async move {
                let mut total = OutboxBacklog {
                    unreadable,
                    ..OutboxBacklog::default()
                };
                for aggregate in aggregates {
                    let one = backlog(&connection, aggregate).await?;
                    let oldest: [Option<Timestamp>; 2] = [total.oldest, one.oldest];
                    total = OutboxBacklog {
                        depth: total.depth + one.depth,
                        oldest: oldest.into_iter().flatten().min(),
                        unreadable,
                    };
                }
                Ok(total)
            })
            .await
    }
}

//! The store of every aggregate with rules: one document, with the form beside its outbox.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use mongodb::bson::{Document, doc, serialize_to_bson, serialize_to_document};
use ports::{MAX_PENDING_EVENTS, SaveOutcome, StoreError, Versioned, VersionedStore};
use stored_forms::StoredForm;

use crate::bson_codec::{Bson, integer};
use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;
use crate::outbox;

/// The store of the aggregate whose form is `F`.
pub(crate) struct MongodbVersioned<F> {
    database: Arc<Database>,
    form: PhantomData<fn() -> F>,
}

impl<F: StoredForm<Bson>> MongodbVersioned<F> {
    pub(crate) fn new(database: &Arc<Database>) -> Arc<Self> {
        const { stored_forms::assert_listed(<F::Of as Versioned>::AGGREGATE) };
        Arc::new(Self {
            database: database.clone(),
            form: PhantomData,
        })
    }

    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.database
    }
}

const fn collection<F: StoredForm<Bson>>() -> &'static str {
    <F::Of as Versioned>::AGGREGATE.name
}

fn read<F: StoredForm<Bson>>(found: Option<F>, key: &str) -> Result<Option<F::Of>, MongodbError> {
    let read = found.map(|form| form.read(key)).transpose();
    read.map_err(|error| MongodbError::corrupt(collection::<F>(), key, error.0))
}

/// Returns the document of an aggregate that is not stored yet.
fn new_document<F: StoredForm<Bson>>(aggregate: &F::Of, events: Vec<NewEvent>) -> Result<Document, MongodbError> {
    let key = aggregate.key().as_ref();
    let corrupt = |error| MongodbError::corrupt(collection::<F>(), key, error);
    let outbox = outbox::number_events(events, 0);
    let mut document = doc! { "_id": key };
    document.extend(serialize_to_document(&F::of(aggregate, 1)).map_err(corrupt)?);
    document.insert("sequence", integer(outbox.len() as u64));
    document.insert("outbox", serialize_to_bson(&outbox).map_err(corrupt)?);
    document.insert("outboxPending", !outbox.is_empty());
    Ok(document)
}

/// Returns the update that replaces the form and pushes the events.
fn update<F: StoredForm<Bson>>(aggregate: &F::Of, events: Vec<NewEvent>) -> Result<Vec<Document>, MongodbError> {
    let key = aggregate.key().as_ref();
    let form = serialize_to_bson(&F::of(aggregate, aggregate.version() + 1));
    let form = form.map_err(|error| MongodbError::corrupt(collection::<F>(), key, error))?;
    outbox::replace_update(form, events)
}

/// Saves the aggregate and its events in one write, if the stored version is still the one that was read.
async fn save<F: StoredForm<Bson>>(
    mut session: CausalSession,
    aggregate: F::Of,
    events: Vec<NewEvent>,
) -> Result<SaveOutcome, MongodbError> {
    let has_events = !events.is_empty();
    let capacity = if <F::Of as Versioned>::AGGREGATE.has_outbox {
        MAX_PENDING_EVENTS
    } else {
        0
    };
    if events.len() > capacity {
        return Ok(SaveOutcome::OutboxFull);
    }
    let version_filter = doc! { "_id": aggregate.key().as_ref(), "version": integer(aggregate.version()) };
    let is_saved = if aggregate.version() == 0 {
        let document = new_document::<F>(&aggregate, events)?;
        session.insert(collection::<F>(), &document).await?
    } else {
        let mut filter = version_filter.clone();
        filter.extend(outbox::room_filter(events.len()));
        session
            .update_one(collection::<F>(), filter, update::<F>(&aggregate, events)?)
            .await?
    };
    if is_saved {
        if has_events {
            session.notify_event();
        }
        return Ok(SaveOutcome::Saved);
    }
    // If the version is unchanged, the outbox had no room.
    let may_be_full = has_events && aggregate.version() > 0;
    if may_be_full
        && session
            .find_one::<Document>(collection::<F>(), version_filter)
            .await?
            .is_some()
    {
        return Ok(SaveOutcome::OutboxFull);
    }
    Ok(SaveOutcome::Conflict)
}

#[async_trait]
impl<F: StoredForm<Bson>> VersionedStore<F::Of> for MongodbVersioned<F> {
    async fn find(&self, key: &<F::Of as Versioned>::Key) -> Result<Option<F::Of>, StoreError> {
        let key = key.as_ref();
        let found = self.database.find(collection::<F>(), key).await?;
        Ok(read::<F>(found, key)?)
    }

    async fn read_linearizable(&self, key: &<F::Of as Versioned>::Key) -> Result<Option<F::Of>, StoreError> {
        let key = key.as_ref();
        let found = self.database.find_linearizable(collection::<F>(), key.to_owned());
        Ok(read::<F>(found.await?, key)?)
    }

    async fn save_if_version(&self, aggregate: &F::Of, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        let aggregate = aggregate.clone();
        self.database
            .write(move |session| save::<F>(session, aggregate, events))
            .await
    }
}

#[cfg(test)]
mod tests;

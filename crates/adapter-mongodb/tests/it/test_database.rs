//! A database per trial, and the trials of this adapter in addition to the contracts.

use std::sync::Mutex;
use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use async_trait::async_trait;
use domain::actor::Actor;
use domain::contact::{ContactType, Email};
use domain::credential_lock::{CredentialLock, LockCommand, events as lock_events};
use domain::directory::events::removal_event;
use domain::event::EventContext;
use domain::factors::{FactorSet, SendQuota, SendQuotaKey};
use domain::identity::{Identity, MainContact};
use domain::ids::{ContactId, EventId, UserId};
use domain::time::Timestamp;
use libtest_mimic::Trial;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId};
use port_contracts::Fixture;
use ports::factors::QuotaDecision;
use ports::factors::SEND_LIMITS;
use ports::sessions::REFRESH_FAMILIES;
use ports::{IdentitySaveOutcome, Lease, RemovalOutcome, SaveOutcome, StoreError, Stores, Versioned as _};
use stored_forms::{Collection, all_aggregates, collections};
use tokio::runtime;

use crate::settings;

/// Returns the URI of the server, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "the address of the test server is not a setting of AuthMe"
)]
pub(crate) fn server() -> Option<String> {
    std::env::var("AUTHME_TEST_MONGODB_URI")
        .ok()
        .filter(|uri| !uri.is_empty())
}

/// A database that one trial has to itself; dropping the value drops the database.
pub(crate) struct TestDatabase {
    pub(crate) database: String,
    batching: bool,
    stores: Mutex<Stores>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        Self::open(true).await
    }

    /// Opens a database whose stores send each read and each rotation alone.
    pub(crate) async fn without_batching() -> Self {
        Self::open(false).await
    }

    async fn open(batching: bool) -> Self {
        let database = format!("contract-{}", ObjectId::new());
        let stores = Mutex::new(open(&database, batching).await);
        Self {
            database,
            batching,
            stores,
        }
    }

    fn current_stores(&self) -> Stores {
        self.stores.lock().expect("the lock is not poisoned").clone()
    }

    async fn documents(&self, collection: &str) -> mongodb::Collection<Document> {
        let client = mongodb::Client::with_uri_str(settings(&self.database).uri).await;
        client
            .expect("the URI is valid")
            .database(&self.database)
            .collection(collection)
    }
}

async fn open(database: &str, batching: bool) -> Stores {
    let settings = MongodbSettings {
        batching,
        ..settings(database)
    };
    let stores = adapter_mongodb::open(&settings).await;
    let stores = stores.expect("the server answers");
    let created = stores.upkeep.create_indexes(&all_aggregates()).await;
    created.expect("the server answers");
    stores
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let settings = settings(&self.database);
        let dropped = std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                let client = mongodb::Client::with_uri_str(&settings.uri)
                    .await
                    .expect("the URI is valid");
                client
                    .database(&settings.database)
                    .drop()
                    .await
                    .expect("the server answers");
            });
        });
        dropped.join().expect("the database is dropped");
    }
}

#[async_trait]
impl Fixture for TestDatabase {
    fn stores(&self) -> Stores {
        self.current_stores()
    }

    async fn reopen(&self) -> Stores {
        let reopened = open(&self.database, self.batching).await;
        *self.stores.lock().expect("the lock is not poisoned") = reopened;
        self.stores()
    }
}

/// Returns the trials of this adapter in addition to the contracts.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("interrupted_create_is_completed_under_its_id", interrupted_create),
        trial("login_left_over_by_a_crash_is_taken_over", left_over_login),
        trial("unreadable_outbox_does_not_block_others", unreadable_outbox),
        trial("unreadable_document_fails_only_its_caller", unreadable_document),
        trial("user_without_write_id_is_replaced_and_removed", user_without_write_id),
        trial("parallel_replaces_of_a_user_all_succeed", parallel_replaces),
        trial("released_name_is_reserved_again_by_a_replace", released_name),
        trial("creating_the_indexes_again_changes_nothing", indexes_again),
        trial("service_purges_only_its_own_records", own_records),
        trial("saved_document_has_each_member_once", members_of_a_saved_document),
    ]
}

fn trial<F>(name: &str, run: fn(TestDatabase) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(format!("mongodb::{name}"), move || {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async { run(TestDatabase::new().await).await });
        Ok(())
    })
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("the id is valid")
}

fn ada(id: &str) -> Identity {
    Identity {
        id: user(id),
        name: None,
        email: Some(MainContact {
            id: ContactId::parse("contact").expect("the id is valid"),
            value: Email::parse("ada@example.com").expect("the address is valid"),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: Vec::new(),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

async fn interrupted_create(database: TestDatabase) {
    let reserved = doc! { "_id": "ada@example.com", "holder": "interrupted", "version": 1_i64 };
    let logins = database.documents("logins").await;
    logins.insert_one(reserved).await.expect("the insert succeeds");
    let identities = database.stores().identities;
    let other = identities.create(&ada("another")).await.expect("the call succeeds");
    assert_eq!(
        other,
        IdentitySaveOutcome::LoginTaken {
            by: user("interrupted")
        }
    );
    let completed = identities.create(&ada("interrupted")).await.expect("the call succeeds");
    assert_eq!(completed, IdentitySaveOutcome::Saved);
    let found = identities
        .find_by_login("ada@example.com")
        .await
        .expect("the call succeeds");
    assert_eq!(found, Some(ada("interrupted")));
}

async fn left_over_login(database: TestDatabase) {
    let identities = database.stores().identities;
    let moved = Identity {
        email: Some(MainContact {
            id: ContactId::parse("contact").expect("the id is valid"),
            value: Email::parse("new@example.com").expect("the address is valid"),
        }),
        ..ada("moved")
    };
    identities.create(&moved).await.expect("the call succeeds");
    let left_over = doc! { "_id": "ada@example.com", "holder": "moved", "version": 1_i64 };
    let logins = database.documents("logins").await;
    logins.insert_one(left_over).await.expect("the insert succeeds");
    assert_eq!(
        identities
            .find_by_login("ada@example.com")
            .await
            .expect("the call succeeds"),
        None
    );
    let taken_over = identities.create(&ada("next")).await.expect("the call succeeds");
    assert_eq!(taken_over, IdentitySaveOutcome::Saved);
}

async fn indexes_again(database: TestDatabase) {
    open(&database.database, true).await;
    for Collection {
        aggregate, purge_at, ..
    } in collections()
    {
        let documents = database.documents(aggregate.name).await;
        let names = match documents.list_index_names().await {
            Ok(names) => names,
            Err(error) => {
                assert!(
                    !aggregate.has_outbox && purge_at.is_none(),
                    "{}: {error}",
                    aggregate.name
                );
                continue;
            }
        };
        for (name, is_expected) in [("outbox", aggregate.has_outbox), ("garbage", purge_at.is_some())] {
            let count = names.iter().filter(|found| *found == name).count();
            assert_eq!(
                count,
                usize::from(is_expected),
                "{}.{name} in {names:?}",
                aggregate.name
            );
        }
    }
}

async fn own_records(database: TestDatabase) {
    let stores = database.current_stores();
    let window = SendQuota {
        limit: 1,
        window: Duration::from_mins(10),
    };
    let key = SendQuotaKey::user(&user("ada"));
    let taken = stores.send_quotas.take(&key, window, Timestamp::UNIX_EPOCH).await;
    assert_eq!(taken.expect("the call succeeds"), QuotaDecision::Allowed);
    for (aggregate, removed) in [
        (CredentialLock::AGGREGATE, 0),
        (&REFRESH_FAMILIES, 0),
        (FactorSet::AGGREGATE, 0),
        (&SEND_LIMITS, 1),
    ] {
        let expired_records = stores.upkeep.expired_records(&[aggregate]);
        let purged = expired_records
            .purge(Timestamp::MAX, 10)
            .await
            .expect("the call succeeds");
        assert_eq!(purged, removed, "{aggregate:?}");
    }
}

/// Locks a user, or unlocks a locked one.
async fn lock(database: &TestDatabase, name: &str) {
    let command = LockCommand {
        user: user(name),
        reason: None,
        context: EventContext {
            id: EventId(name.to_owned()),
            time: Timestamp::UNIX_EPOCH,
            by: Actor::default(),
            correlation_id: None,
        },
    };
    let credential_locks = database.stores().credential_locks;
    let found = credential_locks
        .read_linearizable(&command.user)
        .await
        .expect("the call succeeds");
    let found = found.unwrap_or_else(|| CredentialLock::never_locked(command.user.clone()));
    let changed = found.lock(&command).or_else(|| found.unlock(&command));
    let changed = changed.expect("a lock or an unlock changes it");
    let events = vec![lock_events::lock_event(&changed, &command)];
    let outcome = credential_locks.save_if_version(&changed, events).await;
    assert_eq!(outcome.expect("the call succeeds"), SaveOutcome::Saved);
}

/// A decoder rejects a member that occurs twice, and a relay could not read the outbox.
async fn members_of_a_saved_document(database: TestDatabase) {
    for _ in 0..3 {
        lock(&database, "user-1").await;
        let locks = database.documents(CredentialLock::AGGREGATE.name).await;
        let locks = locks.clone_with_type::<RawDocumentBuf>();
        let found = locks.find_one(doc! {}).await.expect("the call succeeds");
        let found = found.expect("the lock is stored");
        let members = found
            .iter()
            .map(|member| member.expect("the document is valid").0.to_string());
        let mut members: Vec<_> = members.collect();
        members.sort();
        let count = members.len();
        members.dedup();
        assert_eq!(members.len(), count, "{found:?}");
    }
}

/// Stores events with the kinds, fields and forms that a newer version may write.
async fn unreadable_outbox(database: TestDatabase) {
    let stores = database.stores();
    let unreadable = [
        (
            "of-a-newer-kind",
            "$set",
            "outbox.0.kind",
            Bson::from("credential.of-a-later-version"),
        ),
        ("without-an-id", "$unset", "outbox.0.id", Bson::from("")),
        (
            "with-data-of-a-newer-form",
            "$set",
            "outbox.0.data",
            doc! { "by": { "client": "desk" } }.into(),
        ),
        ("that-is-not-a-list", "$set", "outbox", Bson::from("events")),
    ];
    let credentials = database.documents("credentials").await;
    for (name, verb, field, value) in unreadable.clone() {
        lock(&database, name).await;
        let change = doc! { verb: { field: value } };
        let changed = credentials.update_one(doc! { "_id": name }, change).await;
        assert_eq!(changed.expect("the update succeeds").matched_count, 1);
    }
    lock(&database, "readable").await;
    let lease = Lease {
        owner: "relay".to_owned(),
        now: Timestamp::UNIX_EPOCH,
        length: Duration::from_secs(5),
    };
    for _ in 0..2 {
        let claimed = stores
            .upkeep
            .outboxes(&all_aggregates())
            .claim(&lease, 10)
            .await
            .expect("the call succeeds");
        let keys: Vec<_> = claimed.iter().map(|outbox| outbox.key.as_str()).collect();
        assert_eq!(keys, ["readable"]);
        let backlog = stores
            .upkeep
            .outboxes(&all_aggregates())
            .backlog()
            .await
            .expect("the call succeeds");
        assert_eq!(backlog.unreadable, unreadable.len() as u64);
    }
    for name in ["of-a-newer-kind", "without-an-id", "with-data-of-a-newer-form"] {
        lock(&database, name).await;
    }
}

async fn unreadable_document(database: TestDatabase) {
    const CALLERS: usize = 32;
    let identities = database.stores().identities;
    identities.create(&ada("ada")).await.expect("the call succeeds");
    let corrupt = doc! { "_id": "corrupt", "roles": "of a later version" };
    let documents = database.documents("identities").await;
    documents.insert_one(corrupt).await.expect("the insert succeeds");
    let mut reads = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let identities = identities.clone();
        let id = user(if caller % 2 == 0 { "ada" } else { "corrupt" });
        reads.spawn(async move { (id.clone(), identities.find(&id).await) });
    }
    for (id, found) in reads.join_all().await {
        match found {
            Ok(found) => assert_eq!(found, Some(ada("ada")), "{id}"),
            Err(error) => assert!(
                id == user("corrupt") && matches!(error, StoreError::Corrupt { .. }),
                "{id}: {error:?}"
            ),
        }
    }
}

async fn user_without_write_id(database: TestDatabase) {
    let identities = database.stores().identities;
    let documents = database.documents("identities").await;
    identities.create(&ada("ada")).await.expect("the call succeeds");
    for _ in 0..2 {
        let unset = doc! { "$unset": { "version": "" } };
        let changed = documents.update_one(doc! { "_id": "ada" }, unset).await;
        assert_eq!(changed.expect("the update succeeds").modified_count, 1);
        let replaced = identities.replace(&ada("ada")).await.expect("the call succeeds");
        assert_eq!(replaced, IdentitySaveOutcome::Saved);
    }
    let unset = doc! { "$unset": { "version": "" } };
    documents
        .update_one(doc! { "_id": "ada" }, unset)
        .await
        .expect("the update succeeds");
    let context = EventContext {
        id: EventId("removal".to_owned()),
        time: Timestamp::UNIX_EPOCH,
        by: Actor::default(),
        correlation_id: None,
    };
    let event = removal_event(context, &user("ada"));
    let removal = identities.remove(&user("ada"), event).await;
    assert_eq!(removal.expect("the call succeeds"), RemovalOutcome::Removed);
    assert_eq!(identities.find(&user("ada")).await.expect("the call succeeds"), None);
}

/// Each write requires the write id that was read and stores a new one, so a caller that loses the race tries again.
async fn parallel_replaces(database: TestDatabase) {
    const CALLERS: usize = 8;
    let identities = database.stores().identities;
    let documents = database.documents("identities").await;
    identities.create(&ada("ada")).await.expect("the call succeeds");
    let write_id = async || {
        let found = documents
            .find_one(doc! { "_id": "ada" })
            .await
            .expect("the call succeeds");
        found
            .expect("the document exists")
            .get_object_id("version")
            .expect("the document has a write id")
    };
    let before = write_id().await;
    let mut replacing = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let identities = identities.clone();
        replacing.spawn(async move { identities.replace(&ada("ada")).await });
    }
    for saved in replacing.join_all().await {
        assert_eq!(saved.expect("the call succeeds"), IdentitySaveOutcome::Saved);
    }
    assert_ne!(write_id().await, before);
}

async fn released_name(database: TestDatabase) {
    let identities = database.stores().identities;
    identities.create(&ada("ada")).await.expect("the call succeeds");
    let logins = database.documents("logins").await;
    let released = logins.delete_one(doc! { "_id": "ada@example.com" }).await;
    assert_eq!(released.expect("the delete succeeds").deleted_count, 1);
    let saved = identities.replace(&ada("ada")).await.expect("the call succeeds");
    assert_eq!(saved, IdentitySaveOutcome::Saved);
    let found = identities
        .find_by_login("ada@example.com")
        .await
        .expect("the call succeeds");
    assert_eq!(found, Some(ada("ada")));
}

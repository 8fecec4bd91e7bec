use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use domain::actor::Actor;
use domain::contact::{ContactType, Email};
use domain::credential_lock::{CredentialLock, LockCommand, events};
use domain::event::EventContext;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::identity::{Identity, MainContact};
use domain::ids::{ContactId, EventId, UserId};
use domain::time::Timestamp;
use libtest_mimic::Trial;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use port_contracts::{Fixture, Stores};
use ports::factors::QuotaDecision;
use ports::{Aggregate, IdentitySaveOutcome, Lease, SaveOutcome, StoreError};
use tokio::runtime;

use crate::settings;

/// Where the server is.
#[expect(
    clippy::disallowed_methods,
    reason = "where the tests' server is, is no setting of AuthMe"
)]
pub(crate) fn server() -> Option<String> {
    std::env::var("AUTHME_TEST_MONGODB_URI")
        .ok()
        .filter(|uri| !uri.is_empty())
}

/// A database of its own.
pub(crate) struct TestDatabase {
    pub(crate) database: String,
    opened: Mutex<adapter_mongodb::Stores>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let database = format!("contract-{}", ObjectId::new());
        let opened = Mutex::new(open(&database).await);
        Self { database, opened }
    }

    fn opened(&self) -> adapter_mongodb::Stores {
        self.opened.lock().expect("no contract panics while it opens").clone()
    }

    async fn documents(&self, collection: &str) -> mongodb::Collection<Document> {
        let client = mongodb::Client::with_uri_str(settings(&self.database).uri).await;
        client
            .expect("a client")
            .database(&self.database)
            .collection(collection)
    }
}

async fn open(database: &str) -> adapter_mongodb::Stores {
    let stores = adapter_mongodb::open(&settings(database)).await;
    let stores = stores.expect("the server answers");
    let made = stores.create_indexes(&Aggregate::ALL).await;
    made.expect("the server answers");
    stores
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let settings = settings(&self.database);
        let dropped = std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let client = mongodb::Client::with_uri_str(&settings.uri).await.expect("a client");
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
        let stores = self.opened();
        let garbage = stores.garbage_of(&Aggregate::ALL);
        Stores {
            clients: stores.clients,
            identities: stores.identities,
            groups: stores.groups,
            known_names: stores.known_names,
            lock_statuses: stores.lock_statuses,
            credential_locks: stores.credential_locks,
            factor_sets: stores.factor_sets,
            send_quotas: stores.send_quotas,
            validation_tokens: stores.validation_tokens,
            refresh_families: stores.refresh_families,
            outboxes: stores.outboxes,
            garbage,
        }
    }

    async fn reopen(&self) -> Stores {
        let reopened = open(&self.database).await;
        *self.opened.lock().expect("no contract panics while it opens") = reopened;
        self.stores()
    }
}

/// What holds for this adapter beside the contracts.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_user_begun_before_a_crash_is_finished_under_its_id", begun_user),
        trial(
            "a_login_that_its_user_gave_up_before_a_crash_is_taken_over",
            login_given_up,
        ),
        trial("an_outbox_that_cannot_be_read_holds_up_no_other", unreadable_outbox),
        trial(
            "a_document_that_cannot_be_read_fails_for_its_own_caller",
            unreadable_document,
        ),
        trial(
            "a_user_stored_before_there_were_versions_is_replaced_and_removed",
            unversioned_user,
        ),
        trial(
            "a_user_replaced_in_between_is_replaced_all_the_same",
            replaced_in_between,
        ),
        trial(
            "a_name_freed_while_its_holder_was_written_is_reserved_again",
            freed_name,
        ),
        trial("making_the_indexes_again_changes_nothing", indexes_once),
        trial("a_service_removes_only_what_it_stored_itself", own_garbage),
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
    UserId::parse(id).expect("an id")
}

fn ada(id: &str) -> Identity {
    Identity {
        id: user(id),
        name: None,
        email: Some(MainContact {
            id: ContactId::parse("contact").expect("an id"),
            value: Email::parse("ada@example.com").expect("an address"),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: Vec::new(),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

async fn begun_user(database: TestDatabase) {
    let reserved = doc! { "_id": "ada@example.com", "holder": "begun", "version": 1_i64 };
    let logins = database.documents("logins").await;
    logins.insert_one(reserved).await.expect("inserted");
    let identities = database.stores().identities;
    let by_another = identities.create(&ada("another")).await.expect("answered");
    assert_eq!(by_another, IdentitySaveOutcome::LoginTaken { by: user("begun") });
    let finished = identities.create(&ada("begun")).await.expect("answered");
    assert_eq!(finished, IdentitySaveOutcome::Saved);
    let found = identities.find_by_login("ada@example.com").await.expect("answered");
    assert_eq!(found, Some(ada("begun")));
}

async fn login_given_up(database: TestDatabase) {
    let identities = database.stores().identities;
    let moved = Identity {
        email: Some(MainContact {
            id: ContactId::parse("contact").expect("an id"),
            value: Email::parse("new@example.com").expect("an address"),
        }),
        ..ada("moved")
    };
    identities.create(&moved).await.expect("answered");
    let left_over = doc! { "_id": "ada@example.com", "holder": "moved", "version": 1_i64 };
    let logins = database.documents("logins").await;
    logins.insert_one(left_over).await.expect("inserted");
    assert_eq!(
        identities.find_by_login("ada@example.com").await.expect("answered"),
        None
    );
    let taken_over = identities.create(&ada("next")).await.expect("answered");
    assert_eq!(taken_over, IdentitySaveOutcome::Saved);
}

async fn indexes_once(database: TestDatabase) {
    open(&database.database).await;
    for index in adapter_mongodb::indexes() {
        let documents = database.documents(index.collection).await;
        let names = documents.list_index_names().await.expect("answered");
        let known = names.iter().filter(|name| *name == index.name).count();
        assert_eq!(known, 1, "{}.{} in {names:?}", index.collection, index.name);
    }
}

async fn own_garbage(database: TestDatabase) {
    let stores = database.opened();
    let window = SendQuota {
        most: 1,
        window: Duration::from_mins(10),
    };
    let key = SendQuotaKey::user(&user("ada"));
    let charged = stores.send_quotas.take(&key, window, Timestamp::UNIX_EPOCH).await;
    assert_eq!(charged.expect("answered"), QuotaDecision::Allowed);
    for (aggregate, removed) in [
        (Aggregate::Credential, 0),
        (Aggregate::RefreshFamily, 0),
        (Aggregate::FactorSet, 1),
    ] {
        let garbage = stores.garbage_of(&[aggregate]);
        let collected = garbage.purge(Timestamp::MAX, 10).await.expect("answered");
        assert_eq!(collected, removed, "{aggregate:?}");
    }
}

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
    let found = credential_locks.find(&command.user).await.expect("answered");
    let found = found.unwrap_or_else(|| CredentialLock::unlocked(command.user.clone()));
    let turned = found.lock(&command).or_else(|| found.unlock(&command));
    let turned = turned.expect("it is locked or not");
    let told = vec![events::lock_changed(&turned, &command)];
    let saving = credential_locks.save_if_version(&turned, told).await;
    assert_eq!(saving.expect("answered"), SaveOutcome::Saved);
}

/// Events of kinds, with fields and of forms that a newer version may have.
async fn unreadable_outbox(database: TestDatabase) {
    let stores = database.stores();
    let newer = [
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
        ("that-is-no-list", "$set", "outbox", Bson::from("events")),
    ];
    let credentials = database.documents("credentials").await;
    for (name, verb, field, value) in newer.clone() {
        lock(&database, name).await;
        let change = doc! { verb: { field: value } };
        let changed = credentials.update_one(doc! { "_id": name }, change).await;
        assert_eq!(changed.expect("changed").matched_count, 1);
    }
    lock(&database, "readable").await;
    let lease = Lease {
        owner: "relay".to_owned(),
        now: Timestamp::UNIX_EPOCH,
        length: Duration::from_secs(5),
    };
    for _ in 0..2 {
        let claimed = stores.outboxes.claim(&lease, 10).await.expect("answered");
        let keys: Vec<_> = claimed.iter().map(|outbox| outbox.key.as_str()).collect();
        assert_eq!(keys, ["readable"]);
        let backlog = stores.outboxes.backlog().await.expect("answered");
        assert_eq!(backlog.unreadable, newer.len() as u64);
    }
    for name in ["of-a-newer-kind", "without-an-id", "with-data-of-a-newer-form"] {
        lock(&database, name).await;
    }
}

async fn unreadable_document(database: TestDatabase) {
    const CALLERS: usize = 32;
    let identities = database.stores().identities;
    identities.create(&ada("ada")).await.expect("answered");
    let corrupt = doc! { "_id": "corrupt", "roles": "of a later version" };
    let documents = database.documents("identities").await;
    documents.insert_one(corrupt).await.expect("inserted");
    let mut reads = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let identities = identities.clone();
        let id = user(if caller % 2 == 0 { "ada" } else { "corrupt" });
        reads.spawn(async move { (id.clone(), identities.find(&id).await) });
    }
    for (id, found) in reads.join_all().await {
        match found {
            Ok(found) => assert_eq!(found, Some(ada("ada")), "{id}"),
            Err(failure) => assert!(
                id == user("corrupt") && matches!(failure, StoreError::Corrupt { .. }),
                "{id}: {failure:?}"
            ),
        }
    }
}

async fn unversioned_user(database: TestDatabase) {
    let identities = database.stores().identities;
    let documents = database.documents("identities").await;
    identities.create(&ada("ada")).await.expect("answered");
    for _ in 0..2 {
        let without = doc! { "$unset": { "version": "" } };
        let changed = documents.update_one(doc! { "_id": "ada" }, without).await;
        assert_eq!(changed.expect("changed").modified_count, 1);
        let replaced = identities.replace(&ada("ada")).await.expect("answered");
        assert_eq!(replaced, IdentitySaveOutcome::Saved);
    }
    let without = doc! { "$unset": { "version": "" } };
    documents
        .update_one(doc! { "_id": "ada" }, without)
        .await
        .expect("changed");
    assert!(identities.remove(&user("ada")).await.expect("answered"));
    assert_eq!(identities.find(&user("ada")).await.expect("answered"), None);
}

/// Each write gives the document another version, and is made on the version that was found.
async fn replaced_in_between(database: TestDatabase) {
    const CALLERS: usize = 8;
    let identities = database.stores().identities;
    let documents = database.documents("identities").await;
    identities.create(&ada("ada")).await.expect("answered");
    let version = async || {
        let found = documents.find_one(doc! { "_id": "ada" }).await.expect("answered");
        found.expect("it is there").get_object_id("version").expect("a version")
    };
    let before = version().await;
    let mut replacing = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let identities = identities.clone();
        replacing.spawn(async move { identities.replace(&ada("ada")).await });
    }
    for saved in replacing.join_all().await {
        assert_eq!(saved.expect("answered"), IdentitySaveOutcome::Saved);
    }
    assert_ne!(version().await, before);
}

async fn freed_name(database: TestDatabase) {
    let identities = database.stores().identities;
    identities.create(&ada("ada")).await.expect("answered");
    let logins = database.documents("logins").await;
    let freed = logins.delete_one(doc! { "_id": "ada@example.com" }).await;
    assert_eq!(freed.expect("deleted").deleted_count, 1);
    let saved = identities.replace(&ada("ada")).await.expect("answered");
    assert_eq!(saved, IdentitySaveOutcome::Saved);
    let found = identities.find_by_login("ada@example.com").await.expect("answered");
    assert_eq!(found, Some(ada("ada")));
}

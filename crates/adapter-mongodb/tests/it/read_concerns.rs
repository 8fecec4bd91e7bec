//! The read concerns of the commands that are sent to a replica set.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockCommand, events as lock_events};
use domain::event::EventContext;
use domain::ids::{EventId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::ValidationTokenHash;
use libtest_mimic::Trial;
use ports::Stores;
use ports::{SaveOutcome, StoreError};
use test_servers::mongodb_proxy::{Command, MongodbProxy, OldPrimary, Reaction, resolve_host, via_proxy};
use tokio::runtime::Runtime;

use crate::test_database::{TestDatabase, server};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "reads_without_a_write_are_linearizable",
            reads_without_a_write_are_linearizable,
        ),
        trial(
            "absent_users_are_read_again_but_not_logins",
            absent_users_are_read_again_but_not_logins,
        ),
        trial("read_after_write_is_causal", read_after_write_is_causal),
        trial(
            "old_primary_answers_no_linearizable_read",
            old_primary_answers_no_linearizable_read,
        ),
    ]
}

fn trial<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(format!("mongodb::read_concerns::{name}"), move || {
        Runtime::new().expect("a runtime starts").block_on(run());
        Ok(())
    })
}

fn user(n: usize) -> UserId {
    UserId::parse(format!("user-{n}")).expect("the id is valid")
}

/// Locks a user who was never locked, with one write.
async fn lock(stores: &Stores, n: usize) -> Result<SaveOutcome, StoreError> {
    let command = LockCommand {
        user: user(n),
        reason: None,
        context: EventContext {
            id: EventId(format!("event-{n}")),
            time: Timestamp::UNIX_EPOCH,
            by: Actor::operator("desk"),
            correlation_id: None,
        },
    };
    let locked = CredentialLock::never_locked(user(n))
        .lock(&command)
        .expect("the user is not locked");
    let events = vec![lock_events::lock_event(&locked, &command)];
    stores.credential_locks.save_if_version(&locked, events).await
}

/// Opens stores that connect by this URI.
async fn open_stores(uri: String, database: &TestDatabase) -> Stores {
    let settings = MongodbSettings {
        call_timeout: Duration::from_mins(1),
        ..MongodbSettings::new(uri, &database.database, 4)
    };
    adapter_mongodb::open(&settings).await.expect("the server answers")
}

fn uri() -> String {
    server().expect("trials run only with a server")
}

/// The reads that were sent: collection and level of the read concern.
type SentReads = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Opens stores whose reads are recorded. Dropping the proxy resets their connections.
async fn open_recorded_stores(database: &TestDatabase) -> (MongodbProxy, Stores, SentReads) {
    let server = resolve_host(&uri()).expect("the URI names one host");
    let proxy = MongodbProxy::in_front_of(server).await.expect("a port is free");
    let stores = open_stores(via_proxy(&uri(), proxy.address()), database).await;
    let sent = SentReads::default();
    let recorded = sent.clone();
    proxy.run_script(move |command: &Command| {
        if command.name() == "find" {
            let collection = command.collection().unwrap_or_default().to_owned();
            let level = command.read_concern_level().map(str::to_owned);
            let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            recorded.push((collection, level));
        }
        Reaction::Pass
    });
    (proxy, stores, sent)
}

/// Takes the recorded reads and returns the collections of the linearizable ones.
fn take_linearizable(sent: &SentReads) -> Vec<String> {
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    let reads = std::mem::take(&mut *sent).into_iter();
    let linearizable = reads.filter(|(_, level)| level.as_deref() == Some("linearizable"));
    linearizable.map(|(collection, _)| collection).collect()
}

async fn reads_without_a_write_are_linearizable() {
    let database = TestDatabase::new().await;
    let (_proxy, stores, sent) = open_recorded_stores(&database).await;
    stores
        .lock_statuses
        .read_linearizable(&user(1))
        .await
        .expect("the read succeeds");
    stores
        .credential_locks
        .read_linearizable(&user(1))
        .await
        .expect("the read succeeds");
    stores
        .sign_in_statuses
        .read_linearizable(&user(1))
        .await
        .expect("the read succeeds");
    let family = FamilyId::parse("family-1").expect("the id is valid");
    stores
        .refresh_families
        .read_linearizable(&family)
        .await
        .expect("the read succeeds");
    let hash = ValidationTokenHash([1; 32]);
    let token = stores.validation_tokens.read_linearizable(&hash).await;
    token.expect("the read succeeds");
    let expected = [
        "credentials",
        "credentials",
        "sign_ins",
        "refresh_families",
        "validation_tokens",
    ];
    assert_eq!(take_linearizable(&sent), expected);
}

async fn absent_users_are_read_again_but_not_logins() {
    let database = TestDatabase::new().await;
    let (_proxy, stores, sent) = open_recorded_stores(&database).await;
    stores.identities.find(&user(1)).await.expect("the read succeeds");
    assert_eq!(take_linearizable(&sent), ["identities"]);
    let unknown = stores.identities.find_by_login("unknown@example.com");
    assert_eq!(unknown.await.expect("the read succeeds"), None);
    assert_eq!(take_linearizable(&sent), [""; 0]);
}

/// The old primary counts reads with `afterClusterTime` during the partition.
async fn read_after_write_is_causal() {
    let (database, primary) = start_old_primary().await;
    let stores = open_stores(via_proxy(&uri(), primary.address()), &database).await;
    lock(&stores, 1).await.expect("the lock is acknowledged");
    primary.partition().await.expect("the server answers");
    let lock_status = stores
        .lock_statuses
        .read_after_write(&user(1))
        .await
        .expect("the read succeeds");
    assert!(lock_status.is_locked);
    let stats = primary.rejoin().await.expect("the server answers");
    assert_eq!((stats.reads, stats.causal_reads), (1, 1));
}

async fn old_primary_answers_no_linearizable_read() {
    let (database, primary) = start_old_primary().await;
    let stores = open_stores(via_proxy(&uri(), primary.address()), &database).await;
    // A read is causal only after a write of the same process.
    lock(&stores, 1).await.expect("the lock is acknowledged");
    primary.partition().await.expect("the server answers");
    let on_new_primary = open_stores(uri(), &database).await;
    lock(&on_new_primary, 2).await.expect("the lock is acknowledged");
    let stale = stores
        .lock_statuses
        .read_after_write(&user(2))
        .await
        .expect("the read succeeds");
    assert!(!stale.is_locked, "a causal read of an old primary is stale");
    stores
        .lock_statuses
        .read_linearizable(&user(2))
        .await
        .expect_err("the old primary has no majority");
    lock(&stores, 3).await.expect_err("the write reaches no majority");
    let stats = primary.rejoin().await.expect("the server answers");
    assert_eq!((stats.causal_reads > 0, stats.linearizable_reads), (true, 1));
    assert!(
        stores
            .lock_statuses
            .read_linearizable(&user(2))
            .await
            .expect("the read succeeds")
            .is_locked
    );
    assert!(
        !stores
            .lock_statuses
            .read_linearizable(&user(3))
            .await
            .expect("the read succeeds")
            .is_locked
    );
}

async fn start_old_primary() -> (TestDatabase, OldPrimary) {
    let database = TestDatabase::new().await;
    let server = resolve_host(&uri()).expect("the URI names one host");
    let primary = OldPrimary::before(server, &database.database).await;
    (database, primary.expect("a port is free"))
}

//! What is asked of a replica set: the commands as they are sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapter_mongodb::{MongodbSettings, Stores};
use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockCommand, events};
use domain::event::EventContext;
use domain::ids::{EventId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::ValidationTokenHash;
use libtest_mimic::Trial;
use mongodb_proxy::{Command, MongodbProxy, OldPrimary, Reaction, address_of, through};
use ports::{SaveOutcome, StoreError};
use tokio::runtime::Runtime;

use crate::test_database::{TestDatabase, server};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_look_that_stands_alone_is_linearizable",
            a_look_that_stands_alone_is_linearizable,
        ),
        trial(
            "a_user_who_is_not_found_is_looked_at_once_more_but_no_login",
            a_user_who_is_not_found_is_looked_at_once_more_but_no_login,
        ),
        trial("a_look_after_a_write_is_causal", a_look_after_a_write_is_causal),
        trial(
            "an_old_primary_answers_no_look_that_stands_alone",
            an_old_primary_answers_no_look_that_stands_alone,
        ),
    ]
}

fn trial<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(format!("mongodb::read_concerns::{name}"), move || {
        Runtime::new().expect("a runtime").block_on(run());
        Ok(())
    })
}

fn user(n: usize) -> UserId {
    UserId::parse(format!("user-{n}")).expect("an id")
}

/// Locks a user who was never locked, by one write.
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
    let locked = CredentialLock::unlocked(user(n))
        .lock(&command)
        .expect("it is not locked");
    let told = vec![events::lock_changed(&locked, &command)];
    stores.credential_locks.save_if_version(&locked, told).await
}

/// Stores whose commands go by another address.
async fn stores_by(uri: String, database: &TestDatabase) -> Stores {
    let settings = MongodbSettings {
        patience: Duration::from_mins(1),
        ..MongodbSettings::new(uri, &database.database, 4)
    };
    adapter_mongodb::open(&settings).await.expect("the server answers")
}

fn uri() -> String {
    server().expect("the trial is not ignored")
}

/// The reads that were sent: their collections and levels.
type Sent = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Stores whose reads are recorded; the proxy before them lives as long as the value.
async fn recorded(database: &TestDatabase) -> (MongodbProxy, Stores, Sent) {
    let server = address_of(&uri()).expect("one host");
    let proxy = MongodbProxy::before(server).await.expect("a port");
    let stores = stores_by(through(&uri(), proxy.address()), database).await;
    let sent = Sent::default();
    let seen = sent.clone();
    proxy.follow(move |command: &Command| {
        if command.name() == "find" {
            let collection = command.collection().unwrap_or_default().to_owned();
            let level = command.read_concern_level().map(str::to_owned);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((collection, level));
        }
        Reaction::Pass
    });
    (proxy, stores, sent)
}

/// The collections that were read linearizably so far.
fn linearizable(sent: &Sent) -> Vec<String> {
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    let reads = std::mem::take(&mut *sent).into_iter();
    let looks = reads.filter(|(_, level)| level.as_deref() == Some("linearizable"));
    looks.map(|(collection, _)| collection).collect()
}

async fn a_look_that_stands_alone_is_linearizable() {
    let database = TestDatabase::new().await;
    let (_proxy, stores, sent) = recorded(&database).await;
    stores
        .lock_statuses
        .read_linearizable(&user(1))
        .await
        .expect("a lock_status");
    stores.credential_locks.find(&user(1)).await.expect("no credential");
    let family = FamilyId::parse("family-1").expect("an id");
    stores
        .refresh_families
        .read_linearizable(&family)
        .await
        .expect("no family");
    let hash = ValidationTokenHash([1; 32]);
    let looked = stores
        .validation_tokens
        .read_linearizable(&hash, Timestamp::UNIX_EPOCH)
        .await;
    looked.expect("no token");
    let looks = ["credentials", "credentials", "refresh_families", "validation_tokens"];
    assert_eq!(linearizable(&sent), looks);
}

async fn a_user_who_is_not_found_is_looked_at_once_more_but_no_login() {
    let database = TestDatabase::new().await;
    let (_proxy, stores, sent) = recorded(&database).await;
    stores.identities.find(&user(1)).await.expect("no user");
    assert_eq!(linearizable(&sent), ["identities"]);
    stores.factor_sets.find_with_owner(&user(1)).await.expect("no user");
    assert_eq!(linearizable(&sent), ["identities"]);
    let stranger = stores.identities.find_by_login("stranger@example.com");
    assert_eq!(stranger.await.expect("no user"), None);
    assert_eq!(linearizable(&sent), [""; 0]);
}

/// The operation time goes with the look: only an old primary that is cut off says that it saw it.
async fn a_look_after_a_write_is_causal() {
    let (database, primary) = old_primary().await;
    let stores = stores_by(through(&uri(), primary.address()), &database).await;
    lock(&stores, 1).await.expect("locked");
    primary.cut_off().await.expect("the server answers");
    let lock_status = stores
        .lock_statuses
        .read_after_write(&user(1))
        .await
        .expect("a lock_status");
    assert!(lock_status.is_locked);
    let seen = primary.rejoin().await.expect("the server answers");
    assert_eq!((seen.reads, seen.causal_reads), (1, 1));
}

async fn an_old_primary_answers_no_look_that_stands_alone() {
    let (database, primary) = old_primary().await;
    let stores = stores_by(through(&uri(), primary.address()), &database).await;
    // Causal reads need a write before them.
    lock(&stores, 1).await.expect("locked");
    primary.cut_off().await.expect("the server answers");
    let beside_the_new_one = stores_by(uri(), &database).await;
    lock(&beside_the_new_one, 2).await.expect("locked");
    let past = stores
        .lock_statuses
        .read_after_write(&user(2))
        .await
        .expect("a lock_status");
    assert!(!past.is_locked, "a causal read is answered from the past");
    stores
        .lock_statuses
        .read_linearizable(&user(2))
        .await
        .expect_err("it has no majority");
    lock(&stores, 3).await.expect_err("no majority gets it");
    let seen = primary.rejoin().await.expect("the server answers");
    assert_eq!((seen.causal_reads > 0, seen.linearizable_reads), (true, 1));
    assert!(
        stores
            .lock_statuses
            .read_linearizable(&user(2))
            .await
            .expect("a lock_status")
            .is_locked
    );
    assert!(
        !stores
            .lock_statuses
            .read_linearizable(&user(3))
            .await
            .expect("a lock_status")
            .is_locked
    );
}

async fn old_primary() -> (TestDatabase, OldPrimary) {
    let database = TestDatabase::new().await;
    let server = address_of(&uri()).expect("one host");
    let primary = OldPrimary::before(server, &database.database).await;
    (database, primary.expect("a port"))
}

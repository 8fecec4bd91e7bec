//! Calls that are made together fail for those alone that are concerned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use domain::ids::UserId;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use mongodb_proxy::{Command, MongodbProxy, Reaction, address_of, through};
use ports::StoreError;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::test_database::{TestDatabase, server};

pub(crate) fn trials() -> Vec<Trial> {
    let name = "mongodb::batches::a_read_that_is_refused_fails_for_its_own_caller";
    vec![Trial::test(name, || {
        Runtime::new().expect("a runtime").block_on(refused_read());
        Ok(())
    })]
}

/// A read takes so long: those that come meanwhile are made together.
const READ_TAKES: Duration = Duration::from_millis(20);

const CALLERS: usize = 24;

async fn refused_read() {
    let database = TestDatabase::new().await;
    let uri = server().expect("the trial is not ignored");
    let proxy = MongodbProxy::before(address_of(&uri).expect("one host"))
        .await
        .expect("a port");
    let settings = MongodbSettings {
        patience: Duration::from_mins(1),
        ..MongodbSettings::new(through(&uri, proxy.address()), &database.database, 64)
    };
    let identities = adapter_mongodb::open(&settings)
        .await
        .expect("the server answers")
        .identities;
    let refused_together = Arc::new(AtomicUsize::new(0));
    let seen = refused_together.clone();
    proxy.follow(move |command: &Command| {
        if command.name() != "find" {
            return Reaction::Pass;
        }
        let text = command.document().to_string();
        if !text.contains("away") {
            return Reaction::Pass.later(READ_TAKES);
        }
        seen.fetch_add(usize::from(text.contains("user-")), Ordering::Relaxed);
        let refusal = doc! { "ok": 0, "code": 133, "codeName": "FailedToSatisfyReadPreference", "errmsg": "scripted" };
        Reaction::Answer(refusal).later(READ_TAKES)
    });
    let mut reads = JoinSet::new();
    for caller in 0..CALLERS {
        let identities = identities.clone();
        let id = if caller % 4 == 0 {
            "away".to_owned()
        } else {
            format!("user-{caller}")
        };
        let id = UserId::parse(id).expect("an id");
        reads.spawn(async move { (id.clone(), identities.find(&id).await) });
    }
    for (id, found) in reads.join_all().await {
        if id.as_str() == "away" {
            assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
        } else {
            assert_eq!(found.expect("it is not away"), None, "{id}");
        }
    }
    assert!(
        refused_together.load(Ordering::Relaxed) > 0,
        "none was read together with another"
    );
}

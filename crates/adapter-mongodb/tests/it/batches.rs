//! A batched read that the server rejects fails only for the callers it concerns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapter_mongodb::MongodbSettings;
use domain::ids::UserId;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use ports::StoreError;
use test_servers::mongodb_proxy::{Command, MongodbProxy, Reaction, resolve_host, via_proxy};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::test_database::{TestDatabase, server};

pub(crate) fn trials() -> Vec<Trial> {
    let name = "mongodb::batches::rejected_read_fails_only_its_caller";
    vec![Trial::test(name, || {
        Runtime::new().expect("a runtime starts").block_on(rejected_read());
        Ok(())
    })]
}

/// How long each read takes. Meanwhile the other reads queue up and form a batch.
const READ_DURATION: Duration = Duration::from_millis(20);

const CALLERS: usize = 24;

async fn rejected_read() {
    let database = TestDatabase::new().await;
    let uri = server().expect("trials run only with a server");
    let proxy = MongodbProxy::in_front_of(resolve_host(&uri).expect("the URI names one host"))
        .await
        .expect("a port is free");
    let settings = MongodbSettings {
        call_timeout: Duration::from_mins(1),
        ..MongodbSettings::new(via_proxy(&uri, proxy.address()), &database.database, 64)
    };
    let identities = adapter_mongodb::open(&settings)
        .await
        .expect("the server answers")
        .identities;
    let rejected_batches = Arc::new(AtomicUsize::new(0));
    let counter = rejected_batches.clone();
    proxy.run_script(move |command: &Command| {
        if command.name() != "find" {
            return Reaction::Pass;
        }
        let text = command.document().to_string();
        if !text.contains("unreachable") {
            return Reaction::Pass.later(READ_DURATION);
        }
        counter.fetch_add(usize::from(text.contains("user-")), Ordering::Relaxed);
        let rejection =
            doc! { "ok": 0, "code": 133, "codeName": "FailedToSatisfyReadPreference", "errmsg": "scripted" };
        Reaction::Answer(rejection).later(READ_DURATION)
    });
    let mut reads = JoinSet::new();
    for caller in 0..CALLERS {
        let identities = identities.clone();
        let id = if caller % 4 == 0 {
            "unreachable".to_owned()
        } else {
            format!("user-{caller}")
        };
        let id = UserId::parse(id).expect("the id is valid");
        reads.spawn(async move { (id.clone(), identities.find(&id).await) });
    }
    for (id, found) in reads.join_all().await {
        if id.as_str() == "unreachable" {
            assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
        } else {
            assert_eq!(found.expect("its shard answers"), None, "{id}");
        }
    }
    assert!(
        rejected_batches.load(Ordering::Relaxed) > 0,
        "no batch held both kinds of id"
    );
}

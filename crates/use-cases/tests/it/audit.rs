//! The actors of events and of the audit trail.

use ports::Runtime;
use std::sync::Arc;

use domain::actor::Actor;
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::EventType;
use domain::sessions::events::{SESSION_REVOKED, SESSION_STARTED};
use ports::{AuditOutcome, AuditRecord};

use test_support::TestApp;
use test_support::calls::{PORTAL, REQUEST, by_token, renew};
use test_support::fakes::Records;
use test_support::fixtures::client_id;

fn client_actor(client: &str) -> Actor {
    Actor {
        client: Some(client_id(client)),
        ..Actor::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_name_the_caller_that_caused_them() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.session(&user).await;
    app.lock(&user).await;
    app.renew(&token).await.unwrap_err();
    let events = app.events_of(&user).await;
    let by = |kind: &'static EventType| {
        let event = events.iter().find(|event| event.kind == kind).unwrap();
        assert_eq!(event.correlation_id.as_deref(), Some(REQUEST), "{kind:?}");
        event.by.clone()
    };
    assert_eq!(by(SESSION_STARTED), client_actor(PORTAL));
    assert_eq!(by(CREDENTIAL_LOCKED), client_actor("desk"));
    assert_eq!(by(SESSION_REVOKED), client_actor(PORTAL));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_and_replays_are_audited_once() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.session(&user).await;
    let records = Arc::<Records>::default();
    let tokens = app.with_runtime(&Runtime {
        audit: records.clone(),
        ..app.runtime.clone()
    });
    let renewed = || renew(&tokens, by_token(&token, true));
    renewed().await.unwrap();
    assert_eq!(records.all(), [], "a plain rotation has no audit record");
    renewed().await.unwrap();
    app.clock.advance(test_support::app::GRACE);
    renewed().await.unwrap_err();
    renewed().await.unwrap_err();
    let object = vec![
        ("user", user.to_string()),
        ("session", app.decode(&token).family.to_string()),
    ];
    let recorded: Vec<_> = records
        .all()
        .into_iter()
        .map(|record: AuditRecord| {
            assert_eq!((&record.by, &record.object), (&client_actor(PORTAL), &object));
            assert_eq!(
                (record.request_id.as_deref(), record.outcome),
                (Some(REQUEST), AuditOutcome::Done)
            );
            (record.action, record.reason.unwrap_or_default())
        })
        .collect();
    let pair = |action: &str, reason: &str| (action.to_owned(), reason.to_owned());
    assert_eq!(
        recorded,
        [
            pair("renewToken", "repeated in the grace time"),
            pair("endSession", "replay"),
        ]
    );
}

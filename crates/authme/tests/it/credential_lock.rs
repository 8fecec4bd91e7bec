//! Locking, unlocking and reading the lock: docs/protocols.md "Lock commands".

use serde_json::json;

use crate::add_contacts::{mobile, path};
use crate::fixtures::{ANA_MAIL, ROOT_MAIL, to_strings};
use crate::jwt::claims;
use crate::test_app::{LOCKED, NOT_VALID, TestApp, field};
use test_support::http::{Answer, Request};

const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;

fn get_lock(app: &TestApp, user: &str) -> Answer {
    let request = Request::get(&format!("/user-identities/{user}/lock"));
    app.send(request.bearer(&app.client_token("locker")))
}

#[test]
fn lock_and_unlock_return_204_and_emit_one_event() {
    let app = TestApp::start();
    for operation in ["lock", "lock", "unlock", "unlock", "lock"] {
        assert_eq!(app.lock_or_unlock(operation, "ana").summary(), "204 ");
        app.clock.advance_seconds(1);
    }
    let mut events = app.events();
    events.retain(|event| event["source"] == "/authme/credential-lock");
    let published: Vec<_> = events
        .iter()
        .map(|event| (&event["type"], &event["time"], &event["sequence"], &event["data"]))
        .collect();
    let data = |epoch: u64| json!({"userId": "ana", "epoch": epoch, "by": {"client": "locker"}});
    let time = |second: u8| json!(format!("2026-01-01T00:00:0{second}.000Z"));
    let sequence = |at: u8| json!(format!("0000000000000000000{at}"));
    assert_eq!(
        published,
        [
            (&json!("credential.locked"), &time(0), &sequence(1), &data(1)),
            (&json!("credential.unlocked"), &time(2), &sequence(2), &data(1)),
            (&json!("credential.locked"), &time(4), &sequence(3), &data(2)),
        ]
    );
    let subjects: Vec<_> = events
        .iter()
        .map(|event| (&event["subject"], &event["partitionkey"]))
        .collect();
    assert_eq!(subjects, [(&json!("ana"), &json!("ana")); 3]);
}

#[test]
fn get_lock_returns_the_state() {
    let app = TestApp::start();
    let never = get_lock(&app, "ana");
    assert_eq!(never.summary(), r#"200 {"userId":"ana","locked":false,"epoch":0}"#);
    assert_eq!(never.header("cache-control"), Some("no-store"));
    app.lock_or_unlock("lock", "ana");
    let locked =
        r#"200 {"userId":"ana","locked":true,"since":"2026-01-01T00:00:00.000Z","epoch":1,"by":{"client":"locker"}}"#;
    assert_eq!(get_lock(&app, "ana").summary(), locked);
    app.clock.advance_seconds(5);
    app.lock_or_unlock("unlock", "ana");
    let unlocked =
        r#"200 {"userId":"ana","locked":false,"since":"2026-01-01T00:00:05.000Z","epoch":1,"by":{"client":"locker"}}"#;
    assert_eq!(get_lock(&app, "ana").summary(), unlocked);
}

#[test]
fn locking_unknown_users_returns_400_and_get_404() {
    let app = TestApp::start();
    let unknown = r#"[{"code":"04","message":"the user is not known"}]"#;
    for operation in ["lock", "unlock"] {
        assert_eq!(
            app.lock_or_unlock(operation, "nobody").summary(),
            format!("400 {unknown}")
        );
    }
    assert_eq!(get_lock(&app, "nobody").summary(), format!("404 {unknown}"));
}

#[test]
fn unreadable_or_missing_members_return_400() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    for operation in ["lock", "unlock"] {
        let send = |body: &str| {
            let request = Request::post(&format!("/user-identities/{operation}")).bearer(&locker);
            app.send(request.header("Content-Type", "application/json").body(body))
                .summary()
        };
        let missing = r#"400 [{"code":"01","message":"userId is required","field":"userId"}]"#;
        assert_eq!(send("{}"), missing);
        assert_eq!(send(r#"{"userId":null}"#), missing);
        let id = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"userId"}]"#;
        for bad in ["", "me", "a b", "a.b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(send(&json!({"userId": bad}).to_string()), id, "{bad}");
        }
    }
}

#[test]
fn a_reason_has_at_most_200_characters() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let lock = |reason: &str| {
        let request = Request::post("/user-identities/lock").bearer(&locker);
        app.send(request.json(&json!({"userId": "ana", "reason": reason})))
    };
    assert_eq!(lock(&"é".repeat(201)).codes(), (400, to_strings(&["01"])));
    assert_eq!(get_lock(&app, "ana").json()["locked"], false);
    assert_eq!(lock(&"é".repeat(200)).summary(), "204 ");
    assert_eq!(get_lock(&app, "ana").json()["reason"], "é".repeat(200));
    // The reason is free text and may contain personal data, so no event has it.
    assert!(app.events().iter().all(|event| !event.to_string().contains('é')));
}

#[test]
fn the_event_names_the_administrator_who_locked() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    let lock = Request::post("/user-identities/lock")
        .bearer(&root)
        .json(&json!({"userId": "ana"}));
    assert_eq!(app.send(lock).summary(), "204 ");
    let events = app.events();
    assert_eq!(
        events.last().expect("an event")["data"]["by"],
        json!({"user": "root", "client": "portal"})
    );
}

#[test]
fn a_lock_revokes_all_tokens_and_unlock_restores_none() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let refresh = field(&app.session(ANA_MAIL), "refreshToken");
    let (spent, rotated) = {
        let one = field(&app.session(ANA_MAIL), "refreshToken");
        let two = field(&app.renew(&portal, &one, "true").json(), "refreshToken");
        app.renew(&portal, &two, "true");
        (one, two)
    };
    let validation = app.validation_token(ANA_MAIL, "portal");
    app.lock_or_unlock("lock", "ana");
    // A replay is answered with the lock as well, and does not end the family with reason `replay`.
    for token in [&refresh, &validation, &spent, &rotated] {
        for remember in ["true", "false"] {
            assert_eq!(app.renew(&portal, token, remember).summary(), LOCKED);
        }
    }
    app.lock_or_unlock("unlock", "ana");
    for token in [&refresh, &validation, &spent, &rotated] {
        assert_eq!(app.renew(&portal, token, "true").summary(), NOT_VALID);
    }
    let fresh = app.session(ANA_MAIL);
    assert_eq!(claims(&field(&fresh, "accessToken"))["epoch"], 1);
    let revoked: Vec<_> = app
        .events()
        .into_iter()
        .filter(|event| event["type"] == "session.revoked")
        .collect();
    assert_eq!(revoked.len(), 2);
    assert!(
        revoked.iter().all(|event| event["data"]["reason"] == "lock"),
        "{revoked:?}"
    );
}

#[test]
fn a_locked_administrator_cannot_change_anything() {
    let app = TestApp::start();
    let session = app.session(ROOT_MAIL);
    let (root, refresh) = (field(&session, "accessToken"), field(&session, "refreshToken"));
    let factors = json!({"authenticationFactors": [mobile("c1", "911112222")]});
    let changes = |expected: &str| {
        for request in [
            Request::post("/user-identities/lock").json(&json!({"userId": "ana"})),
            Request::post("/user-identities/unlock").json(&json!({"userId": "root"})),
            Request::post(&path("ana")).json(&factors),
            Request::post(&path("root")).json(&factors),
            Request::post(&path("me")).json(&factors),
        ] {
            let answer = app.send(request.bearer(&root));
            assert_eq!(answer.summary(), expected);
            let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
        }
    };
    assert_eq!(app.lock_or_unlock("lock", "root").summary(), "204 ");
    let by_provider = || {
        let query = [("clientId", "portal"), ("userId", "root"), ("remember-me", "true")];
        app.send(
            Request::post("/user-identities/renew-token")
                .query(&query)
                .bearer(&root),
        )
        .summary()
    };
    changes(INACTIVE);
    assert_eq!(by_provider(), LOCKED);
    assert_eq!(app.renew(&root, &refresh, "true").summary(), LOCKED);

    app.lock_or_unlock("unlock", "root");
    changes(INACTIVE);
    assert_eq!(by_provider(), NOT_VALID);
    assert_eq!(app.renew(&root, &refresh, "true").summary(), NOT_VALID);
    assert_eq!(get_lock(&app, "ana").json()["locked"], false);
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

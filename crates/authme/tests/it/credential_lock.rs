//! Locking, unlocking and seeing the lock (01-api 4, 03-protocols 2).

use serde_json::json;

use crate::add_contacts::{mobile, path};
use crate::fixtures::{ANA_MAIL, ROOT_MAIL, owned};
use crate::jwt::claims;
use crate::test_app::{TestApp, field};
use crate::wire::{Answer, Request};

const LOCKED: &str = r#"412 [{"code":"21","message":"the credential is locked"}]"#;
const NO_LONGER: &str = r#"401 [{"code":"02","message":"the bearer token is no longer valid"}]"#;
const NOT_VALID: &str = r#"401 [{"code":"20","message":"the token is unknown, expired, used or revoked"}]"#;

fn state(app: &TestApp, user: &str) -> Answer {
    let request = Request::get(&format!("/user-identities/{user}/lock"));
    app.ask(request.bearer(&app.client_token("locker")))
}

#[test]
fn a_lock_and_an_unlock_are_204_and_told_once() {
    let app = TestApp::start();
    for way in ["lock", "lock", "unlock", "unlock", "lock"] {
        assert_eq!(app.lock_or_unlock(way, "ana").shown(), "204 ");
        app.clock.advance(1);
    }
    let mut events = app.events();
    events.retain(|event| event["source"] == "/authme/credential-lock");
    let told: Vec<_> = events
        .iter()
        .map(|event| (&event["type"], &event["time"], &event["sequence"], &event["data"]))
        .collect();
    let data = |epoch: u64| json!({"userId": "ana", "epoch": epoch, "by": {"client": "locker"}});
    let time = |second: u8| json!(format!("2026-01-01T00:00:0{second}.000Z"));
    let sequence = |at: u8| json!(format!("0000000000000000000{at}"));
    assert_eq!(
        told,
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
fn the_state_is_told() {
    let app = TestApp::start();
    let never = state(&app, "ana");
    assert_eq!(never.shown(), r#"200 {"userId":"ana","locked":false,"epoch":0}"#);
    assert_eq!(never.header("cache-control"), Some("no-store"));
    app.lock_or_unlock("lock", "ana");
    let locked =
        r#"200 {"userId":"ana","locked":true,"since":"2026-01-01T00:00:00.000Z","epoch":1,"by":{"client":"locker"}}"#;
    assert_eq!(state(&app, "ana").shown(), locked);
    app.clock.advance(5);
    app.lock_or_unlock("unlock", "ana");
    let unlocked =
        r#"200 {"userId":"ana","locked":false,"since":"2026-01-01T00:00:05.000Z","epoch":1,"by":{"client":"locker"}}"#;
    assert_eq!(state(&app, "ana").shown(), unlocked);
}

#[test]
fn an_unknown_user_is_400_to_turn_and_404_to_see() {
    let app = TestApp::start();
    let unknown = r#"[{"code":"04","message":"the user is not known"}]"#;
    for way in ["lock", "unlock"] {
        assert_eq!(app.lock_or_unlock(way, "nobody").shown(), format!("400 {unknown}"));
    }
    assert_eq!(state(&app, "nobody").shown(), format!("404 {unknown}"));
}

#[test]
fn what_cannot_be_read_or_is_missing_is_400() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    for way in ["lock", "unlock"] {
        let ask = |body: &str| {
            let request = Request::post(&format!("/user-identities/{way}")).bearer(&locker);
            app.ask(request.header("Content-Type", "application/json").body(body))
                .shown()
        };
        let missing = r#"400 [{"code":"01","message":"userId is required","field":"userId"}]"#;
        assert_eq!(ask("{}"), missing);
        assert_eq!(ask(r#"{"userId":null}"#), missing);
        let id = r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ -","field":"userId"}]"#;
        for bad in ["", "me", "a b", "a.b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(ask(&json!({"userId": bad}).to_string()), id, "{bad}");
        }
    }
}

#[test]
fn a_reason_has_at_most_200_characters() {
    let app = TestApp::start();
    let locker = app.client_token("locker");
    let lock = |reason: &str| {
        let request = Request::post("/user-identities/lock").bearer(&locker);
        app.ask(request.json(&json!({"userId": "ana", "reason": reason})))
    };
    assert_eq!(lock(&"é".repeat(201)).codes(), (400, owned(&["01"])));
    assert_eq!(state(&app, "ana").json()["locked"], false);
    assert_eq!(lock(&"é".repeat(200)).shown(), "204 ");
    assert_eq!(state(&app, "ana").json()["reason"], "é".repeat(200));
    // It is free text and may hold anything: it is in no event.
    assert!(app.events().iter().all(|event| !event.to_string().contains('é')));
}

#[test]
fn an_administrator_locks_and_is_named_in_the_event() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    let lock = Request::post("/user-identities/lock")
        .bearer(&root)
        .json(&json!({"userId": "ana"}));
    assert_eq!(app.ask(lock).shown(), "204 ");
    let events = app.events();
    assert_eq!(
        events.last().expect("an event")["data"]["by"],
        json!({"user": "root", "client": "portal"})
    );
}

#[test]
fn a_lock_ends_every_way_to_a_token_and_an_unlock_revives_nothing() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let refresh = field(&app.session(ANA_MAIL), "refreshToken");
    let (spent, rotated) = {
        let one = field(&app.session(ANA_MAIL), "refreshToken");
        let two = field(&app.renew(&portal, &one, "true").json(), "refreshToken");
        app.renew(&portal, &two, "true");
        (one, two)
    };
    let validation = app.validation(ANA_MAIL, "portal");
    app.lock_or_unlock("lock", "ana");
    // Also a replay is told of the lock, and does not end the family for another reason.
    for token in [&refresh, &validation, &spent, &rotated] {
        for remember in ["true", "false"] {
            assert_eq!(app.renew(&portal, token, remember).shown(), LOCKED);
        }
    }
    app.lock_or_unlock("unlock", "ana");
    for token in [&refresh, &validation, &spent, &rotated] {
        assert_eq!(app.renew(&portal, token, "true").shown(), NOT_VALID);
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
fn a_locked_administrators_token_changes_nothing_anywhere() {
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
            let answer = app.ask(request.bearer(&root));
            assert_eq!(answer.shown(), expected);
            let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
        }
    };
    assert_eq!(app.lock_or_unlock("lock", "root").shown(), "204 ");
    let by_provider = || {
        let query = [("clientId", "portal"), ("userId", "root"), ("remember-me", "true")];
        app.ask(
            Request::post("/user-identities/renew-token")
                .query(&query)
                .bearer(&root),
        )
        .shown()
    };
    changes(NO_LONGER);
    assert_eq!(by_provider(), LOCKED);
    assert_eq!(app.renew(&root, &refresh, "true").shown(), LOCKED);

    app.lock_or_unlock("unlock", "root");
    changes(NO_LONGER);
    assert_eq!(by_provider(), NOT_VALID);
    assert_eq!(app.renew(&root, &refresh, "true").shown(), NOT_VALID);
    assert_eq!(state(&app, "ana").json()["locked"], false);
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

//! The sessions of a user over HTTP: listed, and ended one by one or all at once.

use domain::sessions::{FamilyStatus, RevocationReason};
use serde_json::{Value, json};

use crate::fixtures::{ANA_MAIL, BIA_MAIL, ROOT_MAIL};
use crate::jwt::claims;
use crate::operator::{CommandOutput, run_in};
use crate::test_app::{NOT_VALID, TestApp, field};
use test_support::http::{Answer, Request};

const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;
const NO_SESSION: &str = r#"404 [{"code":"14","message":"the user has no such session"}]"#;
const NO_USER: &str = r#"404 [{"code":"04","message":"the user is not known"}]"#;

fn sid(access: &str) -> String {
    field(&claims(access), "sid")
}

fn get(app: &TestApp, bearer: &str, path: &str) -> Answer {
    app.send(Request::get(path).bearer(bearer))
}

fn list(app: &TestApp, bearer: &str, user: &str) -> Vec<Value> {
    let answer = get(app, bearer, &format!("/user-identities/{user}/sessions"));
    assert_eq!(answer.status, 200, "{}", answer.summary());
    answer.json().as_array().expect("a list").clone()
}

fn sids(sessions: &[Value]) -> Vec<String> {
    sessions.iter().map(|session| field(session, "sid")).collect()
}

fn delete(app: &TestApp, bearer: &str, path: &str) -> String {
    app.send(Request::delete(path).bearer(bearer)).summary()
}

/// Returns an access token of an administrator.
fn administrator(app: &TestApp) -> String {
    app.session_tokens(ROOT_MAIL).0
}

#[test]
fn a_user_lists_and_ends_own_sessions() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let (first, first_refresh) = app.session_tokens(ANA_MAIL);
    app.clock.advance_seconds(60);
    let (second, second_refresh) = app.session_tokens(ANA_MAIL);
    app.session_tokens(BIA_MAIL);
    let sessions = list(&app, &second, "me");
    let mut expected = [sid(&first), sid(&second)];
    expected.sort();
    assert_eq!(sids(&sessions), expected);
    let own = sessions.iter().find(|session| session["sid"] == sid(&first).as_str());
    assert_eq!(
        own.expect("it is listed"),
        &json!({
            "sid": sid(&first),
            "clientId": "portal",
            "since": "2026-01-01T00:00:00.000Z",
            "lastRenewed": "2026-01-01T00:00:00.000Z",
            "expires": "2026-01-08T00:00:00.000Z",
        })
    );

    let path = format!("/user-identities/me/sessions/{}", sid(&first));
    assert_eq!(delete(&app, &second, &path), "204 ");
    assert_eq!(
        app.family(&first_refresh).status,
        FamilyStatus::Revoked(RevocationReason::Logout)
    );
    assert_eq!(get(&app, &first, "/user-identities/me/sessions").summary(), INACTIVE);
    assert_eq!(app.renew(&portal, &first_refresh, "true").summary(), NOT_VALID);
    assert_eq!(sids(&list(&app, &second, "me")), [sid(&second)]);
    assert_eq!(delete(&app, &second, &path), "204 ", "ended again");

    assert_eq!(delete(&app, &second, "/user-identities/me/sessions"), "204 ");
    assert_eq!(get(&app, &second, "/user-identities/me/sessions").summary(), INACTIVE);
    assert_eq!(app.renew(&portal, &second_refresh, "true").summary(), NOT_VALID);
    let (third, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(
        (claims(&third)["sv"].as_u64(), claims(&first).get("sv")),
        (Some(1), None)
    );
    assert_eq!(sids(&list(&app, &third, "me")), [sid(&third)]);
    let expected = [
        "session.started",
        "session.started",
        "session.revoked",
        "sessions.ended",
        "session.revoked",
    ];
    let types = app.event_types("ana");
    for kind in expected {
        assert!(types.contains(&kind.to_owned()), "{types:?}");
    }
}

#[test]
fn an_end_of_all_sessions_publishes_one_event() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    app.session_tokens(ANA_MAIL);
    let administrator = administrator(&app);
    let path = "/user-identities/ana/sessions";
    assert_eq!(delete(&app, &administrator, path), "204 ");
    assert_eq!(delete(&app, &administrator, path), "204 ");
    let events = app.events();
    let ended: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "sessions.ended")
        .collect();
    let data: Vec<&Value> = ended.iter().map(|event| &event["data"]).collect();
    let by = json!({"user": "root", "client": "portal"});
    assert_eq!(
        data,
        [
            &json!({"userId": "ana", "sessionsVersion": 1, "by": by}),
            &json!({"userId": "ana", "sessionsVersion": 2, "by": by}),
        ]
    );
    assert_eq!(
        (&ended[0]["source"], &ended[0]["subject"]),
        (&json!("/authme/sign-ins"), &json!("ana"))
    );
    assert_eq!(get(&app, &access, "/user-identities/me/sessions").summary(), INACTIVE);
}

#[test]
fn the_current_session_may_be_kept() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let (current, refresh) = app.session_tokens(ANA_MAIL);
    let (other, other_refresh) = app.session_tokens(ANA_MAIL);
    let end = Request::delete("/user-identities/me/sessions").query(&[("keepCurrent", "true")]);
    assert_eq!(app.send(end.bearer(&current)).summary(), "204 ");
    assert_eq!(get(&app, &other, "/user-identities/me/sessions").summary(), INACTIVE);
    assert_eq!(app.renew(&portal, &other_refresh, "true").summary(), NOT_VALID);
    assert_eq!(sids(&list(&app, &current, "me")), [sid(&current)]);
    let renewed = field(&app.renew(&portal, &refresh, "true").json(), "accessToken");
    assert_eq!(
        (sid(&renewed), claims(&renewed)["sv"].as_u64()),
        (sid(&current), Some(1))
    );
    let events = app.events();
    let ended = events.iter().find(|event| event["type"] == "sessions.ended");
    let by = json!({"user": "ana", "client": "portal"});
    assert_eq!(
        ended.expect("an event")["data"],
        json!({"userId": "ana", "sessionsVersion": 1, "keptSid": sid(&current), "by": by})
    );

    let end = Request::delete("/user-identities/me/sessions").query(&[("keepCurrent", "maybe")]);
    assert_eq!(
        app.send(end.bearer(&renewed)).summary(),
        r#"400 [{"code":"01","message":"keepCurrent must be true or false","field":"keepCurrent"}]"#
    );
    let without_session = app.user_token(ANA_MAIL, "portal");
    let end = Request::delete("/user-identities/me/sessions").query(&[("keepCurrent", "true")]);
    assert_eq!(
        app.send(end.bearer(&without_session)).summary(),
        r#"400 [{"code":"01","message":"the access token belongs to no session","field":"keepCurrent"}]"#
    );
}

#[test]
fn a_foreign_or_unknown_session_is_404() {
    let app = TestApp::start();
    let (ana, _) = app.session_tokens(ANA_MAIL);
    let (bia, bia_refresh) = app.session_tokens(BIA_MAIL);
    let administrator = administrator(&app);
    for (bearer, user) in [(&ana, "me"), (&administrator, "ana"), (&administrator, "nobody")] {
        for session in [sid(&bia), "unknown".to_owned()] {
            let path = format!("/user-identities/{user}/sessions/{session}");
            assert_eq!(delete(&app, bearer, &path), NO_SESSION, "{path}");
        }
    }
    assert_eq!(app.family(&bia_refresh).status, FamilyStatus::Active);
    let path = "/user-identities/nobody/sessions";
    assert_eq!(delete(&app, &administrator, path), NO_USER);
    assert_eq!(get(&app, &administrator, path).summary(), NO_USER);
    let path = format!("/user-identities/bia/sessions/{}", sid(&bia));
    assert_eq!(delete(&app, &administrator, &path), "204 ");
    assert_eq!(get(&app, &bia, "/user-identities/me/sessions").summary(), INACTIVE);
}

#[test]
fn sessions_are_listed_in_pages() {
    let app = TestApp::start();
    let administrator = administrator(&app);
    for _ in 0..5 {
        app.session_tokens(ANA_MAIL);
    }
    let all = sids(&list(&app, &administrator, "ana"));
    let mut path = "/user-identities/ana/sessions?limit=2".to_owned();
    let mut found = Vec::new();
    for length in [2, 2, 1] {
        let answer = get(&app, &administrator, &path);
        let page = answer.json();
        assert_eq!(page.as_array().map(Vec::len), Some(length));
        found.extend(sids(page.as_array().expect("a list")));
        let link = answer.header("link").unwrap_or_default();
        let next = link
            .strip_prefix("</security/iam/v1")
            .and_then(|link| link.strip_suffix(">; rel=\"next\""));
        assert_eq!(next.is_some(), length == 2, "{link}");
        path = next.unwrap_or_default().to_owned();
    }
    assert_eq!(found, all);
    for (query, field, message) in [
        ("limit=0", "limit", "limit must be a whole number from 1 to 200"),
        ("limit=201", "limit", "limit must be a whole number from 1 to 200"),
        ("limit=x", "limit", "limit must be a whole number from 1 to 200"),
    ] {
        let expected = format!(r#"400 [{{"code":"01","message":"{message}","field":"{field}"}}]"#);
        let path = format!("/user-identities/ana/sessions?{query}");
        assert_eq!(get(&app, &administrator, &path).summary(), expected);
    }
    let answer = get(&app, &administrator, "/user-identities/ana/sessions?after=a.b");
    assert_eq!(answer.codes(), (400, vec!["01".to_owned()]));
}

#[test]
fn the_oldest_session_ends_for_one_too_many() {
    let app = TestApp::with_settings(&[("tokens.sessions_per_client", "2")]);
    let (first, first_refresh) = app.session_tokens(ANA_MAIL);
    for _ in 0..2 {
        app.clock.advance_seconds(1);
        app.session_tokens(ANA_MAIL);
    }
    assert_eq!(
        app.family(&first_refresh).status,
        FamilyStatus::Revoked(RevocationReason::Limit)
    );
    assert_eq!(get(&app, &first, "/user-identities/me/sessions").summary(), INACTIVE);
    let revoked = app.events();
    let revoked: Vec<&Value> = revoked
        .iter()
        .filter(|event| event["type"] == "session.revoked")
        .collect();
    assert_eq!((revoked.len(), &revoked[0]["data"]["reason"]), (1, &json!("limit")));
}

/// Runs the command on the folder of the app, which keeps serving.
fn operate(app: &TestApp, arguments: &[&str]) -> CommandOutput {
    run_in(&app.folder.path().join("data"), arguments, b"")
}

#[test]
fn an_operator_lists_and_ends_sessions() {
    // Far longer than the clock of the app is behind the clock of the command.
    let life = "876000h";
    let app = TestApp::with_settings(&[
        ("tokens.refresh_absolute_lifetime", life),
        ("tokens.refresh_idle_lifetime", life),
    ]);
    let (first, _) = app.session_tokens(ANA_MAIL);
    let (second, _) = app.session_tokens(ANA_MAIL);
    let listed = operate(&app, &["identity", "sessions", "ana"]).lines();
    assert_eq!(listed, list(&app, &first, "me"));
    assert_eq!(listed.len(), 2);
    let ended = operate(&app, &["identity", "sessions", "ana", "--end", &sid(&first)]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(get(&app, &first, "/user-identities/me/sessions").summary(), INACTIVE);
    assert_eq!(sids(&list(&app, &second, "me")), [sid(&second)]);
    let ended = operate(&app, &["identity", "sessions", "ana", "--end-all"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(get(&app, &second, "/user-identities/me/sessions").summary(), INACTIVE);
    let events = app.events();
    let ended = events.iter().find(|event| event["type"] == "sessions.ended");
    assert!(ended.expect("an event")["data"]["by"]["operator"].is_string());

    let records = operate(&app, &["audit"]).lines();
    let reasons: Vec<&Value> = records
        .iter()
        .filter(|record| record["operator"].is_string())
        .map(|record| &record["reason"])
        .collect();
    assert_eq!(
        reasons,
        [&json!("logout"), &json!("all sessions ended")],
        "{records:#?}"
    );
    for (arguments, message) in [
        (&["ana", "--end", "unknown"][..], "no such session"),
        (&["nobody"], "there is no user `nobody`"),
        (&["nobody", "--end-all"], "there is no user `nobody`"),
    ] {
        let arguments: Vec<&str> = ["identity", "sessions"].iter().chain(arguments).copied().collect();
        let done = operate(&app, &arguments);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains(message), "{done:?}");
    }
}

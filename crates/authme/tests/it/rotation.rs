//! A refresh token family over HTTP: docs/protocols.md "Rotation" and "Closing".

use serde_json::json;

use crate::fixtures::ANA_MAIL;
use crate::jwt::claims;
use crate::renew_token::refresh_of;
use crate::test_app::{NOT_VALID, START, TestApp, at, field};

#[test]
fn a_retried_rotation_returns_the_same_successor() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let one = field(&app.session(ANA_MAIL), "refreshToken");
    let two = refresh_of(&app.renew(&portal, &one, "true"));
    assert_ne!(one, two);
    app.clock.advance_seconds(29);
    assert_eq!(refresh_of(&app.renew(&portal, &one, "true")), two);
    let three = refresh_of(&app.renew(&portal, &two, "true"));
    assert_eq!(app.event_types("ana"), ["session.started"]);
    // The spent token is a replay, which ends the family and with it the newest token.
    assert_eq!(app.renew(&portal, &one, "true").summary(), NOT_VALID);
    assert_eq!(app.renew(&portal, &three, "true").summary(), NOT_VALID);
    let mut events = app.events();
    let mut revoked = events.pop().expect("an event");
    let sid = one
        .strip_prefix("rt_")
        .and_then(|rest| rest.split('.').next())
        .expect("a family");
    for moving in ["id", "cursor", "correlationid"] {
        revoked[moving] = json!("…");
    }
    assert_eq!(
        revoked,
        json!({"specversion": "1.0", "id": "…", "source": "/authme/tokens", "type": "session.revoked", "subject": sid,
            "time": "2026-01-01T00:00:29.000Z", "datacontenttype": "application/json", "partitionkey": "ana",
            "sequence": "00000000000000000002", "cursor": "…", "correlationid": "…",
            "data": {"userId": "ana", "clientId": "portal", "sid": sid, "reason": "replay", "by": {"client": "portal"}}})
    );
}

#[test]
fn a_retry_after_the_grace_time_is_a_replay() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let one = field(&app.session(ANA_MAIL), "refreshToken");
    let two = refresh_of(&app.renew(&portal, &one, "true"));
    app.clock.advance_seconds(30);
    assert_eq!(app.renew(&portal, &one, "true").summary(), NOT_VALID);
    assert_eq!(app.renew(&portal, &two, "true").summary(), NOT_VALID);
}

#[test]
fn a_forged_token_changes_nothing() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let good = field(&app.session(ANA_MAIL), "refreshToken");
    let mac = good.rsplit('.').next().expect("a mac").to_owned();
    for forged in [
        good.replacen(".1.", ".2.", 1),
        good.replacen(".1.", ".0.", 1),
        good.replacen(".1.", ".01.", 1),
        good.replacen("rt_", "rt_0", 1),
        good.to_uppercase(),
        format!("{good}0"),
        format!("{good}."),
        good.replace(&mac, ""),
        good.replace(&mac, &"0".repeat(mac.len())),
        "rt_".to_owned(),
        "vt_".to_owned(),
        "x".repeat(4000),
        "' or 1=1 --".to_owned(),
        "\u{0}".to_owned(),
        "é".to_owned(),
    ] {
        assert_eq!(app.renew(&portal, &forged, "true").summary(), NOT_VALID, "{forged}");
    }
    assert_eq!(app.renew(&portal, &good, "true").status, 200);
}

#[test]
fn renewal_without_remember_me_closes_the_family() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let one = field(&app.session(ANA_MAIL), "refreshToken");
    let two = refresh_of(&app.renew(&portal, &one, "true"));
    for _ in 0..2 {
        // Presented again inside the grace time, it gets an access token again.
        let closed = app.renew(&portal, &two, "false");
        assert_eq!(closed.status, 200, "{}", closed.summary());
        assert_eq!(closed.json().get("refreshToken"), None);
        assert_eq!(claims(&field(&closed.json(), "accessToken")).get("sid"), None);
    }
    assert_eq!(app.renew(&portal, &two, "true").summary(), NOT_VALID);
    assert_eq!(app.renew(&portal, &one, "false").summary(), NOT_VALID);
    app.clock.advance_seconds(30);
    assert_eq!(app.renew(&portal, &two, "false").summary(), NOT_VALID);
    assert_eq!(app.event_types("ana"), ["session.started"]);
}

#[test]
fn the_previous_token_closes_the_family_too() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let one = field(&app.session(ANA_MAIL), "refreshToken");
    let two = refresh_of(&app.renew(&portal, &one, "true"));
    assert_eq!(app.renew(&portal, &one, "false").status, 200);
    assert_eq!(app.renew(&portal, &two, "true").summary(), NOT_VALID);
}

#[test]
fn a_family_ends_at_idle_and_absolute_expiry() {
    let app = TestApp::start();
    let day = 24 * 3600;
    let first = field(&app.session(ANA_MAIL), "refreshToken");
    let mut token = field(&app.session(ANA_MAIL), "refreshToken");
    for days in [6, 12, 18, 24, 29] {
        app.clock.set(at(START + days * day));
        token = refresh_of(&app.renew(&app.client_token("portal"), &token, "true"));
    }
    let portal = app.client_token("portal");
    assert_eq!(app.renew(&portal, &first, "true").summary(), NOT_VALID);
    app.clock.set(at(START + 30 * day));
    let portal = app.client_token("portal");
    assert_eq!(app.renew(&portal, &token, "true").summary(), NOT_VALID);
}

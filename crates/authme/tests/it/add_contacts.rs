//! Adding contacts: docs/api.md "Request bodies and parameters".

use serde_json::{Value, json};

use crate::fixtures::{self, BIA_MAIL};
use crate::jwt::{token, user_claims};
use crate::test_app::TestApp;
use test_support::http::{Answer, FORM, Request};

const OWNER: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

pub(crate) fn path(user: &str) -> String {
    format!("/user-identities/{user}/authentication-factors")
}

/// Returns an item that is valid for ana, whose main contact is an e-mail.
pub(crate) fn mobile(id: &str, number: &str) -> Value {
    json!({"id": id, "contactType": "MOBILE", "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": number}})
}

/// Returns an item that is valid for bia, whose main contact is a mobile.
pub(crate) fn email(id: &str, address: &str) -> Value {
    json!({"id": id, "contactType": "EMAIL", "email": address})
}

fn tagged(mut item: Value) -> Value {
    item["tags"] = json!(["MARKED_RESOURCES"]);
    item
}

/// Adds contacts through the portal.
pub(crate) fn add(app: &TestApp, user: &str, items: &[Value]) -> Answer {
    let request = Request::post(&path(user)).bearer(&app.client_token("portal"));
    app.send(request.json(&json!({"authenticationFactors": items})))
}

pub(crate) fn add_all(app: &TestApp, user: &str, items: &[Value]) {
    assert_eq!(add(app, user, items).summary(), "201 ");
}

/// Returns id and tags of the contacts that the user sees.
fn list_contacts(app: &TestApp, mail: &str) -> Vec<(String, Value)> {
    let token = app.user_token(mail, "portal");
    let answer = app.send(Request::get(&path("me")).bearer(&token));
    let contacts = answer.json();
    let contacts = contacts.as_array().expect("an array").iter();
    contacts
        .map(|contact| {
            (
                contact["id"].as_str().expect("an id").to_owned(),
                contact["tags"].clone(),
            )
        })
        .collect()
}

#[test]
fn string_tags_and_numeric_mobiles_are_accepted() {
    let app = TestApp::start();
    let item = json!({
        "id": "5efd263cbe2d398bb00b97ea", "contactType": "MOBILE", "email": "not judged, not even read as one",
        "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": 911_112_222}, "tags": "[\"MARKED_RESOURCES\"]",
        "unknown": {"ignored": true},
    });
    add_all(&app, "ana", &[item]);
    let marked = json!(["MARKED_RESOURCES"]);
    let expected = [
        ("ana-mail".to_owned(), json!([])),
        ("5efd263cbe2d398bb00b97ea".to_owned(), marked),
    ];
    assert_eq!(list_contacts(&app, fixtures::ANA_MAIL), expected);
}

#[test]
fn adding_a_contact_twice_emits_one_event() {
    let app = TestApp::start();
    add_all(&app, "bia", &[email("c1", "Other@Example.com")]);
    add_all(&app, "bia", &[email("c1", "Other@Example.com")]);
    // Addresses are compared case-insensitively, and tags are not compared.
    add_all(&app, "bia", &[tagged(email("c1", "other@EXAMPLE.com"))]);
    assert_eq!(app.event_types("bia"), ["factor.added"]);
    assert_eq!(list_contacts(&app, BIA_MAIL)[2], ("c1".to_owned(), json!([])));
}

#[test]
fn moving_a_tag_emits_an_event_for_both_contacts() {
    let app = TestApp::start();
    add_all(&app, "ana", &[tagged(mobile("c1", "911112222"))]);
    add_all(&app, "ana", &[tagged(mobile("c2", "911113333"))]);
    let contacts = list_contacts(&app, fixtures::ANA_MAIL);
    assert_eq!(
        contacts[1..],
        [
            ("c1".to_owned(), json!([])),
            ("c2".to_owned(), json!(["MARKED_RESOURCES"]))
        ]
    );
    let mut events = app.events();
    events.retain(|event| event["source"] == "/authme/factors");
    let published: Vec<_> = events
        .iter()
        .map(|event| (&event["type"], &event["sequence"], &event["data"]))
        .collect();
    let data = |id: &str, masked: &str, tags: &[&str]| json!({"userId": "ana", "factorId": id, "contactType": "MOBILE", "maskedValue": masked, "tags": tags, "default": false, "by": {"client": "portal"}, "verified": false});
    let marked = ["MARKED_RESOURCES"];
    assert_eq!(
        published,
        [
            (
                &json!("factor.added"),
                &json!("00000000000000000001"),
                &data("c1", "+55 11 *****2222", &marked)
            ),
            (
                &json!("factor.changed"),
                &json!("00000000000000000002"),
                &data("c1", "+55 11 *****2222", &[])
            ),
            (
                &json!("factor.added"),
                &json!("00000000000000000003"),
                &data("c2", "+55 11 *****3333", &marked)
            ),
        ]
    );
}

#[test]
fn a_partial_success_returns_207_with_the_errors() {
    let app = TestApp::start();
    let items = [
        mobile("c1", "911112222"),
        email("c2", "x@example.com"),
        mobile("c3", "12"),
        mobile("c4", "911112222"),
        mobile("c5", "911115555"),
    ];
    assert_eq!(
        add(&app, "ana", &items).summary(),
        concat!(
            r#"207 [{"code":"06","message":"the contact is of the same type as the user's main contact","#,
            r#""field":"authenticationFactors[1].contactType","id":"c2","status":422},"#,
            r#"{"code":"09","message":"mobile is not a valid mobile number, or is missing","#,
            r#""field":"authenticationFactors[2].mobile","id":"c3","status":422},"#,
            r#"{"code":"07","message":"the contact's id or value is already registered","#,
            r#""field":"authenticationFactors[3].id","id":"c4","status":422}]"#
        )
    );
    let ids: Vec<_> = list_contacts(&app, fixtures::ANA_MAIL)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids, ["ana-mail", "c1", "c5"]);
    assert_eq!(app.event_types("ana"), ["factor.added", "factor.added"]);
}

#[test]
fn a_complete_failure_returns_422_with_the_errors() {
    let app = TestApp::start();
    let answer = add(&app, "bia", &[email("c1", "nope"), mobile("c2", "911112222")]);
    assert_eq!(
        answer.summary(),
        concat!(
            r#"422 [{"code":"08","message":"email is not a valid e-mail address, or is missing","#,
            r#""field":"authenticationFactors[0].email","id":"c1","status":422},"#,
            r#"{"code":"06","message":"the contact is of the same type as the user's main contact","#,
            r#""field":"authenticationFactors[1].contactType","id":"c2","status":422}]"#
        )
    );
    assert_eq!(app.event_types("bia"), Vec::<String>::new());
}

#[test]
fn an_unreadable_item_rejects_the_whole_body() {
    let app = TestApp::start();
    let good = mobile("c1", "911112222");
    for (bad, field, message) in [
        (
            json!({"contactType": "MOBILE"}),
            "[1].id",
            "authenticationFactors[1].id is required",
        ),
        (
            json!({"id": "c2"}),
            "[1].contactType",
            "authenticationFactors[1].contactType is required",
        ),
        (
            json!({"id": "c2", "contactType": "FAX"}),
            "[1].contactType",
            "contactType must be EMAIL or MOBILE",
        ),
        (
            json!({"id": "c2", "contactType": "email"}),
            "[1].contactType",
            "contactType must be EMAIL or MOBILE",
        ),
        (
            json!({"id": "c 2", "contactType": "EMAIL"}),
            "[1].id",
            "an id is 1 to 64 characters of A-Z a-z 0-9 _ -",
        ),
        (
            json!({"id": "me", "contactType": "EMAIL"}),
            "[1].id",
            "an id is 1 to 64 characters of A-Z a-z 0-9 _ -",
        ),
    ] {
        let expected = json!([{"code": "01", "message": message, "field": format!("authenticationFactors{field}")}]);
        let answer = add(&app, "ana", &[good.clone(), bad]);
        assert_eq!((answer.status, answer.json()), (400, expected));
    }
    assert_eq!(app.event_types("ana"), Vec::<String>::new());
}

#[test]
fn a_body_has_one_to_ten_items() {
    let app = TestApp::start();
    let eleven: Vec<Value> = (0..11).map(|n| mobile(&format!("c{n}"), "911112222")).collect();
    let counted = concat!(
        r#"400 [{"code":"01","message":"authenticationFactors must have 1 to 10 items","#,
        r#""field":"authenticationFactors"}]"#
    );
    assert_eq!(add(&app, "ana", &eleven).summary(), counted);
    assert_eq!(add(&app, "ana", &[]).summary(), counted);
    let portal = app.client_token("portal");
    for body in ["{}", r#"{"authenticationFactors":null}"#] {
        let answer = app.send(Request::post(&path("ana")).bearer(&portal).body(body));
        assert_eq!(
            answer.summary(),
            concat!(
                r#"400 [{"code":"01","message":"authenticationFactors is required","#,
                r#""field":"authenticationFactors"}]"#
            )
        );
    }
}

#[test]
fn an_unknown_user_returns_404() {
    let app = TestApp::start();
    assert_eq!(
        add(&app, "ffffffffffffffffffffffff", &[mobile("c1", "911112222")]).summary(),
        r#"404 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn users_add_contacts_by_me_and_by_id() {
    let app = TestApp::start();
    let ana = token(&app, &user_claims("ana", &OWNER, &[]));
    for (at, id, number) in [("me", "c1", "911112222"), ("ana", "c2", "911113333")] {
        let body = json!({"authenticationFactors": [mobile(id, number)]});
        assert_eq!(
            app.send(Request::post(&path(at)).bearer(&ana).json(&body)).summary(),
            "201 "
        );
    }
    assert_eq!(list_contacts(&app, fixtures::ANA_MAIL).len(), 3);
    let gone = token(&app, &user_claims("gone", &OWNER, &[]));
    let body = json!({"authenticationFactors": [mobile("c1", "911112222")]});
    let answer = app.send(Request::post(&path("me")).bearer(&gone).json(&body));
    assert_eq!(
        answer.summary(),
        r#"401 [{"code":"02","message":"the access token is no longer active"}]"#
    );
}

#[test]
fn users_cannot_add_contacts_to_others() {
    let app = TestApp::start();
    let ana = token(&app, &user_claims("ana", &OWNER, &[]));
    let body = json!({"authenticationFactors": [email("c1", "x@example.com")]});
    for other in ["bia", "root", "unknown", "Ana", "ana-"] {
        let answer = app.send(Request::post(&path(other)).bearer(&ana).json(&body));
        assert_eq!(
            answer.summary(),
            r#"403 [{"code":"03","message":"the token lacks the role IAM_ADMIN_MAINTENANCE"}]"#
        );
    }
    let lock = Request::post("/user-identities/lock")
        .bearer(&ana)
        .json(&json!({"userId": "bia"}));
    assert_eq!(app.send(lock).codes(), (403, vec!["03".to_owned()]));
    let see = Request::get("/user-identities/bia/lock").bearer(&ana);
    assert_eq!(app.send(see).codes(), (403, vec!["03".to_owned()]));
    assert_eq!(app.event_types("bia"), Vec::<String>::new());
}

#[test]
fn a_missing_content_type_means_json() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    let body = |id: &str, number: &str| json!({"authenticationFactors": [mobile(id, number)]}).to_string();
    let request = Request::post(&path("ana")).bearer(&portal);
    assert_eq!(app.send(request.clone().body(body("c1", "911112222"))).status, 201);
    let utf8 = request
        .clone()
        .header("Content-Type", "Application/JSON; charset=utf-8");
    assert_eq!(app.send(utf8.body(body("c2", "911113333"))).status, 201);
    for content_type in ["text/plain", FORM, "application/jsonp", "application/xml"] {
        let answer = app.send(
            request
                .clone()
                .header("Content-Type", content_type)
                .body(body("c3", "911114444")),
        );
        assert_eq!(
            answer.summary(),
            r#"415 [{"code":"01","message":"the content type of the body must be application/json"}]"#,
            "{content_type}"
        );
    }
}

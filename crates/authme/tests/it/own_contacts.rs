//! Listing one's own contacts: docs/api.md "Ids, contacts, masks, times".

use serde_json::{Value, json};

use crate::add_contacts::{email, mobile, path};
use crate::fixtures::{self, ANA_MAIL, BIA_MAIL};
use crate::jwt::{token, user_claims};
use crate::test_app::TestApp;
use test_support::http::{Answer, Request};

const OWNER: [&str; 4] = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

fn add(app: &TestApp, user: &str, items: &Value) {
    let request = Request::post(&path(user)).bearer(&app.client_token("portal"));
    let answer = app.send(request.json(&json!({"authenticationFactors": items})));
    assert_eq!(answer.summary(), "201 ");
}

/// Lists the contacts of a user through a client.
fn list_through(app: &TestApp, client: &str, user: &str) -> Answer {
    let mut claims = user_claims(user, &OWNER, &[]);
    claims["client_id"] = json!(client);
    app.send(Request::get(&path("me")).bearer(&token(app, &claims)))
}

fn ids(answer: &Answer) -> Vec<String> {
    let contacts = answer.json();
    let contacts = contacts.as_array().expect("an array").iter();
    contacts
        .map(|contact| contact["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn contacts_are_masked_as_documented() {
    let app = TestApp::start();
    let mut tagged = mobile("5efd263cbe2d398bb00b97ea", "911112222");
    tagged["tags"] = json!(["MARKED_RESOURCES"]);
    add(&app, "ana", &json!([tagged]));
    let answer = list_through(&app, "portal", "ana");
    assert_eq!(
        answer.summary(),
        concat!(
            r#"200 [{"id":"ana-mail","contactType":"EMAIL","email":"ex***le@br.e*******.com","#,
            r#""tags":[],"credential":true,"default":true},"#,
            r#"{"id":"5efd263cbe2d398bb00b97ea","contactType":"MOBILE","#,
            r#""mobile":{"regionCode":"55","areaCode":"11","phoneNumber":"*****2222"},"#,
            r#""tags":["MARKED_RESOURCES"],"credential":false,"default":false}]"#
        )
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_area_code_is_optional() {
    let app = TestApp::start();
    add(
        &app,
        "ana",
        &json!([{"id": "pt", "contactType": "MOBILE", "mobile": {"regionCode": 351, "phoneNumber": "912345678"}}]),
    );
    let contacts = list_through(&app, "portal", "ana").json();
    assert_eq!(
        contacts[1]["mobile"],
        json!({"regionCode": "351", "phoneNumber": "*****5678"})
    );
}

#[test]
fn contacts_are_listed_in_their_documented_order() {
    let app = TestApp::start();
    add(
        &app,
        "bia",
        &json!([email("z", "z@example.com"), email("a", "a@example.com")]),
    );
    app.clock.advance_seconds(1);
    add(&app, "bia", &json!([email("m", "m@example.com")]));
    let answer = list_through(&app, "portal", "bia");
    assert_eq!(ids(&answer), ["bia-mobile", "bia-mail", "z", "a", "m"]);
    let contacts = answer.json();
    let defaults = contacts
        .as_array()
        .expect("an array")
        .iter()
        .filter(|contact| contact["default"] == true);
    assert_eq!(
        defaults.map(|contact| &contact["id"]).collect::<Vec<_>>(),
        ["bia-mobile"]
    );
    assert_eq!(contacts[0].get("email"), None);
    assert_eq!(contacts[1].get("mobile"), None);
}

#[test]
fn the_clients_visibility_decides_what_is_listed() {
    let app = TestApp::start();
    let mut tagged = email("tagged", "tagged@example.com");
    tagged["tags"] = json!(["MARKED_RESOURCES"]);
    add(&app, "bia", &json!([email("plain", "plain@example.com"), tagged]));
    let visible = |client: &str| ids(&list_through(&app, client, "bia"));
    assert_eq!(visible("portal"), ["bia-mobile", "bia-mail", "plain", "tagged"]);
    assert_eq!(visible("marked"), ["tagged"]);
    assert_eq!(visible("shop"), ["bia-mobile", "bia-mail"]);
    // A client that is not registered gets the narrowest visibility.
    assert_eq!(visible("unregistered"), ["bia-mobile", "bia-mail"]);
    assert_eq!(list_through(&app, "marked", "ana").summary(), "200 []");
}

#[test]
fn a_user_without_a_record_returns_404() {
    let app = TestApp::start();
    assert_eq!(
        list_through(&app, "portal", "gone").summary(),
        r#"404 [{"code":"04","message":"the user is not known"}]"#
    );
}

#[test]
fn own_contacts_need_a_user() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    for request in [Request::get(&path("me")), Request::post(&path("me")).body("{}")] {
        let answer = app.send(request.bearer(&portal));
        assert_eq!(
            answer.summary(),
            r#"403 [{"code":"03","message":"a token that carries a user is required"}]"#
        );
    }
}

#[test]
fn tokens_of_a_real_login_list_the_same_contacts() {
    let app = TestApp::start();
    for (mail, first) in [
        (ANA_MAIL, "ana-mail"),
        (BIA_MAIL, "bia-mobile"),
        (fixtures::ROOT_MAIL, "root-mail"),
    ] {
        let token = app.user_token(mail, "portal");
        let answer = app.send(Request::get(&path("me")).bearer(&token));
        assert_eq!(ids(&answer)[0], first);
    }
}

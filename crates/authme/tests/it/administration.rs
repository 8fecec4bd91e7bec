//! Who administrates: where administrator roles come from, and where they never do.

use domain::group::Group;
use domain::identity::BusinessLink;
use domain::ids::{BusinessId, FamilyId};
use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BUSINESS, ROOT_MAIL, owned, user};
use crate::jwt::claims;
use crate::test_app::{TestApp, field};
use crate::wire::{Answer, Request};

const ADMINISTRATOR: &str = "IAM_ADMIN_MAINTENANCE";

fn save_group(app: &TestApp, name: &str, roles: &[&str]) {
    let group = Group {
        name: name.to_owned(),
        roles: owned(roles),
    };
    app.wait_for(app.stores.groups.save(&group)).expect("the store answers");
}

fn change_client(app: &TestApp, id: &str, change: impl FnOnce(&mut domain::client::Client)) {
    let found = app.wait_for(app.stores.clients.find(&fixtures::client_id(id)));
    let mut client = found.expect("the store answers").expect("a client");
    change(&mut client);
    app.wait_for(fixtures::save_client(&app.stores, &client));
}

/// A session at the portal after a hand-off with this body.
fn session(app: &TestApp, body: &Value) -> Value {
    let handed = app.hand_off("portal", body);
    assert_eq!(handed.status, 200, "{}", handed.shown());
    let portal = app.client_token("portal");
    let renewed = app.renew(&portal, &field(&handed.json(), "validationToken"), "true");
    assert_eq!(renewed.status, 200, "{}", renewed.shown());
    renewed.json()
}

fn roles(tokens: &Value) -> Vec<String> {
    let roles = claims(&field(tokens, "accessToken"))["roles"].clone();
    serde_json::from_value(roles).expect("a list of texts")
}

fn is_administrator(tokens: &Value) -> bool {
    roles(tokens).iter().any(|role| role == ADMINISTRATOR)
}

fn lock(app: &TestApp, token: &str, user: &str) -> Answer {
    let request = Request::post("/user-identities/lock").bearer(token);
    app.ask(request.json(&json!({"userId": user})))
}

#[track_caller]
fn lacks_the_administrator_role(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.shown());
    assert_eq!(
        answer.json(),
        json!([{"code": "03", "message": "the token lacks the role IAM_ADMIN_MAINTENANCE"}])
    );
}

#[test]
fn a_role_for_one_business_administrates_nobody() {
    let app = TestApp::start();
    let mut mallory = user("mallory", "mallory@example.com", &["AUTH-BASIC", "USER"]);
    // As it may stand in a store from before such links were refused.
    mallory.businesses = vec![BusinessLink {
        id: BusinessId::parse(BUSINESS).expect("a good id"),
        roles: owned(&["BUYER", ADMINISTRATOR, "ROLE_ADMIN", "CLI-AUTH-BASIC", "AUTH-MFA"]),
    }];
    app.wait_for(fixtures::save_identity(&app.stores, &mallory));
    let body = json!({"email": "mallory@example.com", "groups": [], "businessId": BUSINESS});
    let tokens = session(&app, &body);
    assert_eq!(
        roles(&tokens),
        ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER", "BUYER"]
    );
    let token = field(&tokens, "accessToken");
    for victim in ["ana", "root"] {
        lacks_the_administrator_role(&lock(&app, &token, victim));
        let contacts = format!("/user-identities/{victim}/authentication-factors");
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"});
        let item = json!({"id": "c1", "contactType": "MOBILE", "mobile": mobile});
        let add = Request::post(&contacts).bearer(&token);
        lacks_the_administrator_role(&app.ask(add.json(&json!({"authenticationFactors": [item]}))));
    }
}

#[test]
fn an_administrator_administrates_only_through_a_client_registered_for_it() {
    let app = TestApp::start();
    lacks_the_administrator_role(&lock(&app, &app.user_token(ROOT_MAIL, "shop"), "ana"));
    assert_eq!(lock(&app, &app.user_token(ROOT_MAIL, "portal"), "ana").status, 204);
    change_client(&app, "portal", |portal| portal.allows_administration = false);
    lacks_the_administrator_role(&lock(&app, &app.user_token(ROOT_MAIL, "portal"), "bia"));
}

#[test]
fn a_client_that_holds_an_administrator_role_gives_it_to_nobody() {
    let app = TestApp::start();
    change_client(&app, "portal", |portal| portal.roles.push(ADMINISTRATOR.to_owned()));
    assert!(!is_administrator(&session(
        &app,
        &json!({"email": ANA_MAIL, "groups": []})
    )));
    let own = claims(&app.client_token("portal"))["roles"].clone();
    assert_eq!(own, json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]));
}

#[test]
fn a_hand_off_makes_administrators_only_through_groups_its_client_is_registered_for_by_name() {
    let app = TestApp::start();
    save_group(&app, "ADMINS", &["CLERK", ADMINISTRATOR]);
    let body = json!({"email": ANA_MAIL, "groups": ["ADMINS", "IDC_GERENCIADOR_MANAGER", "strangers"]});
    let family = |tokens: &Value| {
        let sid = field(&claims(&field(tokens, "accessToken")), "sid");
        let sid = FamilyId::parse(sid).expect("a good id");
        let found = app.wait_for(app.stores.refresh_families.find(&sid));
        found.expect("the store answers").expect("a session").origin
    };
    for (may_assert, groups, administrates) in [
        (&["*"][..], &["IDC_GERENCIADOR_MANAGER"][..], false),
        (&[], &[], false),
        (&["IDC_GERENCIADOR_MANAGER"], &["IDC_GERENCIADOR_MANAGER"], false),
        (&["*", "ADMINS"], &["ADMINS", "IDC_GERENCIADOR_MANAGER"], true),
    ] {
        change_client(&app, "gateway", |gateway| gateway.may_assert = owned(may_assert));
        let tokens = session(&app, &body);
        assert_eq!(is_administrator(&tokens), administrates, "{may_assert:?}");
        // What was left out is not stored either.
        assert_eq!(family(&tokens).groups, owned(groups), "{may_assert:?}");
    }
}

#[test]
fn an_administrator_by_hand_off_is_one_in_every_application_registered_for_it_until_the_group_says_otherwise() {
    let app = TestApp::start();
    save_group(&app, "ADMINS", &[ADMINISTRATOR]);
    change_client(&app, "gateway", |gateway| gateway.may_assert = owned(&["ADMINS"]));
    let tokens = session(&app, &json!({"email": ANA_MAIL, "groups": ["ADMINS"]}));
    let portal = app.client_token("portal");
    let renewed = app.renew(&portal, &field(&tokens, "refreshToken"), "true").json();
    assert!(is_administrator(&renewed));
    for (target, administrates) in [("shop", false), ("marked", true)] {
        change_client(&app, target, |client| client.allows_administration = administrates);
        let change = Request::post("/user-identities/me/change-app").query(&[("targetClientId", target)]);
        let ticket = app.ask(change.bearer(&field(&renewed, "accessToken")));
        let ticket = field(&ticket.json(), "validationToken");
        let there = app.renew(&app.client_token(target), &ticket, "true");
        assert_eq!(is_administrator(&there.json()), administrates, "{target}");
    }
    save_group(&app, "ADMINS", &["CLERK"]);
    let renewed = app.renew(&portal, &field(&renewed, "refreshToken"), "true");
    assert!(!is_administrator(&renewed.json()));
}

#[test]
fn nobody_locks_or_unlocks_themselves() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    for way in ["lock", "unlock"] {
        let request = Request::post(&format!("/user-identities/{way}")).bearer(&root);
        let answer = app.ask(request.json(&json!({"userId": "root"})));
        assert_eq!(answer.codes(), (403, vec!["03".to_owned()]), "{way}");
        let message = field(&answer.json()[0], "message");
        assert!(message.contains("ask another administrator"), "{message}");
    }
    assert_eq!(app.event_types("root"), [""; 0]);
    assert_eq!(lock(&app, &root, "ana").status, 204);
}

#[test]
fn what_a_client_adds_is_verified_only_when_it_is_trusted_with_that() {
    let app = TestApp::start();
    let add = |token: &str, id: &str, number: &str| {
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let item = json!({"id": id, "contactType": "MOBILE", "mobile": mobile});
        let request = Request::post("/user-identities/ana/authentication-factors").bearer(token);
        let answer = app.ask(request.json(&json!({"authenticationFactors": [item]})));
        assert_eq!(answer.status, 201, "{}", answer.shown());
    };
    add(&app.client_token("portal"), "c1", "911110001");
    change_client(&app, "portal", |portal| {
        portal.scopes.push("contacts_verified".to_owned());
    });
    add(&app.client_token("portal"), "c2", "911110002");
    add(&app.user_token(ROOT_MAIL, "portal"), "c3", "911110003");
    // The client's scope verifies nothing that a user adds.
    add(&app.user_token(ANA_MAIL, "portal"), "c4", "911110004");
    let mut events = app.events();
    events.retain(|event| event["type"] == "factor.added");
    let verified: Vec<_> = events.iter().map(|event| event["data"]["verified"].clone()).collect();
    assert_eq!(verified, [json!(false), json!(true), json!(true), json!(false)]);
}

#[test]
fn the_event_log_is_read_with_a_scope_of_its_own() {
    let app = TestApp::start();
    change_client(&app, "locker", |locker| {
        locker.scopes = owned(&["account_lock", "account_unlock"]);
    });
    let events = |token: &str| app.ask(Request::get("/events").query(&[("wait", "0")]).bearer(token));
    let refused = events(&app.client_token("locker"));
    assert_eq!(
        (refused.status, refused.json()),
        (
            403,
            json!([{"code": "03", "message": "the token lacks the scope events_read"}])
        )
    );
    change_client(&app, "locker", |locker| locker.scopes = owned(&["events_read"]));
    assert_eq!(events(&app.client_token("locker")).status, 200);
    assert_eq!(events(&app.user_token(ROOT_MAIL, "portal")).status, 200);
}

#[test]
fn a_hand_off_names_at_most_two_hundred_groups_of_at_most_256_bytes() {
    let app = TestApp::start();
    let hand_off = |groups: Vec<String>| app.hand_off("portal", &json!({"email": ANA_MAIL, "groups": groups}));
    let many = |count: usize| (0..count).map(|n| format!("group-{n}")).collect::<Vec<_>>();
    assert_eq!(hand_off(many(200)).status, 200);
    assert_eq!(hand_off(many(201)).codes(), (400, vec!["01".to_owned()]));
    let long = |bytes: usize| vec!["short".to_owned(), "č".repeat(bytes / 2)];
    assert_eq!(hand_off(long(256)).status, 200);
    let refused = hand_off(long(258));
    assert_eq!(refused.codes(), (400, vec!["01".to_owned()]));
    assert_eq!(field(&refused.json()[0], "field"), "groups[1]");
}

#[test]
fn a_token_with_more_than_four_kibibytes_of_roles_is_not_made() {
    let app = TestApp::start();
    let many: Vec<String> = (0..70).map(|n| format!("{n:060}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    save_group(&app, "many", &many);
    let body = json!({"email": ANA_MAIL, "groups": ["many"]});
    let ticket = field(&app.hand_off("portal", &body).json(), "validationToken");
    let portal = app.client_token("portal");
    assert_eq!(
        app.renew(&portal, &ticket, "true").codes(),
        (412, vec!["22".to_owned()])
    );
    // Nothing was used up by it.
    save_group(&app, "many", &many[..60]);
    assert_eq!(app.renew(&portal, &ticket, "true").status, 200);
}

#[test]
fn a_client_may_be_registered_for_one_form_of_expiry_in_every_answer() {
    use domain::client::ExpiresIn;
    let app = TestApp::start();
    let told = || {
        let basic = Request::post("/client-identities/login").basic("portal", &fixtures::secret_of("portal"));
        let login = field(&app.ask(basic).json(), "expiresIn");
        (login, field(&app.session(ANA_MAIL), "expiresIn"))
    };
    let absolute = (crate::test_app::BEGIN + 300).to_string();
    let life = || "300".to_owned();
    assert_eq!(told(), (life(), absolute.clone()));
    change_client(&app, "portal", |portal| portal.expires_in = Some(ExpiresIn::Seconds));
    assert_eq!(told(), (life(), life()));
    change_client(&app, "portal", |portal| portal.expires_in = Some(ExpiresIn::Absolute));
    assert_eq!(told(), (absolute.clone(), absolute));
}

//! Where administrator roles come from, and where they are ignored: docs/api.md "Roles and scopes".

use domain::group::Group;
use domain::identity::BusinessLink;
use domain::ids::{BusinessId, FamilyId};
use serde_json::{Value, json};

use crate::fixtures::{self, ANA_MAIL, BUSINESS, ROOT_MAIL, to_strings, user};
use crate::jwt::claims;
use crate::test_app::{TestApp, field};
use test_support::http::{Answer, Request};

const ADMINISTRATOR: &str = "IAM_ADMIN_MAINTENANCE";

fn save_group(app: &TestApp, name: &str, roles: &[&str]) {
    let group = Group {
        name: name.to_owned(),
        roles: to_strings(roles),
    };
    app.wait_for(app.stores.groups.save(&group)).expect("the store answers");
}

fn change_client(app: &TestApp, id: &str, change: impl FnOnce(&mut domain::client::Client)) {
    let client = app.wait_for(app.stores.clients.find(&fixtures::client_id(id)));
    let mut client = client.expect("the store answers").expect("a client");
    change(&mut client);
    app.wait_for(fixtures::save_client(&app.stores, &client));
}

/// Starts a session at the portal by a SAML login with this body.
fn session(app: &TestApp, body: &Value) -> Value {
    let login = app.saml_login("portal", body);
    assert_eq!(login.status, 200, "{}", login.summary());
    let portal = app.client_token("portal");
    let renewed = app.renew(&portal, &field(&login.json(), "validationToken"), "true");
    assert_eq!(renewed.status, 200, "{}", renewed.summary());
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
    app.send(request.json(&json!({"userId": user})))
}

#[track_caller]
fn assert_administrator_role_missing(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.summary());
    assert_eq!(
        answer.json(),
        json!([{"code": "03", "message": "the token lacks the role IAM_ADMIN_MAINTENANCE"}])
    );
}

#[test]
fn a_business_role_grants_no_administration() {
    let app = TestApp::start();
    let mut mallory = user("mallory", "mallory@example.com", &["AUTH-BASIC", "USER"]);
    // A link as a store may contain it from before such links were rejected.
    mallory.businesses = vec![BusinessLink {
        id: BusinessId::parse(BUSINESS).expect("a valid id"),
        roles: to_strings(&["BUYER", ADMINISTRATOR, "ROLE_ADMIN", "CLI-AUTH-BASIC", "AUTH-MFA"]),
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
        assert_administrator_role_missing(&lock(&app, &token, victim));
        let contacts = format!("/user-identities/{victim}/authentication-factors");
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"});
        let item = json!({"id": "c1", "contactType": "MOBILE", "mobile": mobile});
        let add = Request::post(&contacts).bearer(&token);
        assert_administrator_role_missing(&app.send(add.json(&json!({"authenticationFactors": [item]}))));
    }
}

#[test]
fn administration_requires_a_registered_client() {
    let app = TestApp::start();
    assert_administrator_role_missing(&lock(&app, &app.user_token(ROOT_MAIL, "shop"), "ana"));
    assert_eq!(lock(&app, &app.user_token(ROOT_MAIL, "portal"), "ana").status, 204);
    change_client(&app, "portal", |portal| portal.allows_administration = false);
    assert_administrator_role_missing(&lock(&app, &app.user_token(ROOT_MAIL, "portal"), "bia"));
}

#[test]
fn a_clients_administrator_role_is_not_passed_to_users() {
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
fn saml_grants_administration_only_through_named_groups() {
    let app = TestApp::start();
    save_group(&app, "ADMINS", &["CLERK", ADMINISTRATOR]);
    let body = json!({"email": ANA_MAIL, "groups": ["ADMINS", "IDC_GERENCIADOR_MANAGER", "unknown"]});
    let family = |tokens: &Value| {
        let sid = field(&claims(&field(tokens, "accessToken")), "sid");
        let sid = FamilyId::parse(sid).expect("a valid id");
        let family = app.wait_for(app.stores.refresh_families.find(&sid));
        family.expect("the store answers").expect("a session").origin
    };
    for (may_assert, groups, administrates) in [
        (&["*"][..], &["IDC_GERENCIADOR_MANAGER"][..], false),
        (&[], &[], false),
        (&["IDC_GERENCIADOR_MANAGER"], &["IDC_GERENCIADOR_MANAGER"], false),
        (&["*", "ADMINS"], &["ADMINS", "IDC_GERENCIADOR_MANAGER"], true),
    ] {
        change_client(&app, "gateway", |gateway| {
            gateway.assertable_groups = to_strings(may_assert);
        });
        let tokens = session(&app, &body);
        assert_eq!(is_administrator(&tokens), administrates, "{may_assert:?}");
        // Roles that were left out are not stored either.
        assert_eq!(family(&tokens).groups, to_strings(groups), "{may_assert:?}");
    }
}

#[test]
fn an_administrator_by_saml_keeps_the_role_in_branches() {
    let app = TestApp::start();
    save_group(&app, "ADMINS", &[ADMINISTRATOR]);
    change_client(&app, "gateway", |gateway| {
        gateway.assertable_groups = to_strings(&["ADMINS"]);
    });
    let tokens = session(&app, &json!({"email": ANA_MAIL, "groups": ["ADMINS"]}));
    let portal = app.client_token("portal");
    let renewed = app.renew(&portal, &field(&tokens, "refreshToken"), "true").json();
    assert!(is_administrator(&renewed));
    for (target, administrates) in [("shop", false), ("marked", true)] {
        change_client(&app, target, |client| client.allows_administration = administrates);
        let change = Request::post("/user-identities/me/change-app").query(&[("targetClientId", target)]);
        let validation_token = app.send(change.bearer(&field(&renewed, "accessToken")));
        let validation_token = field(&validation_token.json(), "validationToken");
        let there = app.renew(&app.client_token(target), &validation_token, "true");
        assert_eq!(is_administrator(&there.json()), administrates, "{target}");
    }
    save_group(&app, "ADMINS", &["CLERK"]);
    let renewed = app.renew(&portal, &field(&renewed, "refreshToken"), "true");
    assert!(!is_administrator(&renewed.json()));
}

#[test]
fn users_cannot_lock_or_unlock_themselves() {
    let app = TestApp::start();
    let root = app.user_token(ROOT_MAIL, "portal");
    for operation in ["lock", "unlock"] {
        let request = Request::post(&format!("/user-identities/{operation}")).bearer(&root);
        let answer = app.send(request.json(&json!({"userId": "root"})));
        assert_eq!(answer.codes(), (403, vec!["03".to_owned()]), "{operation}");
        let message = field(&answer.json()[0], "message");
        assert!(message.contains("another administrator can"), "{message}");
    }
    assert_eq!(app.event_types("root"), [""; 0]);
    assert_eq!(lock(&app, &root, "ana").status, 204);
}

#[test]
fn only_a_trusted_client_adds_verified_contacts() {
    let app = TestApp::start();
    let add = |token: &str, id: &str, number: &str| {
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let item = json!({"id": id, "contactType": "MOBILE", "mobile": mobile});
        let request = Request::post("/user-identities/ana/authentication-factors").bearer(token);
        let answer = app.send(request.json(&json!({"authenticationFactors": [item]})));
        assert_eq!(answer.status, 201, "{}", answer.summary());
    };
    add(&app.client_token("portal"), "c1", "911110001");
    change_client(&app, "portal", |portal| {
        portal.scopes.push("contacts_verified".to_owned());
    });
    add(&app.client_token("portal"), "c2", "911110002");
    add(&app.user_token(ROOT_MAIL, "portal"), "c3", "911110003");
    // The scope of the client does not verify contacts that a user adds.
    add(&app.user_token(ANA_MAIL, "portal"), "c4", "911110004");
    let mut events = app.events();
    events.retain(|event| event["type"] == "factor.added");
    let verified: Vec<_> = events.iter().map(|event| event["data"]["verified"].clone()).collect();
    assert_eq!(verified, [json!(false), json!(true), json!(true), json!(false)]);
}

#[test]
fn reading_events_requires_its_own_scope() {
    let app = TestApp::start();
    change_client(&app, "locker", |locker| {
        locker.scopes = to_strings(&["account_lock", "account_unlock"]);
    });
    let events = |token: &str| app.send(Request::get("/events").query(&[("wait", "0")]).bearer(token));
    let rejection = events(&app.client_token("locker"));
    assert_eq!(
        (rejection.status, rejection.json()),
        (
            403,
            json!([{"code": "03", "message": "the token lacks the scope events_read"}])
        )
    );
    change_client(&app, "locker", |locker| locker.scopes = to_strings(&["events_read"]));
    assert_eq!(events(&app.client_token("locker")).status, 200);
    assert_eq!(events(&app.user_token(ROOT_MAIL, "portal")).status, 200);
}

#[test]
fn group_count_and_length_are_limited() {
    let app = TestApp::start();
    let saml_login = |groups: Vec<String>| app.saml_login("portal", &json!({"email": ANA_MAIL, "groups": groups}));
    let many = |count: usize| (0..count).map(|n| format!("group-{n}")).collect::<Vec<_>>();
    assert_eq!(saml_login(many(200)).status, 200);
    assert_eq!(saml_login(many(201)).codes(), (400, vec!["01".to_owned()]));
    let long = |bytes: usize| vec!["short".to_owned(), "č".repeat(bytes / 2)];
    assert_eq!(saml_login(long(256)).status, 200);
    let rejection = saml_login(long(258));
    assert_eq!(rejection.codes(), (400, vec!["01".to_owned()]));
    assert_eq!(field(&rejection.json()[0], "field"), "groups[1]");
}

#[test]
fn roles_of_a_token_are_limited_to_four_kibibytes() {
    let app = TestApp::start();
    let many: Vec<String> = (0..70).map(|n| format!("{n:060}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    save_group(&app, "many", &many);
    let body = json!({"email": ANA_MAIL, "groups": ["many"]});
    let validation_token = field(&app.saml_login("portal", &body).json(), "validationToken");
    let portal = app.client_token("portal");
    assert_eq!(
        app.renew(&portal, &validation_token, "true").codes(),
        (412, vec!["22".to_owned()])
    );
    // The rejected request used nothing up.
    save_group(&app, "many", &many[..60]);
    assert_eq!(app.renew(&portal, &validation_token, "true").status, 200);
}

#[test]
fn the_registered_expiry_form_applies_to_every_answer() {
    use domain::client::ExpiresIn;
    let app = TestApp::start();
    let expiries = || {
        let basic = Request::post("/client-identities/login").basic("portal", &fixtures::secret_of("portal"));
        let login = field(&app.send(basic).json(), "expiresIn");
        (login, field(&app.session(ANA_MAIL), "expiresIn"))
    };
    let absolute = (crate::test_app::START + 300).to_string();
    let life = || "300".to_owned();
    assert_eq!(expiries(), (life(), absolute.clone()));
    change_client(&app, "portal", |portal| portal.expires_in = Some(ExpiresIn::Remaining));
    assert_eq!(expiries(), (life(), life()));
    change_client(&app, "portal", |portal| portal.expires_in = Some(ExpiresIn::Absolute));
    assert_eq!(expiries(), (absolute.clone(), absolute));
}

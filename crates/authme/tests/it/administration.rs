//! Who administrates: where administrator roles come from, and where they never do.

use domain::group::Group;
use domain::identity::BusinessLink;
use domain::ids::{BusinessId, FamilyId};
use serde_json::{Value, json};

use crate::cast::{self, ANA_MAIL, BUSINESS, ROOT_MAIL, owned, user};
use crate::jwt::claims;
use crate::wire::{Answer, Request};
use crate::world::{World, field};

const ADMINISTRATOR: &str = "IAM_ADMIN_MAINTENANCE";

fn save_group(world: &World, name: &str, roles: &[&str]) {
    let group = Group {
        name: name.to_owned(),
        roles: owned(roles),
    };
    world
        .wait_for(world.stores.groups.save(&group))
        .expect("the store answers");
}

fn change_client(world: &World, id: &str, change: impl FnOnce(&mut domain::client::Client)) {
    let found = world.wait_for(world.stores.clients.find(&cast::client_id(id)));
    let mut client = found.expect("the store answers").expect("a client");
    change(&mut client);
    world.wait_for(cast::save_client(&world.stores, &client));
}

/// A session at the portal after a hand-off with this body.
fn session(world: &World, body: &Value) -> Value {
    let handed = world.hand_off("portal", body);
    assert_eq!(handed.status, 200, "{}", handed.shown());
    let portal = world.client_token("portal");
    let renewed = world.renew(&portal, &field(&handed.json(), "validationToken"), "true");
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

fn lock(world: &World, token: &str, user: &str) -> Answer {
    let request = Request::post("/user-identities/lock").bearer(token);
    world.ask(request.json(&json!({"userId": user})))
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
    let world = World::start();
    let mut mallory = user("mallory", "mallory@example.com", &["AUTH-BASIC", "USER"]);
    // As it may stand in a store from before such links were refused.
    mallory.businesses = vec![BusinessLink {
        id: BusinessId::parse(BUSINESS).expect("a good id"),
        roles: owned(&["BUYER", ADMINISTRATOR, "ROLE_ADMIN", "CLI-AUTH-BASIC", "AUTH-MFA"]),
    }];
    world.wait_for(cast::save_identity(&world.stores, &mallory));
    let body = json!({"email": "mallory@example.com", "groups": [], "businessId": BUSINESS});
    let tokens = session(&world, &body);
    assert_eq!(
        roles(&tokens),
        ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER", "BUYER"]
    );
    let token = field(&tokens, "accessToken");
    for victim in ["ana", "root"] {
        lacks_the_administrator_role(&lock(&world, &token, victim));
        let contacts = format!("/user-identities/{victim}/authentication-factors");
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"});
        let item = json!({"id": "c1", "contactType": "MOBILE", "mobile": mobile});
        let add = Request::post(&contacts).bearer(&token);
        lacks_the_administrator_role(&world.ask(add.json(&json!({"authenticationFactors": [item]}))));
    }
}

#[test]
fn an_administrator_administrates_only_through_a_client_registered_for_it() {
    let world = World::start();
    lacks_the_administrator_role(&lock(&world, &world.user_token(ROOT_MAIL, "shop"), "ana"));
    assert_eq!(lock(&world, &world.user_token(ROOT_MAIL, "portal"), "ana").status, 204);
    change_client(&world, "portal", |portal| portal.administration = false);
    lacks_the_administrator_role(&lock(&world, &world.user_token(ROOT_MAIL, "portal"), "bia"));
}

#[test]
fn a_client_that_holds_an_administrator_role_gives_it_to_nobody() {
    let world = World::start();
    change_client(&world, "portal", |portal| portal.roles.push(ADMINISTRATOR.to_owned()));
    assert!(!is_administrator(&session(
        &world,
        &json!({"email": ANA_MAIL, "groups": []})
    )));
    let own = claims(&world.client_token("portal"))["roles"].clone();
    assert_eq!(own, json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]));
}

#[test]
fn a_hand_off_makes_administrators_only_through_groups_its_client_is_registered_for_by_name() {
    let world = World::start();
    save_group(&world, "ADMINS", &["CLERK", ADMINISTRATOR]);
    let body = json!({"email": ANA_MAIL, "groups": ["ADMINS", "IDC_GERENCIADOR_MANAGER", "strangers"]});
    let family = |tokens: &Value| {
        let sid = field(&claims(&field(tokens, "accessToken")), "sid");
        let sid = FamilyId::parse(sid).expect("a good id");
        let found = world.wait_for(world.stores.refresh_families.find(&sid));
        found.expect("the store answers").expect("a session").origin
    };
    for (may_assert, groups, administrates) in [
        (&["*"][..], &["IDC_GERENCIADOR_MANAGER"][..], false),
        (&[], &[], false),
        (&["IDC_GERENCIADOR_MANAGER"], &["IDC_GERENCIADOR_MANAGER"], false),
        (&["*", "ADMINS"], &["ADMINS", "IDC_GERENCIADOR_MANAGER"], true),
    ] {
        change_client(&world, "gateway", |gateway| gateway.may_assert = owned(may_assert));
        let tokens = session(&world, &body);
        assert_eq!(is_administrator(&tokens), administrates, "{may_assert:?}");
        // What was left out is not stored either.
        assert_eq!(family(&tokens).groups, owned(groups), "{may_assert:?}");
    }
}

#[test]
fn an_administrator_by_hand_off_is_one_in_every_application_registered_for_it_until_the_group_says_otherwise() {
    let world = World::start();
    save_group(&world, "ADMINS", &[ADMINISTRATOR]);
    change_client(&world, "gateway", |gateway| gateway.may_assert = owned(&["ADMINS"]));
    let tokens = session(&world, &json!({"email": ANA_MAIL, "groups": ["ADMINS"]}));
    let portal = world.client_token("portal");
    let renewed = world.renew(&portal, &field(&tokens, "refreshToken"), "true").json();
    assert!(is_administrator(&renewed));
    for (target, administrates) in [("shop", false), ("marked", true)] {
        change_client(&world, target, |client| client.administration = administrates);
        let change = Request::post("/user-identities/me/change-app").query(&[("targetClientId", target)]);
        let ticket = world.ask(change.bearer(&field(&renewed, "accessToken")));
        let ticket = field(&ticket.json(), "validationToken");
        let there = world.renew(&world.client_token(target), &ticket, "true");
        assert_eq!(is_administrator(&there.json()), administrates, "{target}");
    }
    save_group(&world, "ADMINS", &["CLERK"]);
    let renewed = world.renew(&portal, &field(&renewed, "refreshToken"), "true");
    assert!(!is_administrator(&renewed.json()));
}

#[test]
fn nobody_locks_or_unlocks_themselves() {
    let world = World::start();
    let root = world.user_token(ROOT_MAIL, "portal");
    for way in ["lock", "unlock"] {
        let request = Request::post(&format!("/user-identities/{way}")).bearer(&root);
        let answer = world.ask(request.json(&json!({"userId": "root"})));
        assert_eq!(answer.codes(), (403, vec!["03".to_owned()]), "{way}");
        let message = field(&answer.json()[0], "message");
        assert!(message.contains("ask another administrator"), "{message}");
    }
    assert_eq!(world.event_types("root"), [""; 0]);
    assert_eq!(lock(&world, &root, "ana").status, 204);
}

#[test]
fn what_a_client_adds_is_verified_only_when_it_is_trusted_with_that() {
    let world = World::start();
    let add = |token: &str, id: &str, number: &str| {
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let item = json!({"id": id, "contactType": "MOBILE", "mobile": mobile});
        let request = Request::post("/user-identities/ana/authentication-factors").bearer(token);
        let answer = world.ask(request.json(&json!({"authenticationFactors": [item]})));
        assert_eq!(answer.status, 201, "{}", answer.shown());
    };
    add(&world.client_token("portal"), "c1", "911110001");
    change_client(&world, "portal", |portal| {
        portal.scopes.push("contacts_verified".to_owned());
    });
    add(&world.client_token("portal"), "c2", "911110002");
    add(&world.user_token(ROOT_MAIL, "portal"), "c3", "911110003");
    // The client's scope verifies nothing that a user adds.
    add(&world.user_token(ANA_MAIL, "portal"), "c4", "911110004");
    let mut events = world.events();
    events.retain(|event| event["type"] == "factor.added");
    let verified: Vec<_> = events.iter().map(|event| event["data"]["verified"].clone()).collect();
    assert_eq!(verified, [json!(false), json!(true), json!(true), json!(false)]);
}

#[test]
fn the_event_log_is_read_with_a_scope_of_its_own() {
    let world = World::start();
    change_client(&world, "locker", |locker| {
        locker.scopes = owned(&["account_lock", "account_unlock"]);
    });
    let events = |token: &str| world.ask(Request::get("/events").query(&[("wait", "0")]).bearer(token));
    let refused = events(&world.client_token("locker"));
    assert_eq!(
        (refused.status, refused.json()),
        (
            403,
            json!([{"code": "03", "message": "the token lacks the scope events_read"}])
        )
    );
    change_client(&world, "locker", |locker| locker.scopes = owned(&["events_read"]));
    assert_eq!(events(&world.client_token("locker")).status, 200);
    assert_eq!(events(&world.user_token(ROOT_MAIL, "portal")).status, 200);
}

#[test]
fn a_hand_off_names_at_most_two_hundred_groups_of_at_most_256_bytes() {
    let world = World::start();
    let hand_off = |groups: Vec<String>| world.hand_off("portal", &json!({"email": ANA_MAIL, "groups": groups}));
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
    let world = World::start();
    let many: Vec<String> = (0..70).map(|n| format!("{n:060}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    save_group(&world, "many", &many);
    let body = json!({"email": ANA_MAIL, "groups": ["many"]});
    let ticket = field(&world.hand_off("portal", &body).json(), "validationToken");
    let portal = world.client_token("portal");
    assert_eq!(
        world.renew(&portal, &ticket, "true").codes(),
        (412, vec!["22".to_owned()])
    );
    // Nothing was used up by it.
    save_group(&world, "many", &many[..60]);
    assert_eq!(world.renew(&portal, &ticket, "true").status, 200);
}

#[test]
fn a_client_may_be_registered_for_one_form_of_expiry_in_every_answer() {
    use domain::client::ExpiresIn;
    let world = World::start();
    let told = || {
        let basic = Request::post("/client-identities/login").basic("portal", &cast::secret_of("portal"));
        let login = field(&world.ask(basic).json(), "expiresIn");
        (login, field(&world.session(ANA_MAIL), "expiresIn"))
    };
    let absolute = (crate::world::BEGIN + 300).to_string();
    let life = || "300".to_owned();
    assert_eq!(told(), (life(), absolute.clone()));
    change_client(&world, "portal", |portal| portal.expires_in = Some(ExpiresIn::Seconds));
    assert_eq!(told(), (life(), life()));
    change_client(&world, "portal", |portal| portal.expires_in = Some(ExpiresIn::Absolute));
    assert_eq!(told(), (absolute.clone(), absolute));
}

//! Changing and removing contacts: docs/api.md "Request bodies and parameters".

use serde_json::{Value, json};

use crate::add_contacts::{add_all, mobile, path};
use crate::fixtures::{ANA_MAIL, BIA_MAIL, ROOT_MAIL};
use crate::test_app::TestApp;
use test_support::http::{Answer, FORM, Request};

fn contact_path(user: &str, id: &str) -> String {
    format!("{}/{id}", path(user))
}

fn mobile_item(number: &str) -> Value {
    let mut item = mobile("ignored", number);
    item.as_object_mut().expect("an object").remove("id");
    item
}

fn put(app: &TestApp, token: &str, id: &str, item: &Value) -> Answer {
    app.send(Request::put(&contact_path("me", id)).bearer(token).json(item))
}

/// Sends a patch as an administrator.
fn patch(app: &TestApp, user: &str, id: &str, change: &Value) -> Answer {
    let token = app.user_token(ROOT_MAIL, "portal");
    let request = Request::patch(&contact_path(user, id)).bearer(&token).json(change);
    app.send(request.header("content-type", "application/merge-patch+json"))
}

fn delete(app: &TestApp, token: &str, user: &str, id: &str) -> Answer {
    app.send(Request::delete(&contact_path(user, id)).bearer(token))
}

fn own_contacts(app: &TestApp, mail: &str) -> Value {
    let token = app.user_token(mail, "portal");
    app.send(Request::get(&path("me")).bearer(&token)).json()
}

/// Returns the type, contact id and default flag of the last events about a user's contacts.
fn last_events(app: &TestApp, user: &str, count: usize) -> Vec<(String, String, Value)> {
    let mut events = app.events();
    events.retain(|event| event["partitionkey"] == user && event["source"] == "/authme/factors");
    let skip = events.len().saturating_sub(count);
    events[skip..]
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&event["type"]),
                text(&event["data"]["factorId"]),
                event["data"]["default"].clone(),
            )
        })
        .collect()
}

#[test]
fn changing_an_own_contact_emits_an_event() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let token = app.user_token(ANA_MAIL, "portal");
    let mut changed = mobile_item("911113333");
    changed["tags"] = json!(["MARKED_RESOURCES"]);
    assert_eq!(put(&app, &token, "c1", &changed).summary(), "204 ");
    assert_eq!(put(&app, &token, "c1", &changed).summary(), "204 ");
    let contact = &own_contacts(&app, ANA_MAIL)[1];
    assert_eq!(contact["mobile"]["phoneNumber"], "*****3333");
    assert_eq!(contact["tags"], json!(["MARKED_RESOURCES"]));
    assert_eq!(app.event_types("ana"), ["factor.added", "factor.changed"]);
    // Omitted tags are removed.
    assert_eq!(put(&app, &token, "c1", &mobile_item("911113333")).status, 204);
    assert_eq!(own_contacts(&app, ANA_MAIL)[1]["tags"], json!([]));
}

#[test]
fn a_change_that_breaks_a_rule_changes_nothing() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    let token = app.user_token(ANA_MAIL, "portal");
    let tagged = |tag: &str| {
        let mut item = mobile_item("911114444");
        item["tags"] = json!([tag]);
        item
    };
    for (id, item, status, code) in [
        ("ana-mail", mobile_item("911114444"), 422, "12"),
        ("unknown", mobile_item("911114444"), 404, "05"),
        (
            "c1",
            json!({"contactType": "EMAIL", "email": "other@example.com"}),
            422,
            "06",
        ),
        ("c1", mobile_item("1"), 422, "09"),
        ("c1", tagged("NEWS"), 422, "10"),
        ("c1", mobile_item("911113333"), 422, "07"),
        ("c1", json!({}), 400, "01"),
        ("c1", json!({"contactType": "PIGEON"}), 400, "01"),
        ("c1", json!([]), 400, "01"),
        ("me", mobile_item("911114444"), 400, "01"),
        ("c.1", mobile_item("911114444"), 400, "01"),
    ] {
        let answer = put(&app, &token, id, &item);
        assert_eq!(answer.codes(), (status, vec![code.to_owned()]), "{id} {item}");
    }
    let bia = app.user_token(BIA_MAIL, "portal");
    assert_eq!(put(&app, &bia, "c1", &mobile_item("911114444")).codes().0, 404);
    assert_eq!(app.event_types("ana"), ["factor.added", "factor.added"]);
}

#[test]
fn a_contact_is_removed_once() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    let (ana, root) = (app.user_token(ANA_MAIL, "portal"), app.user_token(ROOT_MAIL, "portal"));
    assert_eq!(delete(&app, &ana, "me", "c1").summary(), "204 ");
    assert_eq!(delete(&app, &root, "ana", "c2").summary(), "204 ");
    for (token, user) in [(&ana, "me"), (&root, "ana")] {
        let not_found = (404, vec!["05".to_owned()]);
        assert_eq!(delete(&app, token, user, "c1").codes(), not_found);
        assert_eq!(
            delete(&app, token, user, "ana-mail").codes(),
            (422, vec!["12".to_owned()])
        );
    }
    assert_eq!(delete(&app, &root, "bia", "c2").codes().0, 404);
    assert_eq!(
        delete(&app, &root, "nobody", "c2").codes(),
        (404, vec!["04".to_owned()])
    );
    assert_eq!(own_contacts(&app, ANA_MAIL).as_array().map(Vec::len), Some(1));
    assert_eq!(app.event_types("ana")[2..], ["factor.removed", "factor.removed"]);
    // A removed contact can be added again.
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
}

#[test]
fn a_patch_changes_only_its_members() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    for (change, number, area, tags) in [
        (
            json!({"tags": ["MARKED_RESOURCES"]}),
            "*****2222",
            "11",
            json!(["MARKED_RESOURCES"]),
        ),
        (
            json!({"mobile": {"areaCode": 21}}),
            "*****2222",
            "21",
            json!(["MARKED_RESOURCES"]),
        ),
        (
            json!({"mobile": {"phoneNumber": "911113333"}, "email": null}),
            "*****3333",
            "21",
            json!(["MARKED_RESOURCES"]),
        ),
        (json!({"tags": null}), "*****3333", "21", json!([])),
        (json!({"unknown": 1}), "*****3333", "21", json!([])),
    ] {
        assert_eq!(patch(&app, "ana", "c1", &change).summary(), "204 ", "{change}");
        let contact = &own_contacts(&app, ANA_MAIL)[1];
        assert_eq!(contact["mobile"]["phoneNumber"], number, "{change}");
        assert_eq!(contact["mobile"]["areaCode"], area, "{change}");
        assert_eq!(contact["tags"], tags, "{change}");
    }
    assert_eq!(app.event_types("ana").len(), 5);
}

#[test]
fn a_patch_that_breaks_a_rule_changes_nothing() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    for (user, id, change, status, code) in [
        ("ana", "c1", json!({"mobile": null}), 422, "09"),
        ("ana", "c1", json!({"mobile": {"areaCode": null}}), 422, "09"),
        ("ana", "c1", json!({"mobile": {"phoneNumber": "911113333"}}), 422, "07"),
        ("ana", "c1", json!({"email": "eva@example.com"}), 422, "08"),
        ("ana", "c1", json!({"tags": ["NEWS"]}), 422, "10"),
        ("ana", "ana-mail", json!({"email": "other@example.com"}), 422, "12"),
        ("ana", "ana-mail", json!({"tags": []}), 422, "12"),
        ("ana", "c9", json!({"tags": []}), 404, "05"),
        ("ana", "c9", json!({"default": true}), 404, "05"),
        ("bia", "c1", json!({"tags": []}), 404, "05"),
        ("nobody", "c1", json!({"tags": []}), 404, "04"),
        ("ana", "c1", json!({"default": "yes"}), 400, "01"),
        ("ana", "c1", json!({"mobile": "911114444"}), 400, "01"),
        ("ana", "c1", json!(null), 400, "01"),
        ("ana", "c1", json!([]), 400, "01"),
    ] {
        let answer = patch(&app, user, id, &change);
        assert_eq!(answer.codes(), (status, vec![code.to_owned()]), "{user} {id} {change}");
    }
    let token = app.user_token(ROOT_MAIL, "portal");
    let request = Request::patch(&contact_path("ana", "c1")).bearer(&token).body("a=b");
    let form = request.header("content-type", FORM);
    assert_eq!(app.send(form).status, 415);
    assert_eq!(app.event_types("ana").len(), 2);
}

#[test]
fn changing_the_default_emits_an_event_for_both_contacts() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let default_ids = || {
        let contacts = own_contacts(&app, ANA_MAIL);
        let contacts = contacts.as_array().expect("an array").iter();
        let ids = contacts
            .filter(|contact| contact["default"] == true)
            .map(|contact| contact["id"].clone());
        ids.collect::<Vec<_>>()
    };
    let event = |kind: &str, id: &str, default: bool| (kind.to_owned(), id.to_owned(), json!(default));
    assert_eq!(patch(&app, "ana", "c1", &json!({"default": true})).status, 204);
    assert_eq!(default_ids(), ["c1"]);
    let moved = [
        event("factor.changed", "ana-mail", false),
        event("factor.changed", "c1", true),
    ];
    assert_eq!(last_events(&app, "ana", 2), moved);
    // The contact is not the default, so nothing changes.
    assert_eq!(patch(&app, "ana", "ana-mail", &json!({"default": false})).status, 204);
    assert_eq!(default_ids(), ["c1"]);
    for back in [json!({"default": false}), json!({"default": null})] {
        assert_eq!(patch(&app, "ana", "c1", &json!({"default": true})).status, 204);
        assert_eq!(patch(&app, "ana", "c1", &back).status, 204);
        assert_eq!(default_ids(), ["ana-mail"], "{back}");
    }
    assert_eq!(patch(&app, "ana", "c1", &json!({"default": true})).status, 204);
    assert_eq!(patch(&app, "ana", "ana-mail", &json!({"default": true})).status, 204);
    assert_eq!(default_ids(), ["ana-mail"]);
    assert_eq!(patch(&app, "ana", "c1", &json!({"default": true})).status, 204);
    let ana = app.user_token(ANA_MAIL, "portal");
    assert_eq!(delete(&app, &ana, "me", "c1").status, 204);
    assert_eq!(default_ids(), ["ana-mail"]);
    let events = [
        event("factor.removed", "c1", true),
        event("factor.changed", "ana-mail", true),
    ];
    assert_eq!(last_events(&app, "ana", 2), events);
}

#[test]
fn a_locked_user_cannot_change_contacts() {
    let app = TestApp::start();
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    let token = app.user_token(ANA_MAIL, "portal");
    for operation in ["lock", "unlock"] {
        assert_eq!(app.lock_or_unlock(operation, "ana").status, 204);
        let rejection = (401, vec!["02".to_owned()]);
        assert_eq!(put(&app, &token, "c1", &mobile_item("911113333")).codes(), rejection);
        assert_eq!(delete(&app, &token, "me", "c1").codes(), rejection);
    }
    assert_eq!(own_contacts(&app, ANA_MAIL)[1]["mobile"]["phoneNumber"], "*****2222");
}

use end_to_end::Service;
use serde_json::{Value, json};

use super::{ANA, TestApp, error, mobile};

const MOBILE_MAIN: [&str; 3] = ["--mobile", "55,11,911110000", "--main-contact=MOBILE"];

pub(crate) async fn add_contacts_succeeds_again_for_the_same_contact(app: &TestApp) {
    let user = app.register_user("adds@example.com", &[]).await;
    let portal = app.portal_token().await;
    let mut contact = mobile("5efd263cbe2d398bb00b97ea", 911_112_222);
    contact["email"] = json!("ignored");
    contact["tags"] = json!("[\"MARKED_RESOURCES\"]");
    for _ in 0..2 {
        let added = app.caller.add_contacts(&portal, &user, &json!([contact])).send().await;
        assert_eq!((added.status, added.body.as_str()), (201, ""));
    }
}

/// Registers a user who has a tagged mobile number in addition to the main e-mail address.
async fn register_tagged_user(app: &TestApp, email: &str) {
    let user = app.register_user(email, &[]).await;
    let mut contact = mobile("5efd263cbe2d398bb00b97ea", 911_112_222);
    contact["tags"] = json!(["MARKED_RESOURCES"]);
    let added = app
        .caller
        .add_contacts(&app.portal_token().await, &user, &json!([contact]))
        .send()
        .await;
    added.expect_status(201);
}

pub(crate) async fn own_contacts_are_masked(app: &TestApp) {
    register_tagged_user(app, "lists@br.experian.com").await;
    let token = app.user_token("lists@br.experian.com").await;
    let own = app.caller.own_contacts(&token).send().await.expect_status(200);
    assert_eq!(own.header("cache-control"), Some("no-store"));
    let own = own.json();
    let Some([main, added]) = own.as_array().map(Vec::as_slice) else {
        panic!("two contacts are expected: {own}");
    };
    let credential = json!({
        "id": main["id"],
        "contactType": "EMAIL",
        "email": "li*ts@br.e*******.com",
        "tags": [],
        "credential": true,
        "default": true,
    });
    assert_eq!(*main, credential);
    let alternative = json!({
        "id": "5efd263cbe2d398bb00b97ea",
        "contactType": "MOBILE",
        "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "*****2222"},
        "tags": ["MARKED_RESOURCES"],
        "credential": false,
        "default": false,
    });
    assert_eq!(*added, alternative);
}

pub(crate) async fn own_contacts_depend_on_the_visibility_of_the_client(app: &TestApp) {
    let email = "is.visible@example.com";
    register_tagged_user(app, email).await;
    for (client, expected) in [(&app.shop, json!([true])), (&app.marked, json!([false]))] {
        let token = app.start_session_at(client, email).await.text("accessToken");
        let own = app.caller.own_contacts(&token).send().await.expect_status(200).json();
        let credentials = own
            .as_array()
            .expect("contacts")
            .iter()
            .map(|contact| contact["credential"].clone());
        assert_eq!(credentials.collect::<Value>(), expected, "{}", client.id);
    }
}

pub(crate) async fn add_contacts_rejects_invalid_contacts(app: &TestApp) {
    let portal = app.portal_token().await;
    let add = async |user: &str, contact: Value| {
        app.caller
            .add_contacts(&portal, user, &json!([contact]))
            .send()
            .await
            .status_and_code()
    };
    let bia = app.register_user("bia@example.com", &MOBILE_MAIN).await;
    let email = |address: &str| json!({"id": "new", "contactType": "EMAIL", "email": address});
    assert_eq!(add(&app.ana, email("b@example.com")).await, error(422, "06"));
    assert_eq!(add(&bia, email("nope")).await, error(422, "08"));
    assert_eq!(add(&app.ana, mobile("new", 12)).await, error(422, "09"));
    let mut tagged = mobile("new", 911_113_333);
    tagged["tags"] = json!(["X"]);
    assert_eq!(add(&app.ana, tagged).await, error(422, "10"));
    let unknown = "ffffffffffffffffffffffff";
    assert_eq!(add(unknown, mobile("new", 911_112_222)).await, error(404, "04"));
    let path = format!("/user-identities/{}/authentication-factors", app.ana);
    let broken = app.caller.request(Service::Factors, "POST", &path, &[]);
    assert_eq!(
        broken.bearer(&portal).body("{").send().await.status_and_code(),
        error(400, "01")
    );
}

pub(crate) async fn add_contacts_reports_each_rejected_contact(app: &TestApp) {
    let user = app.register_user("partly@example.com", &[]).await;
    let contacts = json!([
        mobile("a", 911_114_444),
        {"id": "b", "contactType": "EMAIL", "email": "x@example.com"},
    ]);
    let added = app
        .caller
        .add_contacts(&app.portal_token().await, &user, &contacts)
        .send()
        .await
        .expect_status(207);
    let errors = added.json();
    assert_eq!(errors.as_array().map(Vec::len), Some(1));
    assert_eq!((&errors[0]["id"], &errors[0]["code"]), (&json!("b"), &json!("06")));
    assert!(errors[0]["message"].is_string(), "{errors}");
}

pub(crate) async fn contacts_reject_callers_without_permission(app: &TestApp) {
    assert_eq!(
        app.caller
            .own_contacts(&app.portal_token().await)
            .send()
            .await
            .status_and_code(),
        error(403, "03")
    );
    assert_eq!(
        app.caller.own_contacts("nothing").send().await.status_and_code(),
        error(401, "02")
    );
    let other = app.register_user("other@example.com", &[]).await;
    let token = app.user_token(ANA).await;
    let added = app
        .caller
        .add_contacts(&token, &other, &json!([mobile("new", 911_112_222)]))
        .send()
        .await;
    assert_eq!(added.status_and_code(), error(403, "03"));
}

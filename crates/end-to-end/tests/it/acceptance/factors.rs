use end_to_end::Service;
use serde_json::{Value, json};

use super::{ANA, World, mobile, refused};

const MOBILE_MAIN: [&str; 3] = ["--mobile", "55,11,911110000", "--main-contact=MOBILE"];

pub(crate) async fn a_contact_is_added_and_adding_it_again_is_success(world: &World) {
    let user = world.user("adds@example.com", &[]).await;
    let portal = world.portal().await;
    let mut contact = mobile("5efd263cbe2d398bb00b97ea", 911_112_222);
    contact["email"] = json!("ignored");
    contact["tags"] = json!("[\"MARKED_RESOURCES\"]");
    for _ in 0..2 {
        let added = world
            .caller
            .add_contacts(&portal, &user, &json!([contact]))
            .answer()
            .await;
        assert_eq!((added.status, added.body.as_str()), (201, ""));
    }
}

/// A user with a marked mobile beside the main e-mail.
async fn marked_user(world: &World, email: &str) {
    let user = world.user(email, &[]).await;
    let mut contact = mobile("5efd263cbe2d398bb00b97ea", 911_112_222);
    contact["tags"] = json!(["MARKED_RESOURCES"]);
    let added = world
        .caller
        .add_contacts(&world.portal().await, &user, &json!([contact]))
        .answer()
        .await;
    added.with_status(201);
}

pub(crate) async fn own_contacts_are_masked(world: &World) {
    marked_user(world, "lists@br.experian.com").await;
    let token = world.user_token("lists@br.experian.com").await;
    let own = world.caller.own_contacts(&token).answer().await.with_status(200);
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

pub(crate) async fn the_client_decides_which_contacts_are_shown(world: &World) {
    let email = "is.seen@example.com";
    marked_user(world, email).await;
    for (client, shown) in [(&world.shop, json!([true])), (&world.marked, json!([false]))] {
        let token = world.session_at(client, email).await.text("accessToken");
        let own = world.caller.own_contacts(&token).answer().await.with_status(200).json();
        let credentials = own
            .as_array()
            .expect("contacts")
            .iter()
            .map(|contact| contact["credential"].clone());
        assert_eq!(credentials.collect::<Value>(), shown, "{}", client.id);
    }
}

pub(crate) async fn a_contact_that_breaks_a_rule_is_refused(world: &World) {
    let portal = world.portal().await;
    let added = async |user: &str, contact: Value| {
        world
            .caller
            .add_contacts(&portal, user, &json!([contact]))
            .answer()
            .await
            .refusal()
    };
    let bia = world.user("bia@example.com", &MOBILE_MAIN).await;
    let email = |address: &str| json!({"id": "new", "contactType": "EMAIL", "email": address});
    assert_eq!(added(&world.ana, email("b@example.com")).await, refused(422, "06"));
    assert_eq!(added(&bia, email("nope")).await, refused(422, "08"));
    assert_eq!(added(&world.ana, mobile("new", 12)).await, refused(422, "09"));
    let mut tagged = mobile("new", 911_113_333);
    tagged["tags"] = json!(["X"]);
    assert_eq!(added(&world.ana, tagged).await, refused(422, "10"));
    let unknown = "ffffffffffffffffffffffff";
    assert_eq!(added(unknown, mobile("new", 911_112_222)).await, refused(404, "04"));
    let path = format!("/user-identities/{}/authentication-factors", world.ana);
    let broken = world.caller.request(Service::Factors, "POST", &path, &[]);
    assert_eq!(
        broken.bearer(&portal).body("{").answer().await.refusal(),
        refused(400, "01")
    );
}

pub(crate) async fn some_stored_and_some_not_is_told_item_by_item(world: &World) {
    let user = world.user("partly@example.com", &[]).await;
    let contacts = json!([
        mobile("a", 911_114_444),
        {"id": "b", "contactType": "EMAIL", "email": "x@example.com"},
    ]);
    let added = world
        .caller
        .add_contacts(&world.portal().await, &user, &contacts)
        .answer()
        .await
        .with_status(207);
    let told = added.json();
    assert_eq!(told.as_array().map(Vec::len), Some(1));
    assert_eq!((&told[0]["id"], &told[0]["code"]), (&json!("b"), &json!("06")));
    assert!(told[0]["message"].is_string(), "{told}");
}

pub(crate) async fn who_may_not_manage_contacts_is_refused(world: &World) {
    assert_eq!(
        world
            .caller
            .own_contacts(&world.portal().await)
            .answer()
            .await
            .refusal(),
        refused(403, "03")
    );
    assert_eq!(
        world.caller.own_contacts("nothing").answer().await.refusal(),
        refused(401, "02")
    );
    let other = world.user("other@example.com", &[]).await;
    let token = world.user_token(ANA).await;
    let added = world
        .caller
        .add_contacts(&token, &other, &json!([mobile("new", 911_112_222)]))
        .answer()
        .await;
    assert_eq!(added.refusal(), refused(403, "03"));
}

//! The rules of contacts, in their order: docs/api.md "Request bodies and parameters".

use serde_json::{Value, json};

use crate::add_contacts::{add, add_all, email, mobile, path};
use crate::test_app::TestApp;
use test_support::http::{Answer, Request};

#[test]
fn rules_apply_in_their_documented_order() {
    let app = TestApp::start();
    let ten: Vec<Value> = (0..10)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    add_all(&app, "ana", &ten);
    // Breaks all rules at once, then corrects them one by one.
    let mut item = json!({"id": "ana-mail", "contactType": "EMAIL", "email": "nope", "tags": ["X"],
        "mobile": {"regionCode": "55", "areaCode": "20", "phoneNumber": "911112223"}});
    let judged = |item: &Value| add(&app, "ana", std::slice::from_ref(item));
    assert_rejected(&judged(&item), "12");
    item["id"] = json!("new");
    assert_rejected(&judged(&item), "06");
    item["contactType"] = json!("MOBILE");
    assert_rejected(&judged(&item), "09");
    item["mobile"]["areaCode"] = json!("11");
    assert_rejected(&judged(&item), "10");
    item["tags"] = json!([]);
    assert_rejected(&judged(&item), "07");
    item["mobile"]["phoneNumber"] = json!("911119999");
    assert_rejected(&judged(&item), "11");

    let item = json!({"id": "new", "contactType": "EMAIL", "email": "a@@b", "tags": ["X"]});
    assert_rejected(&add(&app, "bia", &[item]), "08");
}

#[test]
fn duplicate_contacts_are_rejected_within_one_user_only() {
    let app = TestApp::start();
    add_all(&app, "bia", &[email("c1", "one@example.com")]);
    assert_rejected(&add(&app, "bia", &[email("c1", "two@example.com")]), "07");
    assert_rejected(&add(&app, "bia", &[email("c2", "ONE@example.com")]), "07");
    // Her own login counts as a value that she has.
    assert_rejected(&add(&app, "bia", &[email("c3", "BIA@example.com")]), "07");
    assert_rejected(&add(&app, "bia", &[email("bia-mail", "three@example.com")]), "12");
    assert_rejected(&add(&app, "bia", &[mobile("bia-mobile", "911112222")]), "12");
    add_all(&app, "ana", &[mobile("c1", "911112222")]);
    add_all(&app, "root", &[mobile("c1", "911112222")]);
}

#[test]
fn invalid_mobiles_are_rejected() {
    let app = TestApp::start();
    let judged = |region: Value, area: Value, number: Value| {
        let item = json!({"id": "c", "contactType": "MOBILE",
            "mobile": {"regionCode": region, "areaCode": area, "phoneNumber": number}});
        add(&app, "ana", &[item])
    };
    for (region, area, number) in [
        (json!("55"), json!(null), json!("911112222")),
        (json!("55"), json!("20"), json!("911112222")),
        (json!("55"), json!("011"), json!("911112222")),
        (json!("55"), json!("11"), json!("811112222")),
        (json!("55"), json!("11"), json!("91111222")),
        (json!("55"), json!("11"), json!(911_112_222.5)),
        (json!("55"), json!("11"), json!(-911_112_222)),
        (json!("55"), json!("11"), json!("+911112222")),
        (json!("55"), json!("11"), json!("9.11112222e8")),
        (json!("55"), json!("11"), json!(" 911112222")),
        (json!("55"), json!("11"), json!("٩١١١١٢٢٢٢")),
        (json!(55.0), json!("11"), json!("911112222")),
        (json!("1"), json!(null), json!("12345")),
        (json!("44"), json!(null), json!("12345678901234")),
        (json!(null), json!("11"), json!("911112222")),
        (json!("55"), json!("11"), json!(null)),
    ] {
        let case = format!("{region} {area} {number}");
        let answer = judged(region, area, number);
        assert_eq!(answer.codes(), (422, vec!["09".to_owned()]), "{case}");
    }
}

#[test]
fn mobiles_follow_brazilian_or_e164_rules() {
    let app = TestApp::start();
    let exponent = r#"{"authenticationFactors":[{"id":"c","contactType":"MOBILE",
        "mobile":{"regionCode":55,"areaCode":11,"phoneNumber":9.11112222e8}}]}"#;
    let portal = app.client_token("portal");
    assert_rejected(
        &app.send(Request::post(&path("ana")).bearer(&portal).body(exponent)),
        "09",
    );
    assert_rejected(
        &add(
            &app,
            "ana",
            &[json!({"id": "c", "contactType": "MOBILE", "email": "a@b.com"})],
        ),
        "09",
    );
    assert_rejected(
        &add(
            &app,
            "bia",
            &[json!({"id": "c", "contactType": "EMAIL", "email": null})],
        ),
        "08",
    );
    add_all(
        &app,
        "ana",
        &[json!({"id": "us", "contactType": "MOBILE",
        "mobile": {"regionCode": 1, "areaCode": 212, "phoneNumber": 5_550_100}})],
    );
    add_all(
        &app,
        "ana",
        &[json!({"id": "pt", "contactType": "MOBILE",
        "mobile": {"regionCode": 351, "phoneNumber": "912345678"}})],
    );
}

#[test]
fn unknown_tags_are_rejected() {
    let app = TestApp::start();
    for tags in [
        json!(["X"]),
        json!("[\"X\"]"),
        json!(["MARKED_RESOURCES", "X"]),
        json!(["marked_resources"]),
    ] {
        let mut item = mobile("c1", "911112222");
        item["tags"] = tags.clone();
        assert_eq!(
            add(&app, "ana", &[item]).codes(),
            (422, vec!["10".to_owned()]),
            "{tags}"
        );
    }
    for (n, tags) in [json!([]), json!("[]"), json!(null)].into_iter().enumerate() {
        let mut item = mobile(&format!("c{n}"), &format!("91111222{n}"));
        item["tags"] = tags;
        add_all(&app, "ana", &[item]);
    }
}

#[track_caller]
fn assert_rejected(answer: &Answer, code: &str) {
    assert_eq!(answer.codes(), (422, vec![code.to_owned()]), "{}", answer.summary());
}

#[test]
fn the_eleventh_contact_is_rejected() {
    let app = TestApp::start();
    let ten: Vec<Value> = (0..10)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    add_all(&app, "ana", &ten);
    assert_eq!(
        add(&app, "ana", &[mobile("c10", "911113333")]).summary(),
        concat!(
            r#"422 [{"code":"11","message":"a user has at most 10 alternative contacts","#,
            r#""field":"authenticationFactors","id":"c10","status":422}]"#
        )
    );
    add_all(&app, "ana", &ten);
}

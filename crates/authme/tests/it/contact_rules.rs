//! The rules a contact is judged by (01-api 1.4 and 2.1).

use serde_json::{Value, json};

use crate::add_contacts::{add, added, email, mobile, path};
use crate::test_app::TestApp;
use crate::wire::{Answer, Request};

#[test]
fn rules_are_judged_in_their_order() {
    let app = TestApp::start();
    let ten: Vec<Value> = (0..10)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    added(&app, "ana", &ten);
    // Everything that can be wrong at once; then one thing after the other is put right.
    let mut item = json!({"id": "ana-mail", "contactType": "EMAIL", "email": "nope", "tags": ["X"],
        "mobile": {"regionCode": "55", "areaCode": "20", "phoneNumber": "911112223"}});
    let judged = |item: &Value| add(&app, "ana", std::slice::from_ref(item));
    refused(&judged(&item), "12");
    item["id"] = json!("new");
    refused(&judged(&item), "06");
    item["contactType"] = json!("MOBILE");
    refused(&judged(&item), "09");
    item["mobile"]["areaCode"] = json!("11");
    refused(&judged(&item), "10");
    item["tags"] = json!([]);
    refused(&judged(&item), "07");
    item["mobile"]["phoneNumber"] = json!("911119999");
    refused(&judged(&item), "11");

    let item = json!({"id": "new", "contactType": "EMAIL", "email": "a@@b", "tags": ["X"]});
    refused(&add(&app, "bia", &[item]), "08");
}

#[test]
fn an_id_or_a_value_twice_on_one_user_is_told_and_on_two_users_is_fine() {
    let app = TestApp::start();
    added(&app, "bia", &[email("c1", "one@example.com")]);
    refused(&add(&app, "bia", &[email("c1", "two@example.com")]), "07");
    refused(&add(&app, "bia", &[email("c2", "ONE@example.com")]), "07");
    // Her own login is a value she has.
    refused(&add(&app, "bia", &[email("c3", "BIA@example.com")]), "07");
    refused(&add(&app, "bia", &[email("bia-mail", "three@example.com")]), "12");
    refused(&add(&app, "bia", &[mobile("bia-mobile", "911112222")]), "12");
    added(&app, "ana", &[mobile("c1", "911112222")]);
    added(&app, "root", &[mobile("c1", "911112222")]);
}

#[test]
fn a_mobile_follows_its_rules() {
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
        let shown = format!("{region} {area} {number}");
        let answer = judged(region, area, number);
        assert_eq!(answer.codes(), (422, vec!["09".to_owned()]), "{shown}");
    }
}

#[test]
fn a_mobile_is_a_number_of_brazil_or_of_e164() {
    let app = TestApp::start();
    let exponent = r#"{"authenticationFactors":[{"id":"c","contactType":"MOBILE",
        "mobile":{"regionCode":55,"areaCode":11,"phoneNumber":9.11112222e8}}]}"#;
    let portal = app.client_token("portal");
    refused(
        &app.ask(Request::post(&path("ana")).bearer(&portal).body(exponent)),
        "09",
    );
    refused(
        &add(
            &app,
            "ana",
            &[json!({"id": "c", "contactType": "MOBILE", "email": "a@b.com"})],
        ),
        "09",
    );
    refused(
        &add(
            &app,
            "bia",
            &[json!({"id": "c", "contactType": "EMAIL", "email": null})],
        ),
        "08",
    );
    added(
        &app,
        "ana",
        &[json!({"id": "us", "contactType": "MOBILE",
        "mobile": {"regionCode": 1, "areaCode": 212, "phoneNumber": 5_550_100}})],
    );
    added(
        &app,
        "ana",
        &[json!({"id": "pt", "contactType": "MOBILE",
        "mobile": {"regionCode": 351, "phoneNumber": "912345678"}})],
    );
}

#[test]
fn a_tag_is_known_or_refused_however_it_is_written() {
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
        added(&app, "ana", &[item]);
    }
}

#[track_caller]
fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.codes(), (422, vec![code.to_owned()]), "{}", answer.shown());
}

#[test]
fn ten_contacts_fit_and_the_eleventh_is_told() {
    let app = TestApp::start();
    let ten: Vec<Value> = (0..10)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    added(&app, "ana", &ten);
    assert_eq!(
        add(&app, "ana", &[mobile("c10", "911113333")]).shown(),
        concat!(
            r#"422 [{"code":"11","message":"a user has at most 10 alternative contacts","#,
            r#""field":"authenticationFactors","id":"c10","status":422}]"#
        )
    );
    added(&app, "ana", &ten);
}

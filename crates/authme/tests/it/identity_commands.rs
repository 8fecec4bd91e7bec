//! The operator's commands for users.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::operator::{CommandOutput, Operator};
use crate::test_app::field;

fn show_user(operator: &Operator, id: &str) -> Value {
    operator.run_ok(&["identity", "show", id, "--reveal"]).object()
}

#[test]
fn users_are_added_shown_changed_and_removed() {
    let operator = Operator::new();
    operator.add_names("role", &["BUYER", "NEW"]);
    operator.run_ok(&["group", "add", "G"]);
    let mut arguments: Vec<&str> =
        "identity add --id ana --email Ana.Souza@BR.Example.COM --mobile 55,11,911112222 --main-contact EMAIL \
                     --role AUTH-BASIC --role USER --group G --business b1=BUSINESSADMIN+BUYER --business b2 --name"
            .split_whitespace()
            .collect();
    arguments.push("Ana Souza");
    assert_eq!(operator.run_ok(&arguments).object(), json!({"userId": "ana"}));
    let mut whole = show_user(&operator, "ana");
    let (mail, mobile) = (field(&whole["email"], "id"), field(&whole["mobile"], "id"));
    assert_eq!((mail.len(), mobile.len()), (24, 24));
    whole["email"]["id"] = json!("…");
    whole["mobile"]["id"] = json!("…");
    let mut expected = json!({
        "userId": "ana", "name": "Ana Souza", "mainContact": "EMAIL", "roles": ["AUTH-BASIC", "USER"], "groups": ["G"],
        "email": {"id": "…", "address": "Ana.Souza@br.example.com"},
        "mobile": {"id": "…", "regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"},
        "businesses": [{"id": "b1", "roles": ["BUSINESSADMIN", "BUYER"]}, {"id": "b2", "roles": []}],
    });
    assert_eq!(whole, expected);

    let masked = operator.run_ok(&["identity", "show", "ana"]).object();
    assert_eq!(masked["email"]["address"], "An*****za@br.e******.com");
    assert_eq!(masked["mobile"]["phoneNumber"], "*****2222");
    assert_eq!(operator.run_ok(&["identity", "list"]).lines(), [masked]);
    assert_eq!(
        operator.run_ok(&["identity", "list", "--reveal"]).lines(),
        [show_user(&operator, "ana")]
    );

    operator.run_ok(&[
        "identity",
        "set",
        "ana",
        "--role",
        "NEW",
        "--email",
        "new@example.com",
        "--business",
        "b3",
    ]);
    let mut changed = show_user(&operator, "ana");
    // The contact keeps its id.
    assert_eq!(field(&changed["email"], "id"), mail);
    changed["email"]["id"] = json!("…");
    changed["mobile"]["id"] = json!("…");
    expected["email"]["address"] = json!("new@example.com");
    expected["roles"] = json!(["NEW"]);
    expected["businesses"] = json!([{"id": "b3", "roles": []}]);
    assert_eq!(changed, expected);

    assert_eq!(operator.run_ok(&["identity", "remove", "ana"]).stdout, "");
    assert_eq!(operator.run_ok(&["identity", "list"]).stdout, "");
    // Nothing of the user is stored any more, so the id can be registered again, and so can the logins.
    let again = ["identity", "add", "--id", "ana", "--email", "other@example.com"];
    assert_eq!(operator.run_ok(&again).object(), json!({"userId": "ana"}));
    assert_eq!(show_user(&operator, "ana")["roles"], json!([]));
    let added = operator
        .run_ok(&["identity", "add", "--email", "NEW@example.com"])
        .object();
    assert_eq!(field(&added, "userId").len(), 24);
}

#[test]
fn a_user_is_found_by_the_contact_that_it_logs_in_with() {
    let operator = Operator::new();
    for arguments in [
        "identity add --id ana --email Ana.Souza@BR.Example.COM --mobile 55,11,911112222 --main-contact EMAIL",
        "identity add --id bia --email josé@münchen.de",
    ] {
        operator.run_ok(&arguments.split(' ').collect::<Vec<_>>());
    }
    let masked = operator.run_ok(&["identity", "show", "ana"]).stdout;
    for contact in [
        "ana.souza@br.example.com",
        "ANA.SOUZA@br.example.com",
        "55,11,911112222",
        "55, 11, 911112222",
    ] {
        assert_eq!(
            operator.run_ok(&["identity", "find", contact]).stdout,
            masked,
            "{contact}"
        );
    }
    let found = operator.run_ok(&["identity", "find", "josé@xn--mnchen-3ya.de", "--reveal"]);
    assert_eq!(found.object(), show_user(&operator, "bia"));
    for (contact, message) in [
        ("other@br.example.com", "no user logs in with this contact"),
        ("JOSÉ@münchen.de", "no user logs in with this contact"),
        ("55,11,911113333", "no user logs in with this contact"),
    ] {
        let none = operator.run(&["identity", "find", contact]);
        assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""), "{contact}");
        assert!(
            none.stderr.contains(message) && !none.stderr.contains(contact),
            "{}",
            none.stderr
        );
    }
    for malformed in ["ana", "a@b@c", "55,20,911112222"] {
        assert_eq!(
            operator.run(&["identity", "find", malformed]).code,
            Some(2),
            "{malformed}"
        );
    }
}

fn import(operator: &Operator, lines: &str) -> CommandOutput {
    operator.run_with(&["identity", "import", "-"], lines.as_bytes())
}

#[test]
fn the_output_of_show_can_be_imported() {
    let operator = Operator::new();
    operator.register_fixtures();
    let before = operator.run_ok(&["identity", "list", "--reveal"]);
    let other = Operator::new();
    other.add_names("role", &["BUYER"]);
    let file = other.file("users.jsonl", &before.stdout);
    let done = other.run_ok(&["identity", "import", file.to_str().expect("a plain path")]);
    assert_eq!(done.stdout, "");
    assert_eq!(other.run_ok(&["identity", "list", "--reveal"]).stdout, before.stdout);
}

#[test]
fn bad_lines_are_reported_and_skipped() {
    let operator = Operator::new();
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    let lines = [
        r#"{"userId":"u1","email":{"address":"u1@example.com"}}"#,
        "not JSON",
        "",
        r#"{"userId":"u4","email":{"address":"nope@@example.com"}}"#,
        r#"{"userId":"u5","mobile":{"regionCode":"55","areaCode":"11","phoneNumber":"911112222"}}"#,
        r#"{"userId":"u6"}"#,
        r#"{"userId":"u 7","email":{"address":"u7@example.com"}}"#,
        r#"{"userId":"u8","email":{"address":"u8@example.com"},"unknown":1}"#,
        r#"{"userId":"u9","email":{"address":"u9@example.com"},"mobile":{"regionCode":"55","areaCode":"11","phoneNumber":"911113333"}}"#,
        &long,
        r#"{"userId":"u11","email":{"address":"u11@example.com"},"mainContact":"MOBILE"}"#,
        r#"["u12"]"#,
        r#"{"email":{"address":"u13@example.com"}}"#,
    ];
    let done = import(&operator, &lines.join("\n"));
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let reported: Vec<u32> = done
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("line ")?.split(':').next()?.parse().ok())
        .collect();
    assert_eq!(reported, [2, 4, 6, 7, 8, 9, 10, 11, 12], "{}", done.stderr);
    // The error message does not contain the contact.
    assert!(
        !done.stderr.contains("nope@@") && !done.stderr.contains("example.com"),
        "{}",
        done.stderr
    );
    let stored = operator.run_ok(&["identity", "list", "--reveal"]).lines();
    let mut addresses: Vec<&str> = stored
        .iter()
        .filter_map(|user| user["email"]["address"].as_str())
        .collect();
    addresses.sort_unstable();
    assert_eq!(
        (stored.len(), addresses),
        (3, vec!["u13@example.com", "u1@example.com"])
    );
}

#[test]
fn a_line_of_invalid_utf_8_is_skipped() {
    let operator = Operator::new();
    let mut bytes = b"{\"userId\":\"u1\",\"email\":{\"address\":\"u1@example.com\"}}\n\xff\xfe\n".to_vec();
    bytes.extend_from_slice(b"{\"userId\":\"u3\",\"email\":{\"address\":\"u3@example.com\"}}\n");
    let done = operator.run_with(&["identity", "import", "-"], &bytes);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("line 2"), "{done:?}");
    assert_eq!(operator.run_ok(&["identity", "list"]).lines().len(), 2);
}

#[test]
fn a_repeated_import_changes_nothing() {
    let operator = Operator::new();
    let mut lines = String::new();
    for n in 0..300 {
        let _ = writeln!(
            lines,
            r#"{{"email":{{"address":"user{n}@example.com"}},"roles":["USER"]}}"#
        );
        let _ = writeln!(
            lines,
            r#"{{"userId":"given{n}","mobile":{{"regionCode":"351","phoneNumber":"9{n:08}"}}}}"#
        );
    }
    let stored = || operator.run_ok(&["identity", "list", "--reveal"]).lines();
    assert_eq!(import(&operator, &lines).code, Some(0));
    let first = stored();
    assert_eq!(first.len(), 600);
    assert_eq!(import(&operator, &lines).code, Some(0));
    let changed = first.iter().zip(stored()).find(|(before, after)| *before != after);
    assert_eq!(changed, None, "the second run changed what the first had stored");
    assert_eq!(stored().len(), 600);
}

#[test]
fn a_login_of_another_user_is_not_imported() {
    let operator = Operator::new();
    operator.run_ok(&["identity", "add", "--id", "ana", "--email", "ana@example.com"]);
    let done = import(&operator, r#"{"userId":"eve","email":{"address":"ANA@example.com"}}"#);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("line 1") && done.stderr.contains("`ana`"),
        "{done:?}"
    );
    assert_eq!(operator.run_ok(&["identity", "list"]).lines().len(), 1);
}

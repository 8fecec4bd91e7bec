//! Names of roles, scopes and groups: which names registrations may use, and in which places.

use serde_json::json;

use crate::operator::Operator;

#[track_caller]
fn assert_rejected(operator: &Operator, arguments: &str, words: &str) {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let done = operator.run(&arguments);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(1), ""),
        "{arguments:?}: {done:?}"
    );
    assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
}

/// Returns an operator who has added a role, a scope and a group.
fn operator() -> Operator {
    let operator = Operator::new();
    operator.add_names("role", &["BUYER"]);
    operator.add_names("scope", &["reports:read"]);
    operator.run_ok(&["group", "add", "Finance", "--role", "BUYER"]);
    operator
}

#[test]
fn an_unknown_name_is_rejected_with_a_suggestion() {
    let operator = operator();
    let user = "identity add --email a@example.com";
    for (arguments, nearest) in [
        ("client add a --role CLI-1STPARTI", "CLI-1STPARTY"),
        ("client add a --scope report:read", "reports:read"),
        ("client add a --may-assert Finances", "Finance"),
        (&format!("{user} --role USR"), "USER"),
        (&format!("{user} --group finance"), "Finance"),
        (&format!("{user} --business b1=BUYR"), "BUYER"),
        ("group add Sales --role ROLE_BUYR", "BUYER"),
    ] {
        let words = format!("nearest that is known is `{nearest}`");
        assert_rejected(&operator, arguments, &words);
    }
    assert_rejected(
        &operator,
        "group add Sales --role BUYR",
        "`authme role add BUYR` makes it known",
    );
}

#[test]
fn changes_and_imports_check_names_too() {
    let operator = operator();
    for done in [
        "client add a --role ROLE_CLI-1STPARTY --scope reports:read --may-assert Finance",
        "identity add --id ana --email a@example.com --group Finance --business b1=BUYER",
    ] {
        operator.run_ok(&done.split(' ').collect::<Vec<_>>());
    }
    assert_rejected(&operator, "client set a --role CLI-1STPARTI", "`CLI-1STPARTY`");
    assert_rejected(&operator, "identity set ana --role BUYR", "`BUYER`");
    let line = br#"{"userId":"ana","email":{"address":"a@example.com"},"groups":["Finance"],"roles":["USR"]}"#;
    let imported = operator.run_with(&["identity", "import", "-"], line);
    assert_eq!(imported.code, Some(1));
    assert!(imported.stderr.contains("`USER`"), "{imported:?}");
    assert_eq!(
        operator.run_ok(&["identity", "show", "ana"]).object()["roles"],
        json!([])
    );
}

#[test]
fn misplaced_roles_are_rejected() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "a"]);
    operator.run_ok(&["identity", "add", "--id", "ana", "--email", "ana@example.com"]);
    let (administrator, of_proof, of_client) = (
        "an administrator role is given to a user itself or by a group",
        "comes from a proof",
        "belongs to a client",
    );
    for (arguments, words) in [
        ("client add b --role IAM_ADMIN_MAINTENANCE", administrator),
        ("client set a --role ROLE_ADMIN", administrator),
        ("client add b --role AUTH-BASIC", of_proof),
        (
            "identity add --email m@example.com --business b1=IAM_ADMIN_MAINTENANCE",
            administrator,
        ),
        ("identity set ana --business b1=ROLE_ADMIN", administrator),
        ("identity add --email m@example.com --role CLI-1STPARTY", of_client),
        ("identity set ana --role AUTH-MFA", of_proof),
        ("group add G --role CLI-1STPARTY", of_client),
        ("group add G --role AUTH-BASIC", of_proof),
    ] {
        assert_rejected(&operator, arguments, words);
    }
    let line =
        br#"{"userId":"ana","email":{"address":"ana@example.com"},"businesses":[{"id":"b1","roles":["ADMIN"]}]}"#;
    let imported = operator.run_with(&["identity", "import", "-"], line);
    assert_eq!(imported.code, Some(1));
    assert!(imported.stderr.contains(administrator), "{imported:?}");
    assert_eq!(
        operator.run_ok(&["identity", "show", "ana"]).object()["businesses"],
        json!([])
    );
    // In the right place they are accepted.
    operator.run_ok(&["group", "add", "ADMINS", "--role", "IAM_ADMIN_MAINTENANCE"]);
    operator.run_ok(&[
        "identity",
        "set",
        "ana",
        "--role",
        "AUTH-BASIC",
        "--role",
        "ADMIN",
        "--group",
        "ADMINS",
    ]);
}

#[test]
fn added_names_are_listed_with_their_source() {
    let operator = Operator::new();
    for _ in 0..2 {
        let added = operator.run_ok(&["role", "add", "ROLE_BUYER"]).object();
        assert_eq!(added, json!({"name": "BUYER", "from": "operator"}));
    }
    assert_eq!(operator.run_ok(&["role", "add", "USER"]).object()["from"], "authme");
    operator.add_names("scope", &["reports"]);
    let own = |kind: &str| {
        let mut listed = operator.run_ok(&[kind, "list"]).lines();
        listed.retain(|line| line["from"] != "authme");
        listed
    };
    assert_eq!(own("role"), [json!({"name": "BUYER", "from": "operator"})]);
    assert_eq!(own("scope"), [json!({"name": "reports", "from": "operator"})]);
    for bad in ["", "a b", "a/b", "*"] {
        let done = operator.run(&["scope", "add", bad]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{bad}");
    }
}

#[test]
fn a_group_cannot_be_named_like_the_wildcard() {
    let operator = Operator::new();
    for bad in ["", "*", &"x".repeat(257)] {
        let done = operator.run(&["group", "add", bad]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{bad}");
    }
    operator.run_ok(&["group", "add", &"x".repeat(256)]);
}

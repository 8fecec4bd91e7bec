//! Names of roles, scopes and groups: which registrations may use them, and where a role may stand.

use serde_json::json;

use crate::operator::Operator;

#[track_caller]
fn is_refused(operator: &Operator, arguments: &str, words: &str) {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let done = operator.run(&arguments);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(1), ""),
        "{arguments:?}: {done:?}"
    );
    assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
}

/// An operator who made a role, a scope and a group known.
fn operator() -> Operator {
    let operator = Operator::new();
    operator.knows("role", &["BUYER"]);
    operator.knows("scope", &["reports:read"]);
    operator.does(&["group", "add", "Finance", "--role", "BUYER"]);
    operator
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_known_one() {
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
        is_refused(&operator, arguments, &words);
    }
    is_refused(
        &operator,
        "group add Sales --role BUYR",
        "`authme role add BUYR` makes it known",
    );
}

#[test]
fn a_change_and_an_import_are_judged_like_a_new_registration() {
    let operator = operator();
    for done in [
        "client add a --role ROLE_CLI-1STPARTY --scope reports:read --may-assert Finance",
        "identity add --id ana --email a@example.com --group Finance --business b1=BUYER",
    ] {
        operator.does(&done.split(' ').collect::<Vec<_>>());
    }
    is_refused(&operator, "client set a --role CLI-1STPARTI", "`CLI-1STPARTY`");
    is_refused(&operator, "identity set ana --role BUYR", "`BUYER`");
    let line = br#"{"userId":"ana","email":{"address":"a@example.com"},"groups":["Finance"],"roles":["USR"]}"#;
    let imported = operator.run_with(&["identity", "import", "-"], line);
    assert_eq!(imported.code, Some(1));
    assert!(imported.stderr.contains("`USER`"), "{imported:?}");
    assert_eq!(operator.does(&["identity", "show", "ana"]).object()["roles"], json!([]));
}

#[test]
fn a_role_is_refused_where_it_does_not_belong() {
    let operator = Operator::new();
    operator.does(&["client", "add", "a"]);
    operator.does(&["identity", "add", "--id", "ana", "--email", "ana@example.com"]);
    let (administrator, of_proof, of_client) = (
        "an administrator role is given to a user itself or by a group",
        "comes of a proof",
        "is a client's",
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
        is_refused(&operator, arguments, words);
    }
    let line =
        br#"{"userId":"ana","email":{"address":"ana@example.com"},"businesses":[{"id":"b1","roles":["ADMIN"]}]}"#;
    let imported = operator.run_with(&["identity", "import", "-"], line);
    assert_eq!(imported.code, Some(1));
    assert!(imported.stderr.contains(administrator), "{imported:?}");
    assert_eq!(
        operator.does(&["identity", "show", "ana"]).object()["businesses"],
        json!([])
    );
    // Where they belong they are taken.
    operator.does(&["group", "add", "ADMINS", "--role", "IAM_ADMIN_MAINTENANCE"]);
    operator.does(&[
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
fn names_are_made_known_once_and_listed_with_where_they_come_from() {
    let operator = Operator::new();
    for _ in 0..2 {
        let added = operator.does(&["role", "add", "ROLE_BUYER"]).object();
        assert_eq!(added, json!({"name": "BUYER", "from": "operator"}));
    }
    assert_eq!(operator.does(&["role", "add", "USER"]).object()["from"], "authme");
    operator.knows("scope", &["reports"]);
    let own = |kind: &str| {
        let mut listed = operator.does(&[kind, "list"]).lines();
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
fn the_name_of_a_group_is_not_the_sign_for_all() {
    let operator = Operator::new();
    for bad in ["", "*", &"x".repeat(257)] {
        let done = operator.run(&["group", "add", bad]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{bad}");
    }
    operator.does(&["group", "add", &"x".repeat(256)]);
}

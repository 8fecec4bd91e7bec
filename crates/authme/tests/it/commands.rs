//! The operator's commands for clients, groups, keys and events.

use serde_json::{Value, json};

use crate::fixtures::secret_of;
use crate::operator::{Operator, Serving, eventually};
use crate::test_app::field;
use test_support::http::{Request, send};

#[test]
fn unknown_commands_exit_with_2_and_help_with_0() {
    let operator = Operator::new();
    for arguments in [
        &["nonsense"][..],
        &[],
        &["client"],
        &["client", "add"],
        &["client", "add", "a", "--nonsense"],
        &["client", "add", "a", "--factor-visibility", "ALL"],
        &["client", "add", "a", "--access-token-lifetime", "soon"],
        &["identity", "show", "not an id"],
        &["identity", "add", "--email", "nope"],
        &["identity", "add", "--mobile", "55,11,1"],
        &["keys", "generate", "--signs-from", "tomorrow"],
        &["events", "--after", "x"],
    ] {
        let done = operator.run(arguments);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {done:?}"
        );
        assert!(!done.stderr.is_empty());
    }
    for arguments in [&["--help"][..], &["client", "add", "--help"], &["--version"]] {
        assert_eq!(operator.run(arguments).code, Some(0), "{arguments:?}");
    }
}

#[test]
fn failed_commands_exit_with_1_and_print_to_stderr() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "portal"]);
    operator.run_ok(&["identity", "add", "--id", "ana", "--email", "ana@example.com"]);
    for (arguments, words) in [
        (&["client", "add", "portal"][..], "taken"),
        (&["client", "add", "a b"], "an id is"),
        (&["client", "show", "nobody"], "there is no client `nobody`"),
        (&["client", "set", "nobody"], "there is no client `nobody`"),
        (&["client", "disable", "nobody"], "there is no client `nobody`"),
        (&["client", "enable", "nobody"], "there is no client `nobody`"),
        (&["client", "rotate-secret", "nobody"], "there is no client `nobody`"),
        (
            &["client", "add", "b", "--secret-file", "/nowhere/secret"],
            "cannot be read",
        ),
        (&["client", "add", "b", "--alias", "portal"], "taken"),
        (&["client", "add", "b", "--access-token-lifetime", "2h"], "at most"),
        (&["identity", "add"], "an e-mail or a mobile is required"),
        (
            &["identity", "add", "--id", "ana", "--email", "b@example.com"],
            "the user `ana` already exists",
        ),
        (
            &["identity", "add", "--email", "ANA@example.com"],
            "is a login of the user `ana`",
        ),
        (
            &[
                "identity",
                "add",
                "--email",
                "c@example.com",
                "--mobile",
                "55,11,911112222",
            ],
            "choose the main contact",
        ),
        (&["identity", "show", "nobody"], "there is no user `nobody`"),
        (&["identity", "set", "nobody"], "there is no user `nobody`"),
        (&["identity", "remove", "nobody"], "there is no user `nobody`"),
        (&["identity", "import", "/nowhere/file"], "cannot be opened"),
        (&["group", "remove", "nobody"], "there is no group `nobody`"),
        (&["keys", "retire", "nobody"], "there is no key `nobody`"),
    ] {
        let done = operator.run(arguments);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(1), ""),
            "{arguments:?}: {done:?}"
        );
        assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
    }
    // Nothing was changed.
    let ids: Vec<Value> = operator
        .run_ok(&["client", "list"])
        .lines()
        .iter()
        .map(|line| line["clientId"].clone())
        .collect();
    assert_eq!(ids, ["portal"]);
    assert_eq!(operator.run_ok(&["identity", "list"]).lines().len(), 1);
}

#[test]
fn the_folder_option_works_before_and_after_the_command() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "portal"]);
    let data = operator.data();
    let elsewhere = Operator::new();
    let after = elsewhere.run(&["client", "list", "--data", data.to_str().expect("a plain path")]);
    // An option given twice: the last one counts, or it is a usage error. The command never uses the other folder
    // silently.
    assert!(after.code == Some(2) || after.lines().len() == 1, "{after:?}");
}

fn show_client(operator: &Operator, id: &str) -> Value {
    operator.run_ok(&["client", "show", id]).object()
}

#[test]
fn clients_are_added_shown_changed_and_listed() {
    let operator = Operator::new();
    operator.add_names("role", &["A", "B", "C"]);
    let arguments = "client add portal --role A --role B --scope READ --scope WRITE --saml --identity-provider --create-users \
                     --require-known-groups --alias portal.idp --alias other --factor-visibility MARKED_RESOURCES \
                     --access-token-lifetime 2m --administration --may-assert * --expires-in seconds";
    let added = operator
        .run_ok(&arguments.split_whitespace().collect::<Vec<_>>())
        .object();
    assert_eq!(
        added.as_object().expect("an object").keys().collect::<Vec<_>>(),
        ["clientId", "clientSecret"]
    );
    assert_eq!(added["clientId"], "portal");
    let secret = field(&added, "clientSecret");
    assert!(secret.len() >= 32, "{secret}");
    let whole = json!({
        "clientId": "portal", "enabled": true, "roles": ["A", "B"], "scopes": ["READ", "WRITE"], "saml": true,
        "identityProvider": true, "createUsers": true, "requireKnownGroups": true, "aliases": ["portal.idp", "other"],
        "factorVisibility": "MARKED_RESOURCES", "accessTokenLifetime": "2m", "administration": true,
        "mayAssert": ["*"], "expiresIn": "seconds", "secrets": [{}],
    });
    assert_eq!(show_client(&operator, "portal"), whole);
    operator.run_ok(&["client", "add", "a-plain-one"]);
    let plain = json!({
        "clientId": "a-plain-one", "enabled": true, "roles": [], "scopes": [], "saml": false, "identityProvider": false,
        "createUsers": false, "requireKnownGroups": false, "aliases": [], "factorVisibility": "CREDENTIALS_ONLY",
        "administration": false, "mayAssert": [], "secrets": [{}],
    });
    let listed = operator.run_ok(&["client", "list"]);
    assert_eq!(listed.lines(), [plain, whole.clone()]);
    // The secret is shown only once.
    assert!(!listed.stdout.contains(&secret) && !show_client(&operator, "portal").to_string().contains(&secret));

    // Omitted options keep their values; lists are replaced.
    operator.run_ok(&[
        "client",
        "set",
        "portal",
        "--role",
        "C",
        "--saml=false",
        "--administration=false",
        "--may-assert",
        "",
        "--expires-in",
        "",
    ]);
    let mut changed = whole;
    changed["roles"] = json!(["C"]);
    changed["saml"] = json!(false);
    changed["administration"] = json!(false);
    changed["mayAssert"] = json!([]);
    changed.as_object_mut().expect("an object").remove("expiresIn");
    assert_eq!(show_client(&operator, "portal"), changed);
    for (command, enabled) in [("disable", false), ("disable", false), ("enable", true)] {
        operator.run_ok(&["client", command, "portal"]);
        changed["enabled"] = json!(enabled);
        assert_eq!(show_client(&operator, "portal"), changed);
    }
}

#[test]
fn a_weak_secret_file_is_rejected() {
    let operator = Operator::new();
    let good = operator.file("good", "a secret from a file\n");
    let added = operator
        .run_ok(&[
            "client",
            "add",
            "portal",
            "--secret-file",
            good.to_str().expect("a plain path"),
        ])
        .object();
    assert_eq!(
        added,
        json!({"clientId": "portal", "clientSecret": "a secret from a file"})
    );
    let weak = operator.file("weak", "short");
    let done = operator.run(&[
        "client",
        "add",
        "weak",
        "--secret-file",
        weak.to_str().expect("a plain path"),
    ]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
}

#[test]
fn rotating_a_secret_ends_the_old_one() {
    let operator = Operator::new();
    let secret = |arguments: &[&str]| field(&operator.run_ok(arguments).object(), "clientSecret");
    let first = secret(&["client", "add", "portal"]);
    let serving = Serving::start(&operator, &[]);
    let works = |secret: &str| {
        send(
            serving.address,
            Request::post("/client-identities/login").basic("portal", secret),
        )
        .status
            == 200
    };
    let second = secret(&["client", "rotate-secret", "portal", "--keep-old-for", "24h"]);
    eventually("a rotated secret", || works(&second));
    assert!(works(&first));
    let ends = show_client(&operator, "portal")["secrets"].clone();
    assert!(
        ends[0].get("validUntil").is_none() && ends[1]["validUntil"].is_string(),
        "{ends}"
    );
    let third = secret(&["client", "rotate-secret", "portal"]);
    eventually("a rotated secret", || works(&third));
    assert_eq!([&first, &second].map(|secret| works(secret)), [false, false]);
    operator.run_ok(&["client", "disable", "portal"]);
    eventually("a disabled client", || !works(&third));
    assert_eq!(serving.stop().0, Some(0));
}

#[test]
fn groups_are_added_listed_and_removed() {
    let operator = Operator::new();
    operator.add_names("role", &["X", "Y", "Z"]);
    operator.run_ok(&["group", "add", "B", "--role", "X", "--role", "Y"]);
    operator.run_ok(&["group", "add", "A"]);
    let (a, b) = (
        json!({"name": "A", "roles": []}),
        json!({"name": "B", "roles": ["X", "Y"]}),
    );
    assert_eq!(operator.run_ok(&["group", "list"]).lines(), [a.clone(), b]);
    operator.run_ok(&["group", "add", "B", "--role", "Z"]);
    assert_eq!(operator.run_ok(&["group", "list"]).lines()[1]["roles"], json!(["Z"]));
    assert_eq!(operator.run_ok(&["group", "remove", "B"]).stdout, "");
    assert_eq!(operator.run_ok(&["group", "list"]).lines(), [a]);
}

#[test]
fn keys_are_generated_listed_and_retired() {
    let operator = Operator::new();
    let first = operator.run_ok(&["keys", "generate"]).object();
    let second = operator
        .run_ok(&["keys", "generate", "--signs-from", "2999-01-01T00:00:00Z"])
        .object();
    assert!(
        second["signsFrom"]
            .as_str()
            .expect("a time")
            .starts_with("2999-01-01T00:00:00")
    );
    let kids = |done: &[Value]| done.iter().map(|key| field(key, "kid")).collect::<Vec<_>>();
    let listed = operator.run_ok(&["keys", "list"]).lines();
    assert_eq!(kids(&listed), kids(&[first.clone(), second.clone()]));
    // The only signing key cannot be retired.
    let rejection = operator.run(&["keys", "retire", &field(&first, "kid")]);
    assert_eq!((rejection.code, rejection.stdout.as_str()), (Some(1), ""));
    // A key that verifiers cannot know yet does not sign, unless the operator forces it.
    let early = ["keys", "generate", "--signs-from", "2001-01-01T00:00:00Z"];
    let rejection = operator.run(&early);
    assert_eq!((rejection.code, rejection.stdout.as_str()), (Some(1), ""));
    assert!(
        rejection.stderr.contains("--force") && rejection.stderr.contains("keys.cache_time"),
        "{rejection:?}"
    );
    let third = operator.run_ok(&[&early[..], &["--force"]].concat()).object();
    operator.run_ok(&["keys", "retire", &field(&first, "kid")]);
    let listed = operator.run_ok(&["keys", "list"]).lines();
    assert_eq!(
        listed
            .iter()
            .map(|key| key.get("retiredAt").is_some())
            .collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(kids(&listed)[2], field(&third, "kid"));

    let serving = Serving::start(&operator, &[]);
    let published = send(serving.address, Request::get("/keys")).json();
    let mut published = kids(published["keys"].as_array().expect("an array"));
    let mut expected = kids(&listed);
    published.sort();
    expected.sort();
    assert_eq!(
        published, expected,
        "what may still verify and what will sign is published"
    );
}

#[test]
fn a_running_server_rejects_revoked_keys() {
    let operator = Operator::new();
    operator.register_fixtures();
    let stolen = field(&operator.run_ok(&["keys", "list"]).object(), "kid");
    let serving = Serving::start(&operator, &[]);
    let login = || {
        let request = Request::post("/client-identities/login").basic("locker", &secret_of("locker"));
        field(&send(serving.address, request).json(), "accessToken")
    };
    let lock = |token: &str| {
        let request = Request::post("/user-identities/lock").bearer(token);
        send(serving.address, request.json(&json!({"userId": "ana"}))).status
    };
    let token = login();
    assert_eq!(lock(&token), 204);
    let unknown = operator.run(&["keys", "revoke", "nobody"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), ""));
    assert!(unknown.stderr.contains("there is no key `nobody`"), "{unknown:?}");
    assert_eq!(operator.run_ok(&["keys", "revoke", &stolen]).stdout, "");
    let published = |kid: &str| {
        let keys = send(serving.address, Request::get("/keys")).json();
        let keys = keys["keys"].as_array().expect("an array").clone();
        keys.iter().any(|key| field(key, "kid") == kid)
    };
    // The test runner's timeout ends a key that is never rejected.
    while published(&stolen) {
        std::thread::yield_now();
    }
    assert_eq!(lock(&token), 401);
    assert_eq!(lock(&login()), 204, "another key signs immediately");
    let listed = operator.run_ok(&["keys", "list"]).lines();
    assert!(published(&field(&listed[0], "kid")), "{listed:?}");
    assert_eq!(
        (
            field(&listed[1], "kid"),
            listed[1].get("revokedAt").is_some(),
            listed.len()
        ),
        (stolen, true, 2)
    );
}

#[test]
fn events_are_printed_after_a_cursor() {
    let operator = Operator::new();
    operator.register_fixtures();
    assert_eq!(operator.run_ok(&["events"]).stdout, "");
    let serving = Serving::start(&operator, &[]);
    let login = Request::post("/client-identities/login").basic("locker", &secret_of("locker"));
    let locker = field(&send(serving.address, login).json(), "accessToken");
    for operation in ["lock", "unlock"] {
        let request = Request::post(&format!("/user-identities/{operation}")).bearer(&locker);
        assert_eq!(
            send(serving.address, request.json(&json!({"userId": "ana"}))).status,
            204
        );
    }
    // A stopping server publishes the remaining events.
    assert_eq!(serving.stop().0, Some(0));
    let events = operator.run_ok(&["events"]).lines();
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["credential.locked", "credential.unlocked"]);
    assert_eq!(
        (&events[0]["specversion"], &events[0]["subject"]),
        (&json!("1.0"), &json!("ana"))
    );
    let rest = operator
        .run_ok(&["events", "--after", &field(&events[0], "cursor")])
        .lines();
    assert_eq!(rest, events[1..]);
}

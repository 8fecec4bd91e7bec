//! Calls every operation with every set of roles and scopes, and compares the answers with the tables in docs/api.md,
//! which are written by hand. A permission that is declared wrongly in the code therefore fails this test.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use serde_json::{Value, json};
use service_assembly::CONTEXTS;

use crate::fixtures::{self, ANA_MAIL};
use crate::jwt::{client_claims, token, user_claims};
use crate::test_app::{TestApp, field};
use test_support::http::{Connection, Request, send};

/// Every role and scope that AuthMe's operations require.
pub(crate) const ROLES: [&str; 8] = [
    "CLI-AUTH-IDENTIFIED",
    "CLI-1STPARTY",
    "CLI-AUTH-BASIC",
    "AUTH-BASIC",
    "USER",
    "IAM_ADMIN_MAINTENANCE",
    "ADMIN",
    "AUTH-MFA",
];
pub(crate) const SCOPES: [&str; 4] = ["SAML_SSO", "account_lock", "account_unlock", "events_read"];

/// The subject of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Client,
    /// Any user.
    User,
    /// The user in the path or body of the request.
    Owner,
}

/// Whether an operation requires that the token is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Active {
    Yes,
    No,
    /// The mint gate looks at the user, and its codes say why the token is not active.
    Gate,
}

pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: &'static str,
    pub(crate) active: Active,
    /// One of these lines suffices; a line requires all of its roles and scopes.
    allowed: Vec<(Subject, Vec<&'static str>, Vec<&'static str>)>,
}

// Owner as self, which most tests of this file use.
const OWNER: &[&str] = &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];
// Machine: client-only tokens, because no user role is required.
const MACHINE: &[&str] = &["CLI-1STPARTY", "CLI-AUTH-BASIC"];

/// The operations that need a bearer token, and the methods and paths of those that need none.
struct Table {
    operations: Vec<Operation>,
    public: Vec<(String, &'static str)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// Returns the operations that need a bearer token.
pub(crate) fn operations() -> &'static [Operation] {
    &TABLE.operations
}

/// Returns method and path of every operation, also of those that need no bearer token.
pub(crate) fn documented_methods() -> impl Iterator<Item = (String, &'static str)> {
    let protected = operations()
        .iter()
        .map(|operation| (operation.method.clone(), operation.path));
    protected.chain(TABLE.public.iter().cloned())
}

/// Returns the texts between backticks.
fn code(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

impl Table {
    fn read() -> Self {
        let page = include_str!("../../../../docs/api.md");
        let (_, section) = page.split_once("\n## Operations\n").expect("the section");
        let (section, _) = section.split_once("\n## ").expect("the next section");
        let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
        let rows: Vec<Vec<_>> = rows
            .map(|row| row.trim_end_matches(" |").split(" | ").collect())
            .collect();
        let sets: HashMap<_, _> = rows
            .iter()
            .filter(|row| row[0].starts_with("**"))
            .map(|row| (row[0].trim_matches('*'), (row[1], code(row[2]))))
            .collect();
        let mut table = Self {
            operations: Vec::new(),
            public: Vec::new(),
        };
        for row in rows.iter().filter(|row| row[0].starts_with('`')) {
            for operation in code(row[0]) {
                let (method, path) = operation.split_once(' ').expect("a method and a path");
                let path = path.split('?').next().expect("a path");
                let method = method.to_lowercase();
                let active = match row[3] {
                    "yes" => Active::Yes,
                    "no" => Active::No,
                    "gate" => Active::Gate,
                    _ => {
                        table.public.push((method, path));
                        continue;
                    }
                };
                let who = row[2].split(';').next().expect("who may call it");
                let allowed = who.split(", or ").flat_map(|who| lines_of(who, &sets));
                table.operations.push(Operation {
                    method,
                    path,
                    active,
                    allowed: allowed.collect(),
                });
            }
        }
        table
    }
}

/// Returns the lines of a set of roles: one for each scope, any of which suffices.
fn lines_of(
    who: &'static str,
    sets: &HashMap<&'static str, (&'static str, Vec<&'static str>)>,
) -> Vec<(Subject, Vec<&'static str>, Vec<&'static str>)> {
    let (name, is_self) = match who.strip_suffix(" as self") {
        Some(name) => (name, true),
        None => (who.split(" with ").next().expect("a set"), false),
    };
    let (token, roles) = sets.get(name).unwrap_or_else(|| panic!("`{name}` is no set of roles"));
    let subject = match *token {
        "client" => Subject::Client,
        _ if is_self => Subject::Owner,
        _ => Subject::User,
    };
    let scopes = code(who);
    let lines = scopes.iter().map(|scope| (subject, roles.clone(), vec![*scope]));
    if scopes.is_empty() {
        vec![(subject, roles.clone(), Vec::new())]
    } else {
        lines.collect()
    }
}

impl Operation {
    fn allows(&self, of: Subject, roles: &[&str], scopes: &[&str]) -> bool {
        self.allowed.iter().any(|(whose, needed_roles, needed_scopes)| {
            let is_subject = *whose == of || (*whose == Subject::User && of == Subject::Owner);
            is_subject
                && needed_roles.iter().all(|role| roles.contains(role))
                && needed_scopes.iter().all(|scope| scopes.contains(scope))
        })
    }

    /// Returns whether the operation accepts tokens with a user, or client-only tokens if `has_user` is false.
    pub(crate) fn is_for(&self, has_user: bool) -> bool {
        self.allowed
            .iter()
            .any(|(whose, ..)| (*whose != Subject::Client) == has_user)
    }

    /// Returns whether a body makes a request to this operation malformed. Nothing else can be missing in it.
    fn refuses_a_body(&self) -> bool {
        self.method == "delete" && matches!(self.path, "/user-identities/me" | "/user-identities/{id}")
    }

    /// Returns a request that changes nothing if it is permitted, because its body, query or path is incomplete, or because
    /// it has a body.
    pub(crate) fn request(&self, about: &str) -> Request {
        let ends_sessions = self.method == "delete" && self.path.ends_with("/sessions");
        let about = if ends_sessions { "no.id" } else { about };
        let path = self.path.replace("{id}", about);
        let path = path.replace("{factorId}", "no.id").replace("{sid}", "no.id");
        let request = Request::new(&self.method.to_uppercase(), &path);
        match self.path {
            "/events" => request.query(&[("wait", "0")]),
            _ if ends_sessions => request.query(&[("keepCurrent", "maybe")]),
            _ if self.refuses_a_body() => request.body("{}"),
            _ => request,
        }
    }
}

fn subsets<'a>(names: &[&'a str]) -> Vec<Vec<&'a str>> {
    let members = |set: usize| (0..names.len()).filter(move |at| set & (1 << at) != 0);
    (0..1 << names.len())
        .map(|set| members(set).map(|at| names[at]).collect())
        .collect()
}

/// Calls every operation with one set of roles and scopes, as a client and as the user `ana`.
fn mismatches(app: &TestApp, connection: &mut Connection, roles: &[&str], scopes: &[&str]) -> Vec<String> {
    let tokens = [
        (
            token(app, &client_claims("portal", roles, scopes)),
            vec![(Subject::Client, "ana")],
        ),
        (
            token(app, &user_claims("ana", roles, scopes)),
            vec![(Subject::Owner, "ana"), (Subject::User, "bia")],
        ),
    ];
    let mut wrong = Vec::new();
    for (token, cases) in tokens {
        for operation in operations() {
            let has_user_in_path = operation.path.contains("{id}");
            for (of, about) in cases
                .iter()
                .filter(|(of, _)| has_user_in_path || *of != Subject::Owner || cases.len() == 1)
            {
                let request = operation.request(about).bearer(&token);
                // The server closes a connection whose request it refused before it had read the body.
                let answer = if operation.refuses_a_body() {
                    send(app.address, request)
                } else {
                    connection.send(&request)
                };
                let is_expected = operation.allows(*of, roles, scopes);
                let is_allowed = match (answer.status, answer.codes().1.as_slice()) {
                    (403, [code]) if code == "03" => false,
                    (401 | 403 | 404 | 405 | 500.., _) => {
                        wrong.push(format!("{} {}: {}", operation.method, operation.path, answer.summary()));
                        continue;
                    }
                    _ => true,
                };
                if is_allowed != is_expected {
                    wrong.push(format!(
                        "{} {} for {of:?} with {roles:?} {scopes:?}: {} but expected allowed = {is_expected}",
                        operation.method, operation.path, answer.status
                    ));
                }
            }
        }
    }
    wrong
}

/// Returns whether a set of roles and scopes covers no case of its own: no operation requires `ADMIN` or `AUTH-MFA` together
/// with a scope, so the sets without scopes and with all of them suffice.
fn is_redundant(roles: &[&str], scopes: &[&str]) -> bool {
    scopes.len() == 1 && ["ADMIN", "AUTH-MFA"].iter().any(|role| roles.contains(role))
}

#[test]
fn permissions_match_the_documented_table() {
    let app = TestApp::start();
    // An administrator role in a token counts only while its holder has it.
    let mut ana = fixtures::ana();
    ana.roles.extend(["IAM_ADMIN_MAINTENANCE", "ADMIN"].map(str::to_owned));
    app.wait_for(fixtures::save_identity(&app.stores, &ana));
    let (roles, mut scopes) = (subsets(&ROLES), subsets(&SCOPES));
    // No operation requires two scopes, so none, each one and all of them cover all cases.
    scopes.retain(|scopes| scopes.len() < 2 || scopes.len() == SCOPES.len());
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let halves = roles.chunks(roles.len() / 2).map(|half| {
            let (app, scopes) = (&app, &scopes);
            scope.spawn(move || {
                let mut connection = Connection::open(app.address);
                let sets = half
                    .iter()
                    .flat_map(|roles| scopes.iter().map(move |scopes| (roles, scopes)))
                    .filter(|(roles, scopes)| !is_redundant(roles, scopes));
                sets.flat_map(|(roles, scopes)| mismatches(app, &mut connection, roles, scopes))
                    .collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves
            .into_iter()
            .flat_map(|half| half.join().expect("no panic"))
            .collect()
    });
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn role_names_are_exact_except_for_the_prefix() {
    let app = TestApp::start();
    let status = |roles: &[&str]| {
        let token = token(&app, &user_claims("root", roles, &[]));
        app.send(Request::get("/user-identities/ana/lock").bearer(&token))
            .status
    };
    assert_eq!(
        status(&["ROLE_CLI-1STPARTY", "ROLE_AUTH-BASIC", "ROLE_IAM_ADMIN_MAINTENANCE"]),
        200
    );
    assert_eq!(
        status(&["CLI-1STPARTY", "ROLE_AUTH-BASIC", "IAM_ADMIN_MAINTENANCE"]),
        200
    );
    for bad in [
        "iam_admin_maintenance",
        "role_IAM_ADMIN_MAINTENANCE",
        "ROLE_ROLE_IAM_ADMIN_MAINTENANCE",
        " IAM_ADMIN_MAINTENANCE",
        "IAM_ADMIN_MAINTENANCE_",
        "IAM_ADMIN",
        "*",
        "",
    ] {
        assert_eq!(status(&["CLI-1STPARTY", "AUTH-BASIC", bad]), 403, "{bad}");
    }
}

#[test]
fn scopes_are_exact_and_separate_from_roles() {
    let app = TestApp::start();
    let status = |roles: &[&str], scopes: &[&str]| {
        let token = token(&app, &client_claims("locker", roles, scopes));
        app.send(Request::post("/user-identities/lock").bearer(&token)).status
    };
    assert_eq!(status(MACHINE, &["READ", "account_lock"]), 400);
    for bad in [
        "ACCOUNT_LOCK",
        "account_lock_",
        "ROLE_account_lock",
        "account",
        "account_unlock",
    ] {
        assert_eq!(status(MACHINE, &[bad]), 403, "{bad}");
    }
    assert_eq!(status(&["CLI-1STPARTY", "CLI-AUTH-BASIC", "account_lock"], &[]), 403);
}

#[test]
fn every_operation_requires_a_token() {
    let app = TestApp::start();
    for operation in operations() {
        let answer = app.send(operation.request("ana"));
        assert_eq!(
            answer.codes(),
            (401, vec!["02".to_owned()]),
            "{} {}",
            operation.method,
            operation.path
        );
    }
}

/// Returns method and path, below the base path, of every served operation.
fn served_operations() -> BTreeSet<(String, String)> {
    let descriptions: Vec<_> = CONTEXTS.iter().map(|context| context.description()).collect();
    let mut operations = BTreeSet::new();
    for description in &descriptions {
        for (path, method) in description.operations() {
            let method: Value = serde_json::to_value(method).expect("a method has a name");
            let path = path.strip_prefix("/security/iam/v1").expect("the base path");
            operations.insert((method.as_str().expect("a text").to_owned(), path.to_owned()));
        }
    }
    operations
}

#[test]
fn the_table_has_every_operation() {
    let listed: BTreeSet<_> = documented_methods()
        .map(|(method, path)| (method, path.to_owned()))
        .collect();
    assert_eq!(served_operations(), listed);
}

#[test]
fn the_description_lists_the_required_roles() {
    let app = TestApp::start();
    let document = app.send(Request::at_root("GET", "/openapi.json")).json();
    let mut served = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let path = path.strip_prefix("/security/iam/v1").expect("the base path");
            served.insert((method.clone(), path.to_owned()));
            let is_public = TABLE.public.iter().any(|public| *public == (method.clone(), path));
            assert_eq!(operation.get("x-requires").is_none(), is_public, "{method} {path}");
            let listed = operations()
                .iter()
                .find(|own| own.method == *method && own.path == path);
            let Some(listed) = listed else { continue };
            let expected: Vec<Value> = listed
                .allowed
                .iter()
                .map(|(of, roles, scopes)| {
                    let carries = match of {
                        Subject::Client => "client",
                        Subject::User => "user",
                        Subject::Owner => "same-user",
                    };
                    json!({"carries": carries, "roles": roles, "scopes": scopes})
                })
                .collect();
            let with_sorted_roles = |value: &Value| {
                let mut value = value.clone();
                value["roles"]
                    .as_array_mut()
                    .expect("roles")
                    .sort_by_key(ToString::to_string);
                value.to_string()
            };
            let requires = operation["x-requires"].as_array().expect("an array");
            let texts = |values: &[Value]| values.iter().map(with_sorted_roles).collect::<BTreeSet<_>>();
            assert_eq!(texts(requires), texts(&expected), "{method} {path}");
        }
    }
    assert_eq!(served, served_operations());
}

/// Returns a request that names an object of ana, for bia to send. Returns `None` if the operation names no object.
fn request_for_another(operation: &Operation, challenge: &str, refresh_token: &str) -> Option<Request> {
    let sid = refresh_token.trim_start_matches("rt_").split('.').next();
    let path = operation.path.replace("{sid}", sid.expect("a refresh token"));
    let path = path.replace("{factorId}", "c1");
    let request = Request::new(&operation.method.to_uppercase(), &path);
    let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": "911119999"});
    match operation.path {
        path if path.ends_with("/token/validate") => {
            Some(request.json(&json!({"challengeId": challenge, "token": "000000"})))
        }
        path if path.ends_with("/{factorId}") && operation.method == "put" => {
            Some(request.json(&json!({"contactType": "MOBILE", "mobile": mobile})))
        }
        path if path.replace("{id}", "").contains('{') => Some(request),
        "/user-identities/renew-token" | "/user-identities/me/revoke-token" => {
            Some(request.json(&json!({"token": refresh_token, "remember-me": true})))
        }
        _ => None,
    }
}

#[test]
fn objects_of_other_users_are_not_found() {
    let app = TestApp::start();
    let session = app.session(ANA_MAIL);
    let refresh_token = field(&session, "refreshToken");
    let item = json!({"id": "c1", "contactType": "MOBILE",
        "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"}});
    let portal = app.client_token("portal");
    let add = Request::post("/user-identities/ana/authentication-factors").bearer(&portal);
    assert_eq!(
        app.send(add.json(&json!({"authenticationFactors": [item]}))).status,
        201
    );
    let sending = Request::post("/user-identities/me/authentication-factors/c1/token");
    let sent = app.send(sending.bearer(&field(&session, "accessToken")));
    let challenge = field(&sent.json(), "challengeId");
    let bia = token(&app, &user_claims("bia", OWNER, &[]));
    let mut count = 0;
    for operation in operations()
        .iter()
        .filter(|own| own.allowed.iter().any(|line| line.1 == OWNER))
    {
        let Some(request) = request_for_another(operation, &challenge, &refresh_token) else {
            continue;
        };
        let answer = app.send(request.bearer(&bia));
        // A logout does not show whether a token exists (RFC 7009 section 2.2).
        let is_logout = operation.path.ends_with("/revoke-token") && answer.summary() == "200 ";
        let is_rejected = matches!(answer.status, 401 | 404) || is_logout;
        assert!(
            is_rejected,
            "{} {}: {}",
            operation.method,
            operation.path,
            answer.summary()
        );
        count += 1;
    }
    assert!(count >= 6, "{count}");
    // None of the requests changed anything.
    let mut events = app.event_types("ana");
    events.sort();
    assert_eq!(events, ["factor.added", "session.started"]);
    assert_eq!(app.renew(&portal, &refresh_token, "true").status, 200);
}

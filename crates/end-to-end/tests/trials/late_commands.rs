//! A service abandons a command while its write is on the way to the store. A later command is acknowledged, then the
//! write arrives. The later command must win.

use std::io::Write as _;
use std::net::TcpStream;

use end_to_end::{Caller, Direction, Flow, Options, Process, ProxiedStore, Request, Response, Servers, Service};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::setup::{Clients, Setup, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};

const ROUNDS: usize = 1;

/// The number of users per kind of command in a round. Their writes are in flight at the same time, each on a
/// connection of its own.
const USERS: usize = 10;

/// A text that, on the way to the store, occurs only in the writes of locks and unlocks.
const LOCK_WRITE: &str = "credential.";

/// A text that, on the way to the store, occurs only in the writes of contacts.
const CONTACT_WRITE: &str = "factor.";

const CONTACT: &str = "contact-1";

/// Two replicas of a service on one database. One is slow because it reaches the database through a proxy.
struct Pair {
    store: ProxiedStore,
    slow: Process,
    there: Clients,
    here: Clients,
}

impl Pair {
    async fn start(setup: &Setup, servers: &Servers, service: Service, there: &Clients) -> Self {
        let store = ProxiedStore::new(servers);
        let slow = setup.start(service, Options::replica().mongodb_uri(&store.uri)).await;
        let caller = there.caller.with(service, slow.base_url());
        Self {
            here: there.at(caller),
            there: there.clone(),
            store,
            slow,
        }
    }

    /// Sends requests to the slow replica, whose writes the proxy holds back. Returns the responses.
    async fn send_and_abandon(&self, marker: &str, requests: Vec<Request>) -> Vec<Response> {
        let proxy = &self.store.proxy;
        proxy.intercept(marker, Direction::ToServer, Flow::Hold);
        let (responses, ()) = tokio::join!(send_all(requests), proxy.wait_until_intercepted());
        responses
    }

    /// Lets the held writes arrive, stops the slow replica and waits until it exits. Then it has no call in flight.
    async fn release_and_terminate(mut self) {
        self.store.proxy.restore().expect("the port is reserved");
        self.slow.terminate().await;
    }
}

/// Sends the requests at the same time. Returns the responses in the order of the requests.
async fn send_all(requests: Vec<Request>) -> Vec<Response> {
    let mut sending = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        sending.spawn(async move { (number, request.send().await) });
    }
    let mut responses = sending.join_all().await;
    responses.sort_by_key(|(number, _)| *number);
    responses.into_iter().map(|(_, response)| response).collect()
}

async fn start_services(servers: &Servers) -> (Setup, end_to_end::Deployment, Clients) {
    let setup = Setup::new(servers).await;
    let deployment = setup.start_all(&Options::default()).await;
    let clients = setup.clients().await;
    (setup, deployment, clients)
}

pub(crate) async fn undo_no_lock(servers: Servers) -> Outcome {
    let (setup, _deployment, there) = start_services(&servers).await;
    let mut summaries = ["unlock after lock", "lock after unlock"].map(|name| Summary::new(format!("late {name}")));
    for _ in 0..rounds(ROUNDS) {
        let pair = Pair::start(&setup, &servers, Service::CredentialLock, &there).await;
        let (locked, never_locked) = (setup.register_users(USERS).await, setup.register_users(USERS).await);
        for user in &locked {
            send_with_retries(|| there.caller.lock(&there.desk, user))
                .await
                .expect_status(204);
        }
        let (here, there) = (&pair.here, &pair.there);
        let unlocks = locked.iter().map(|user| here.caller.unlock(&here.desk, user));
        let locks = never_locked.iter().map(|user| here.caller.lock(&here.desk, user));
        for response in pair.send_and_abandon(LOCK_WRITE, unlocks.chain(locks).collect()).await {
            response.expect_status(503);
        }
        for user in &locked {
            there.caller.lock(&there.desk, user).send().await.expect_status(204);
        }
        for user in &never_locked {
            there.caller.unlock(&there.desk, user).send().await.expect_status(204);
        }
        let there = pair.there.clone();
        pair.release_and_terminate().await;
        let [after_lock, after_unlock] = &mut summaries;
        for (users, expected, summary) in [
            (locked, (true, 1), after_lock),
            (never_locked, (false, 0), after_unlock),
        ] {
            for user in users {
                summary.add(check_lock_state(&there, &user, expected).await);
            }
        }
    }
    finish(summaries.into())
}

/// Verifies whether the credential is locked, and how often it was locked.
async fn check_lock_state(clients: &Clients, user: &str, expected: (bool, u64)) -> Result<(), String> {
    let state = send_with_retries(|| clients.get_lock(user))
        .await
        .expect_status(200)
        .json();
    let found = (
        state["locked"] == json!(true),
        state["epoch"].as_u64().unwrap_or_default(),
    );
    check(found == expected, || format!("{user}: {state} instead of {expected:?}"))
}

fn mobile(number: u32) -> Value {
    json!({"regionCode": "55", "areaCode": "11", "phoneNumber": format!("9{number:08}")})
}

/// A command by which a user adds, changes or removes the contact.
#[derive(Clone, Copy)]
enum ContactCommand {
    Add(u32),
    Change(u32),
    Remove,
}

impl ContactCommand {
    fn request(self, clients: &Clients, bearer: &str) -> Request {
        let own = |method, contact: &str| {
            let path = format!("/user-identities/me/authentication-factors{contact}");
            let request = clients.caller.request(Service::Factors, method, &path, &[]);
            request.bearer(bearer)
        };
        let contact = format!("/{CONTACT}");
        match self {
            Self::Add(number) => {
                let added = json!([{"id": CONTACT, "contactType": "MOBILE", "mobile": mobile(number)}]);
                own("POST", "").json(&json!({ "authenticationFactors": added }))
            }
            Self::Change(number) => {
                let changed = json!({"contactType": "MOBILE", "mobile": mobile(number)});
                own("PUT", &contact).json(&changed)
            }
            Self::Remove => own("DELETE", &contact),
        }
    }
}

/// A case: the number of the contact before, the abandoned command, the acknowledged command with its status, and the
/// last digits of the number that must be stored in the end.
struct Case {
    name: &'static str,
    before: Option<u32>,
    abandoned: ContactCommand,
    acknowledged: (ContactCommand, u16),
    after: Option<&'static str>,
}

const CASES: [Case; 3] = [
    Case {
        name: "removal after addition",
        before: Some(1111),
        abandoned: ContactCommand::Remove,
        acknowledged: (ContactCommand::Add(1111), 201),
        after: Some("1111"),
    },
    Case {
        name: "change after change",
        before: Some(1111),
        abandoned: ContactCommand::Change(2222),
        acknowledged: (ContactCommand::Change(1111), 204),
        after: Some("1111"),
    },
    Case {
        name: "addition after removal",
        before: None,
        abandoned: ContactCommand::Add(1111),
        acknowledged: (ContactCommand::Remove, 404),
        after: None,
    },
];

pub(crate) async fn lose_no_contact(servers: Servers) -> Outcome {
    let (setup, _deployment, there) = start_services(&servers).await;
    let mut summaries = CASES.map(|case| Summary::new(format!("late {}", case.name)));
    for _ in 0..rounds(ROUNDS) {
        let pair = Pair::start(&setup, &servers, Service::Factors, &there).await;
        // Each user sends its commands with its own token.
        let mut users = Vec::new();
        for case in CASES {
            for user in setup.register_users(USERS).await {
                let user = there.user_bearer(&user).await;
                if let Some(number) = case.before {
                    let added = send_with_retries(|| ContactCommand::Add(number).request(&there, &user)).await;
                    added.expect_status(201);
                }
                users.push(user);
            }
        }
        let cases = || users.chunks(USERS).zip(CASES);
        let abandoned = cases().flat_map(|(users, case)| {
            let here = &pair.here;
            users.iter().map(move |user| case.abandoned.request(here, user))
        });
        for response in pair.send_and_abandon(CONTACT_WRITE, abandoned.collect()).await {
            response.expect_status(503);
        }
        for (users, case) in cases() {
            let (command, status) = case.acknowledged;
            for user in users {
                command.request(&there, user).send().await.expect_status(status);
            }
        }
        pair.release_and_terminate().await;
        for ((users, case), summary) in users.chunks(USERS).zip(CASES).zip(&mut summaries) {
            for user in users {
                summary.add(check_contact(&there, user, case.after).await);
            }
        }
    }
    finish(summaries.into())
}

/// Verifies whether the user has the contact, and its number.
async fn check_contact(clients: &Clients, bearer: &str, expected: Option<&str>) -> Result<(), String> {
    let listed = send_with_retries(|| clients.caller.own_contacts(bearer)).await;
    let listed = listed.expect_status(200).json();
    let mut contacts = listed.as_array().expect("a list").iter();
    let found = contacts.find(|contact| contact["id"] == json!(CONTACT));
    let number = found.and_then(|contact| contact.pointer("/mobile/phoneNumber").and_then(Value::as_str));
    let is_right = match (number, expected) {
        (Some(number), Some(expected)) => number.ends_with(expected),
        (number, expected) => number.is_none() && expected.is_none(),
    };
    check(is_right, || format!("{listed} instead of {expected:?}"))
}

/// A replica is paused. Callers send it unlocks and disconnect, and another replica acknowledges a lock.
pub(crate) async fn of_disconnected_callers_have_no_effect(servers: Servers) -> Outcome {
    let (setup, _deployment, there) = start_services(&servers).await;
    let mut summary = Summary::new("late disconnected");
    for _ in 0..rounds(ROUNDS) {
        let slow = setup.start(Service::CredentialLock, Options::replica()).await;
        let users = setup.register_users(USERS).await;
        for user in &users {
            send_with_retries(|| there.caller.lock(&there.desk, user))
                .await
                .expect_status(204);
        }
        slow.pause();
        for user in &users {
            send_and_disconnect(&slow, &there.desk, user);
        }
        for user in &users {
            there.caller.lock(&there.desk, user).send().await.expect_status(204);
        }
        slow.resume();
        // These requests are accepted after the unlocks, so their responses come after the unlocks were read.
        let base_url = slow.base_url();
        let here = there.at(Caller::new(&base_url, &base_url, &base_url));
        for user in &users {
            send_with_retries(|| here.get_lock(user)).await.expect_status(200);
        }
        slow.terminate().await;
        for user in &users {
            summary.add(check_lock_state(&there, user, (true, 1)).await);
        }
    }
    finish(vec![summary])
}

fn send_and_disconnect(service: &Process, bearer: &str, user: &str) {
    let body = json!({ "userId": user }).to_string();
    let request = format!(
        "POST /security/iam/v1/user-identities/unlock HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(("127.0.0.1", service.port())).expect("the kernel accepts connections");
    connection
        .write_all(request.as_bytes())
        .expect("the kernel buffers the request");
}

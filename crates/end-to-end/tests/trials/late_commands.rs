//! A command is given up while its write is on the way to the store, another is answered, and then the write arrives: what
//! was answered last stands.

use std::io::Write as _;
use std::net::TcpStream;

use end_to_end::{Answer, Caller, Direction, Flow, Options, Process, Request, Servers, Service, Store};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::stage::{Clients, Stage, patiently};
use crate::tally::{Tally, end, hold, rounds};

const ROUNDS: usize = 1;

/// Users of each kind of command in a round: so many writes are on their way at once, each on a connection of its own.
const USERS: usize = 10;

/// What the writes of locks and unlocks say, and nothing else on the way to the store.
const TURN: &str = "credential.";

/// What the writes of contacts say.
const EDIT: &str = "factor.";

const CONTACT: &str = "contact-1";

/// Two replicas of a service on one database: one reaches it through a proxy.
struct Pair {
    store: Store,
    slow: Process,
    there: Clients,
    here: Clients,
}

impl Pair {
    async fn begin(stage: &Stage, servers: &Servers, service: Service, there: &Clients) -> Self {
        let store = Store::before(servers);
        let slow = stage.start(service, Options::replica().mongodb_uri(&store.uri)).await;
        let caller = there.caller.with(service, slow.base_url());
        Self {
            here: there.at(caller),
            there: there.clone(),
            store,
            slow,
        }
    }

    /// The answers of the slow replica, whose writes stay on their way.
    async fn given_up(&self, says: &str, requests: Vec<Request>) -> Vec<Answer> {
        let proxy = &self.store.proxy;
        proxy.trap(says, Direction::ToServer, Flow::Hold);
        let (answers, ()) = tokio::join!(answers(requests), proxy.trapped());
        answers
    }

    /// Lets what is on its way arrive, and waits until the replica has no call under way any more.
    async fn let_arrive(mut self) {
        self.store.proxy.pass().expect("the port is ours");
        self.slow.terminate().await;
    }
}

/// Makes the requests at once; their answers in the same order.
async fn answers(requests: Vec<Request>) -> Vec<Answer> {
    let mut asking = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        asking.spawn(async move { (number, request.answer().await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn begin(servers: &Servers) -> (Stage, end_to_end::Deployment, Clients) {
    let stage = Stage::new(servers).await;
    let deployment = stage.start_all(&Options::default()).await;
    let clients = stage.clients().await;
    (stage, deployment, clients)
}

pub(crate) async fn undo_no_lock(servers: Servers) -> Outcome {
    let (stage, _deployment, there) = begin(&servers).await;
    let mut tallies = ["unlock after lock", "lock after unlock"].map(|name| Tally::of(format!("late {name}")));
    for _ in 0..rounds(ROUNDS) {
        let pair = Pair::begin(&stage, &servers, Service::CredentialLock, &there).await;
        let (locked, never_locked) = (stage.users(USERS).await, stage.users(USERS).await);
        for user in &locked {
            patiently(|| there.caller.lock(&there.desk, user))
                .await
                .with_status(204);
        }
        let (here, there) = (&pair.here, &pair.there);
        let unlocks = locked.iter().map(|user| here.caller.unlock(&here.desk, user));
        let locks = never_locked.iter().map(|user| here.caller.lock(&here.desk, user));
        for answer in pair.given_up(TURN, unlocks.chain(locks).collect()).await {
            answer.with_status(503);
        }
        for user in &locked {
            there.caller.lock(&there.desk, user).answer().await.with_status(204);
        }
        for user in &never_locked {
            there.caller.unlock(&there.desk, user).answer().await.with_status(204);
        }
        let there = pair.there.clone();
        pair.let_arrive().await;
        let [after_lock, after_unlock] = &mut tallies;
        for (users, expected, tally) in [
            (locked, (true, 1), after_lock),
            (never_locked, (false, 0), after_unlock),
        ] {
            for user in users {
                tally.add(stands(&there, &user, expected).await);
            }
        }
    }
    end(tallies.into())
}

/// Whether the credential is locked, and how often it was.
async fn stands(clients: &Clients, user: &str, expected: (bool, u64)) -> Result<(), String> {
    let seen = patiently(|| clients.get_lock(user)).await.with_status(200).json();
    let found = (
        seen["locked"] == json!(true),
        seen["epoch"].as_u64().unwrap_or_default(),
    );
    hold(found == expected, || format!("{user}: {seen} instead of {expected:?}"))
}

fn mobile(number: u32) -> Value {
    json!({"regionCode": "55", "areaCode": "11", "phoneNumber": format!("9{number:08}")})
}

/// A command of a user about the contact.
#[derive(Clone, Copy)]
enum Edit {
    Add(u32),
    Change(u32),
    Remove,
}

impl Edit {
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

/// What a user has, what is given up, what is answered after it and how, and the end of the number that must be there then.
struct Case {
    name: &'static str,
    before: Option<u32>,
    given_up: Edit,
    answered: (Edit, u16),
    after: Option<&'static str>,
}

const CASES: [Case; 3] = [
    Case {
        name: "removal after addition",
        before: Some(1111),
        given_up: Edit::Remove,
        answered: (Edit::Add(1111), 201),
        after: Some("1111"),
    },
    Case {
        name: "change after change",
        before: Some(1111),
        given_up: Edit::Change(2222),
        answered: (Edit::Change(1111), 204),
        after: Some("1111"),
    },
    Case {
        name: "addition after removal",
        before: None,
        given_up: Edit::Add(1111),
        answered: (Edit::Remove, 404),
        after: None,
    },
];

pub(crate) async fn lose_no_contact(servers: Servers) -> Outcome {
    let (stage, _deployment, there) = begin(&servers).await;
    let mut tallies = CASES.map(|case| Tally::of(format!("late {}", case.name)));
    for _ in 0..rounds(ROUNDS) {
        let pair = Pair::begin(&stage, &servers, Service::Factors, &there).await;
        // Each by a token of its own.
        let mut users = Vec::new();
        for case in CASES {
            for user in stage.users(USERS).await {
                let user = there.user_bearer(&user).await;
                if let Some(number) = case.before {
                    let added = patiently(|| Edit::Add(number).request(&there, &user)).await;
                    added.with_status(201);
                }
                users.push(user);
            }
        }
        let cases = || users.chunks(USERS).zip(CASES);
        let given_up = cases().flat_map(|(users, case)| {
            let here = &pair.here;
            users.iter().map(move |user| case.given_up.request(here, user))
        });
        for answer in pair.given_up(EDIT, given_up.collect()).await {
            answer.with_status(503);
        }
        for (users, case) in cases() {
            let (edit, status) = case.answered;
            for user in users {
                edit.request(&there, user).answer().await.with_status(status);
            }
        }
        pair.let_arrive().await;
        for ((users, case), tally) in users.chunks(USERS).zip(CASES).zip(&mut tallies) {
            for user in users {
                tally.add(has(&there, user, case.after).await);
            }
        }
    }
    end(tallies.into())
}

/// Whether the user has the contact, and with which number.
async fn has(clients: &Clients, bearer: &str, expected: Option<&str>) -> Result<(), String> {
    let listed = patiently(|| clients.caller.own_contacts(bearer)).await;
    let listed = listed.with_status(200).json();
    let mut contacts = listed.as_array().expect("a list").iter();
    let found = contacts.find(|contact| contact["id"] == json!(CONTACT));
    let number = found.and_then(|contact| contact.pointer("/mobile/phoneNumber").and_then(Value::as_str));
    let is_right = match (number, expected) {
        (Some(number), Some(expected)) => number.ends_with(expected),
        (number, expected) => number.is_none() && expected.is_none(),
    };
    hold(is_right, || format!("{listed} instead of {expected:?}"))
}

/// A replica stands still while callers ask it to unlock, hang up, and a lock is answered elsewhere.
pub(crate) async fn of_callers_who_hung_up_do_nothing(servers: Servers) -> Outcome {
    let (stage, _deployment, there) = begin(&servers).await;
    let mut tally = Tally::of("late hung up");
    for _ in 0..rounds(ROUNDS) {
        let slow = stage.start(Service::CredentialLock, Options::replica()).await;
        let users = stage.users(USERS).await;
        for user in &users {
            patiently(|| there.caller.lock(&there.desk, user))
                .await
                .with_status(204);
        }
        slow.pause();
        for user in &users {
            ask_and_hang_up(&slow, &there.desk, user);
        }
        for user in &users {
            there.caller.lock(&there.desk, user).answer().await.with_status(204);
        }
        slow.resume();
        // Accepted after them, so answered after they were read.
        let base_url = slow.base_url();
        let here = there.at(Caller::new(&base_url, &base_url, &base_url));
        for user in &users {
            patiently(|| here.get_lock(user)).await.with_status(200);
        }
        slow.terminate().await;
        for user in &users {
            tally.add(stands(&there, user, (true, 1)).await);
        }
    }
    end(vec![tally])
}

fn ask_and_hang_up(service: &Process, bearer: &str, user: &str) {
    let body = json!({ "userId": user }).to_string();
    let request = format!(
        "POST /security/iam/v1/user-identities/unlock HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(("127.0.0.1", service.port())).expect("its kernel accepts");
    connection.write_all(request.as_bytes()).expect("its kernel takes it");
}

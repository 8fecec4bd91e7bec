//! Commands that write, the record of the acknowledged ones, and the events that they must have.

use std::collections::BTreeSet;

use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
use domain::event::{Event, EventType, EventValue};
use domain::factors::events::FACTOR_ADDED;
use domain::sessions::events::SESSION_STARTED;
use end_to_end::{Request, Response, Service};
use serde_json::json;

use crate::consumer::Consumer;
use crate::setup::{Clients, send_with_retries};
use crate::summary::check;

/// The maximum number of contacts that a user can add.
const MAX_CONTACTS: usize = 10;

/// A sequence of commands to one service.
pub(crate) enum Workload {
    LockChanges(LockChanges),
    ContactAdditions(ContactAdditions),
    SessionStarts(SessionStarts),
}

impl Workload {
    pub(crate) const fn service(&self) -> Service {
        match self {
            Self::LockChanges(_) => Service::CredentialLock,
            Self::ContactAdditions(_) => Service::Factors,
            Self::SessionStarts(_) => Service::Tokens,
        }
    }

    /// Returns a text that, on the way to the store, occurs only in the write of the next command.
    pub(crate) const fn marker(&self) -> &'static str {
        let kind = match self {
            Self::LockChanges(lock_changes) => lock_changes.next_kind(),
            Self::ContactAdditions(_) => FACTOR_ADDED,
            Self::SessionStarts(_) => SESSION_STARTED,
        };
        kind.name
    }

    /// Returns the next command. It stays the same until it is acknowledged.
    pub(crate) fn command(&self, clients: &Clients) -> Request {
        match self {
            Self::LockChanges(lock_changes) => lock_changes.command(clients),
            Self::ContactAdditions(contacts) => contacts.command(clients),
            Self::SessionStarts(sessions) => sessions.command(clients),
        }
    }

    /// Records an acknowledged command. Returns an error for any other response.
    pub(crate) fn acknowledge(&mut self, response: &Response) -> Result<(), String> {
        let acknowledged = match self {
            Self::LockChanges(_) => 204,
            Self::ContactAdditions(_) => 201,
            Self::SessionStarts(_) => 200,
        };
        check(response.status == acknowledged, || {
            format!("returned {} {}", response.status, response.body)
        })?;
        match self {
            Self::LockChanges(lock_changes) => lock_changes.acknowledged += 1,
            Self::ContactAdditions(contacts) => contacts.acknowledge(),
            Self::SessionStarts(sessions) => sessions.acknowledge(response),
        }
        Ok(())
    }

    /// Compares the store with the record, and adds further commands that took effect to the record. Returns their
    /// number, or `None` if the service does not show it.
    pub(crate) async fn read_back(&mut self, clients: &Clients) -> Result<Option<usize>, String> {
        match self {
            Self::LockChanges(lock_changes) => lock_changes.read_back(clients).await.map(Some),
            Self::ContactAdditions(contacts) => contacts.read_back(clients).await.map(Some),
            Self::SessionStarts(_) => Ok(None),
        }
    }

    /// Returns whether the consumer has an event for every command that took effect.
    pub(crate) fn has_all_events_in(&self, consumer: &Consumer) -> bool {
        match self {
            Self::LockChanges(lock_changes) => lock_changes.events_in(consumer).len() >= lock_changes.acknowledged,
            Self::ContactAdditions(contacts) => contacts
                .users_with_contacts()
                .all(|(user, stored)| ContactAdditions::events_in(consumer, user).len() >= stored.len()),
            Self::SessionStarts(sessions) => sessions.first_missing(consumer).is_none(),
        }
    }

    /// Compares the events of the consumer with the commands that took effect.
    pub(crate) fn verify(&self, consumer: &Consumer) -> Result<(), String> {
        match self {
            Self::LockChanges(lock_changes) => lock_changes.verify(lock_changes.events_in(consumer)),
            Self::ContactAdditions(contacts) => contacts.verify(consumer),
            Self::SessionStarts(sessions) => match sessions.first_missing(consumer) {
                Some(family) => Err(format!("there is no event of the session {family}")),
                None => Ok(()),
            },
        }
    }
}

/// Alternating locks and unlocks of one user.
pub(crate) struct LockChanges {
    user: String,
    /// The number of acknowledged commands, which is also the sequence number of the last event.
    acknowledged: usize,
}

impl LockChanges {
    pub(crate) fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            acknowledged: 0,
        }
    }

    const fn kind(number: usize) -> &'static EventType {
        if number % 2 == 1 {
            CREDENTIAL_LOCKED
        } else {
            CREDENTIAL_UNLOCKED
        }
    }

    const fn next_kind(&self) -> &'static EventType {
        Self::kind(self.acknowledged + 1)
    }

    fn command(&self, clients: &Clients) -> Request {
        match self.next_kind() {
            CREDENTIAL_LOCKED => clients.caller.lock(&clients.desk, &self.user),
            _ => clients.caller.unlock(&clients.desk, &self.user),
        }
    }

    /// Computes the number of commands from the epoch, which counts the locks.
    async fn read_back(&mut self, clients: &Clients) -> Result<usize, String> {
        let response = send_with_retries(|| clients.get_lock(&self.user)).await;
        let state = response.expect_status(200).json();
        let locked = state["locked"].as_bool().expect("whether it is locked");
        let epoch = state["epoch"].as_u64().expect("an epoch");
        let stored = usize::try_from(epoch).unwrap() * 2 - usize::from(locked);
        let more = stored.checked_sub(self.acknowledged).ok_or_else(|| {
            format!(
                "{} changes of {} are acknowledged, {stored} are stored",
                self.acknowledged, self.user
            )
        })?;
        self.acknowledged = stored;
        Ok(more)
    }

    fn events_in<'a>(&self, consumer: &'a Consumer) -> &'a [Event] {
        consumer.events(CREDENTIAL_LOCKED.source, &self.user)
    }

    fn verify(&self, events: &[Event]) -> Result<(), String> {
        let is_right = |(at, event): (usize, &Event)| event.kind == Self::kind(at + 1);
        let are_right = events.len() == self.acknowledged && events.iter().enumerate().all(is_right);
        check(are_right, || format!("{} changes, but {events:#?}", self.acknowledged))
    }
}

/// Additions of contacts, to one user after another.
pub(crate) struct ContactAdditions {
    /// The users without contacts.
    users: Vec<String>,
    /// The users to whom no further contact is added, with their contacts.
    full_users: Vec<(String, Vec<String>)>,
    /// The user to whom contacts are added.
    user: String,
    stored: Vec<String>,
    /// The total number of contacts of all users.
    added: usize,
}

impl ContactAdditions {
    pub(crate) fn new(mut users: Vec<String>) -> Self {
        Self {
            user: users.pop().expect("a user"),
            users,
            full_users: Vec::new(),
            stored: Vec::new(),
            added: 0,
        }
    }

    fn next_id(&self) -> String {
        format!("contact-{}", self.added)
    }

    fn command(&self, clients: &Clients) -> Request {
        let number = format!("9{:08}", self.added);
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let contact = json!([{"id": self.next_id(), "contactType": "MOBILE", "mobile": mobile}]);
        clients.caller.add_contacts(&clients.portal, &self.user, &contact)
    }

    fn acknowledge(&mut self) {
        let contact = self.next_id();
        self.stored.push(contact);
        self.added += 1;
    }

    async fn read_back(&mut self, clients: &Clients) -> Result<usize, String> {
        let bearer = clients.user_bearer(&self.user).await;
        let listed = send_with_retries(|| clients.caller.own_contacts(&bearer)).await;
        let listed = listed.expect_status(200).json();
        let contacts = listed.as_array().expect("a list").iter();
        let alternative = contacts.filter(|contact| contact["credential"] == json!(false));
        let listed: Vec<String> = alternative
            .filter_map(|contact| contact["id"].as_str().map(str::to_owned))
            .collect();
        let more = listed.strip_prefix(&self.stored[..]).ok_or_else(|| {
            format!(
                "{:?} of {} are acknowledged, {listed:?} are stored",
                self.stored, self.user
            )
        })?;
        let more = more.len();
        self.added += more;
        self.stored = listed;
        Ok(more)
    }

    /// Returns every user with the stored contacts.
    fn users_with_contacts(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        let full_users = self.full_users.iter().map(|(user, stored)| (user, stored));
        full_users.chain([(&self.user, &self.stored)])
    }

    fn events_in<'a>(consumer: &'a Consumer, user: &str) -> &'a [Event] {
        consumer.events(FACTOR_ADDED.source, user)
    }

    fn verify(&self, consumer: &Consumer) -> Result<(), String> {
        for (user, stored) in self.users_with_contacts() {
            let events = Self::events_in(consumer, user);
            let ids: Vec<&str> = events.iter().filter_map(|event| text(event, "factorId")).collect();
            check(ids == *stored, || format!("{stored:?} are stored, but {events:#?}"))?;
        }
        Ok(())
    }

    /// Continues with the next user when the current one has no room.
    pub(crate) fn make_room(&mut self) {
        // A contact whose response was lost may also be stored.
        if self.stored.len() + 2 > MAX_CONTACTS {
            let next = self.users.pop().expect("enough users");
            let user = std::mem::replace(&mut self.user, next);
            self.full_users.push((user, std::mem::take(&mut self.stored)));
        }
    }
}

/// Starts of sessions of one user.
pub(crate) struct SessionStarts {
    user: String,
    /// The families of the acknowledged sessions.
    families: BTreeSet<String>,
}

impl SessionStarts {
    pub(crate) fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            families: BTreeSet::new(),
        }
    }

    fn command(&self, clients: &Clients) -> Request {
        clients.session_request(&self.user, true)
    }

    fn acknowledge(&mut self, response: &Response) {
        let token = response.text("refreshToken");
        self.families.insert(family(&token).to_owned());
    }

    fn first_missing(&self, consumer: &Consumer) -> Option<&String> {
        let source = SESSION_STARTED.source;
        self.families
            .iter()
            .find(|family| consumer.events(source, family).is_empty())
    }
}

/// Returns the family of a refresh token.
fn family(token: &str) -> &str {
    let family = token.strip_prefix("rt_").and_then(|rest| rest.split('.').next());
    family.expect("a refresh token")
}

fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.data.iter().find_map(|(known, datum)| match datum {
        EventValue::Text(text) if known == name => Some(text.as_str()),
        _ => None,
    })
}

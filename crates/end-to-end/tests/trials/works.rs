//! Commands that write, what is known of them, and the events that must come of them.

use std::collections::BTreeSet;

use domain::event::{Event, EventKind, EventValue};
use end_to_end::{Answer, Request, Service};
use serde_json::json;

use crate::consumer::Consumer;
use crate::stage::{Clients, patiently};
use crate::tally::hold;

/// A user has at most so many contacts.
const MOST_CONTACTS: usize = 10;

/// The commands of one service, one after another.
pub(crate) enum Work {
    Turns(Turns),
    Contacts(Contacts),
    Sessions(Sessions),
}

impl Work {
    pub(crate) const fn service(&self) -> Service {
        match self {
            Self::Turns(_) => Service::CredentialLock,
            Self::Contacts(_) => Service::Factors,
            Self::Sessions(_) => Service::Tokens,
        }
    }

    /// What the write of the next command says, and nothing else on the way to the store.
    pub(crate) const fn says(&self) -> &'static str {
        let kind = match self {
            Self::Turns(turns) => turns.next(),
            Self::Contacts(_) => EventKind::FactorAdded,
            Self::Sessions(_) => EventKind::SessionStarted,
        };
        kind.name()
    }

    /// The next command: the same again until it is acknowledged.
    pub(crate) fn command(&self, clients: &Clients) -> Request {
        match self {
            Self::Turns(turns) => turns.command(clients),
            Self::Contacts(contacts) => contacts.command(clients),
            Self::Sessions(sessions) => sessions.command(clients),
        }
    }

    /// Takes note of the answer; an error when it is not the one that acknowledges.
    pub(crate) fn acknowledge(&mut self, answer: &Answer) -> Result<(), String> {
        let acknowledged = match self {
            Self::Turns(_) => 204,
            Self::Contacts(_) => 201,
            Self::Sessions(_) => 200,
        };
        hold(answer.status == acknowledged, || {
            format!("answered {} {}", answer.status, answer.body)
        })?;
        match self {
            Self::Turns(turns) => turns.acknowledged += 1,
            Self::Contacts(contacts) => contacts.acknowledge(),
            Self::Sessions(sessions) => sessions.acknowledge(answer),
        }
        Ok(())
    }

    /// Compares what is stored with what is known, and takes over what was not; the number of commands that took effect
    /// without an answer, as far as the service can tell.
    pub(crate) async fn look(&mut self, clients: &Clients) -> Result<Option<usize>, String> {
        match self {
            Self::Turns(turns) => turns.look(clients).await.map(Some),
            Self::Contacts(contacts) => contacts.look(clients).await.map(Some),
            Self::Sessions(_) => Ok(None),
        }
    }

    /// Whether the events of all that took effect were heard.
    pub(crate) fn is_heard(&self, consumer: &Consumer) -> bool {
        match self {
            Self::Turns(turns) => turns.heard(consumer).len() >= turns.acknowledged,
            Self::Contacts(contacts) => contacts
                .each()
                .all(|(user, stored)| Contacts::heard(consumer, user).len() >= stored.len()),
            Self::Sessions(sessions) => sessions.unheard(consumer).is_none(),
        }
    }

    /// Compares what was heard with what took effect.
    pub(crate) fn judge(&self, consumer: &Consumer) -> Result<(), String> {
        match self {
            Self::Turns(turns) => turns.judge(turns.heard(consumer)),
            Self::Contacts(contacts) => contacts.judge(consumer),
            Self::Sessions(sessions) => match sessions.unheard(consumer) {
                Some(family) => Err(format!("nothing was heard of the session {family}")),
                None => Ok(()),
            },
        }
    }
}

/// Locks and unlocks of one user, by turns.
pub(crate) struct Turns {
    user: String,
    /// The number of the last event, too.
    acknowledged: usize,
}

impl Turns {
    pub(crate) fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            acknowledged: 0,
        }
    }

    const fn kind(number: usize) -> EventKind {
        if number % 2 == 1 {
            EventKind::CredentialLocked
        } else {
            EventKind::CredentialUnlocked
        }
    }

    const fn next(&self) -> EventKind {
        Self::kind(self.acknowledged + 1)
    }

    fn command(&self, clients: &Clients) -> Request {
        match self.next() {
            EventKind::CredentialLocked => clients.caller.lock(&clients.desk, &self.user),
            _ => clients.caller.unlock(&clients.desk, &self.user),
        }
    }

    /// The epoch counts the locks.
    async fn look(&mut self, clients: &Clients) -> Result<usize, String> {
        let seen = patiently(|| clients.get_lock(&self.user)).await;
        let state = seen.with_status(200).json();
        let locked = state["locked"].as_bool().expect("whether it is locked");
        let epoch = state["epoch"].as_u64().expect("an epoch");
        let stored = usize::try_from(epoch).unwrap() * 2 - usize::from(locked);
        let more = stored.checked_sub(self.acknowledged).ok_or_else(|| {
            format!(
                "{} turns of {} are acknowledged, {stored} are stored",
                self.acknowledged, self.user
            )
        })?;
        self.acknowledged = stored;
        Ok(more)
    }

    fn heard<'a>(&self, consumer: &'a Consumer) -> &'a [Event] {
        consumer.effects(EventKind::CredentialLocked.source(), &self.user)
    }

    fn judge(&self, heard: &[Event]) -> Result<(), String> {
        let is_it = |(at, event): (usize, &Event)| event.kind == Self::kind(at + 1);
        let right = heard.len() == self.acknowledged && heard.iter().enumerate().all(is_it);
        hold(right, || format!("{} turns, but {heard:#?}", self.acknowledged))
    }
}

/// Contacts of one user after another.
pub(crate) struct Contacts {
    /// Those who have none yet.
    users: Vec<String>,
    /// Those who have what they will have.
    done: Vec<(String, Vec<String>)>,
    user: String,
    stored: Vec<String>,
    /// Contacts of all users.
    added: usize,
}

impl Contacts {
    pub(crate) fn of(mut users: Vec<String>) -> Self {
        Self {
            user: users.pop().expect("a user"),
            users,
            done: Vec::new(),
            stored: Vec::new(),
            added: 0,
        }
    }

    fn next(&self) -> String {
        format!("contact-{}", self.added)
    }

    fn command(&self, clients: &Clients) -> Request {
        let number = format!("9{:08}", self.added);
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let contact = json!([{"id": self.next(), "contactType": "MOBILE", "mobile": mobile}]);
        clients.caller.add_contacts(&clients.portal, &self.user, &contact)
    }

    fn acknowledge(&mut self) {
        let contact = self.next();
        self.stored.push(contact);
        self.added += 1;
    }

    async fn look(&mut self, clients: &Clients) -> Result<usize, String> {
        let bearer = clients.user_bearer(&self.user).await;
        let listed = patiently(|| clients.caller.own_contacts(&bearer)).await;
        let listed = listed.with_status(200).json();
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

    /// Every user with what is stored.
    fn each(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        let done = self.done.iter().map(|(user, stored)| (user, stored));
        done.chain([(&self.user, &self.stored)])
    }

    fn heard<'a>(consumer: &'a Consumer, user: &str) -> &'a [Event] {
        consumer.effects(EventKind::FactorAdded.source(), user)
    }

    fn judge(&self, consumer: &Consumer) -> Result<(), String> {
        for (user, stored) in self.each() {
            let heard = Self::heard(consumer, user);
            let told: Vec<&str> = heard.iter().filter_map(|event| text(event, "factorId")).collect();
            hold(told == *stored, || format!("{stored:?} are stored, but {heard:#?}"))?;
        }
        Ok(())
    }

    /// Goes on with another user when this one has no room.
    pub(crate) fn make_room(&mut self) {
        // A contact whose answer was lost may be there as well.
        if self.stored.len() + 2 > MOST_CONTACTS {
            let next = self.users.pop().expect("users enough");
            let user = std::mem::replace(&mut self.user, next);
            self.done.push((user, std::mem::take(&mut self.stored)));
        }
    }
}

/// Sessions of one user.
pub(crate) struct Sessions {
    user: String,
    /// Those that were acknowledged.
    families: BTreeSet<String>,
}

impl Sessions {
    pub(crate) fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            families: BTreeSet::new(),
        }
    }

    fn command(&self, clients: &Clients) -> Request {
        clients.session(&self.user, true)
    }

    fn acknowledge(&mut self, answer: &Answer) {
        let token = answer.text("refreshToken");
        self.families.insert(family(&token).to_owned());
    }

    fn unheard(&self, consumer: &Consumer) -> Option<&String> {
        let source = EventKind::SessionStarted.source();
        self.families
            .iter()
            .find(|family| consumer.effects(source, family).is_empty())
    }
}

/// The family of a refresh token.
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

//! Workloads that write until the server is killed. A write that the server acknowledged must not be lost. A write that
//! was in flight when the server was killed may or may not be stored.

use anyhow::Context as _;
use fastrand::Rng;
use serde_json::{Value, json};
use test_servers::http::Response;

use crate::connection::Connection;
use crate::event_log::{EventHistories, Subject};

/// The outcome of one write.
pub(crate) enum RequestOutcome {
    Acknowledged,
    /// No response, or a 503: the write may be stored.
    Unknown,
    /// A response that is never allowed.
    Wrong(String),
}

/// A kind of write, and a record of the acknowledged ones.
pub(crate) trait Workload: Send {
    /// Sends one write and records its outcome.
    fn send_request(&mut self, connection: &mut Connection, rng: &mut Rng) -> RequestOutcome;

    /// Compares the record with the store, and records from the store whether unknown writes took effect. Returns the
    /// defects.
    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>>;

    /// Adds the events that the recorded writes must have.
    fn add_expected_events(&self, histories: &mut EventHistories);
}

fn outcome_of(response: anyhow::Result<Response>, expected_status: u16) -> (RequestOutcome, Option<Response>) {
    match response {
        Ok(response) if response.status == expected_status => (RequestOutcome::Acknowledged, Some(response)),
        Ok(response) if response.status != 503 => (RequestOutcome::Wrong(format!("{response:?}")), None),
        Ok(_) | Err(_) => (RequestOutcome::Unknown, None),
    }
}

/// Locks and unlocks users alternately.
pub(crate) struct LockWorkload(Vec<LockedUser>);

struct LockedUser {
    id: String,
    /// The number of acknowledged locks and unlocks; an odd number means that the user is locked.
    changes: u64,
    is_unknown: bool,
}

impl LockWorkload {
    pub(crate) fn new(users: &[String]) -> Self {
        let user = |id: &String| LockedUser {
            id: id.clone(),
            changes: 0,
            is_unknown: false,
        };
        Self(users.iter().map(user).collect())
    }
}

impl Workload for LockWorkload {
    fn send_request(&mut self, connection: &mut Connection, rng: &mut Rng) -> RequestOutcome {
        let Some(user) = rng.choice(self.0.iter_mut()) else {
            return RequestOutcome::Unknown;
        };
        let verb = if user.changes % 2 == 0 { "lock" } else { "unlock" };
        user.is_unknown = true;
        let response = connection.post(&format!("/user-identities/{verb}"), &json!({"userId": user.id}));
        let (outcome, acknowledged) = outcome_of(response, 204);
        if acknowledged.is_some() {
            user.changes += 1;
            user.is_unknown = false;
        }
        outcome
    }

    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut defects = Vec::new();
        for user in &mut self.0 {
            let lock = connection
                .get(&format!("/user-identities/{}/lock", user.id))?
                .expect_status(200)?
                .json()?;
            let locked = lock.get("locked").and_then(Value::as_bool).context("no `locked`")?;
            let epoch = lock.get("epoch").and_then(Value::as_u64).context("no `epoch`")?;
            let stored = if locked {
                (2 * epoch).saturating_sub(1)
            } else {
                2 * epoch
            };
            if stored != user.changes && !(user.is_unknown && stored == user.changes + 1) {
                defects.push(format!(
                    "{} was locked and unlocked {} times, but {stored} changes are stored",
                    user.id, user.changes
                ));
            }
            user.changes = stored;
            user.is_unknown = false;
        }
        Ok(defects)
    }

    fn add_expected_events(&self, histories: &mut EventHistories) {
        for user in &self.0 {
            let event = |change: u64| {
                let kind = if change % 2 == 1 {
                    "credential.locked"
                } else {
                    "credential.unlocked"
                };
                format!("{kind} {}", change.div_ceil(2))
            };
            let subject = Subject::new("/authme/credential-lock", &user.id);
            histories.set(subject, (1..=user.changes).map(event).collect());
        }
    }
}

/// Adds contacts to users, one per request.
pub(crate) struct ContactWorkload {
    users: Vec<ContactUser>,
    /// The number of the last contact: part of its id and its phone number, which must be unique.
    number: u64,
}

struct ContactUser {
    id: String,
    contacts: Vec<String>,
    /// The contact whose outcome is unknown.
    unknown_contact: Option<String>,
}

/// The maximum number of contacts that a worker adds to a user. The server accepts that many.
const MAX_CONTACTS: usize = 10;

impl ContactWorkload {
    /// Numbers the contacts from `first` on. Each worker needs a range of numbers of its own.
    pub(crate) fn new(users: &[String], first: u64) -> Self {
        let user = |id: &String| ContactUser {
            id: id.clone(),
            contacts: Vec::new(),
            unknown_contact: None,
        };
        Self {
            users: users.iter().map(user).collect(),
            number: first,
        }
    }
}

/// Returns the ids of a user's contacts, as the user sees them, except the contacts that are credentials.
fn stored_contacts(connection: &mut Connection, user: &str) -> anyhow::Result<Vec<String>> {
    let login = json!({"clientId": "trial", "userId": user, "remember-me": false});
    let tokens = connection.post("/user-identities/renew-token", &login)?;
    let token = tokens.expect_status(200)?.text("accessToken")?;
    let listed = connection
        .get_as("/user-identities/me/authentication-factors", &token)?
        .expect_status(200)?
        .json()?;
    let contacts = listed.as_array().context("no array")?.iter();
    let alternative = contacts.filter(|contact| contact.get("credential") == Some(&Value::Bool(false)));
    let ids = alternative.filter_map(|contact| Some(contact.get("id")?.as_str()?.to_owned()));
    Ok(ids.collect())
}

impl Workload for ContactWorkload {
    fn send_request(&mut self, connection: &mut Connection, rng: &mut Rng) -> RequestOutcome {
        let mut with_room: Vec<_> = self
            .users
            .iter_mut()
            .filter(|user| user.contacts.len() < MAX_CONTACTS)
            .collect();
        let Some(user) = rng.choice(with_room.iter_mut()) else {
            return RequestOutcome::Unknown;
        };
        self.number += 1;
        let id = format!("contact-{}", self.number);
        let number = format!("9{:08}", self.number % 100_000_000);
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let body = json!({"authenticationFactors": [{"id": id, "contactType": "MOBILE", "mobile": mobile}]});
        let response = connection.post(&format!("/user-identities/{}/authentication-factors", user.id), &body);
        let (outcome, acknowledged) = outcome_of(response, 201);
        match acknowledged {
            Some(_) => user.contacts.push(id),
            None => user.unknown_contact = Some(id),
        }
        outcome
    }

    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut defects = Vec::new();
        for user in &mut self.users {
            let stored = stored_contacts(connection, &user.id)?;
            let mut with_unknown = user.contacts.clone();
            with_unknown.extend(user.unknown_contact.take());
            if stored != user.contacts && stored != with_unknown {
                defects.push(format!(
                    "{} has {:?}, but {stored:?} are stored",
                    user.id, user.contacts
                ));
            }
            user.contacts = stored;
        }
        Ok(defects)
    }

    fn add_expected_events(&self, histories: &mut EventHistories) {
        for user in &self.users {
            let added = user.contacts.iter().map(|id| format!("factor.added {id}")).collect();
            histories.set(Subject::new("/authme/factors", &user.id), added);
        }
    }
}

/// Starts sessions and renews them repeatedly.
pub(crate) struct RenewalWorkload {
    user: String,
    sessions: Vec<Session>,
    /// The families of all sessions whose start was acknowledged.
    families: Vec<String>,
}

struct Session {
    /// The refresh token of the last acknowledged renewal.
    token: String,
}

/// The maximum number of sessions of one worker. After that, a new session replaces a random older one.
const MAX_SESSIONS: usize = 5;

impl RenewalWorkload {
    pub(crate) fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            sessions: Vec::new(),
            families: Vec::new(),
        }
    }

    fn start_session(&mut self, connection: &mut Connection, rng: &mut Rng) -> RequestOutcome {
        let login = json!({"clientId": "trial", "userId": self.user, "remember-me": true});
        let response = connection.post("/user-identities/renew-token", &login);
        let (outcome, acknowledged) = outcome_of(response, 200);
        let Some(token) = acknowledged.as_ref().and_then(refresh_token) else {
            return outcome;
        };
        let Some((family, _)) = family_and_generation(&token) else {
            return RequestOutcome::Wrong(format!("`{token}` is not a refresh token"));
        };
        self.families.push(family);
        if self.sessions.len() < MAX_SESSIONS {
            self.sessions.push(Session { token });
        } else if let Some(session) = rng.choice(self.sessions.iter_mut()) {
            session.token = token;
        }
        outcome
    }
}

fn refresh_token(response: &Response) -> Option<String> {
    response.text("refreshToken").ok()
}

/// Returns the family and the generation in a refresh token.
fn family_and_generation(token: &str) -> Option<(String, u64)> {
    let mut parts = token.strip_prefix("rt_")?.split('.');
    Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}

fn renew(connection: &mut Connection, token: &str) -> (RequestOutcome, Option<String>) {
    let renewal = json!({"token": token, "remember-me": true});
    let (outcome, acknowledged) = outcome_of(connection.post("/user-identities/renew-token", &renewal), 200);
    (outcome, acknowledged.as_ref().and_then(refresh_token))
}

/// Returns whether `successor` is the next generation of the same family.
fn is_next_generation(token: &str, successor: &str) -> bool {
    let next = family_and_generation(token).map(|(family, generation)| (family, generation + 1));
    next.is_some() && family_and_generation(successor) == next
}

impl Workload for RenewalWorkload {
    fn send_request(&mut self, connection: &mut Connection, rng: &mut Rng) -> RequestOutcome {
        if self.sessions.len() < MAX_SESSIONS || rng.u64(..20) == 0 {
            return self.start_session(connection, rng);
        }
        let Some(session) = rng.choice(self.sessions.iter_mut()) else {
            return RequestOutcome::Unknown;
        };
        let (outcome, successor) = renew(connection, &session.token);
        match successor {
            Some(successor) if is_next_generation(&session.token, &successor) => session.token = successor,
            Some(successor) => return RequestOutcome::Wrong(format!("{} was followed by {successor}", session.token)),
            None => {}
        }
        outcome
    }

    /// Renews each session with its last acknowledged token. If the last renewal took effect without an
    /// acknowledgement, this renewal returns the same successor, within the grace period.
    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut defects = Vec::new();
        let mut active = Vec::new();
        for session in self.sessions.drain(..) {
            match renew(connection, &session.token) {
                (_, Some(successor)) if is_next_generation(&session.token, &successor) => {
                    active.push(Session { token: successor });
                }
                (RequestOutcome::Unknown, None) => anyhow::bail!("the connection was lost during the verification"),
                (RequestOutcome::Wrong(response), _) => {
                    defects.push(format!("{} does not renew: {response}", session.token));
                }
                (_, successor) => defects.push(format!("{} was followed by {successor:?}", session.token)),
            }
        }
        self.sessions = active;
        Ok(defects)
    }

    fn add_expected_events(&self, histories: &mut EventHistories) {
        for family in &self.families {
            let started = vec!["session.started".to_owned()];
            histories.set(Subject::new("/authme/tokens", family), started);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successor_has_same_family_and_next_generation() {
        assert!(is_next_generation("rt_a.1.k.n.m", "rt_a.2.k.n.m"));
        assert!(!is_next_generation("rt_a.1.k.n.m", "rt_b.2.k.n.m"));
        assert!(!is_next_generation("rt_a.1.k.n.m", "rt_a.3.k.n.m"));
        assert!(!is_next_generation("vt_1", "vt_1"));
    }
}

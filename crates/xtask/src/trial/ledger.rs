//! What was acknowledged, and what was asked when the server died: the one may not be lost, the other may have
//! happened.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::connection::{Answer, Connection};
use super::dice::Dice;
use super::events::{Histories, Subject};

/// What a request came to.
pub(super) enum Step {
    Acknowledged,
    /// No answer, or a 503: it may have happened.
    Unknown,
    /// An answer that nobody may give.
    Wrong(String),
}

/// Something that is done over and over, with a ledger of its own.
pub(super) trait Work: Send {
    /// One acknowledged write, or the end.
    fn step(&mut self, connection: &mut Connection, dice: &mut Dice) -> Step;

    /// Compares the ledger with what is stored, and settles what was unknown. What is wrong.
    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>>;

    /// The events there must be for what is in the ledger.
    fn expect(&self, histories: &mut Histories);
}

fn step(answer: anyhow::Result<Answer>, expected: u16) -> (Step, Option<Answer>) {
    match answer {
        Ok(answer) if answer.status == expected => (Step::Acknowledged, Some(answer)),
        Ok(answer) if answer.status != 503 => (Step::Wrong(format!("{answer:?}")), None),
        Ok(_) | Err(_) => (Step::Unknown, None),
    }
}

/// Users who are locked and unlocked in turn.
pub(super) struct Locks(Vec<LockedUser>);

struct LockedUser {
    id: String,
    /// Locks and unlocks so far; an odd number means locked.
    turns: u64,
    is_unknown: bool,
}

impl Locks {
    pub(super) fn of(users: &[String]) -> Self {
        let user = |id: &String| LockedUser {
            id: id.clone(),
            turns: 0,
            is_unknown: false,
        };
        Self(users.iter().map(user).collect())
    }
}

impl Work for Locks {
    fn step(&mut self, connection: &mut Connection, dice: &mut Dice) -> Step {
        let Some(user) = dice.choose(&mut self.0) else {
            return Step::Unknown;
        };
        let verb = if user.turns % 2 == 0 { "lock" } else { "unlock" };
        user.is_unknown = true;
        let answer = connection.post(&format!("/user-identities/{verb}"), &json!({"userId": user.id}));
        let (step, acknowledged) = step(answer, 204);
        if acknowledged.is_some() {
            user.turns += 1;
            user.is_unknown = false;
        }
        step
    }

    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for user in &mut self.0 {
            let lock = connection.get(&format!("/user-identities/{}/lock", user.id))?.json()?;
            let locked = lock.get("locked").and_then(Value::as_bool).context("no `locked`")?;
            let epoch = lock.get("epoch").and_then(Value::as_u64).context("no `epoch`")?;
            let turns = if locked {
                (2 * epoch).saturating_sub(1)
            } else {
                2 * epoch
            };
            if turns != user.turns && !(user.is_unknown && turns == user.turns + 1) {
                wrong.push(format!(
                    "{} was turned {} times, and {turns} are stored",
                    user.id, user.turns
                ));
            }
            user.turns = turns;
            user.is_unknown = false;
        }
        Ok(wrong)
    }

    fn expect(&self, histories: &mut Histories) {
        for user in &self.0 {
            let turn = |turn: u64| {
                let kind = if turn % 2 == 1 {
                    "credential.locked"
                } else {
                    "credential.unlocked"
                };
                format!("{kind} {}", turn.div_ceil(2))
            };
            let subject = Subject::new("/authme/credential-lock", &user.id);
            histories.set(subject, (1..=user.turns).map(turn).collect());
        }
    }
}

/// Users who get contacts, one with every request.
pub(super) struct Contacts {
    users: Vec<ContactUser>,
    /// Of all users ever, for names and numbers of their own.
    number: u64,
}

struct ContactUser {
    id: String,
    contacts: Vec<String>,
    unknown: Option<String>,
}

/// What a user may have.
const MOST_CONTACTS: usize = 10;

impl Contacts {
    /// `first` is the number of the first contact; no two workers use one.
    pub(super) fn of(users: &[String], first: u64) -> Self {
        let user = |id: &String| ContactUser {
            id: id.clone(),
            contacts: Vec::new(),
            unknown: None,
        };
        Self {
            users: users.iter().map(user).collect(),
            number: first,
        }
    }
}

/// The ids of a user's contacts, as the user sees them, without those to log in with.
fn stored_contacts(connection: &mut Connection, user: &str) -> anyhow::Result<Vec<String>> {
    let own = own_token(connection, user, false)?;
    let token = own
        .get("accessToken")
        .and_then(Value::as_str)
        .context("no access token")?;
    let listed = connection
        .get_as("/user-identities/me/authentication-factors", token)?
        .json()?;
    let contacts = listed.as_array().context("no array")?.iter();
    let alternative = contacts.filter(|contact| contact.get("credential") == Some(&Value::Bool(false)));
    let ids = alternative.filter_map(|contact| Some(contact.get("id")?.as_str()?.to_owned()));
    Ok(ids.collect())
}

fn own_token(connection: &mut Connection, user: &str, remember: bool) -> anyhow::Result<Value> {
    let login = json!({"clientId": "trial", "userId": user, "remember-me": remember});
    connection.post("/user-identities/renew-token", &login)?.json()
}

impl Work for Contacts {
    fn step(&mut self, connection: &mut Connection, dice: &mut Dice) -> Step {
        let mut with_room: Vec<_> = self
            .users
            .iter_mut()
            .filter(|user| user.contacts.len() < MOST_CONTACTS)
            .collect();
        let Some(user) = dice.choose(&mut with_room) else {
            return Step::Unknown;
        };
        self.number += 1;
        let id = format!("contact-{}", self.number);
        let number = format!("9{:08}", self.number % 100_000_000);
        let mobile = json!({"regionCode": "55", "areaCode": "11", "phoneNumber": number});
        let body = json!({"authenticationFactors": [{"id": id, "contactType": "MOBILE", "mobile": mobile}]});
        let answer = connection.post(&format!("/user-identities/{}/authentication-factors", user.id), &body);
        let (step, acknowledged) = step(answer, 201);
        match acknowledged {
            Some(_) => user.contacts.push(id),
            None => user.unknown = Some(id),
        }
        step
    }

    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for user in &mut self.users {
            let stored = stored_contacts(connection, &user.id)?;
            let mut with_unknown = user.contacts.clone();
            with_unknown.extend(user.unknown.take());
            if stored != user.contacts && stored != with_unknown {
                wrong.push(format!(
                    "{} has {:?}, and {stored:?} are stored",
                    user.id, user.contacts
                ));
            }
            user.contacts = stored;
        }
        Ok(wrong)
    }

    fn expect(&self, histories: &mut Histories) {
        for user in &self.users {
            let added = user.contacts.iter().map(|id| format!("factor.added {id}")).collect();
            histories.set(Subject::new("/authme/factors", &user.id), added);
        }
    }
}

/// Sessions that are renewed one after another.
pub(super) struct Chains {
    user: String,
    current: Vec<Chain>,
    /// Every session whose start was acknowledged.
    families: Vec<String>,
}

struct Chain {
    /// The last one that was acknowledged.
    token: String,
}

/// Sessions of one worker at a time; a new one takes the place of an old one.
const CHAINS: usize = 5;

impl Chains {
    pub(super) fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            current: Vec::new(),
            families: Vec::new(),
        }
    }

    fn start(&mut self, connection: &mut Connection, dice: &mut Dice) -> Step {
        let login = json!({"clientId": "trial", "userId": self.user, "remember-me": true});
        let answer = connection.post("/user-identities/renew-token", &login);
        let (step, acknowledged) = step(answer, 200);
        let Some(token) = acknowledged.and_then(|answer| refresh_token(&answer)) else {
            return step;
        };
        let Some((family, _)) = place(&token) else {
            return Step::Wrong(format!("`{token}` is no refresh token"));
        };
        self.families.push(family);
        if self.current.len() < CHAINS {
            self.current.push(Chain { token });
        } else if let Some(chain) = dice.choose(&mut self.current) {
            chain.token = token;
        }
        step
    }
}

fn refresh_token(answer: &Answer) -> Option<String> {
    Some(answer.json().ok()?.get("refreshToken")?.as_str()?.to_owned())
}

/// Family and generation of a refresh token.
fn place(token: &str) -> Option<(String, u64)> {
    let mut parts = token.strip_prefix("rt_")?.split('.');
    Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}

fn renewed(connection: &mut Connection, token: &str) -> (Step, Option<String>) {
    let renewal = json!({"token": token, "remember-me": true});
    let (step, acknowledged) = step(connection.post("/user-identities/renew-token", &renewal), 200);
    (step, acknowledged.and_then(|answer| refresh_token(&answer)))
}

/// Whether `successor` comes right after `token`.
fn follows(token: &str, successor: &str) -> bool {
    let next = place(token).map(|(family, generation)| (family, generation + 1));
    next.is_some() && place(successor) == next
}

impl Work for Chains {
    fn step(&mut self, connection: &mut Connection, dice: &mut Dice) -> Step {
        if self.current.len() < CHAINS || dice.below(20) == 0 {
            return self.start(connection, dice);
        }
        let Some(chain) = dice.choose(&mut self.current) else {
            return Step::Unknown;
        };
        let (step, successor) = renewed(connection, &chain.token);
        match successor {
            Some(successor) if follows(&chain.token, &successor) => chain.token = successor,
            Some(successor) => return Step::Wrong(format!("{} was followed by {successor}", chain.token)),
            None => {}
        }
        step
    }

    /// The last acknowledged token renews, or gets by grace the successor that was not acknowledged.
    fn verify(&mut self, connection: &mut Connection) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let mut alive = Vec::new();
        for chain in self.current.drain(..) {
            match renewed(connection, &chain.token) {
                (_, Some(successor)) if follows(&chain.token, &successor) => alive.push(Chain { token: successor }),
                (Step::Unknown, None) => anyhow::bail!("the server was lost while it was verified"),
                (Step::Wrong(answer), _) => wrong.push(format!("{} does not renew: {answer}", chain.token)),
                (_, successor) => wrong.push(format!("{} was followed by {successor:?}", chain.token)),
            }
        }
        self.current = alive;
        Ok(wrong)
    }

    fn expect(&self, histories: &mut Histories) {
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
    fn a_successor_is_of_the_same_family_and_one_generation_later() {
        assert!(follows("rt_a.1.k.n.m", "rt_a.2.k.n.m"));
        assert!(!follows("rt_a.1.k.n.m", "rt_b.2.k.n.m"));
        assert!(!follows("rt_a.1.k.n.m", "rt_a.3.k.n.m"));
        assert!(!follows("vt_1", "vt_1"));
    }
}

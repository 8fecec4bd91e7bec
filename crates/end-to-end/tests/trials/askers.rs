//! Requests of every kind, again and again, and what is right about their answers.

use std::time::Duration;

use end_to_end::{Answer, Request};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

use crate::stage::{Clients, email, patiently};
use crate::tally::hold;
use crate::works::Work;

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(100);

/// What is asked for.
pub(crate) enum Ask {
    ClientLogin,
    IssuedValidationToken { user: String },
    Renewal { token: String },
    OwnContacts { bearer: String, shown: Value },
    GetLock { user: String, shown: Value },
    Work(Work),
}

/// Somebody who asks for one kind of thing.
pub(crate) struct Asker {
    pub(crate) kind: &'static str,
    pub(crate) ask: Ask,
    /// The services that are asked.
    pub(crate) here: Clients,
    /// Services that see the store as it is.
    pub(crate) there: Clients,
}

/// A request and its answer.
pub(crate) struct Asked {
    pub(crate) kind: &'static str,
    pub(crate) answered_at: Instant,
    pub(crate) took: Duration,
    /// Or what is wrong about it.
    pub(crate) answered: Result<Answered, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Rightly,
    /// By 503, as the contract has it.
    Unavailable,
}

impl Asker {
    /// Asks until nobody listens any more.
    pub(crate) async fn run(mut self, listener: UnboundedSender<Asked>) {
        loop {
            let asked = self.ask().await;
            if listener.send(asked).is_err() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&mut self) -> Asked {
        if let Ask::Work(Work::Contacts(contacts)) = &mut self.ask {
            contacts.make_room();
        }
        let request = self.request();
        let begun = Instant::now();
        let answer = request.attempt().await;
        let (took, answered_at) = (begun.elapsed(), Instant::now());
        let answered = match answer {
            Ok(answer) if answer.status == 503 => unavailable(&answer),
            Ok(answer) => self.judge(&answer).await.map(|()| Answered::Rightly),
            Err(error) => Err(format!("no answer: {error:?}")),
        };
        Asked {
            kind: self.kind,
            answered_at,
            took,
            answered,
        }
    }

    fn request(&self) -> Request {
        let Clients { caller, cast, .. } = &self.here;
        match &self.ask {
            Ask::ClientLogin => caller.client_login(&cast.desk),
            Ask::IssuedValidationToken { user } => {
                let body = json!({"email": email(user), "groups": []});
                caller.hand_off(&self.here.gateway, &cast.portal.id, &body)
            }
            Ask::Renewal { token } => caller.renew(&self.here.portal, token, true),
            Ask::OwnContacts { bearer, .. } => caller.own_contacts(bearer),
            Ask::GetLock { user, .. } => self.here.get_lock(user),
            Ask::Work(work) => work.command(&self.here),
        }
    }

    /// Whether what the answer says is so, by services that see the store as it is.
    async fn judge(&mut self, answer: &Answer) -> Result<(), String> {
        if let Ask::Work(work) = &mut self.ask {
            work.acknowledge(answer)?;
            let more = work.look(&self.there).await?.unwrap_or(0);
            hold(more == 0, || format!("{more} commands too many took effect"))?;
            if let Work::Sessions(_) = work {
                self.renewed_there(&answer.text("refreshToken")).await?;
            }
            return Ok(());
        }
        hold(answer.status == 200, || {
            format!("answered {} {}", answer.status, answer.body)
        })?;
        match &self.ask {
            Ask::ClientLogin => {
                let desk = answer.text("accessToken");
                let there = Clients {
                    desk,
                    ..self.there.clone()
                };
                let seen = patiently(|| there.get_lock("nobody")).await;
                hold(seen.status == 404, || format!("the token is good for {}", seen.status))
            }
            Ask::IssuedValidationToken { .. } => {
                let token = answer.text("validationToken");
                // It works once: when a busy machine makes this a 503, it is not known whether it did.
                let renewed = self.renewal_there(&token).answer().await;
                hold([200, 503].contains(&renewed.status), || {
                    format!("what it answered does not renew: {}", renewed.body)
                })
            }
            Ask::Renewal { .. } => {
                let token = self.renewed_there(&answer.text("refreshToken")).await?;
                self.ask = Ask::Renewal { token };
                Ok(())
            }
            Ask::OwnContacts { shown, .. } | Ask::GetLock { shown, .. } => hold(answer.json() == *shown, || {
                format!("{} instead of {shown}", answer.body)
            }),
            Ask::Work(_) => Ok(()),
        }
    }

    /// Renews where the store is not disturbed; the refresh token of the answer.
    async fn renewed_there(&self, token: &str) -> Result<String, String> {
        let renewed = patiently(|| self.renewal_there(token)).await;
        hold(renewed.status == 200, || {
            format!("what it answered does not renew: {}", renewed.body)
        })?;
        Ok(renewed.text("refreshToken"))
    }

    fn renewal_there(&self, token: &str) -> Request {
        self.there.caller.renew(&self.there.portal, token, true)
    }
}

fn unavailable(answer: &Answer) -> Result<Answered, String> {
    let as_it_must = answer.refusal() == (503, "90".to_owned()) && answer.header("retry-after").is_some();
    hold(as_it_must, || format!("503 with {:?} {}", answer.headers, answer.body))?;
    Ok(Answered::Unavailable)
}

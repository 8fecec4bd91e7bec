//! Clients that repeat one kind of request, and verify each response.

use std::time::Duration;

use end_to_end::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

use crate::setup::{Clients, email, send_with_retries};
use crate::summary::check;
use crate::workloads::Workload;

/// The pause between a response and the next request.
const PAUSE: Duration = Duration::from_millis(100);

/// The operation that a client repeats.
pub(crate) enum Operation {
    ClientLogin,
    HandleAuth { user: String },
    Renewal { token: String },
    OwnContacts { bearer: String, expected: Value },
    GetLock { user: String, expected: Value },
    Workload(Workload),
}

/// A client that repeats one operation.
pub(crate) struct LoadClient {
    pub(crate) kind: &'static str,
    pub(crate) operation: Operation,
    /// The services that it calls.
    pub(crate) here: Clients,
    /// The services that reach the store without a proxy. They verify the responses.
    pub(crate) there: Clients,
}

/// A request and the verdict on its response.
pub(crate) struct SentRequest {
    pub(crate) kind: &'static str,
    pub(crate) answered_at: Instant,
    pub(crate) duration: Duration,
    /// The error says what is wrong with the response.
    pub(crate) verdict: Result<Verdict, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// The documented 503.
    Unavailable,
}

impl LoadClient {
    /// Sends requests until the receiver is closed.
    pub(crate) async fn run(mut self, results: UnboundedSender<SentRequest>) {
        loop {
            let sent = self.send_one().await;
            if results.send(sent).is_err() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn send_one(&mut self) -> SentRequest {
        if let Operation::Workload(Workload::ContactAdditions(contacts)) = &mut self.operation {
            contacts.make_room();
        }
        let request = self.request();
        let started = Instant::now();
        let response = request.try_send().await;
        let (duration, answered_at) = (started.elapsed(), Instant::now());
        let verdict = match response {
            Ok(response) if response.status == 503 => verify_unavailable(&response),
            Ok(response) => self.verify(&response).await.map(|()| Verdict::Right),
            Err(error) => Err(format!("no response: {error:?}")),
        };
        SentRequest {
            kind: self.kind,
            answered_at,
            duration,
            verdict,
        }
    }

    fn request(&self) -> Request {
        let Clients { caller, fixtures, .. } = &self.here;
        match &self.operation {
            Operation::ClientLogin => caller.client_login(&fixtures.desk),
            Operation::HandleAuth { user } => {
                let body = json!({"email": email(user), "groups": []});
                caller.handle_auth(&self.here.gateway, &fixtures.portal.id, &body)
            }
            Operation::Renewal { token } => caller.renew(&self.here.portal, token, true),
            Operation::OwnContacts { bearer, .. } => caller.own_contacts(bearer),
            Operation::GetLock { user, .. } => self.here.get_lock(user),
            Operation::Workload(workload) => workload.command(&self.here),
        }
    }

    /// Verifies a response by requests to the services that reach the store without a proxy.
    async fn verify(&mut self, response: &Response) -> Result<(), String> {
        if let Operation::Workload(workload) = &mut self.operation {
            workload.acknowledge(response)?;
            let more = workload.read_back(&self.there).await?.unwrap_or(0);
            check(more == 0, || format!("{more} further commands took effect"))?;
            if let Workload::SessionStarts(_) = workload {
                self.renew_there(&response.text("refreshToken")).await?;
            }
            return Ok(());
        }
        check(response.status == 200, || {
            format!("returned {} {}", response.status, response.body)
        })?;
        match &self.operation {
            Operation::ClientLogin => {
                let desk = response.text("accessToken");
                let there = Clients {
                    desk,
                    ..self.there.clone()
                };
                let response = send_with_retries(|| there.get_lock("no-such-user")).await;
                check(response.status == 404, || {
                    format!("a request with the token returned {}", response.status)
                })
            }
            Operation::HandleAuth { .. } => {
                let token = response.text("validationToken");
                // The token can be used once. After a 503 from a busy machine, it is unknown whether it was used.
                let renewed = self.renewal_request(&token).send().await;
                check([200, 503].contains(&renewed.status), || {
                    format!("the returned token does not renew: {}", renewed.body)
                })
            }
            Operation::Renewal { .. } => {
                let token = self.renew_there(&response.text("refreshToken")).await?;
                self.operation = Operation::Renewal { token };
                Ok(())
            }
            Operation::OwnContacts { expected, .. } | Operation::GetLock { expected, .. } => {
                check(response.json() == *expected, || {
                    format!("{} instead of {expected}", response.body)
                })
            }
            Operation::Workload(_) => Ok(()),
        }
    }

    /// Renews at the services that reach the store without a proxy. Returns the new refresh token.
    async fn renew_there(&self, token: &str) -> Result<String, String> {
        let renewed = send_with_retries(|| self.renewal_request(token)).await;
        check(renewed.status == 200, || {
            format!("the returned token does not renew: {}", renewed.body)
        })?;
        Ok(renewed.text("refreshToken"))
    }

    fn renewal_request(&self, token: &str) -> Request {
        self.there.caller.renew(&self.there.portal, token, true)
    }
}

fn verify_unavailable(response: &Response) -> Result<Verdict, String> {
    let is_documented =
        response.status_and_code() == (503, "90".to_owned()) && response.header("retry-after").is_some();
    check(is_documented, || {
        format!("503 with {:?} {}", response.headers, response.body)
    })?;
    Ok(Verdict::Unavailable)
}

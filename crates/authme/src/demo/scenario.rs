//! The demo's scenario. Each step sends a request and checks the response.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::expectation::Expectation;
use super::fixtures::{DemoClient, EMAIL, Fixtures, GROUP, GROUP_ROLE};
use super::page::{LineStyle, Page};
use super::requests::{bearer, login_request, request};
use super::runner::{DemoError, DemoRunner, MARGIN, Step, Summary};

/// The ID of the contact that the portal adds.
const MOBILE: &str = "5efd263cbe2d398bb00b97ea";

/// The scenario of one user, from the SAML login to the credential lock.
pub(super) struct Scenario<'a, W> {
    runner: DemoRunner<'a, W>,
    fixtures: &'a Fixtures,
    /// The file into which the server writes one-time codes.
    codes_file: &'a Path,
}

fn text(json: &Value, pointer: &str) -> String {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl<'a, W: Write> Scenario<'a, W> {
    pub(super) fn new(
        page: &'a mut Page<W>,
        address: SocketAddr,
        fixtures: &'a Fixtures,
        codes_file: &'a Path,
    ) -> Self {
        for client in [&fixtures.gateway, &fixtures.portal, &fixtures.desk] {
            page.hide(&client.basic(), 0);
        }
        Self {
            runner: DemoRunner::new(page, address),
            fixtures,
            codes_file,
        }
    }

    /// Runs every step.
    pub(super) async fn run(mut self) -> Result<Summary, DemoError> {
        let validation_token = self.report_saml_login().await?;
        let portal = self
            .log_in("The portal logs in the same way:", &self.fixtures.portal)
            .await?;
        let first = self.redeem(&portal, &validation_token).await?;
        let ana = bearer(&text(&first, "/accessToken"));
        let refresh_token = self.renew(&portal, &text(&first, "/refreshToken")).await?;
        self.read_contacts(&ana).await?;
        self.add_contact(&portal, &ana).await?;
        self.verify_contact(&ana).await?;
        let desk = self.lock().await?;
        self.try_renewal(&portal, &refresh_token).await?;
        self.read_events(&desk).await?;
        Ok(self.runner.summary)
    }

    /// Logs a client in without a numbered step. Returns its `Authorization` header.
    async fn log_in(&mut self, subject: &str, client: &DemoClient) -> Result<String, DemoError> {
        let expected = Expectation::status(200).text("/accessToken");
        let request = login_request(client);
        let body = self.runner.send_and_summarize(subject, request, &expected).await?;
        Ok(bearer(&text(&body, "/accessToken")))
    }

    async fn report_saml_login(&mut self) -> Result<String, DemoError> {
        let log_in = Step {
            title: "The gateway logs in",
            explanation: "A client authenticates with its ID and its secret (HTTP Basic) and gets an access token \
                          that is valid for 5 minutes. This token names the client and no user.",
            request: login_request(&self.fixtures.gateway),
            expected: Expectation::status(200)
                .text("/accessToken")
                .equals("/tokenType", "Bearer")
                .absent("/refreshToken"),
        };
        let gateway = bearer(&text(&self.runner.run(log_in).await?, "/accessToken"));
        let report = Step {
            title: "The gateway reports Ana's SAML login",
            explanation: "Ana has just logged in at her company. The gateway sends her e-mail address, the groups \
                          that her company lists her in, and the client that she wants to use. The \
                          response holds a validation token, which only the portal can redeem, once, within 60 s.",
            request: request(
                "POST",
                "/user-identities/handle-auth?clientId=portal",
                gateway,
                Some(json!({"email": EMAIL, "groups": [GROUP]})),
            ),
            expected: Expectation::status(200)
                .text("/validationToken")
                .equals("/userId", self.fixtures.user.as_str())
                .equals("/originClientId", self.fixtures.gateway.id),
        };
        Ok(text(&self.runner.run(report).await?, "/validationToken"))
    }

    async fn redeem(&mut self, portal: &str, validation_token: &str) -> Result<Value, DemoError> {
        let tokens = self
            .runner
            .run(Step {
                title: "The portal redeems the validation token",
                explanation: "It gets an access token, with which it acts for Ana from here on. `remember-me` \
                              requests a refresh token as well.",
                request: request(
                    "POST",
                    &format!("/user-identities/renew-token?token={validation_token}&remember-me=true"),
                    portal.to_owned(),
                    None,
                ),
                expected: Expectation::status(200).text("/accessToken").text("/refreshToken"),
            })
            .await?;
        let claims = text(&tokens, "/accessToken")
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
            .and_then(|claims| String::from_utf8(claims).ok())
            .unwrap_or_default();
        self.runner.page.print(
            LineStyle::Plain,
            MARGIN,
            "Claims of the access token (signed with RS512; `GET /keys` returns the public key):",
        )?;
        self.runner.page.print_json(MARGIN, &claims)?;
        let roles = json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER", GROUP_ROLE]);
        let expected = Expectation::json()
            .equals("/client_id", self.fixtures.portal.id)
            .equals("/user_id", self.fixtures.user.as_str())
            .equals("/roles", roles)
            .equals("/exp", text(&tokens, "/expiresIn").parse::<u64>().unwrap_or_default());
        self.runner
            .check_json(&expected, &serde_json::from_str(&claims).unwrap_or_default())?;
        Ok(tokens)
    }

    async fn renew(&mut self, portal: &str, first: &str) -> Result<String, DemoError> {
        let renewal = request(
            "POST",
            "/user-identities/renew-token",
            portal.to_owned(),
            Some(json!({"token": first, "remember-me": true})),
        );
        let renewed = self
            .runner
            .run(Step {
                title: "The portal renews the tokens",
                explanation: "Access tokens expire soon. A refresh token is exchanged for the next pair of tokens and \
                              is used up: compare the last characters of the old one and the new one. This request has \
                              its token in the body, which access logs do not record.",
                request: renewal.clone(),
                expected: Expectation::status(200)
                    .text("/refreshToken")
                    .differs("/refreshToken", first),
            })
            .await?;
        let second = text(&renewed, "/refreshToken");
        self.runner
            .run(Step {
                title: "The response is lost, so the portal sends the request again",
                explanation: "For 30 s the used refresh token gets the same successor again, so a bad connection \
                              logs no user out. After that, AuthMe treats the used token as stolen and ends the \
                              session. An older token of the session ends it immediately.",
                request: renewal,
                expected: Expectation::status(200).equals("/refreshToken", second.as_str()),
            })
            .await?;
        Ok(second)
    }

    async fn read_contacts(&mut self, ana: &str) -> Result<(), DemoError> {
        self.runner
            .run(Step {
                title: "Ana reads her contacts",
                explanation: "The portal sends Ana's access token. The contacts are masked: Ana recognizes her \
                              own, and a leaked response does not disclose them.",
                request: request(
                    "GET",
                    "/user-identities/me/authentication-factors",
                    ana.to_owned(),
                    None,
                ),
                expected: Expectation::status(200)
                    .equals("/0/email", "an*****za@br.e******.com")
                    .equals("/0/credential", true)
                    .absent("/1"),
            })
            .await?;
        Ok(())
    }

    async fn add_contact(&mut self, portal: &str, ana: &str) -> Result<(), DemoError> {
        let contact = json!({
            "id": MOBILE,
            "contactType": "MOBILE",
            "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"},
        });
        self.runner
            .run(Step {
                title: "The portal adds Ana's mobile number",
                explanation: "The portal sends its own token. Ana registered with an e-mail address, so her second \
                              contact must be a mobile number: an attacker who takes over one of the two does \
                              not have the other.",
                request: request(
                    "POST",
                    &format!("/user-identities/{}/authentication-factors", self.fixtures.user),
                    portal.to_owned(),
                    Some(json!({"authenticationFactors": [contact]})),
                ),
                expected: Expectation::status(201).no_body(),
            })
            .await?;
        self.runner
            .run(Step {
                title: "Ana reads her contacts again",
                explanation: "The response lists the mobile number. Her e-mail address is still her default contact \
                              and the only one that she logs in with.",
                request: request(
                    "GET",
                    "/user-identities/me/authentication-factors",
                    ana.to_owned(),
                    None,
                ),
                expected: Expectation::status(200)
                    .equals("/0/default", true)
                    .equals("/1/mobile/phoneNumber", "*****2222")
                    .equals("/1/credential", false)
                    .absent("/2"),
            })
            .await?;
        Ok(())
    }

    async fn verify_contact(&mut self, ana: &str) -> Result<(), DemoError> {
        let path = format!("/user-identities/me/authentication-factors/{MOBILE}/token");
        let sent = self
            .runner
            .run(Step {
                title: "Ana requests a code",
                explanation: "A code of six digits proves that the phone is hers. The demo has no gateway for text \
                              messages, so AuthMe writes the message to a file in its data folder.",
                request: request("POST", &path, ana.to_owned(), None),
                expected: Expectation::status(201)
                    .text("/challengeId")
                    .equals("/mobile/phoneNumber", "*****2222"),
            })
            .await?;
        let challenge = text(&sent, "/challengeId");
        let message = self.read_message(&challenge);
        let heading = format!("The message to {}, as the file holds it:", text(&message, "/to"));
        self.runner.page.print(LineStyle::Plain, MARGIN, &heading)?;
        let words = format!("\"{}\"", text(&message, "/text"));
        self.runner.page.print(LineStyle::Plain, MARGIN, &words)?;
        self.runner
            .check_json(&Expectation::json().text("/code").text("/text"), &message)?;
        self.runner
            .run(Step {
                title: "Ana enters the code",
                explanation: "AuthMe counts the attempt before it compares the code. A code works once and allows \
                              five attempts. A wrong code and an unknown challenge get the same response.",
                request: request(
                    "POST",
                    &format!("{path}/validate"),
                    ana.to_owned(),
                    Some(json!({"challengeId": challenge, "token": text(&message, "/code")})),
                ),
                expected: Expectation::status(204).no_body(),
            })
            .await?;
        Ok(())
    }

    /// Returns the message of a challenge from the file, or `null` if the file does not contain it.
    fn read_message(&self, challenge: &str) -> Value {
        let lines = fs::read_to_string(self.codes_file).unwrap_or_default();
        let mut messages = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap_or_default());
        let message = messages.find(|message| text(message, "/challengeId") == challenge);
        message.unwrap_or_default()
    }

    async fn lock(&mut self) -> Result<String, DemoError> {
        let desk = self
            .log_in("The security desk logs in the same way:", &self.fixtures.desk)
            .await?;
        self.runner
            .run(Step {
                title: "The security desk locks Ana's credential",
                explanation: "Ana's laptop was stolen. After this 204, every process of AuthMe refuses to renew her tokens.",
                request: request(
                    "POST",
                    "/user-identities/lock",
                    desk.clone(),
                    Some(json!({"userId": self.fixtures.user, "reason": "laptop stolen"})),
                ),
                expected: Expectation::status(204).no_body(),
            })
            .await?;
        Ok(desk)
    }

    async fn try_renewal(&mut self, portal: &str, refresh_token: &str) -> Result<(), DemoError> {
        self.runner
            .run(Step {
                title: "AuthMe rejects the next renewal",
                explanation: "The portal sends the latest refresh token of the session. Code 21 means that the \
                              credential is locked. The attempt also ends the session, so Ana must log in again \
                              after an unlock.",
                request: request(
                    "POST",
                    "/user-identities/renew-token",
                    portal.to_owned(),
                    Some(json!({"token": refresh_token, "remember-me": true})),
                ),
                expected: Expectation::status(412).equals("/0/code", "21"),
            })
            .await?;
        Ok(())
    }

    /// Reads events until one reports the end of the session, which follows the lock.
    async fn read_events(&mut self, desk: &str) -> Result<(), DemoError> {
        self.runner.begin_step(
            "Other services learn of the lock",
            "A service that only verifies signatures follows the events. The lock event holds Ana's new `epoch`: the \
             service rejects her tokens with a lower epoch, although their signature is valid. Contacts in events are \
             masked.",
        )?;
        let (mut seen, mut after) = (Vec::new(), "0".to_owned());
        let has = |seen: &[Value], kind| seen.iter().any(|event| text(event, "/type") == kind);
        while !(has(&seen, "credential.locked") && has(&seen, "session.revoked")) {
            let request = request("GET", &format!("/events?after={after}"), desk.to_owned(), None);
            let response = self.runner.send_and_print(request).await?;
            let events: Vec<Value> = response
                .body
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if response.status != 200 {
                self.runner.page.print_json(MARGIN, &response.body)?;
            }
            self.runner
                .check(&Expectation::status(200), response.status, &Value::Null)?;
            let Some(last) = events.last() else { break };
            after = text(last, "/cursor");
            for (event, line) in events.iter().zip(response.body.lines()) {
                self.print_event(event, line)?;
            }
            seen.extend(events);
        }
        let locked = seen.iter().find(|event| text(event, "/type") == "credential.locked");
        let expected = Expectation::json()
            .equals("/subject", self.fixtures.user.as_str())
            .equals("/data/epoch", 1);
        self.runner.check_json(&expected, locked.unwrap_or_default())?;
        let revoked = seen.iter().find(|event| text(event, "/type") == "session.revoked");
        let expected = Expectation::json().equals("/data/reason", "lock");
        self.runner.check_json(&expected, revoked.unwrap_or_default())
    }

    /// Prints the whole lock event, and only the type, cursor and reason of any other.
    fn print_event(&mut self, event: &Value, line: &str) -> io::Result<()> {
        let kind = text(event, "/type");
        if kind == "credential.locked" {
            return self.runner.page.print_json(MARGIN, line);
        }
        let reason = event.pointer("/data/reason").and_then(Value::as_str);
        let reason = reason.map(|reason| format!(", reason: {reason}")).unwrap_or_default();
        let summary = format!("({kind}, cursor {}{reason})", text(event, "/cursor"));
        self.runner.page.print(LineStyle::Plain, MARGIN, &summary)
    }
}

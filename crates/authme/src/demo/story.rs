//! The story, step by step; each step is a request that must be answered as it says.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::cast::{Cast, EMAIL, GROUP, GROUP_ROLE, Player};
use super::expected::Expected;
use super::http_client::Request;
use super::page::{Look, Page};
use super::storyteller::{Interruption, Step, Storyteller, Tally};

const BASE: &str = "/security/iam/v1";

/// The contact that Ana gets.
const MOBILE: &str = "5efd263cbe2d398bb00b97ea";

/// The story of one user.
pub(super) struct Story<'a, W> {
    teller: Storyteller<'a, W>,
    cast: &'a Cast,
    /// The file that codes are written into.
    codes: &'a Path,
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn request(method: &'static str, path: &str, authorization: String, body: Option<Value>) -> Request {
    Request {
        method,
        target: format!("{BASE}{path}"),
        authorization,
        body,
    }
}

fn log_in(player: &Player) -> Request {
    request(
        "POST",
        "/client-identities/login",
        format!("Basic {}", player.basic()),
        None,
    )
}

fn text(json: &Value, place: &str) -> String {
    json.pointer(place)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl<'a, W: Write> Story<'a, W> {
    pub(super) fn new(page: &'a mut Page<W>, address: SocketAddr, cast: &'a Cast, codes: &'a Path) -> Self {
        for player in [&cast.gateway, &cast.portal, &cast.desk] {
            page.hide(&player.basic(), 0);
        }
        Self {
            teller: Storyteller::new(page, address),
            cast,
            codes,
        }
    }

    /// Tells it whole.
    pub(super) async fn tell(mut self) -> Result<Tally, Interruption> {
        let validation_token = self.hand_over().await?;
        let portal = self.log_in_aside("The portal logs in, too", &self.cast.portal).await?;
        let first = self.redeem(&portal, &validation_token).await?;
        let ana = bearer(&text(&first, "/accessToken"));
        let refresh_token = self.renew(&portal, &text(&first, "/refreshToken")).await?;
        self.see_own_contacts(&ana).await?;
        self.add_contact(&portal, &ana).await?;
        self.prove_contact(&ana).await?;
        let desk = self.lock().await?;
        self.be_refused(&portal, &refresh_token).await?;
        self.read_events(&desk).await?;
        Ok(self.teller.tally)
    }

    /// Logs a client in without making a step of it; answers its authorization.
    async fn log_in_aside(&mut self, what: &str, player: &Player) -> Result<String, Interruption> {
        let expected = Expected::status(200).text("/accessToken");
        let answer = self.teller.ask_aside(what, log_in(player), &expected).await?;
        Ok(bearer(&text(&answer, "/accessToken")))
    }

    async fn hand_over(&mut self) -> Result<String, Interruption> {
        let log_in = Step {
            title: "The gateway logs in",
            why: "A client proves who it is by its id and its secret, and gets a token that lives five minutes.\n\
                  The token is the client's own: no user is in it yet.",
            request: log_in(&self.cast.gateway),
            expected: Expected::status(200)
                .text("/accessToken")
                .equal("/tokenType", "Bearer")
                .absent("/refreshToken"),
        };
        let gateway = bearer(&text(&self.teller.play(log_in).await?, "/accessToken"));
        let hand_over = Step {
            title: "The gateway hands Ana over",
            why: "Ana has just logged in at her company. The gateway says who she is, which groups her company\n\
                  puts her in, and where she is going. It gets a ticket that only the portal can use, once, in 60 s.",
            request: request(
                "POST",
                "/user-identities/handle-auth?clientId=portal",
                gateway,
                Some(json!({"email": EMAIL, "groups": [GROUP]})),
            ),
            expected: Expected::status(200)
                .text("/validationToken")
                .equal("/userId", self.cast.user.as_str())
                .equal("/originClientId", self.cast.gateway.id),
        };
        Ok(text(&self.teller.play(hand_over).await?, "/validationToken"))
    }

    async fn redeem(&mut self, portal: &str, validation_token: &str) -> Result<Value, Interruption> {
        let answer = self
            .teller
            .play(Step {
                title: "The portal turns the ticket into tokens",
                why: "The portal redeems the ticket. From now on it shows the access token when it acts for Ana.\n\
                      `remember-me` asks for a refresh token as well.",
                request: request(
                    "POST",
                    &format!("/user-identities/renew-token?token={validation_token}&remember-me=true"),
                    portal.to_owned(),
                    None,
                ),
                expected: Expected::status(200).text("/accessToken").text("/refreshToken"),
            })
            .await?;
        let claims = text(&answer, "/accessToken")
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
            .and_then(|claims| String::from_utf8(claims).ok())
            .unwrap_or_default();
        self.teller.page.say(
            Look::Plain,
            "     The access token says this, signed with RS512 (`GET /keys` has the public key):",
        )?;
        self.teller.page.json("     ", &claims)?;
        let roles = json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER", GROUP_ROLE]);
        let expected = Expected::content()
            .equal("/client_id", self.cast.portal.id)
            .equal("/user_id", self.cast.user.as_str())
            .equal("/roles", roles)
            .equal("/exp", text(&answer, "/expiresIn").parse::<u64>().unwrap_or_default());
        self.teller
            .judge_content(&expected, &serde_json::from_str(&claims).unwrap_or_default())?;
        Ok(answer)
    }

    async fn renew(&mut self, portal: &str, first: &str) -> Result<String, Interruption> {
        let renewal = request(
            "POST",
            "/user-identities/renew-token",
            portal.to_owned(),
            Some(json!({"token": first, "remember-me": true})),
        );
        let renewed = self
            .teller
            .play(Step {
                title: "The portal renews",
                why: "Access tokens soon run out. The refresh token gets the next pair and is spent by that: see\n\
                      how its end changes. The fields may come as a body, too, which keeps them out of logs.",
                request: renewal.clone(),
                expected: Expected::status(200)
                    .text("/refreshToken")
                    .differ("/refreshToken", first),
            })
            .await?;
        let second = text(&renewed, "/refreshToken");
        self.teller
            .play(Step {
                title: "The answer gets lost, so the portal asks again",
                why: "The spent token comes back, and for 30 s gets the very same successor: a bad connection logs\n\
                  nobody out. After that, or with any older token, it counts as stolen and the session ends.",
                request: renewal,
                expected: Expected::status(200).equal("/refreshToken", second.as_str()),
            })
            .await?;
        Ok(second)
    }

    async fn see_own_contacts(&mut self, ana: &str) -> Result<(), Interruption> {
        self.teller
            .play(Step {
                title: "Ana looks at her contacts",
                why: "Now the portal shows Ana's access token. Contacts are always masked: she recognises hers, and\n\
                      nobody else can read them.",
                request: request(
                    "GET",
                    "/user-identities/me/authentication-factors",
                    ana.to_owned(),
                    None,
                ),
                expected: Expected::status(200)
                    .equal("/0/email", "an*****za@br.e******.com")
                    .equal("/0/credential", true)
                    .absent("/1"),
            })
            .await?;
        Ok(())
    }

    async fn add_contact(&mut self, portal: &str, ana: &str) -> Result<(), Interruption> {
        let contact = json!({
            "id": MOBILE,
            "contactType": "MOBILE",
            "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": "911112222"},
        });
        self.teller
            .play(Step {
                title: "The portal adds Ana's mobile",
                why: "A second way to reach her, with the portal's own token. She registered with an e-mail, so the\n\
                      other way must be a mobile: who steals one does not have both.",
                request: request(
                    "POST",
                    &format!("/user-identities/{}/authentication-factors", self.cast.user),
                    portal.to_owned(),
                    Some(json!({"authenticationFactors": [contact]})),
                ),
                expected: Expected::status(201).nothing(),
            })
            .await?;
        self.teller
            .play(Step {
                title: "Ana looks again",
                why: "The mobile is there. Her e-mail stays the default, and the only one she logs in with.",
                request: request(
                    "GET",
                    "/user-identities/me/authentication-factors",
                    ana.to_owned(),
                    None,
                ),
                expected: Expected::status(200)
                    .equal("/0/default", true)
                    .equal("/1/mobile/phoneNumber", "*****2222")
                    .equal("/1/credential", false)
                    .absent("/2"),
            })
            .await?;
        Ok(())
    }

    async fn prove_contact(&mut self, ana: &str) -> Result<(), Interruption> {
        let path = format!("/user-identities/me/authentication-factors/{MOBILE}/token");
        let sent = self
            .teller
            .play(Step {
                title: "Ana is sent a code",
                why: "Is the phone hers? Six digits go to it. Here there is no gateway for text messages, so they go\n\
                      into a file of the data folder.",
                request: request("POST", &path, ana.to_owned(), None),
                expected: Expected::status(201)
                    .text("/challengeId")
                    .equal("/mobile/phoneNumber", "*****2222"),
            })
            .await?;
        let challenge = text(&sent, "/challengeId");
        let lines = fs::read_to_string(self.codes).unwrap_or_default();
        let lines = lines
            .lines()
            .map(|line| (line, serde_json::from_str::<Value>(line).unwrap_or_default()));
        let mut lines = lines.filter(|(_, message)| text(message, "/challengeId") == challenge);
        let (line, message) = lines.next().unwrap_or_default();
        self.teller.page.say(Look::Plain, "     The file says:")?;
        self.teller.page.json("     ", line)?;
        self.teller
            .judge_content(&Expected::content().text("/code"), &message)?;
        self.teller
            .play(Step {
                title: "Ana types it in",
                why: "The attempt is counted before the code is compared. A code works once, and five attempts end it;\n\
                      a wrong code and a challenge that never was are answered alike.",
                request: request(
                    "POST",
                    &format!("{path}/validate"),
                    ana.to_owned(),
                    Some(json!({"challengeId": challenge, "token": text(&message, "/code")})),
                ),
                expected: Expected::status(204).nothing(),
            })
            .await?;
        Ok(())
    }

    async fn lock(&mut self) -> Result<String, Interruption> {
        let desk = self
            .log_in_aside("The security desk logs in, too", &self.cast.desk)
            .await?;
        self.teller
            .play(Step {
                title: "The security desk locks Ana",
                why: "Her laptop was stolen. Once this 204 is sent, nobody anywhere renews a token of hers.",
                request: request(
                    "POST",
                    "/user-identities/lock",
                    desk.clone(),
                    Some(json!({"userId": self.cast.user, "reason": "laptop stolen"})),
                ),
                expected: Expected::status(204).nothing(),
            })
            .await?;
        Ok(desk)
    }

    async fn be_refused(&mut self, portal: &str, refresh_token: &str) -> Result<(), Interruption> {
        self.teller
            .play(Step {
                title: "Renewal is refused",
                why: "The refresh token is the newest there is, and worth nothing: code 21 is a locked credential.\n\
                  The session ends with this attempt, and unlocking Ana will not bring it back.",
                request: request(
                    "POST",
                    "/user-identities/renew-token",
                    portal.to_owned(),
                    Some(json!({"token": refresh_token, "remember-me": true})),
                ),
                expected: Expected::status(412).equal("/0/code", "21"),
            })
            .await?;
        Ok(())
    }

    /// Follows the log until it tells how the session ended, which comes after the lock.
    async fn read_events(&mut self, desk: &str) -> Result<(), Interruption> {
        self.teller.begin(
            "The others hear of it",
            "Services that only check signatures follow the events. From the lock they learn the `epoch`: tokens\n\
             of Ana that carry a lower one are dead, though their signature is good. No contact is in them unmasked.",
        )?;
        let (mut seen, mut after) = (Vec::new(), "0".to_owned());
        let is_told = |seen: &[Value], kind| seen.iter().any(|event| text(event, "/type") == kind);
        while !(is_told(&seen, "credential.locked") && is_told(&seen, "session.revoked")) {
            let request = request("GET", &format!("/events?after={after}"), desk.to_owned(), None);
            let answer = self.teller.ask_aloud(request).await?;
            let events: Vec<Value> = answer
                .body
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if answer.status != 200 {
                self.teller.page.json("     ", &answer.body)?;
            }
            self.teller.judge(&Expected::status(200), answer.status, &Value::Null)?;
            let Some(last) = events.last() else { break };
            after = text(last, "/cursor");
            for (event, line) in events.iter().zip(answer.body.lines()) {
                self.show_event(event, line)?;
            }
            seen.extend(events);
        }
        let locked = seen.iter().find(|event| text(event, "/type") == "credential.locked");
        let expected = Expected::content()
            .equal("/subject", self.cast.user.as_str())
            .equal("/data/epoch", 1);
        self.teller.judge_content(&expected, locked.unwrap_or_default())?;
        let revoked = seen.iter().find(|event| text(event, "/type") == "session.revoked");
        let expected = Expected::content().equal("/data/reason", "lock");
        self.teller.judge_content(&expected, revoked.unwrap_or_default())
    }

    /// The event that the story is about whole, the others by their name.
    fn show_event(&mut self, event: &Value, line: &str) -> io::Result<()> {
        let kind = text(event, "/type");
        if kind == "credential.locked" {
            return self.teller.page.json("     ", line);
        }
        let reason = event.pointer("/data/reason").and_then(Value::as_str);
        let reason = reason.map(|reason| format!(", reason: {reason}")).unwrap_or_default();
        let said = format!("     ({kind}, cursor {}{reason})", text(event, "/cursor"));
        self.teller.page.say(Look::Plain, &said)
    }
}

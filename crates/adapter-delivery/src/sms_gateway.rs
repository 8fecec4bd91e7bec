use std::time::Duration;

use async_trait::async_trait;
use domain::contact::ContactValue;
use domain::hex;
use domain::loopback::is_loopback;
use hmac::{Hmac, KeyInit as _, Mac as _};
use minijinja::value::Value;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use sha2::Sha256;

use crate::code_sender::{RenderedMessage, Transport};
use crate::error::{OpenError, SendError};
use crate::settings::{Secret, SmsGatewaySettings};
use crate::templates::{Template, TemplateError};
use crate::texts;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TIMESTAMP: HeaderName = HeaderName::from_static("authme-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("authme-signature");

const PLACEHOLDERS: &[&str] = &["to", "text", "code", "minutes", "client", "challenge_id"];

const SHORTEST_KEY: usize = 16;

/// A try that ends here has sent nothing, so the next repeats nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Text messages by an HTTP gateway, as [`SmsGatewaySettings`] describes it to the receiver.
pub(crate) struct SmsGateway {
    client: Client,
    url: Url,
    headers: HeaderMap,
    body: Template,
    signer: Hmac<Sha256>,
}

impl SmsGateway {
    pub(crate) fn open(settings: SmsGatewaySettings) -> Result<Self, OpenError> {
        let url = url(&settings.url)?;
        let key = settings.signing_key.reveal().as_bytes();
        let short_key = || OpenError::ShortSigningKey { at_least: SHORTEST_KEY };
        if key.len() < SHORTEST_KEY {
            return Err(short_key());
        }
        Ok(Self {
            client: client(&url).map_err(OpenError::GatewayClient)?,
            url,
            headers: headers(&settings.content_type, settings.header)?,
            body: body(&settings.content_type, settings.body)?,
            // A key may have any length.
            signer: Hmac::new_from_slice(key).map_err(|_| short_key())?,
        })
    }

    fn signature(&self, timestamp: &str, body: &str) -> String {
        let mut signer = self.signer.clone();
        for part in [timestamp, ".", body] {
            signer.update(part.as_bytes());
        }
        format!("v1={}", hex::encode(&signer.finalize().into_bytes()))
    }
}

#[async_trait]
impl Transport for SmsGateway {
    async fn send(&self, letter: &RenderedMessage) -> Result<(), SendError> {
        let message = &letter.message;
        let ContactValue::Mobile(mobile) = &message.to else {
            return Err(SendError::WrongRoute);
        };
        let values: [Value; 6] = [
            format!("+{}", mobile.comparison_key()).into(),
            letter.text.as_str().into(),
            message.code.reveal().into(),
            texts::minutes(message).into(),
            message.client.as_str().into(),
            message.challenge.as_str().into(),
        ];
        let filled = self.body.render(values);
        // Its own words may tell the code.
        let body = filled.map_err(|failure| SendError::Text(failure.kind()))?;
        let timestamp = message.sent_at.as_second().to_string();
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(IDEMPOTENCY_KEY, message.challenge.as_str())
            .header(SIGNATURE, self.signature(&timestamp, &body))
            .header(TIMESTAMP, timestamp)
            .body(body);
        // Told without the URL: its query is nobody's business.
        let answer = request
            .send()
            .await
            .map_err(|error| SendError::Gateway(error.without_url()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(SendError::GatewayRefused(answer.status().as_u16()))
        }
    }
}

fn url(text: &str) -> Result<Url, OpenError> {
    let url = Url::parse(text).map_err(|_| OpenError::GatewayUrl)?;
    let protected = match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    };
    if protected && url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(OpenError::GatewayUrl)
    }
}

fn client(url: &Url) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    let builder = if url.scheme() == "https" {
        builder
    } else {
        // Without TLS no certificates are looked for: there may be none in the image.
        builder.tls_certs_only([])
    };
    builder.build()
}

fn headers(content_type: &str, own: Option<(String, Secret)>) -> Result<HeaderMap, OpenError> {
    let value = HeaderValue::from_str(content_type);
    let value = value.map_err(|_| OpenError::GatewayContentType(content_type.to_owned()))?;
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
    if let Some((name, secret)) = own {
        let refused = || OpenError::GatewayHeader(name.clone());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| refused())?;
        value.set_sensitive(true);
        let ours = [CONTENT_TYPE, IDEMPOTENCY_KEY, TIMESTAMP, SIGNATURE];
        if ours.contains(&name) {
            return Err(refused());
        }
        headers.insert(name, value);
    }
    Ok(headers)
}

fn body(content_type: &str, source: String) -> Result<Template, OpenError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json");
    let template = if is_json {
        Template::json(source, PLACEHOLDERS)
    } else {
        Template::plain(source, PLACEHOLDERS)
    };
    let template = template.map_err(OpenError::GatewayBody)?;
    let sample: [Value; 6] = [
        "+5511911112222".into(),
        "a \"text\" \\ of\nlines".into(),
        "012345".into(),
        10.into(),
        "com.example.portal".into(),
        "07070707070707070707070707070707".into(),
    ];
    let filled = template.render(sample).map_err(TemplateError::from);
    let filled = filled.map_err(OpenError::GatewayBody)?;
    if is_json && serde_json::from_str::<serde_json::Value>(&filled).is_err() {
        return Err(OpenError::GatewayBodyNotJson);
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SmsGatewaySettings {
        SmsGatewaySettings::new("https://sms.example/send?key=hunter2", Secret::new("0123456789abcdef"))
    }

    fn refusal(change: impl FnOnce(&mut SmsGatewaySettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        let failure = SmsGateway::open(settings).err().expect("it is refused");
        assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
        failure.to_string()
    }

    /// Computed by `openssl dgst -sha256 -hmac`.
    #[test]
    fn a_signature_is_over_the_timestamp_a_dot_and_the_body() {
        let gateway = SmsGateway::open(settings()).unwrap();
        assert_eq!(
            gateway.signature("1795403784", r#"{"to":"+5511911112222"}"#),
            "v1=15d8f3d4464df8314c752550f66c5d65ba5a6514abead2745b3f0381f9c2d081"
        );
    }

    #[test]
    fn only_a_protected_url_is_taken() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://[::1]/",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "http://a.example/",
            "ftp://localhost/",
            "https://u:hunter2@a.example/",
            "http://10.0.0.1/",
        ] {
            assert!(
                refusal(|settings| settings.url = bad.to_owned()).contains("must be https"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_body_that_cannot_be_filled_in_is_refused() {
        assert_eq!(
            refusal(|settings| settings.body = "{{ from }}".to_owned()),
            "the body for the gateway is refused"
        );
        let quoted = r#"{"text":"{{ text }}"}"#.to_owned();
        assert!(refusal(|settings| settings.body = quoted.clone()).contains("without quotation marks"));
        let mut plain = settings();
        plain.content_type = "text/plain; charset=utf-8".to_owned();
        plain.body = quoted;
        assert!(SmsGateway::open(plain).is_ok());
    }

    #[test]
    fn a_form_is_filled_in_by_a_filter() {
        let source = "To={{ to|urlencode }}&Body={{ text|urlencode }}".to_owned();
        let template = body("application/x-www-form-urlencoded", source).unwrap();
        let values = ["+55".into(), "é & ü".into(), "".into(), 1.into(), "".into(), "".into()];
        assert_eq!(template.render(values).unwrap(), "To=%2B55&Body=%C3%A9%20%26%20%C3%BC");
    }

    #[test]
    fn a_header_that_cannot_be_sent_or_is_ours_is_refused() {
        for name in ["X Y", "AuthMe-Signature", "content-type"] {
            let own = Some((name.to_owned(), Secret::new("hunter2")));
            assert!(refusal(|settings| settings.header = own).contains(name));
        }
        let line_break = Some(("X-Api-Key".to_owned(), Secret::new("hunter2\n")));
        assert!(refusal(|settings| settings.header = line_break).contains("X-Api-Key"));
        assert!(refusal(|settings| settings.content_type = "a\nb".to_owned()).contains("content type"));
    }

    #[test]
    fn a_short_signing_key_is_refused() {
        let short = Secret::new("hunter2");
        assert!(refusal(|settings| settings.signing_key = short).contains("shorter than 16 bytes"));
    }
}

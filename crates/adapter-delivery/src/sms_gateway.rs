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

use crate::error::{OpenError, SendError};
use crate::settings::{Secret, SmsGatewaySettings};
use crate::templates::{Template, TemplateError};
use crate::texts;
use crate::transport::{RenderedMessage, Transport};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TIMESTAMP: HeaderName = HeaderName::from_static("authme-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("authme-signature");

const PLACEHOLDERS: &[&str] = &["to", "text", "code", "minutes", "client", "challenge_id"];

/// The minimum length of the signing key in bytes: 128 bits cannot be guessed.
const MIN_KEY_LENGTH: usize = 16;

/// The time limit of connecting. An attempt that ends while connecting has sent nothing, so it is safe to repeat. With
/// two seconds, all three attempts fit into the ten seconds of a message.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends text messages through an HTTP gateway. [`SmsGatewaySettings`] documents the request for the gateway's author.
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
        let short_key = || OpenError::ShortSigningKey {
            at_least: MIN_KEY_LENGTH,
        };
        if key.len() < MIN_KEY_LENGTH {
            return Err(short_key());
        }
        Ok(Self {
            client: client(&url).map_err(OpenError::GatewayClient)?,
            url,
            headers: headers(&settings.content_type, settings.header)?,
            body: body(&settings.content_type, settings.body)?,
            // HMAC accepts keys of any length, so this never fails.
            signer: Hmac::new_from_slice(key).map_err(|_| short_key())?,
        })
    }

    fn sign(&self, timestamp: &str, body: &str) -> String {
        let mut signer = self.signer.clone();
        for part in [timestamp, ".", body] {
            signer.update(part.as_bytes());
        }
        format!("v1={}", hex::encode(&signer.finalize().into_bytes()))
    }
}

#[async_trait]
impl Transport for SmsGateway {
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError> {
        let message = &rendered.message;
        let ContactValue::Mobile(mobile) = &message.to else {
            return Err(SendError::WrongRoute);
        };
        let values: [Value; 6] = [
            format!("+{}", mobile.comparison_key()).into(),
            rendered.text.as_str().into(),
            message.code.reveal().into(),
            texts::minutes(message).into(),
            message.client.as_str().into(),
            message.challenge.as_str().into(),
        ];
        let filled = self.body.render(values);
        // The message of a template error may contain the code, so only its kind is kept.
        let body = filled.map_err(|error| SendError::Text(error.kind()))?;
        let timestamp = message.sent_at.as_second().to_string();
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(IDEMPOTENCY_KEY, message.challenge.as_str())
            .header(SIGNATURE, self.sign(&timestamp, &body))
            .header(TIMESTAMP, timestamp)
            .body(body);
        // The query of the URL may hold credentials of the gateway, and the error is logged.
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
    let is_protected = match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    };
    if is_protected && url.username().is_empty() && url.password().is_none() {
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
        // Plain http needs no root certificates, and the container image may have none.
        builder.tls_certs_only([])
    };
    builder.build()
}

fn headers(content_type: &str, extra: Option<(String, Secret)>) -> Result<HeaderMap, OpenError> {
    let value = HeaderValue::from_str(content_type);
    let value = value.map_err(|_| OpenError::GatewayContentType(content_type.to_owned()))?;
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
    if let Some((name, secret)) = extra {
        let not_allowed = || OpenError::GatewayHeader(name.clone());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| not_allowed())?;
        let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| not_allowed())?;
        value.set_sensitive(true);
        let reserved = [CONTENT_TYPE, IDEMPOTENCY_KEY, TIMESTAMP, SIGNATURE];
        if reserved.contains(&name) {
            return Err(not_allowed());
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

    fn open_error(change: impl FnOnce(&mut SmsGatewaySettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        let error = SmsGateway::open(settings).err().expect("the settings are rejected");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        error.to_string()
    }

    /// The expected value comes from `openssl dgst -sha256 -hmac`.
    #[test]
    fn the_signature_covers_timestamp_and_body() {
        let gateway = SmsGateway::open(settings()).unwrap();
        assert_eq!(
            gateway.sign("1795403784", r#"{"to":"+5511911112222"}"#),
            "v1=15d8f3d4464df8314c752550f66c5d65ba5a6514abead2745b3f0381f9c2d081"
        );
    }

    #[test]
    fn unprotected_urls_are_rejected() {
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
                open_error(|settings| settings.url = bad.to_owned()).contains("must be https"),
                "{bad}"
            );
        }
    }

    #[test]
    fn invalid_bodies_are_rejected() {
        assert_eq!(
            open_error(|settings| settings.body = "{{ from }}".to_owned()),
            "the body for the gateway is invalid"
        );
        let quoted = r#"{"text":"{{ text }}"}"#.to_owned();
        assert!(open_error(|settings| settings.body = quoted.clone()).contains("without quotation marks"));
        let mut plain = settings();
        plain.content_type = "text/plain; charset=utf-8".to_owned();
        plain.body = quoted;
        assert!(SmsGateway::open(plain).is_ok());
    }

    #[test]
    fn a_form_body_is_url_encoded_by_a_filter() {
        let source = "To={{ to|urlencode }}&Body={{ text|urlencode }}".to_owned();
        let template = body("application/x-www-form-urlencoded", source).unwrap();
        let values = ["+55".into(), "é & ü".into(), "".into(), 1.into(), "".into(), "".into()];
        assert_eq!(template.render(values).unwrap(), "To=%2B55&Body=%C3%A9%20%26%20%C3%BC");
    }

    #[test]
    fn invalid_and_reserved_headers_are_rejected() {
        for name in ["X Y", "AuthMe-Signature", "content-type"] {
            let own = Some((name.to_owned(), Secret::new("hunter2")));
            assert!(open_error(|settings| settings.header = own).contains(name));
        }
        let line_break = Some(("X-Api-Key".to_owned(), Secret::new("hunter2\n")));
        assert!(open_error(|settings| settings.header = line_break).contains("X-Api-Key"));
        assert!(open_error(|settings| settings.content_type = "a\nb".to_owned()).contains("content type"));
    }

    #[test]
    fn a_short_signing_key_is_rejected() {
        let short = Secret::new("hunter2");
        assert!(open_error(|settings| settings.signing_key = short).contains("shorter than 16 bytes"));
    }
}

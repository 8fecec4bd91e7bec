//! Reads request bodies and queries, within limits of size and time. Errors never repeat what the client sent: it may
//! be a secret, and errors end up in logs.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::problem::{Code, Problem};

/// The maximum size of a body, in bytes. The largest legitimate body, 200 groups of 256 bytes each, has 50 KiB of
/// names.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The time limit for a body to arrive. A slow client holds memory for that long. Ten seconds are enough for 64 KiB on
/// a bad mobile connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The media type that `Content-Type` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MediaType {
    Json,
    MergePatch,
    Form,
    Other,
}

/// A request body of at most 64 KiB.
pub(crate) struct Body {
    bytes: Bytes,
    media_type: MediaType,
}

impl Body {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Parses the JSON in the body. A body without a content type is read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.media_type {
            MediaType::Json => self.json_any_content_type(),
            MediaType::MergePatch | MediaType::Form | MediaType::Other => {
                Err(unsupported_media_type("application/json"))
            }
        }
    }

    /// Parses the JSON merge patch in the body (RFC 7396). Its content type may also be plain JSON.
    pub(crate) fn merge_patch<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.media_type {
            MediaType::Json | MediaType::MergePatch => self.json_any_content_type(),
            MediaType::Form | MediaType::Other => Err(unsupported_media_type("application/merge-patch+json")),
        }
    }

    /// Parses the JSON in the body, whatever its content type.
    pub(crate) fn json_any_content_type<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| parse_problem(&error))?;
        json.end()
            .map_err(|_| Problem::malformed("the body has content after its JSON value"))?;
        Ok(value)
    }

    /// Parses the fields of a JSON or form body.
    pub(crate) fn json_or_form<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.media_type {
            MediaType::Json => self.json_any_content_type(),
            MediaType::Form => serde_urlencoded::from_bytes(&self.bytes)
                .map_err(|_| Problem::malformed("the form cannot be read, or has a field twice")),
            MediaType::MergePatch | MediaType::Other => Err(unsupported_media_type(
                "application/json or application/x-www-form-urlencoded",
            )),
        }
    }
}

/// A JSON object. A derived `Deserialize` alone would also accept an array of the fields.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Names the place of an error. The parser's own message would repeat what the client sent.
fn parse_problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if inner.is_data() {
        let path = error.path().to_string();
        let message = "has the wrong type, or is given twice";
        if path == "." {
            Problem::malformed(format!("the body {message}"))
        } else {
            Problem::malformed_field(&path, format!("{path} {message}"))
        }
    } else {
        Problem::malformed(format!(
            "the body is not valid JSON (line {}, column {})",
            inner.line(),
            inner.column()
        ))
    }
}

fn unsupported_media_type(expected: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::Malformed,
        format!("the content type of the body must be {expected}"),
    )
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::Malformed,
        "the body is larger than 64 KiB",
    )
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = media_type(request);
        let content_length = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let mut payload = payload.take();
        Box::pin(async move {
            if content_length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
                return Err(too_large());
            }
            let read = async {
                let mut bytes = BytesMut::new();
                while let Some(chunk) = payload.next().await {
                    let chunk = chunk.map_err(|_| Problem::malformed("the body could not be read completely"))?;
                    if bytes.len() + chunk.len() > MAX_BODY_BYTES {
                        return Err(too_large());
                    }
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes.freeze())
            };
            let bytes = actix_web::rt::time::timeout(BODY_TIMEOUT, read)
                .await
                .map_err(|_| Problem::malformed("the body did not arrive within 10 seconds"))??;
            Ok(Self { bytes, media_type })
        })
    }
}

fn media_type(request: &HttpRequest) -> MediaType {
    let Some(value) = request.headers().get(CONTENT_TYPE) else {
        return MediaType::Json;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/json" => MediaType::Json,
        "application/merge-patch+json" => MediaType::MergePatch,
        "application/x-www-form-urlencoded" => MediaType::Form,
        _ => MediaType::Other,
    }
}

/// Parses the query string. Unknown parameters are ignored; a repeated parameter is rejected with 400.
pub(crate) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    serde_urlencoded::from_str(request.query_string())
        .map_err(|_| Problem::malformed("the query cannot be read, or has a parameter twice"))
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::actor::Actor;
use domain::event::{Event, EventContext, EventData, EventValue, NewEvent};
use domain::ids::{ClientId, EventId, UserId};
use domain::time::Timestamp;
use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::{Map, Value};

/// A record of a topic, with the event in it if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    /// The headers in the order of the record. A header without a value has an empty value here.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The event, or why this version of AuthMe cannot read one from the record. A consumer skips such a record,
    /// because reading it again would fail again.
    pub event: Result<Event, UnreadableRecord>,
}

/// A record that is not an event of AuthMe. The error has no content of the record, which may be personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record at offset {offset} of {topic}, partition {partition}, is not an event")]
pub struct UnreadableRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    #[source]
    pub defect: Defect,
}

/// The reason why a record is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// A newer AuthMe may publish types that this one does not know.
    #[error("its type is not known")]
    UnknownType,
    #[error("it has no header `{0}`")]
    Missing(&'static str),
    #[error("its header `{0}` occurs more than once")]
    Repeated(&'static str),
    #[error("its header `{0}` cannot be read")]
    Malformed(&'static str),
    #[error("the name of a header is not UTF-8")]
    HeaderName,
    #[error("its key is not its `ce_partitionkey`")]
    Key,
    #[error("its value is not a JSON object")]
    Value,
}

impl ReceivedEvent {
    pub(crate) fn read<M: Message>(message: &M) -> Self {
        let headers = copy_headers(message.headers());
        let event = headers
            .as_deref()
            .map_err(|defect| *defect)
            .and_then(|headers| parse_event(headers, message.key(), message.payload()));
        let (topic, partition, offset) = (message.topic().to_owned(), message.partition(), message.offset());
        Self {
            event: event.map_err(|defect| UnreadableRecord {
                topic: topic.clone(),
                partition,
                offset,
                defect,
            }),
            topic,
            partition,
            offset,
            key: message.key().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }
}

type OwnedHeader = (String, Vec<u8>);

fn copy_headers<H: Headers>(headers: Option<&H>) -> Result<Vec<OwnedHeader>, Defect> {
    let Some(headers) = headers else {
        return Ok(Vec::new());
    };
    let copy = || {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    };
    // rdkafka panics if a name is not UTF-8, and any client of the broker can write such a record.
    catch_unwind(AssertUnwindSafe(copy)).map_err(|_| Defect::HeaderName)
}

/// Returns the value of a header, which must occur exactly once and not be empty.
fn header<'a>(headers: &'a [OwnedHeader], name: &'static str) -> Result<&'a str, Defect> {
    let mut values = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next().ok_or(Defect::Missing(name))?;
    if values.next().is_some() {
        return Err(Defect::Repeated(name));
    }
    match str::from_utf8(value) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Defect::Malformed(name)),
    }
}

fn parse_event(headers: &[OwnedHeader], key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Event, Defect> {
    require(headers, "ce_specversion", |version| version == "1.0")?;
    require(headers, "content-type", is_json)?;
    let kind = domain::event_type(header(headers, "ce_type")?).ok_or(Defect::UnknownType)?;
    require(headers, "ce_source", |source| source == kind.source)?;
    let user = parse_header(headers, "ce_partitionkey", |id| UserId::parse(id).ok())?;
    if key != Some(user.as_str().as_bytes()) {
        return Err(Defect::Key);
    }
    let sequence = parse_header(headers, "ce_sequence", parse_sequence)?;
    let (by, data) = parse_data(value)?;
    let context = EventContext {
        id: EventId(header(headers, "ce_id")?.to_owned()),
        time: parse_header(headers, "ce_time", |time| time.parse::<Timestamp>().ok())?,
        by,
        correlation_id: optional(header(headers, "ce_correlationid"))?.map(str::to_owned),
    };
    let new = NewEvent { context, kind, data };
    Ok(new.into_event(header(headers, "ce_subject")?, user, sequence))
}

/// Maps a missing header to `None`.
fn optional<T>(result: Result<T, Defect>) -> Result<Option<T>, Defect> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Defect::Missing(_)) => Ok(None),
        Err(defect) => Err(defect),
    }
}

fn parse_header<T>(
    headers: &[OwnedHeader],
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Defect> {
    parse(header(headers, name)?).ok_or(Defect::Malformed(name))
}

fn require(headers: &[OwnedHeader], name: &'static str, is_valid: impl FnOnce(&str) -> bool) -> Result<(), Defect> {
    parse_header(headers, name, |text| is_valid(text).then_some(()))
}

/// Returns whether the media type is JSON, ignoring case and parameters (RFC 9110 section 8.3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Parses a sequence: 20 decimal digits with leading zeros, counted from 1.
fn parse_sequence(digits: &str) -> Option<u64> {
    let is_well_formed = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let sequence = digits.parse().ok().filter(|sequence| *sequence > 0);
    sequence.filter(|_| is_well_formed)
}

/// Parses the value into actor and data. A member of a type that this version does not know is left out, because a
/// newer AuthMe may have added it.
fn parse_data(value: Option<&[u8]>) -> Result<(Actor, EventData), Defect> {
    let mut members: Map<String, Value> =
        serde_json::from_slice(value.unwrap_or_default()).map_err(|_| Defect::Value)?;
    let by = members.remove("by").as_ref().map(parse_actor).unwrap_or_default();
    let known = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, parse_event_value(value)?)));
    Ok((by, known.collect()))
}

/// Parses `by`. An older AuthMe wrote a plain id, which may belong to a user or a client, so it is parsed as an unknown
/// actor.
fn parse_actor(by: &Value) -> Actor {
    let member = |name| by.get(name).and_then(Value::as_str);
    Actor {
        user: member("user").and_then(|id| UserId::parse(id).ok()),
        client: member("client").and_then(|id| ClientId::parse(id).ok()),
        operator: member("operator").map(str::to_owned),
    }
}

fn parse_event_value(value: Value) -> Option<EventValue> {
    match value {
        Value::String(text) => Some(EventValue::Text(text)),
        Value::Number(number) => number.as_u64().map(EventValue::Number),
        Value::Bool(flag) => Some(EventValue::Flag(flag)),
        Value::Array(list) => list
            .into_iter()
            .map(into_text)
            .collect::<Option<_>>()
            .map(EventValue::List),
        Value::Null | Value::Object(_) => None,
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

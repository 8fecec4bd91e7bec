//! Conversions between BSON and the domain that all stored forms use.

use std::error::Error;
use std::time::Duration;

use domain::time::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, RawDocumentBuf, deserialize_from_slice};
use serde::de::DeserializeOwned;
use stored_forms::{Corrupt, Encoding};

use crate::error::MongodbError;

/// The encoding of BSON documents.
#[derive(Debug, Clone)]
pub(crate) struct Bson;

impl Encoding for Bson {
    type Time = DateTime;
    type Bytes = Binary;

    fn time(time: Timestamp) -> DateTime {
        date(time)
    }

    fn read_time(stored: &DateTime) -> Result<Timestamp, Corrupt> {
        Ok(Timestamp::from_millisecond(stored.timestamp_millis())?)
    }

    fn bytes(bytes: &[u8]) -> Binary {
        binary(bytes)
    }

    fn read_bytes<const N: usize>(stored: &Binary) -> Result<[u8; N], Corrupt> {
        Ok(<[u8; N]>::try_from(stored.bytes.as_slice())?)
    }
}

pub(crate) fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

/// Converts a count to BSON's signed integer.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Decodes one stored document. Its errors name the document.
pub(crate) struct Reader<'a> {
    what: &'static str,
    id: &'a str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, id: &'a str) -> Self {
        Self { what, id }
    }

    pub(crate) fn corrupt(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> MongodbError {
        MongodbError::corrupt(self.what, self.id, cause)
    }

    pub(crate) fn parse<T, E>(
        &self,
        text: String,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<T, MongodbError>
    where
        E: Error + Send + Sync + 'static,
    {
        parse(text).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn time(&self, date: DateTime) -> Result<Timestamp, MongodbError> {
        Timestamp::from_millisecond(date.timestamp_millis()).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn bytes<const N: usize>(&self, binary: Binary) -> Result<[u8; N], MongodbError> {
        <[u8; N]>::try_from(binary.bytes).map_err(|_| self.corrupt("length of a binary value"))
    }
}

/// Decodes a document that was read as bytes.
pub(crate) fn decode_document<T: DeserializeOwned>(found: &RawDocumentBuf) -> Result<T, MongodbError> {
    deserialize_from_slice(found.as_bytes()).map_err(|error| MongodbError::read(&error.into()))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn encoding_of_times_and_bytes() {
        let time = Timestamp::from_millisecond(1_767_225_600_123).unwrap();
        let encoded = doc! { "time": Bson::time(time), "bytes": Bson::bytes(&[7; 4]) };
        insta::assert_snapshot!(encoded, @r#"{ "time": DateTime("2026-01-01 0:00:00.123 +00:00:00"), "bytes": Binary(0x0, BwcHBw==) }"#);
        assert_eq!(Bson::read_time(&Bson::time(time)).unwrap(), time);
        assert_eq!(Bson::read_bytes(&Bson::bytes(&[7; 4])).unwrap(), [7; 4]);
        assert!(Bson::read_bytes::<5>(&Bson::bytes(&[7; 4])).is_err());
    }
}

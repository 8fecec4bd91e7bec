use domain::contact::{ContactValue, Email, Mobile};
use serde::{Deserialize, Serialize};

use crate::bson_codec::Reader;
use crate::error::MongodbError;

/// The stored form of an e-mail address or a mobile number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ContactValueDocument {
    Email(String),
    Mobile(MobileDocument),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MobileDocument {
    region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    area: Option<String>,
    number: String,
}

impl From<&Mobile> for MobileDocument {
    fn from(mobile: &Mobile) -> Self {
        Self {
            region: mobile.region().to_owned(),
            area: mobile.area().map(str::to_owned),
            number: mobile.number().to_owned(),
        }
    }
}

impl From<&ContactValue> for ContactValueDocument {
    fn from(value: &ContactValue) -> Self {
        match value {
            ContactValue::Email(email) => Self::Email(email.as_str().to_owned()),
            ContactValue::Mobile(mobile) => Self::Mobile(mobile.into()),
        }
    }
}

pub(crate) fn email(reader: &Reader<'_>, stored: &str) -> Result<Email, MongodbError> {
    Email::parse(stored).map_err(|error| reader.corrupt(error))
}

pub(crate) fn mobile(reader: &Reader<'_>, stored: &MobileDocument) -> Result<Mobile, MongodbError> {
    Mobile::parse(&stored.region, stored.area.as_deref(), &stored.number).map_err(|error| reader.corrupt(error))
}

pub(crate) fn contact_value(reader: &Reader<'_>, stored: &ContactValueDocument) -> Result<ContactValue, MongodbError> {
    match stored {
        ContactValueDocument::Email(stored) => email(reader, stored).map(ContactValue::Email),
        ContactValueDocument::Mobile(stored) => mobile(reader, stored).map(ContactValue::Mobile),
    }
}

use domain::contact::{ContactValue, Email, Mobile};
use serde::{Deserialize, Serialize};

use crate::Corrupt;

/// The stored form of an e-mail address or a mobile number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ContactValueForm {
    Email(String),
    Mobile(MobileForm),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MobileForm {
    region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    area: Option<String>,
    number: String,
}

impl From<&Mobile> for MobileForm {
    fn from(mobile: &Mobile) -> Self {
        Self {
            region: mobile.region().to_owned(),
            area: mobile.area().map(str::to_owned),
            number: mobile.number().to_owned(),
        }
    }
}

impl MobileForm {
    pub(crate) fn read(&self) -> Result<Mobile, Corrupt> {
        Ok(Mobile::parse(&self.region, self.area.as_deref(), &self.number)?)
    }
}

impl From<&ContactValue> for ContactValueForm {
    fn from(value: &ContactValue) -> Self {
        match value {
            ContactValue::Email(email) => Self::Email(email.as_str().to_owned()),
            ContactValue::Mobile(mobile) => Self::Mobile(mobile.into()),
        }
    }
}

impl ContactValueForm {
    pub(crate) fn read(&self) -> Result<ContactValue, Corrupt> {
        Ok(match self {
            Self::Email(address) => ContactValue::Email(Email::from_stored(address)?),
            Self::Mobile(mobile) => ContactValue::Mobile(mobile.read()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_accepted_no_more_can_be_read() {
        let read = |json: &str| serde_json::from_str::<ContactValueForm>(json).unwrap().read();
        let kept = read(r#"{"email":"\u212a@example.com"}"#).unwrap();
        assert_eq!(kept.comparison_key(), "\u{212a}@example.com");
        assert!(read(r#"{"email":"a@b@example.com"}"#).is_err());
    }
}

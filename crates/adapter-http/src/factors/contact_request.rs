//! A contact as callers write it: as documented, and as the documentation's examples have it.

use std::fmt;

use domain::contact::ContactType;
use domain::factors::{ContactDraft, MobileDraft};
use domain::ids::ContactId;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::body::Object;
use crate::problem::Problem;

/// A contact to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewAuthenticationFactorRequest)]
pub(super) struct ContactRequest {
    #[schema(required, example = "5efd263cbe2d398bb00b97ea")]
    id: Option<String>,
    /// `EMAIL` or `MOBILE`
    #[schema(required, example = "MOBILE")]
    contact_type: Option<String>,
    email: Option<String>,
    #[schema(value_type = Option<MobileRequest>)]
    mobile: Option<Object<MobileRequest>>,
    /// An array; a string that holds a JSON array is accepted too.
    #[schema(value_type = Option<Vec<String>>, example = json!(["MARKED_RESOURCES"]))]
    tags: Option<Tags>,
}

/// A mobile number: digit strings or JSON numbers.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserMobile)]
struct MobileRequest {
    #[schema(value_type = Option<String>, example = "55")]
    region_code: Option<Digits>,
    #[schema(value_type = Option<String>, example = "11")]
    area_code: Option<Digits>,
    #[schema(value_type = Option<String>, example = "911112222")]
    phone_number: Option<Digits>,
}

/// Digits, as a string or a number. What has a fraction, an exponent or a sign becomes no digits and fails its rule.
struct Digits(String);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DigitsVisitor;

        impl Visitor<'_> for DigitsVisitor {
            type Value = Digits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string of digits")
            }

            fn visit_str<E>(self, text: &str) -> Result<Digits, E> {
                Ok(Digits(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Digits, E> {
                Ok(Digits(number.to_string()))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Digits, E> {
                Ok(Digits("-".to_owned()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Digits, E> {
                Ok(Digits(".".to_owned()))
            }
        }

        deserializer.deserialize_any(DigitsVisitor)
    }
}

/// Stands for a string that holds no array of strings: no tag is called so.
const NO_TAG: &str = "";

/// Tags as an array, or as a string that holds one; any other string is a tag nobody knows.
struct Tags(Vec<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;

        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings, or a string that holds one")
            }

            fn visit_str<E>(self, text: &str) -> Result<Tags, E> {
                Ok(Tags(
                    serde_json::from_str(text).unwrap_or_else(|_| vec![NO_TAG.to_owned()]),
                ))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some(tag) = sequence.next_element()? {
                    tags.push(tag);
                }
                Ok(Tags(tags))
            }
        }

        deserializer.deserialize_any(TagsVisitor)
    }
}

impl ContactRequest {
    /// The contact as the domain judges it; `place` is where it stands in the body.
    pub(super) fn into_draft(self, place: &str) -> Result<ContactDraft, Problem> {
        let at = |field: &str| format!("{place}.{field}");
        let id = self.id.ok_or_else(|| Problem::missing(&at("id")))?;
        let contact_type = self.contact_type.ok_or_else(|| Problem::missing(&at("contactType")))?;
        Ok(ContactDraft {
            id: ContactId::parse(id).map_err(|malformed| Problem::malformed_field(at("id"), malformed.to_string()))?,
            contact_type: ContactType::parse(&contact_type)
                .ok_or_else(|| Problem::malformed_field(at("contactType"), "contactType is EMAIL or MOBILE"))?,
            email: self.email,
            mobile: self.mobile.map(|Object(mobile)| MobileDraft {
                region_code: mobile.region_code.map(|digits| digits.0),
                area_code: mobile.area_code.map(|digits| digits.0),
                phone_number: mobile.phone_number.map(|digits| digits.0),
            }),
            tags: self.tags.map(|tags| tags.0).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(json: &str) -> ContactDraft {
        serde_json::from_str::<ContactRequest>(json)
            .unwrap()
            .into_draft("item")
            .unwrap()
    }

    #[test]
    fn tags_are_an_array_or_a_string_that_holds_one() {
        let tags = |tags: &str| draft(&format!(r#"{{"id":"a","contactType":"EMAIL","tags":{tags}}}"#)).tags;
        assert_eq!(tags(r#"["MARKED_RESOURCES"]"#), ["MARKED_RESOURCES"]);
        assert_eq!(tags(r#""[\"MARKED_RESOURCES\"]""#), ["MARKED_RESOURCES"]);
        assert_eq!(tags(r#""MARKED_RESOURCES""#), [NO_TAG]);
        assert_eq!(tags(r#""[1]""#), [NO_TAG]);
        assert_eq!(tags("null"), Vec::<String>::new());
        assert!(serde_json::from_str::<ContactRequest>(r#"{"tags":[1]}"#).is_err());
    }

    #[test]
    fn digits_are_a_number_or_a_string_and_nothing_else_is() {
        let number = |number: &str| {
            let json = format!(r#"{{"id":"a","contactType":"MOBILE","mobile":{{"phoneNumber":{number}}}}}"#);
            draft(&json).mobile.unwrap().phone_number.unwrap()
        };
        assert_eq!(number("911112222"), "911112222");
        assert_eq!(number(r#""0911""#), "0911");
        for refused in ["9.5", "9e8", "-9", "99999999999999999999999"] {
            assert!(!number(refused).bytes().all(|b| b.is_ascii_digit()), "{refused}");
        }
        assert!(serde_json::from_str::<ContactRequest>(r#"{"mobile":{"phoneNumber":true}}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_text_of_tags_is_read_without_panic(text in "\\PC{0,200}") {
            let json = serde_json::json!({"id": "a", "contactType": "EMAIL", "tags": text});
            prop_assert!(serde_json::from_value::<ContactRequest>(json).is_ok());
        }
    }
}

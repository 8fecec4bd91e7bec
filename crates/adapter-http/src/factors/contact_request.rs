//! A contact in a request, in the documented form and in the variants that published examples use.

use std::fmt;

use domain::contact::ContactType;
use domain::factors::{ContactDraft, ContactPatch, MobileDraft, MobilePatch, Patch};
use domain::ids::ContactId;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::body::Object;
use crate::problem::Problem;

/// The member of a request that has the contacts.
pub(super) const ITEMS: &str = "authenticationFactors";

/// A contact to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewAuthenticationFactorRequest)]
pub(super) struct ContactRequest {
    /// The id of the contact, chosen by the caller.
    #[schema(required, example = "5efd263cbe2d398bb00b97ea")]
    id: Option<String>,
    /// `EMAIL` or `MOBILE`.
    #[schema(required, example = "MOBILE")]
    contact_type: Option<String>,
    email: Option<String>,
    #[schema(value_type = Option<MobileRequest>)]
    mobile: Option<Object<MobileRequest>>,
    /// An array of tags. A string that contains a JSON array is also accepted.
    #[schema(value_type = Option<Vec<String>>, example = json!(["MARKED_RESOURCES"]))]
    tags: Option<Tags>,
}

/// The new content of a contact.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReplacedAuthenticationFactorRequest)]
pub(super) struct ReplacementRequest {
    /// `EMAIL` or `MOBILE`.
    #[schema(required, example = "MOBILE")]
    contact_type: Option<String>,
    email: Option<String>,
    #[schema(value_type = Option<MobileRequest>)]
    mobile: Option<Object<MobileRequest>>,
    /// An array of tags. A string that contains a JSON array is also accepted. Without this member, the contact has no
    /// tags.
    #[schema(value_type = Option<Vec<String>>, example = json!(["MARKED_RESOURCES"]))]
    tags: Option<Tags>,
}

impl ReplacementRequest {
    pub(super) fn into_draft(self, id: &ContactId) -> Result<ContactDraft, Problem> {
        let Self {
            contact_type,
            email,
            mobile,
            tags,
        } = self;
        let item = ContactRequest {
            id: Some(id.to_string()),
            contact_type,
            email,
            mobile,
            tags,
        };
        item.into_draft("")
    }
}

/// A merge patch of a contact (RFC 7396): an absent member stays, and `null` removes a member.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthenticationFactorPatch)]
pub(super) struct PatchRequest {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<MobileRequest>)]
    mobile: Member<Object<MobilePatchRequest>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["MARKED_RESOURCES"]))]
    tags: Member<Tags>,
    /// True makes the contact the user's default; false or `null` makes the main contact the default again.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    default: Member<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MobilePatchRequest {
    #[serde(default)]
    region_code: Member<Digits>,
    #[serde(default)]
    area_code: Member<Digits>,
    #[serde(default)]
    phone_number: Member<Digits>,
}

/// A member of a merge patch; absent is [`Patch::Keep`].
struct Member<T>(Patch<T>);

impl<T> Default for Member<T> {
    fn default() -> Self {
        Self(Patch::Keep)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::deserialize(deserializer)?;
        Ok(Self(given.map_or(Patch::Remove, Patch::Put)))
    }
}

impl From<PatchRequest> for ContactPatch {
    fn from(request: PatchRequest) -> Self {
        let digits = |member: Member<Digits>| member.0.map(|digits| digits.0);
        Self {
            email: request.email.0,
            mobile: request.mobile.0.map(|Object(mobile)| MobilePatch {
                region_code: digits(mobile.region_code),
                area_code: digits(mobile.area_code),
                phone_number: digits(mobile.phone_number),
            }),
            tags: request.tags.0.map(|tags| tags.0),
            default: request.default.0,
        }
    }
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

/// Digits, as a string or a number. A number with a fraction, an exponent or a sign becomes text without digits, so
/// that it breaks the rule of its field (422), as a string would.
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

/// The tag that replaces a string without an array of strings. Real tags are never empty, so it is rejected as an
/// unknown tag (422).
const NO_TAG: &str = "";

/// Tags as an array, or as a string that contains one. Any other string counts as one unknown tag.
struct Tags(Vec<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;

        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings, or a string that contains one")
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
    /// Returns the contact for the domain to check. `path` is the path of the item in the body, for errors. It is empty
    /// if the body is the item.
    pub(super) fn into_draft(self, path: &str) -> Result<ContactDraft, Problem> {
        let at = |field: &str| format!("{path}.{field}").trim_start_matches('.').to_owned();
        let id = self.id.ok_or_else(|| Problem::missing(&at("id")))?;
        let contact_type = self.contact_type.ok_or_else(|| Problem::missing(&at("contactType")))?;
        Ok(ContactDraft {
            id: ContactId::parse(id).map_err(|error| Problem::malformed_field(at("id"), error.to_string()))?,
            contact_type: ContactType::parse(&contact_type)
                .ok_or_else(|| Problem::malformed_field(at("contactType"), "contactType must be EMAIL or MOBILE"))?,
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
    use domain::contact::{Email, Mobile};
    use domain::factors::{ContactChangeError, FactorSet};
    use domain::identity::{Identity, MainContact};
    use domain::ids::UserId;
    use domain::time::Timestamp;
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    use super::*;

    fn draft(json: &str) -> ContactDraft {
        serde_json::from_str::<ContactRequest>(json)
            .unwrap()
            .into_draft("item")
            .unwrap()
    }

    #[test]
    fn tags_are_an_array_or_a_string_with_one() {
        let tags = |tags: &str| draft(&format!(r#"{{"id":"a","contactType":"EMAIL","tags":{tags}}}"#)).tags;
        assert_eq!(tags(r#"["MARKED_RESOURCES"]"#), ["MARKED_RESOURCES"]);
        assert_eq!(tags(r#""[\"MARKED_RESOURCES\"]""#), ["MARKED_RESOURCES"]);
        assert_eq!(tags(r#""MARKED_RESOURCES""#), [NO_TAG]);
        assert_eq!(tags(r#""[1]""#), [NO_TAG]);
        assert_eq!(tags("null"), Vec::<String>::new());
        assert!(serde_json::from_str::<ContactRequest>(r#"{"tags":[1]}"#).is_err());
    }

    #[test]
    fn digits_are_a_number_or_a_string_of_digits() {
        let number = |number: &str| {
            let json = format!(r#"{{"id":"a","contactType":"MOBILE","mobile":{{"phoneNumber":{number}}}}}"#);
            draft(&json).mobile.unwrap().phone_number.unwrap()
        };
        assert_eq!(number("911112222"), "911112222");
        assert_eq!(number(r#""0911""#), "0911");
        for invalid in ["9.5", "9e8", "-9", "99999999999999999999999"] {
            assert!(!number(invalid).bytes().all(|b| b.is_ascii_digit()), "{invalid}");
        }
        assert!(serde_json::from_str::<ContactRequest>(r#"{"mobile":{"phoneNumber":true}}"#).is_err());
    }

    fn read<T: DeserializeOwned>(json: &Value) -> Option<T> {
        let read = serde_json::from_value::<Object<T>>(json.clone());
        read.ok().map(|Object(value)| value)
    }

    fn read_text<T: DeserializeOwned>(text: &str) -> Option<T> {
        serde_json::from_str::<Object<T>>(text).ok().map(|Object(value)| value)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("email".to_owned()),
            Just("mobile".to_owned()),
            Just("tags".to_owned()),
            Just("default".to_owned()),
            Just("phoneNumber".to_owned()),
            any::<String>(),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(name.clone(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Generates a member of an object: absent, `null`, of the expected type, or anything.
    fn member(expected: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            5 => Just(None),
            3 => Just(Some(Value::Null)),
            8 => expected.prop_map(Some),
            1 => any_json().prop_map(Some),
        ]
    }

    fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
        let given = members.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    }

    fn digits(pattern: &'static str) -> impl Strategy<Value = Value> {
        let number = |text: String| text.parse::<u64>().map_or(Value::Null, Value::from);
        prop_oneof![pattern.prop_map(Value::from), pattern.prop_map(number)]
    }

    /// Generates a merge patch of a contact, usually a well-formed one.
    fn patch() -> impl Strategy<Value = Value> {
        let email = prop_oneof!["[a-c]{1,2}@example\\.com", "\\PC{0,20}"].prop_map(Value::from);
        let mobile = (
            member(digits("1|55|351")),
            member(digits("11|212")),
            member(digits("9[0-9]{8}|555010[0-9]")),
        )
            .prop_map(|(region, area, number)| {
                object([("regionCode", region), ("areaCode", area), ("phoneNumber", number)])
            });
        let tags = prop_oneof![
            Just(json!([])),
            Just(json!(["MARKED_RESOURCES"])),
            Just(json!("[\"MARKED_RESOURCES\"]")),
            Just(json!(["X"])),
        ];
        (member(email), member(mobile), member(tags), member(Just(json!(7)))).prop_map(
            |(email, mobile, tags, other)| {
                object([("email", email), ("mobile", mobile), ("tags", tags), ("other", other)])
            },
        )
    }

    /// Applies a merge patch by the algorithm of RFC 7396 section 2.
    fn merge(target: Value, patch: &Value) -> Value {
        let Value::Object(members) = patch else {
            return patch.clone();
        };
        let mut target = match target {
            Value::Object(target) => target,
            _ => Map::new(),
        };
        for (name, value) in members {
            let held = target.remove(name);
            if !value.is_null() {
                target.insert(name.clone(), merge(held.unwrap_or_default(), value));
            }
        }
        Value::Object(target)
    }

    /// Returns a user who logs in with both an e-mail address and a mobile number. `main` is the type of the main
    /// contact.
    fn owner(main: ContactType) -> Identity {
        Identity {
            id: UserId::parse("u1").unwrap(),
            name: None,
            email: Some(MainContact {
                id: ContactId::parse("main-email").unwrap(),
                value: Email::parse("a@example.com").unwrap(),
            }),
            mobile: Some(MainContact {
                id: ContactId::parse("main-mobile").unwrap(),
                value: Mobile::parse("1", Some("212"), "5550100").unwrap(),
            }),
            main_contact_type: main,
            roles: Vec::new(),
            groups: Vec::new(),
            businesses: Vec::new(),
        }
    }

    /// Generates the only contact of a user, as a document, and the user.
    fn contact() -> impl Strategy<Value = (Value, Identity)> {
        let email = json!({"contactType": "EMAIL", "email": "Eva@example.com", "tags": ["MARKED_RESOURCES"]});
        let mobile = |mobile: Value| json!({"contactType": "MOBILE", "mobile": mobile});
        prop_oneof![
            Just((email, owner(ContactType::Mobile))),
            Just((
                mobile(json!({"regionCode": "1", "areaCode": "212", "phoneNumber": "5550109"})),
                owner(ContactType::Email)
            )),
            Just((
                mobile(json!({"regionCode": "351", "phoneNumber": "912345678"})),
                owner(ContactType::Email)
            )),
        ]
    }

    fn factor_set(document: &Value, owner: &Identity) -> FactorSet {
        let draft = read::<ReplacementRequest>(document).unwrap().into_draft(&contact_id());
        let mut set = FactorSet::empty(owner.id.clone());
        set.add(owner, &draft.unwrap(), true, Timestamp::UNIX_EPOCH).unwrap();
        set
    }

    fn contact_id() -> ContactId {
        ContactId::parse("c1").unwrap()
    }

    proptest! {
        #[test]
        fn text_and_parsed_json_are_read_alike(json in any_json(), patch in patch()) {
            for json in [json, patch] {
                let text = json.to_string();
                prop_assert_eq!(read::<PatchRequest>(&json).is_some(), read_text::<PatchRequest>(&text).is_some());
                prop_assert_eq!(read::<ReplacementRequest>(&json).is_some(), read_text::<ReplacementRequest>(&text).is_some());
                let draft = |item: ContactRequest| item.into_draft("item").is_ok();
                prop_assert_eq!(
                    read::<ContactRequest>(&json).map(draft),
                    read_text::<ContactRequest>(&text).map(draft)
                );
            }
        }

        #[test]
        fn a_merge_patch_equals_a_replacement_by_its_result((document, owner) in contact(), patch in patch()) {
            let (mut patched, mut replaced) = (factor_set(&document, &owner), factor_set(&document, &owner));
            let by_patch = read::<PatchRequest>(&patch)
                .map(|request| patched.patch(&owner, &contact_id(), request.into(), false));
            // RFC 7396 would add a value of the other type; a contact has one type and rejects it.
            let other = match owner.main_contact_type {
                ContactType::Email => "email",
                ContactType::Mobile => "mobile",
            };
            if by_patch.is_some() && patch.get(other).is_some_and(|given| !given.is_null()) {
                prop_assert!(matches!(by_patch, Some(Err(ContactChangeError::RuleViolation(_)))), "{by_patch:?}");
                prop_assert_eq!(patched, replaced);
                return Ok(());
            }
            let by_replacement = read::<ReplacementRequest>(&merge(document, &patch))
                .and_then(|request| request.into_draft(&contact_id()).ok())
                .map(|draft| replaced.replace(&owner, &draft, false));
            prop_assert_eq!(by_patch, by_replacement);
            prop_assert_eq!(patched, replaced);
        }

        #[test]
        fn repeating_a_merge_patch_changes_nothing(
            (document, owner) in contact(),
            patch in patch(),
            default in prop::option::of(any::<bool>()),
        ) {
            let mut set = factor_set(&document, &owner);
            let patch = || {
                let mut patch = ContactPatch::from(read::<PatchRequest>(&patch)?);
                patch.default = default.map_or(Patch::Keep, Patch::Put);
                Some(patch)
            };
            if let Some(once) = patch()
                && set.patch(&owner, &contact_id(), once, false).is_ok()
            {
                let after_once = set.clone();
                let again = set.patch(&owner, &contact_id(), patch().unwrap(), false);
                prop_assert_eq!(again, Ok(Vec::new()));
                prop_assert_eq!(set, after_once);
            }
        }

        #[test]
        fn any_text_of_tags_is_accepted(text in "\\PC{0,200}") {
            let json = serde_json::json!({"id": "a", "contactType": "EMAIL", "tags": text});
            prop_assert!(serde_json::from_value::<ContactRequest>(json).is_ok());
        }
    }
}

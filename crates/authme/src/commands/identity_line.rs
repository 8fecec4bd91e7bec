use adapter_crypto::SystemRandomness;
use domain::contact::{ContactType, Email, Mobile};
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ContactId, UserId};
use ports::Randomness as _;
use serde::{Deserialize, Serialize};

/// A user as a line of JSON: the output of `identity show` and the input of `identity import`.
/// Without `--reveal` contacts are masked, and the line cannot be imported.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IdentityLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main_contact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<EmailLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mobile: Option<MobileLine>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    businesses: Vec<BusinessLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    address: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MobileLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    region_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    area_code: Option<String>,
    phone_number: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BusinessLine {
    id: String,
    #[serde(default)]
    roles: Vec<String>,
}

impl IdentityLine {
    /// Creates the line. Contacts are masked unless `reveal` is set.
    pub(super) fn new(identity: &Identity, reveal: bool) -> Self {
        let email = identity.email.as_ref().map(|contact| EmailLine {
            id: Some(contact.id.to_string()),
            address: if reveal {
                contact.value.as_str().to_owned()
            } else {
                contact.value.masked()
            },
        });
        let mobile = identity.mobile.as_ref().map(|contact| MobileLine {
            id: Some(contact.id.to_string()),
            region_code: contact.value.region().to_owned(),
            area_code: contact.value.area().map(str::to_owned),
            phone_number: if reveal {
                contact.value.number().to_owned()
            } else {
                contact.value.masked_number()
            },
        });
        let business = |link: &BusinessLink| BusinessLine {
            id: link.id.to_string(),
            roles: link.roles.clone(),
        };
        Self {
            user_id: Some(identity.id.to_string()),
            name: identity.name.clone(),
            main_contact: Some(identity.main_contact_type.as_str().to_owned()),
            email,
            mobile,
            roles: identity.roles.clone(),
            groups: identity.groups.clone(),
            businesses: identity.businesses.iter().map(business).collect(),
        }
    }

    /// Parses the line. If the id of the user or of a contact is absent, it is taken from `stored`, or generated if `stored`
    /// has none. Error messages contain no contact.
    pub(super) fn into_identity(self, stored: Option<&Identity>) -> Result<Identity, String> {
        let email_id = stored
            .and_then(|stored| stored.email.as_ref())
            .map(|contact| &contact.id);
        let mobile_id = stored
            .and_then(|stored| stored.mobile.as_ref())
            .map(|contact| &contact.id);
        let email = self.email.map(|line| {
            let value = Email::parse(&line.address).map_err(|malformed| format!("email is {malformed}"))?;
            Ok::<_, String>(MainContact {
                id: contact_id(line.id, email_id)?,
                value,
            })
        });
        let mobile = self.mobile.map(|line| {
            let value = Mobile::parse(&line.region_code, line.area_code.as_deref(), &line.phone_number);
            let value = value.map_err(|malformed| format!("mobile is {malformed}"))?;
            Ok::<_, String>(MainContact {
                id: contact_id(line.id, mobile_id)?,
                value,
            })
        });
        let (email, mobile) = (email.transpose()?, mobile.transpose()?);
        let requested = self
            .main_contact
            .as_deref()
            .map(|name| ContactType::parse(name).ok_or("mainContact must be EMAIL or MOBILE"));
        let business = |line: BusinessLine| {
            let id = BusinessId::parse(line.id).map_err(|malformed| format!("business: {malformed}"))?;
            Ok::<_, String>(BusinessLink { id, roles: line.roles })
        };
        Ok(Identity {
            id: match self.user_id {
                Some(id) => UserId::parse(id).map_err(|malformed| format!("userId: {malformed}"))?,
                None => stored.map_or_else(
                    || UserId::from_random(SystemRandomness.object_id()),
                    |stored| stored.id.clone(),
                ),
            },
            name: self.name,
            main_contact_type: main_contact_type(requested.transpose()?, email.is_some(), mobile.is_some())?,
            email,
            mobile,
            roles: self.roles,
            groups: self.groups,
            businesses: self.businesses.into_iter().map(business).collect::<Result<_, _>>()?,
        })
    }
}

/// Returns the requested type if the user has a contact of it. Without a request, returns the type of the only contact.
pub(super) fn main_contact_type(
    requested: Option<ContactType>,
    has_email: bool,
    has_mobile: bool,
) -> Result<ContactType, String> {
    match (requested, has_email, has_mobile) {
        (Some(ContactType::Email), true, _) | (None, true, false) => Ok(ContactType::Email),
        (Some(ContactType::Mobile), _, true) | (None, false, true) => Ok(ContactType::Mobile),
        (None, true, true) => {
            Err("with both an e-mail and a mobile, choose the main contact: EMAIL or MOBILE".to_owned())
        }
        (None, false, false) => Err("an e-mail or a mobile is required".to_owned()),
        (Some(requested), _, _) => Err(format!("the main contact is {}, which is missing", requested.as_str())),
    }
}

fn contact_id(given: Option<String>, stored: Option<&ContactId>) -> Result<ContactId, String> {
    match (given, stored) {
        (Some(id), _) => ContactId::parse(id).map_err(|malformed| format!("contact: {malformed}")),
        (None, Some(stored)) => Ok(stored.clone()),
        (None, None) => Ok(ContactId::from_random(SystemRandomness.object_id())),
    }
}

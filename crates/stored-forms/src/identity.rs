use domain::contact::{ContactType, Email, Mobile};
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ContactId, UserId};
use domain::removal::RemovalPart;
use serde::{Deserialize, Serialize};

use crate::Corrupt;

/// A stored user, without its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityForm {
    /// The parts of a removed user that are not erased yet. A removed user has no other member; a user has no such list.
    #[serde(default, skip_serializing)]
    removal: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<MainEmailForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mobile: Option<MainMobileForm>,
    #[serde(default)]
    main_contact_type: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    businesses: Vec<BusinessForm>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MainEmailForm {
    id: String,
    address: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MainMobileForm {
    id: String,
    region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    area: Option<String>,
    number: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BusinessForm {
    id: String,
    roles: Vec<String>,
}

impl From<&Identity> for IdentityForm {
    fn from(identity: &Identity) -> Self {
        let business = |link: &BusinessLink| BusinessForm {
            id: link.id.to_string(),
            roles: link.roles.clone(),
        };
        Self {
            removal: None,
            name: identity.name.clone(),
            email: identity.email.as_ref().map(|contact| MainEmailForm {
                id: contact.id.to_string(),
                address: contact.value.as_str().to_owned(),
            }),
            mobile: identity.mobile.as_ref().map(|contact| MainMobileForm {
                id: contact.id.to_string(),
                region: contact.value.region().to_owned(),
                area: contact.value.area().map(str::to_owned),
                number: contact.value.number().to_owned(),
            }),
            main_contact_type: identity.main_contact_type.as_str().to_owned(),
            roles: identity.roles.clone(),
            groups: identity.groups.clone(),
            businesses: identity.businesses.iter().map(business).collect(),
        }
    }
}

impl IdentityForm {
    /// Returns the parts of a removed user that are not erased yet; `None` if the user was not removed.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for an unknown part.
    pub fn removal(&self) -> Result<Option<Vec<RemovalPart>>, Corrupt> {
        let part = |name: &String| RemovalPart::parse(name).ok_or_else(|| Corrupt::member("removal"));
        let parts = self.removal.as_ref().map(|parts| parts.iter().map(part).collect());
        parts.transpose()
    }

    /// Returns the user with this id, who was not removed.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a malformed id, contact or contact type, and for a removed user.
    pub fn read(self, id: &str) -> Result<Identity, Corrupt> {
        let email = |stored: MainEmailForm| {
            Ok::<_, Corrupt>(MainContact {
                id: ContactId::parse(stored.id)?,
                value: Email::from_stored(&stored.address)?,
            })
        };
        let mobile = |stored: MainMobileForm| {
            Ok::<_, Corrupt>(MainContact {
                id: ContactId::parse(stored.id)?,
                value: Mobile::parse(&stored.region, stored.area.as_deref(), &stored.number)?,
            })
        };
        let business = |stored: BusinessForm| {
            Ok::<_, Corrupt>(BusinessLink {
                id: BusinessId::parse(stored.id)?,
                roles: stored.roles,
            })
        };
        Ok(Identity {
            id: UserId::parse(id)?,
            name: self.name,
            email: self.email.map(email).transpose()?,
            mobile: self.mobile.map(mobile).transpose()?,
            main_contact_type: ContactType::parse(&self.main_contact_type)
                .ok_or_else(|| Corrupt::member("main contact type"))?,
            roles: self.roles,
            groups: self.groups,
            businesses: self.businesses.into_iter().map(business).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_whose_address_is_accepted_no_more_can_be_read() {
        let json = r#"{"email":{"id":"main","address":"\ufb01m@example.com"},"mainContactType":"EMAIL","roles":[],
            "groups":[],"businesses":[]}"#;
        let identity = serde_json::from_str::<IdentityForm>(json).unwrap().read("u1").unwrap();
        assert_eq!(identity.logins(), ["\u{fb01}m@example.com"]);
    }
}

use domain::ids::{FamilyId, UserId};
use domain::sessions::{SignIn, SignInStatus};
use serde::{Deserialize, Serialize};

use crate::{Corrupt, Encoding, StoredForm};

/// A stored sign-in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInForm {
    sessions_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_sid: Option<String>,
    version: u64,
}

/// The part of a stored sign-in that is compared with sessions and tokens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInStatusForm {
    sessions_version: u64,
    #[serde(default)]
    kept_sid: Option<String>,
}

impl SignInStatusForm {
    /// Returns the status.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a malformed session id.
    pub fn read(self) -> Result<SignInStatus, Corrupt> {
        Ok(SignInStatus {
            sessions_version: self.sessions_version,
            kept_session: self.kept_sid.map(FamilyId::parse).transpose()?,
        })
    }
}

impl<E: Encoding> StoredForm<E> for SignInForm {
    type Of = SignIn;

    fn of(sign_in: &SignIn, version: u64) -> Self {
        Self {
            sessions_version: sign_in.status.sessions_version,
            kept_sid: sign_in.status.kept_session.as_ref().map(ToString::to_string),
            version,
        }
    }

    fn read(self, key: &str) -> Result<SignIn, Corrupt> {
        Ok(SignIn {
            user: UserId::parse(key)?,
            version: self.version,
            status: SignInStatus {
                sessions_version: self.sessions_version,
                kept_session: self.kept_sid.map(FamilyId::parse).transpose()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Json;

    fn stored(sign_in: &SignIn) -> String {
        let form = <SignInForm as StoredForm<Json>>::of(sign_in, sign_in.version);
        serde_json::to_string(&form).unwrap()
    }

    fn read(stored: &str) -> SignIn {
        let form: SignInForm = serde_json::from_str(stored).unwrap();
        StoredForm::<Json>::read(form, "user-1").unwrap()
    }

    #[test]
    fn stored_form_of_a_sign_in() {
        let sign_in = SignIn {
            version: 3,
            status: SignInStatus {
                sessions_version: 2,
                kept_session: Some(FamilyId::parse("family-1").unwrap()),
            },
            ..SignIn::empty(UserId::parse("user-1").unwrap())
        };
        insta::assert_snapshot!(stored(&sign_in), @r#"{"sessionsVersion":2,"keptSid":"family-1","version":3}"#);
        assert_eq!(read(&stored(&sign_in)), sign_in);
    }

    #[test]
    fn a_sign_in_without_a_kept_session_leaves_the_member_out() {
        let sign_in = SignIn {
            version: 1,
            ..SignIn::empty(UserId::parse("user-1").unwrap())
        };
        insta::assert_snapshot!(stored(&sign_in), @r#"{"sessionsVersion":0,"version":1}"#);
        assert_eq!(read(&stored(&sign_in)), sign_in);
    }
}

use domain::caller::Caller;
use domain::ids::UserId;
use domain::permission::{Lacking, Requirement, TokenCheck, lacking, permits};
use ports::StoreFailure;

use crate::aliveness::{Aliveness, AlivenessError, AlivenessPorts, NotAlive};

/// Why a caller is not let through to an operation.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the caller is not permitted: {0}")]
    NotPermitted(Lacking),
    #[error("the caller's token is not alive")]
    NotAlive(#[source] NotAlive),
    #[error(transparent)]
    Failed(#[from] StoreFailure),
}

impl From<AlivenessError> for AdmissionError {
    fn from(error: AlivenessError) -> Self {
        match error {
            AlivenessError::NotAlive(reason) => Self::NotAlive(reason),
            AlivenessError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    pub requirement: Requirement,
    pub check: TokenCheck,
}

/// Decides whether a caller with a verified token reaches an operation: by its roles and scopes, and by whether its token is
/// alive. Every operation with a bearer token passes here.
#[derive(Clone)]
pub struct AdmitCaller {
    aliveness: Aliveness,
}

impl AdmitCaller {
    pub fn new(ports: AlivenessPorts) -> Self {
        Self {
            aliveness: Aliveness::new(ports),
        }
    }

    /// Lets the caller through or says why not. `about` is the user the request names, where it names one.
    pub async fn run(
        &self,
        caller: &Caller,
        admission: Admission,
        about: Option<&UserId>,
    ) -> Result<(), AdmissionError> {
        if !permits(admission.requirement, caller, about) {
            return Err(AdmissionError::NotPermitted(lacking(
                admission.requirement,
                caller,
                about,
            )));
        }
        match admission.check {
            TokenCheck::TokenOnly => {}
            TokenCheck::ByGate => {
                self.aliveness.of_client(caller).await?;
            }
            TokenCheck::Checked => {
                self.aliveness.of_caller(caller).await?;
            }
        }
        Ok(())
    }
}

use std::process::ExitCode;
use std::sync::Arc;

use adapter_crypto::SystemRandomness;
use clap::Args;
use domain::caller::Cause;
use domain::ids::{FamilyId, UserId};
use domain::sessions::RefreshFamily;
use ports::{Runtime, Stores};
use serde::Serialize;
use service_runtime::{PrometheusTelemetry, SystemClock};
use use_cases::tokens::{EndSession, EndSessions, ListSessions, SessionError};

use super::{Access, CommandTarget, PAGE_SIZE, operator, print};
use crate::CommandError;

/// The sessions to end; none to print them.
#[derive(Debug, Args)]
pub(crate) struct SessionsArguments {
    /// User ID
    #[arg(value_name = "USER", value_parser = user_id)]
    id: UserId,
    /// End this session, and every session that was made from it
    #[arg(long, value_name = "SID", value_parser = session_id, conflicts_with = "end_all")]
    end: Option<FamilyId>,
    /// End all sessions of the user, and every token that was issued before
    #[arg(long)]
    end_all: bool,
}

impl SessionsArguments {
    pub(super) fn access(&self) -> Access {
        if self.end.is_some() || self.end_all {
            Access::Write
        } else {
            Access::Read
        }
    }
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|malformed| malformed.to_string())
}

fn session_id(text: &str) -> Result<FamilyId, String> {
    FamilyId::parse(text).map_err(|malformed| malformed.to_string())
}

/// A session as a line of JSON, with the members that the API returns.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionLine {
    sid: String,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    last_renewed: String,
    expires: String,
}

impl From<&RefreshFamily> for SessionLine {
    fn from(family: &RefreshFamily) -> Self {
        Self {
            sid: family.id.to_string(),
            client_id: family.origin.client.to_string(),
            since: family.started_at.map(|at| format!("{at:.3}")),
            last_renewed: format!("{:.3}", family.rotated_at),
            expires: format!("{:.3}", family.ends_at()),
        }
    }
}

pub(super) async fn run(
    target: &CommandTarget,
    stores: Stores,
    arguments: SessionsArguments,
) -> Result<ExitCode, CommandError> {
    let SessionsArguments { id, end, end_all } = arguments;
    let audit = target.audit()?;
    let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be set up"))?;
    let runtime = Runtime {
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
        telemetry: Arc::new(telemetry),
        audit: audit.trail(),
    };
    let operator = operator::name();
    let failed = |error: SessionError| match error {
        SessionError::UserNotFound => CommandError::msg(format!("there is no user `{id}`")),
        SessionError::SessionNotFound => CommandError::msg(format!("the user `{id}` has no such session")),
        error @ SessionError::Failed(_) => CommandError::context("the sessions cannot be read or ended")(error),
    };
    if let Some(session) = end {
        let ended = EndSession::new(&stores, &runtime);
        let ended = ended.run(Cause::Operator(&operator), &id, &session);
        ended.await.map_err(failed)?;
    } else if end_all {
        let ended = EndSessions::new(&stores, &runtime);
        let ended = ended.run(Cause::Operator(&operator), &id, None);
        ended.await.map_err(failed)?;
        audit.record(&[("user", id.as_str())], Some("all sessions ended"), Vec::new());
    } else {
        let sessions = ListSessions::new(&stores, &runtime);
        let mut after: Option<FamilyId> = None;
        loop {
            let page = sessions.run(&id, after.as_ref(), PAGE_SIZE).await.map_err(failed)?;
            for session in &page.sessions {
                print(&SessionLine::from(session))?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

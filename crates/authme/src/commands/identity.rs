use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use adapter_crypto::SystemRandomness;
use clap::{Args, Subcommand};
use domain::contact::{ContactType, ContactValue, Email, Mobile};
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ContactId, UserId};
use domain::registration::Additions;
use ports::{Identities, IdentitySaveOutcome, Randomness as _};
use serde::Serialize;
use service_runtime::SystemClock;
use use_cases::directory::{RemoveUser, RemoveUserError};

use super::identity_line::{IdentityLine, main_contact_type};
use super::registry::Registry;
use super::sessions::{self, SessionsArguments};
use super::{Access, CommandTarget, PAGE_SIZE, import, operator, print, without_empty};
use crate::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Register a user and print the user ID
    Add {
        /// User ID from the account service [default: a generated one]
        #[arg(long, value_name = "USER", value_parser = user_id)]
        id: Option<UserId>,
        #[command(flatten)]
        options: IdentityOptions,
    },
    /// Print every user, one JSON object per line, contacts masked
    List {
        /// Print contacts unmasked. The audit trail records this use
        #[arg(long)]
        reveal: bool,
    },
    /// Print a user, contacts masked
    Show {
        /// User ID
        #[arg(value_name = "USER", value_parser = user_id)]
        id: UserId,
        /// Print contacts unmasked. The audit trail records this use
        #[arg(long)]
        reveal: bool,
    },
    /// Find the user that logs in with a contact and print it, contacts masked
    #[command(after_help = "If no user logs in with the contact, the command fails with exit code 1.")]
    Find {
        /// E-mail address, or mobile number: region, area and number, such as 55,11,911112222
        #[arg(value_name = "CONTACT", value_parser = contact)]
        contact: ContactValue,
        /// Print contacts unmasked. The audit trail records this use
        #[arg(long)]
        reveal: bool,
    },
    /// Change the given options of a user; lists are replaced
    #[command(
        after_help = "Options that are not given keep their value. Each use of a repeatable option adds a value to \
        the new list, and an empty value clears the list, as in --role \"\"."
    )]
    Set {
        /// User ID
        #[arg(value_name = "USER", value_parser = user_id)]
        id: UserId,
        #[command(flatten)]
        options: IdentityOptions,
    },
    /// Remove a user and erase what is stored of it; its logins become available to others
    Remove {
        /// User ID
        #[arg(value_name = "USER", value_parser = user_id)]
        id: UserId,
    },
    /// Print the active sessions of a user, one JSON object per line, or end them
    Sessions(SessionsArguments),
    /// Import users from a file, one JSON object per line
    #[command(
        after_help = "A line has the form that `authme identity show --reveal` prints. Invalid lines are \
        reported by number and skipped. A second run with the same file changes nothing."
    )]
    Import {
        /// Path of the file, or - for standard input
        file: PathBuf,
    },
}

impl IdentityCommand {
    fn access(&self) -> Access {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::Find { .. } => Access::Read,
            Self::Sessions(arguments) => arguments.access(),
            _ => Access::Write,
        }
    }
}

/// The data of a user.
#[derive(Debug, Args)]
pub(crate) struct IdentityOptions {
    /// E-mail address
    #[arg(long, value_name = "ADDRESS", value_parser = email)]
    email: Option<Email>,
    /// Mobile number: region, area and number, such as 55,11,911112222
    #[arg(long, value_name = "REGION,AREA,NUMBER", value_parser = mobile)]
    mobile: Option<Mobile>,
    /// Type of the contact that the user registered with: `EMAIL` or `MOBILE`. Required if both are given
    #[arg(long, value_name = "TYPE", value_parser = contact_type)]
    main_contact: Option<ContactType>,
    /// Name of the user
    #[arg(long)]
    name: Option<String>,
    /// Role of the user (repeatable)
    #[arg(long = "role", value_name = "ROLE")]
    roles: Option<Vec<String>>,
    /// Group of the user (repeatable)
    #[arg(long = "group", value_name = "GROUP")]
    groups: Option<Vec<String>>,
    /// Business that the user may act for, with its roles (repeatable), such as ID=BUSINESSADMIN+BUYER
    #[arg(long = "business", value_name = "ID[=ROLE+ROLE]", value_parser = business)]
    businesses: Option<Vec<BusinessLink>>,
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|malformed| malformed.to_string())
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|malformed| malformed.to_string())
}

fn mobile(text: &str) -> Result<Mobile, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let parsed = match parts.as_slice() {
        [region, number] => Mobile::parse(region, None, number),
        [region, area, number] => Mobile::parse(region, Some(area), number),
        _ => return Err("expected region, area and number, such as 55,11,911112222".to_owned()),
    };
    parsed.map_err(|malformed| malformed.to_string())
}

fn contact(text: &str) -> Result<ContactValue, String> {
    if text.contains('@') {
        email(text).map(ContactValue::Email)
    } else {
        mobile(text).map(ContactValue::Mobile)
    }
}

fn contact_type(text: &str) -> Result<ContactType, String> {
    ContactType::parse(text).ok_or_else(|| "expected EMAIL or MOBILE".to_owned())
}

fn business(text: &str) -> Result<BusinessLink, String> {
    let (id, roles) = text.split_once('=').unwrap_or((text, ""));
    let id = BusinessId::parse(id).map_err(|malformed| malformed.to_string())?;
    Ok(BusinessLink {
        id,
        roles: without_empty(roles.split('+').map(str::to_owned).collect()),
    })
}

impl IdentityOptions {
    /// Applies the given options to the user `before`, or to a new user if `before` is `None`. Contacts keep their ids.
    fn apply(self, before: Option<Identity>, id: UserId) -> Result<Identity, CommandError> {
        let current_type = before.as_ref().map(|identity| identity.main_contact_type);
        let new_identity = || Identity {
            id,
            name: None,
            email: None,
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: Vec::new(),
            groups: Vec::new(),
            businesses: Vec::new(),
        };
        let mut identity = before.unwrap_or_else(new_identity);
        if let Some(value) = self.email {
            let id = identity
                .email
                .as_ref()
                .map_or_else(new_contact_id, |contact| contact.id.clone());
            identity.email = Some(MainContact { id, value });
        }
        if let Some(value) = self.mobile {
            let id = identity
                .mobile
                .as_ref()
                .map_or_else(new_contact_id, |contact| contact.id.clone());
            identity.mobile = Some(MainContact { id, value });
        }
        let requested = self.main_contact.or(current_type);
        let main = main_contact_type(requested, identity.email.is_some(), identity.mobile.is_some());
        identity.main_contact_type = main.map_err(CommandError::msg)?;
        identity.name = self.name.or(identity.name);
        identity.roles = self.roles.map_or(identity.roles, without_empty);
        identity.groups = self.groups.map_or(identity.groups, without_empty);
        identity.businesses = self.businesses.unwrap_or(identity.businesses);
        Ok(identity)
    }
}

fn new_contact_id() -> ContactId {
    ContactId::from_random(SystemRandomness.object_id())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserLine<'a> {
    user_id: &'a str,
}

/// Prints the id of a saved user, or returns the reason why it was not saved.
fn report_save(outcome: &IdentitySaveOutcome, identity: &Identity) -> Result<(), CommandError> {
    match outcome {
        IdentitySaveOutcome::Saved => print(&UserLine {
            user_id: identity.id.as_str(),
        }),
        IdentitySaveOutcome::LoginTaken { by } => Err(CommandError::msg(format!(
            "the e-mail or mobile is a login of the user `{by}`: change or remove that user. If there is no such user, its \
             registration was interrupted: repeat this command with `--id {by}` to complete it"
        ))),
        IdentitySaveOutcome::IdTaken => Err(CommandError::msg(format!(
            "the user `{0}` already exists: change it with `authme identity set {0}`",
            identity.id
        ))),
        IdentitySaveOutcome::Removed => Err(CommandError::msg(format!(
            "the user `{}` was removed, and something of that user is still stored: repeat this command when the running \
             services have erased it, which takes seconds (a data folder: `authme serve`)",
            identity.id
        ))),
    }
}

pub(crate) async fn run(target: &CommandTarget, command: IdentityCommand) -> Result<ExitCode, CommandError> {
    let unaudited = target.unaudited_stores(command.access()).await?;
    let stores = target.audited(unaudited.clone())?;
    let registry = Registry::new(&stores);
    let identities = stores.identities.clone();
    match command {
        IdentityCommand::Add { id, options } => {
            let id = id.unwrap_or_else(|| UserId::from_random(SystemRandomness.object_id()));
            let identity = options.apply(None, id)?;
            registry.check(&Additions::of_identity(None, &identity)).await?;
            report_save(&identities.create(&identity).await?, &identity)?;
        }
        IdentityCommand::List { reveal } => {
            if reveal {
                target.audit()?.record(&[], Some("contacts revealed"), Vec::new());
            }
            list(&*identities, reveal).await?;
        }
        IdentityCommand::Show { id, reveal } => {
            let identity = require_identity(&*identities, &id).await?;
            show(target, &identity, reveal)?;
        }
        IdentityCommand::Find { contact, reveal } => {
            let found = identities.find_by_login(&contact.comparison_key()).await?;
            let identity = found.ok_or_else(|| CommandError::msg("no user logs in with this contact"))?;
            show(target, &identity, reveal)?;
        }
        IdentityCommand::Set { id, options } => {
            let before = require_identity(&*identities, &id).await?;
            let identity = options.apply(Some(before.clone()), id)?;
            registry
                .check(&Additions::of_identity(Some(&before), &identity))
                .await?;
            report_save(&identities.replace(&identity).await?, &identity)?;
        }
        IdentityCommand::Remove { id } => {
            let (clock, randomness) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
            let remove_user = RemoveUser::new(identities, stores.groups, clock, randomness);
            match remove_user.run_for_operator(&operator::name(), &id).await {
                Ok(()) => {}
                Err(RemoveUserError::UserNotFound) => return Err(unknown_user(&id)),
                Err(error) => return Err(CommandError::context("the user cannot be removed")(error)),
            }
            // What is left when this fails, or while events of the user's sessions are not published, the services
            // erase.
            let _ = stores.erase_removed_users.run().await;
        }
        IdentityCommand::Sessions(arguments) => return sessions::run(target, unaudited, arguments).await,
        IdentityCommand::Import { file } => return import::run(identities, registry, &file).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the user, and records it if the contacts are unmasked.
fn show(target: &CommandTarget, identity: &Identity, reveal: bool) -> Result<(), CommandError> {
    if reveal {
        let object = [("user", identity.id.as_str())];
        target.audit()?.record(&object, Some("contacts revealed"), Vec::new());
    }
    print(&IdentityLine::new(identity, reveal))
}

fn unknown_user(id: &UserId) -> CommandError {
    CommandError::msg(format!("there is no user `{id}`"))
}

async fn require_identity(identities: &dyn Identities, id: &UserId) -> Result<Identity, CommandError> {
    identities.find(id).await?.ok_or_else(|| unknown_user(id))
}

async fn list(identities: &dyn Identities, reveal: bool) -> Result<(), CommandError> {
    let mut after: Option<UserId> = None;
    loop {
        let page = identities.page(after.as_ref(), PAGE_SIZE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for identity in page {
            print(&IdentityLine::new(&identity, reveal))?;
        }
    }
}

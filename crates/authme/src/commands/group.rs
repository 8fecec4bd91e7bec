use std::process::ExitCode;

use clap::Subcommand;
use domain::group::{ANY_GROUP, Group, MAX_GROUP_NAME_BYTES};
use domain::registration::Additions;

use super::group_line::GroupLine;
use super::registry::Registry;
use super::{Access, CommandTarget, PAGE_SIZE, print, without_empty};
use crate::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Define a group and the roles of its members, or redefine it
    Add {
        /// Name of the group
        name: String,
        /// Role of the members (repeatable)
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Print every group, one JSON object per line
    List,
    /// Remove a group
    Remove {
        /// Name of the group
        name: String,
    },
}

pub(crate) async fn run(target: &CommandTarget, command: GroupCommand) -> Result<ExitCode, CommandError> {
    let access = match command {
        GroupCommand::List => Access::Read,
        GroupCommand::Add { .. } | GroupCommand::Remove { .. } => Access::Write,
    };
    let stores = target.stores(access).await?;
    let groups = &stores.groups;
    match command {
        GroupCommand::Add { name, .. } if name.is_empty() || name == ANY_GROUP || name.len() > MAX_GROUP_NAME_BYTES => {
            Err(CommandError::msg(format!(
                "a group name has 1 to {MAX_GROUP_NAME_BYTES} bytes and is not `{ANY_GROUP}`"
            )))
        }
        GroupCommand::Add { name, roles } => {
            let group = Group {
                name,
                roles: without_empty(roles),
            };
            let before = groups.find(std::slice::from_ref(&group.name)).await?;
            let additions = Additions::of_group(before.first(), &group);
            Registry::new(&stores).check(&additions).await?;
            groups.save(&group).await?;
            print(&GroupLine::from(group))?;
            Ok(ExitCode::SUCCESS)
        }
        GroupCommand::List => {
            let mut after: Option<String> = None;
            loop {
                let page = groups.page(after.as_deref(), PAGE_SIZE).await?;
                let Some(last) = page.last() else {
                    return Ok(ExitCode::SUCCESS);
                };
                after = Some(last.name.clone());
                for group in page {
                    print(&GroupLine::from(group))?;
                }
            }
        }
        GroupCommand::Remove { name } => {
            if groups.remove(&name).await? {
                Ok(ExitCode::SUCCESS)
            } else {
                Err(CommandError::msg(format!("there is no group `{name}`")))
            }
        }
    }
}

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Subcommand;
use domain::names::{KnownName, NameKind};
use serde::Serialize;

use super::registry::Registry;
use super::{Access, CommandTarget, print};
use crate::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum NameCommand {
    /// Add a name that registrations may use
    Add {
        /// The name: 1 to 64 characters of A-Z a-z 0-9 _ . : -
        name: String,
    },
    /// Print every name, one JSON object per line
    List,
}

#[derive(Serialize)]
struct NameLine<'a> {
    name: &'a str,
    /// `authme`, `operator` or `group`.
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
}

pub(crate) async fn run(
    target: &CommandTarget,
    kind: NameKind,
    command: NameCommand,
) -> Result<ExitCode, CommandError> {
    let access = match command {
        NameCommand::List => Access::Read,
        NameCommand::Add { .. } => Access::Write,
    };
    let stores = target.stores(access).await?;
    match command {
        NameCommand::Add { name } => {
            let name = KnownName::parse(kind, &name).map_err(|malformed| CommandError::msg(malformed.to_string()))?;
            if !kind.defines(name.as_str()) {
                stores.known_names.add(&name).await?;
            }
            let defined = kind.definitions().iter().find(|defined| defined.name == name.as_str());
            print(&NameLine {
                name: name.as_str(),
                from: if defined.is_some() { "authme" } else { "operator" },
                meaning: defined.map(|defined| defined.meaning),
            })?;
        }
        NameCommand::List => list(&Registry::new(&stores), kind).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(registry: &Registry, kind: NameKind) -> Result<(), CommandError> {
    for defined in kind.definitions() {
        print(&NameLine {
            name: defined.name,
            from: "authme",
            meaning: Some(defined.meaning),
        })?;
    }
    let mut printed = BTreeSet::new();
    for name in registry.added_names().await?.iter().filter(|name| name.kind == kind) {
        printed.insert(name.as_str().to_owned());
        print(&NameLine {
            name: name.as_str(),
            from: "operator",
            meaning: None,
        })?;
    }
    if kind == NameKind::Role {
        let known = registry.read().await?;
        for role in known
            .roles
            .iter()
            .filter(|role| !kind.defines(role) && !printed.contains(*role))
        {
            print(&NameLine {
                name: role,
                from: "group",
                meaning: None,
            })?;
        }
    }
    Ok(())
}

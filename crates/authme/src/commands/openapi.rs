use std::process::ExitCode;

use service_assembly::CONTEXTS;

use super::print_line;
use crate::CommandError;

pub(crate) fn run(context: &str) -> Result<ExitCode, CommandError> {
    let known = CONTEXTS.iter().find(|known| known.name == context);
    let known = known.ok_or_else(|| CommandError::msg(format!("`{context}` is not a context")))?;
    let document = known.description().into_document(&format!("AuthMe {context}"));
    let json = document
        .to_pretty_json()
        .map_err(CommandError::context("the description cannot be serialized"))?;
    print_line(&json)?;
    Ok(ExitCode::SUCCESS)
}

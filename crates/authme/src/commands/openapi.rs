use std::process::ExitCode;

use super::print_line;
use crate::CommandError;

pub(crate) fn run(context: &str) -> Result<ExitCode, CommandError> {
    let description =
        adapter_http::description(context).ok_or_else(|| CommandError::msg(format!("`{context}` is not a context")))?;
    let document = description.into_document(&format!("AuthMe {context}"));
    let json = document
        .to_pretty_json()
        .map_err(CommandError::context("the description cannot be serialized"))?;
    print_line(&json)?;
    Ok(ExitCode::SUCCESS)
}

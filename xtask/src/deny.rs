//! cargo-deny: licences, bans and sources must pass; advisories where their database is in reach.

use anyhow::Result;

use crate::command::{self, cargo};
use crate::tools::Tools;

/// Installs cargo-deny where it is missing and runs it.
pub fn run() -> Result<()> {
    let tools = Tools::for_deny()?;
    let deny = |arguments: &[&str]| {
        let mut command = cargo(["deny", "check"]);
        tools.apply(command.args(arguments));
        command::run(&mut command)
    };
    deny(&["licenses", "bans", "sources"])?;
    if let Err(error) = deny(&["advisories"]) {
        println!("advisories could not be checked, or there are some: {error:#}");
    }
    Ok(())
}

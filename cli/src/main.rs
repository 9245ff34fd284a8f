//! `darkroom`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    darkroom_cli::main()
}

//! The program `ampup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ampup::cli::main()
}

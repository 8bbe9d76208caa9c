//! The `vantage` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vantage::base::memory::keep_small();
    vantage::cli::main()
}

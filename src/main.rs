//! The `vantage` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vantage::base::memory::keep_small();
    // SAFETY: the first thing there is, before any thread.
    unsafe { vantage::source::resume_no_sessions() };
    vantage::cli::main()
}

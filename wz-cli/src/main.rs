//! `wz`: the tool for the computer of the camera's owner.

fn main() -> std::process::ExitCode {
    wz_cli::commands::main()
}

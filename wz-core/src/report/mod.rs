//! Renders events: for the person at the console, for the log files, for programs.
//!
//! The words are in [`text`] alone; console and logs differ only in colour and in how often they
//! show progress.

mod console;
mod log;
mod result;
mod text;

pub use console::Console;
pub use log::Log;
pub use result::{Record, SCHEMA_VERSION};
pub use text::{Line, Tone, lines};

//! Renders events: for the person at the console, for the log files, for programs, and for whoever only
//! sees and hears the camera.
//!
//! The words are in [`text`] alone; console and logs differ only in colour and in how often they
//! show progress.

mod console;
pub mod light;
mod log;
mod result;
mod signals;
pub mod speech;
mod text;

pub use console::Console;
pub use log::Log;
pub use result::{Record, SCHEMA_VERSION};
pub use signals::{Signal, Signals};
pub use text::{Line, Tone, lines};

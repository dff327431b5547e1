//! Shell scripts on the card: whether they can be run at all, and what of their words may be shown.
//! Running them is the camera's business.

mod check;
mod output;
mod secrets;

pub use check::{LONGEST_SCRIPT, as_shell_text, check_on_card, check_script, check_scripts};
pub use output::{MOST_OUTPUT, Output};
pub use secrets::{Secrets, secrets_in};

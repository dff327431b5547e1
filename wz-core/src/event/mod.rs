//! What happened, as data.

mod problem;

pub use problem::{Code, Problem, Row, TABLE as PROBLEMS};

//! A bounded list of problems.

use crate::event::Problem;

/// How many problems of a file are listed; the rest is counted.
pub const MOST: usize = 20;

/// The first problems of a file, and how many more there were.
#[derive(Debug, Default)]
pub struct Findings {
    listed: Vec<Problem>,
    more: usize,
}

impl Findings {
    pub fn push(&mut self, problem: Problem) {
        if self.listed.len() < MOST {
            self.listed.push(problem);
        } else {
            self.more += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The list, with the number of those left out as its last item.
    pub fn into_list(mut self, file: &str) -> Vec<Problem> {
        if self.more > 0 {
            self.listed.push(Problem::ConfigMoreProblems {
                file: file.to_owned(),
                count: self.more,
            });
        }
        self.listed
    }
}

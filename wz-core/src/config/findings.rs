//! A bounded list of problems.

use crate::event::Problem;

/// How many problems of a file are listed; the rest is counted.
pub const MOST: usize = 20;

/// The first problems of a file, and how many more there were.
#[derive(Debug, Default)]
pub struct Findings {
    listed: Vec<(usize, Problem)>,
    more: usize,
}

impl Findings {
    /// Adds a problem that is in line `line`, or 0 if it is about the whole file.
    pub fn push(&mut self, line: usize, problem: Problem) {
        if self.listed.len() < MOST {
            self.listed.push((line, problem));
        } else {
            self.more += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The list from top to bottom, with the number of those left out as its last item.
    pub fn into_list(mut self, file: &str) -> Vec<Problem> {
        self.listed.sort_by_key(|&(line, _)| line);
        let mut list: Vec<Problem> = self
            .listed
            .into_iter()
            .map(|(_, problem)| problem)
            .collect();
        if self.more > 0 {
            list.push(Problem::ConfigMoreProblems {
                file: file.to_owned(),
                count: self.more,
            });
        }
        list
    }
}

//! Everything that can be wrong, in one table: its code, what is wrong, and what to do next.
//!
//! Console, logs, `result.json` and `docs/codes.md` all take their words from here. A code never
//! changes its meaning; a new problem gets a new number. The first two digits are the subject:
//! 01 configuration, 02 card, 03 flash chip, 04 what camera this is, 05 images, 06 backup,
//! 09 the program itself.

use std::fmt;

use crate::units::{Offset, Region, Size};

/// A stable number, printed as `WZ-0231`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WZ-{:04}", self.0)
    }
}

/// A row of the table as the documentation shows it, with `{field}` where a value stands.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The stable number.
    pub code: Code,
    /// What is wrong, with placeholders.
    pub what: &'static str,
    /// What to do next, with placeholders.
    pub next_step: &'static str,
    /// When it happens.
    pub explanation: &'static str,
}

macro_rules! problems {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $number:literal { $($field:ident : $type:ty),* $(,)? }
            $what:literal
            => $next_step:literal;
    )*) => {
        /// Something that is wrong, with the values that show it.
        #[allow(missing_docs)]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Problem {
            $( $(#[doc = $doc])+ $name { $($field: $type),* }, )*
        }

        impl Problem {
            /// The stable number.
            pub fn code(&self) -> Code {
                match self { $( Self::$name { .. } => Code($number), )* }
            }

            /// One sentence: what is wrong, with which value, where.
            #[allow(unused_variables)]
            pub fn what(&self) -> String {
                match self { $( Self::$name { $($field),* } => format!($what), )* }
            }

            /// One sentence: what to do next.
            #[allow(unused_variables)]
            pub fn next_step(&self) -> String {
                match self { $( Self::$name { $($field),* } => format!($next_step), )* }
            }
        }

        /// All rows in the order of the source, for the documentation.
        pub const TABLE: &[Row] = &[ $( Row {
            code: Code($number),
            what: $what,
            next_step: $next_step,
            explanation: concat!($($doc),+),
        }, )* ];
    };
}

// `what` and `next_step` are complete sentences; what the owner typed or named stands in "quotes".
problems! {
    /// The card has no configuration.
    ConfigMissing = 101 { file: String }
        "There is no \"{file}\" on the card"
        => "Copy the whole wz_flash-helper folder to the card again; general.conf says what the camera is to do.";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.what())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_problems_share_a_code() {
        let codes: BTreeSet<Code> = TABLE.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), TABLE.len());
    }

    #[test]
    fn the_table_is_in_the_order_of_its_codes() {
        assert!(TABLE.is_sorted_by_key(|row| row.code));
    }
}

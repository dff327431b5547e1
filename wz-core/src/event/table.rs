//! Tables of problems: what each has, and the macro that makes an enum and its documentation of one.

use std::fmt;

/// A stable number, printed as `WZ-0231`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// The code of this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WZ-{:04}", self.0)
    }
}

/// A row of a table as the documentation shows it, with `{field}` where a value stands.
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

/// Makes an enum of problems, and its `TABLE`, of rows such as
///
/// ```text
/// /// When it happens.
/// Name = 101 { field: String }
///     "What is wrong, with its {field}"
///     => "What to do next.";
/// ```
#[macro_export]
macro_rules! problem_table {
    (
        #[doc = $about:literal]
        pub enum $Problem:ident;
        $(
            $(#[doc = $doc:literal])+
            $name:ident = $number:literal { $($field:ident : $type:ty),* $(,)? }
                $what:literal
                => $next_step:literal;
        )*
    ) => {
        #[doc = $about]
        #[allow(missing_docs)]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $Problem {
            $( $(#[doc = $doc])+ $name { $($field: $type),* }, )*
        }

        impl $Problem {
            /// The stable number.
            pub fn code(&self) -> $crate::event::Code {
                match self { $( Self::$name { .. } => $crate::event::Code::new($number), )* }
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

        impl std::fmt::Display for $Problem {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}: {}", self.code(), self.what())
            }
        }

        impl std::error::Error for $Problem {}

        /// All rows in the order of the source, for the documentation.
        pub const TABLE: &[$crate::event::Row] = &[ $( $crate::event::Row {
            code: $crate::event::Code::new($number),
            what: $what,
            next_step: $next_step,
            explanation: concat!($($doc),+),
        }, )* ];
    };
}

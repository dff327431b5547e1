//! Tables in text.

use std::io;

use crate::screen::{BOLD, Sink};

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Writes `rows` under their headings, indented, with two blanks between columns.
///
/// # Errors
/// Those of `to`.
pub fn write<const N: usize>(
    to: &mut Sink<'_>,
    headings: [(&str, Side); N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .max()
            .unwrap_or(0)
            .max(headings[column].0.chars().count())
    });
    let line = |cells: [&str; N]| {
        let cells = (0..N).map(|column| match headings[column].1 {
            Side::Left => format!("{:<1$}", cells[column], widths[column]),
            Side::Right => format!("{:>1$}", cells[column], widths[column]),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
    };
    writeln!(to, "{BOLD}{}{BOLD:#}", line(headings.map(|(text, _)| text)))?;
    for row in rows {
        writeln!(
            to,
            "{}",
            line(std::array::from_fn(|column| row[column].as_str()))
        )?;
    }
    Ok(())
}

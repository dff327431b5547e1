//! The SD kernels on a card: whether a U-Boot would start one.

use serde::Serialize;
use wz_core::card::{Card, CardPath, EntryKind};
use wz_core::event::Problem;
use wz_core::image::sha256sum::Digest;
use wz_core::image::uimage::{Header, Uimage};
use wz_core::run::PUT_AWAY;
use wz_core::units::Size;

use super::{Findings, asked};
use crate::donor::carries_program;
use crate::problem::CliProblem;

/// A kernel that some U-Boot looks for.
#[derive(Clone, Debug, Serialize)]
pub struct KernelRow {
    /// Its name at the top of the card.
    pub name: String,
    /// How long it is.
    pub size_bytes: u64,
    /// The name in its header, if it is a kernel.
    pub kernel: Option<String>,
}

/// Names under which U-Boots look for a kernel.
#[derive(Clone, Debug)]
pub struct Names {
    /// Those of any U-Boot that the camera may get.
    pub all: Vec<String>,
    /// Those of the one that it has, as far as that is known; none if it starts no kernel.
    pub installed: Vec<String>,
}

/// Looks at the files of these names at the top of the card; `longest` is what U-Boots read.
pub fn kernels(
    card: &mut dyn Card,
    names: &Names,
    longest: Size,
    findings: &mut Findings,
) -> Vec<KernelRow> {
    let entries = card.entries(&CardPath::root());
    let entries = asked(entries, card, findings).flatten().unwrap_or_default();
    let named = |names: &[String], name: &str, suffix: &str| {
        let mut names = names.iter();
        names.any(|known| format!("{known}{suffix}").eq_ignore_ascii_case(name))
    };
    let (mut rows, mut different) = (Vec::new(), Vec::new());
    let mut away = None;
    for entry in &entries {
        let EntryKind::File(size) = entry.kind else {
            continue;
        };
        if named(&names.all, &entry.name, PUT_AWAY) {
            away = Some(&entry.name);
        }
        if !named(&names.all, &entry.name, "") {
            continue;
        }
        let limit = Size::bytes(longest.get() + 1);
        let content = card.read(&CardPath::root().join(&entry.name), limit);
        let content = asked(content, card, findings).flatten().unwrap_or_default();
        let kernel = check_kernel(&entry.name, size, &content, longest);
        let name = kernel.as_ref().ok().map(|header| header.name.clone());
        match kernel {
            Ok(header) if !carries_program(&header) => {
                findings.refuse_here(&CliProblem::KernelForeign {
                    name: entry.name.clone(),
                    kernel: header.name,
                })
            }
            Ok(_) => different.push((Digest::of(&content), entry.name.clone())),
            Err(problem) => findings.refuse_here(&problem),
        }
        rows.push(KernelRow {
            name: entry.name.clone(),
            size_bytes: size.get(),
            kernel: name,
        });
    }
    if let Some((first, rest)) = different.split_first()
        && let Some(other) = rest.iter().find(|other| other.0 != first.0)
    {
        findings.refuse(&Problem::KernelsDiffer {
            first: first.1.clone(),
            second: other.1.clone(),
        });
    }
    if names.installed.is_empty() {
        findings.refuse_here(&CliProblem::NoKernelFromCard {});
        return rows;
    }
    let is_started = |row: &KernelRow| named(&names.installed, &row.name, "");
    match (rows.iter().any(is_started), away) {
        (false, Some(name)) => findings.refuse_here(&CliProblem::KernelAway {
            name: name.clone(),
            suffix: PUT_AWAY.to_owned(),
        }),
        (false, None) => findings.refuse(&Problem::NoBootableKernel {
            names: names.installed.join(", "),
        }),
        (true, _) => {}
    }
    rows
}

/// The header of a kernel that U-Boots start.
///
/// # Errors
/// Why they do not.
pub fn check_kernel(
    name: &str,
    size: Size,
    content: &[u8],
    longest: Size,
) -> Result<Header, CliProblem> {
    if size > longest {
        return Err(CliProblem::KernelTooLong {
            name: name.to_owned(),
            size,
            longest,
        });
    }
    let kernel = Uimage::parse_file(content).and_then(Uimage::mips_kernel);
    kernel
        .map(|kernel| kernel.header)
        .map_err(|error| CliProblem::KernelBad {
            name: name.to_owned(),
            why: error.to_string(),
        })
}

//! What a wish is in options of the configurations on the card.

use std::collections::BTreeMap;

use wz_core::card::CardPath;

use super::{Rewrite, Wish, conf};
use crate::problem::{CliProblem, Failure};

/// Whether the file says what the camera is to do.
pub(super) fn is_configuration(wish: &Wish, path: &str) -> bool {
    path == CardPath::general_conf().as_str() || restore_conf(wish).is_some_and(|conf| conf == path)
}

/// The file that chooses partitions, if some are restored.
fn restore_conf(wish: &Wish) -> Option<String> {
    match &wish.rewrite {
        Some(Rewrite::Restore { firmware, .. }) => {
            let conf = CardPath::restore().join(&format!("{firmware}.conf"));
            Some(conf.to_string())
        }
        _ => None,
    }
}

/// `text`, a configuration made from the template, with the options that are wished for; any other file as
/// it is.
pub(super) fn chosen(wish: &Wish, path: &str, text: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if !is_configuration(wish, path) {
        return Ok(text);
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let options = match path == CardPath::general_conf().as_str() {
        true => general_options(wish),
        false => restore_options(wish, &text)?,
    };
    for (key, value) in options {
        text = conf::set(&text, &key, &value);
    }
    Ok(text.into_bytes())
}

fn general_options(wish: &Wish) -> BTreeMap<String, String> {
    let yes_no = |is_on| if is_on { "yes" } else { "no" }.to_owned();
    let (restores, next, all) = match &wish.rewrite {
        None => (false, "", false),
        Some(Rewrite::Restore { .. }) => (true, "", false),
        Some(Rewrite::Switch {
            next,
            all_partitions,
        }) => (false, next.as_str(), *all_partitions),
    };
    BTreeMap::from([
        ("dry_run".to_owned(), yes_no(wish.dry_run)),
        ("backup_partitions".to_owned(), yes_no(wish.backup)),
        ("restore_partitions".to_owned(), yes_no(restores)),
        ("switch_firmware".to_owned(), yes_no(!next.is_empty())),
        ("next_firmware".to_owned(), next.to_owned()),
        (
            "switch_firmware_with_all_partitions".to_owned(),
            yes_no(all),
        ),
    ])
}

/// A line for each partition; the boot partition has none.
fn restore_options(wish: &Wish, text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let Some(Rewrite::Restore {
        firmware,
        partitions,
    }) = &wish.rewrite
    else {
        return Ok(BTreeMap::new());
    };
    let prefix = format!("restore_{firmware}_");
    let known: Vec<&str> = conf::keys(text)
        .filter_map(|key| key.strip_prefix(&prefix))
        .collect();
    let unknown = partitions
        .iter()
        .find(|name| !known.contains(&name.as_str()));
    if let Some(name) = unknown {
        return Err(CliProblem::PartitionUnknown {
            name: name.clone(),
            firmware: firmware.clone(),
            known: known.join(", "),
        }
        .into());
    }
    let option = |name: &&str| {
        let value = if partitions.iter().any(|wanted| wanted == name) {
            "yes"
        } else {
            "no"
        };
        (format!("{prefix}{name}"), value.to_owned())
    };
    Ok(known.iter().map(option).collect())
}

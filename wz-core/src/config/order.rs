//! What somebody at the shell, or a script, asks for instead of what `general.conf` says.

use super::request::{Request, Rewrite, WifiSetup, remarks, requested};
use super::{GeneralConf, Reading};
use crate::event::Operation;

/// What is asked for by a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Save everything on the card.
    Backup,
    /// Write flash.
    Rewrite(Rewrite),
}

/// What `order` asks for. `conf`, read from the file that is called `file`, still says how: whether
/// it is only shown, with which safety nets, and what camera it is. Nothing that it wants done is.
pub fn ordered(file: &str, order: &Order, conf: &GeneralConf) -> Reading<Request> {
    let how = GeneralConf {
        dry_run: conf.dry_run.clone(),
        secondary_backup: conf.secondary_backup.clone(),
        safety_backup: conf.safety_backup.clone(),
        roll_back: conf.roll_back.clone(),
        manual_current_firmware: conf.manual_current_firmware.clone(),
        manual_model: conf.manual_model.clone(),
        ..GeneralConf::default()
    };
    let value = match order {
        Order::Backup => Request {
            operations: vec![Operation::Backup],
            wifi: WifiSetup::LeftAlone,
            ..requested(&how, None)
        },
        Order::Rewrite(switch @ Rewrite::Switch { .. }) => requested(&how, Some(switch.clone())),
        Order::Rewrite(rewrite) => Request {
            wifi: WifiSetup::LeftAlone,
            ..requested(&how, Some(rewrite.clone()))
        },
    };
    let warnings = remarks(file, &how, &value);
    Reading { value, warnings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, SafetyBackup, Wanted, Wish, read_general};
    use rstest::rstest;

    fn erase_cfg() -> Order {
        Order::Rewrite(Rewrite::Partitions(vec![Wish {
            partition: "cfg".to_owned(),
            content: Wanted::Blank,
        }]))
    }

    #[rstest]
    #[case::backup(Order::Backup, Operation::Backup)]
    #[case::erase(erase_cfg(), Operation::Restore)]
    fn an_order_is_all_that_is_done_whatever_the_file_asks_for(
        #[case] order: Order,
        #[case] operation: Operation,
    ) {
        let text = "backup_partitions=yes\nswitch_firmware=yes\nnext_firmware=thingino\n\
                    enable_custom_scripts=yes\ncustom_scripts=a.sh\nre_run=yes\n";
        let conf = read_general("general.conf", text.as_bytes()).unwrap().value;
        let without = ordered("general.conf", &order, &GeneralConf::default());
        let reading = ordered("general.conf", &order, &conf);
        assert_eq!(reading.value.operations, [operation]);
        assert_eq!(reading, without);
    }

    #[test]
    fn the_file_says_how_an_order_is_carried_out() {
        let text = "dry_run=yes\nsafety_backup=no\nmanual_model=v3\n";
        let conf = read_general("general.conf", text.as_bytes()).unwrap().value;
        let reading = ordered("general.conf", &erase_cfg(), &conf);
        assert_eq!(reading.value.mode, Mode::DryRun);
        assert_eq!(reading.value.safety_backup, SafetyBackup::Skip);
        assert!(reading.value.manual_model.is_some());
        let codes: Vec<String> = (reading.warnings.iter().map(|w| w.code().to_string())).collect();
        assert_eq!(codes.len(), 1, "{codes:?}");
    }
}

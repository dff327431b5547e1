//! From events to what is shown and said: for owners who have neither a screen nor a cable.

use super::light::Light;
use super::speech::Prompt;
use crate::event::{Event, Operation, Outcome, Problem, Step, Subject, Verdict};

/// What follows from an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// What the lamps show from now on, if that changes.
    pub light: Option<Light>,
    /// What is said now, if anything.
    pub prompt: Option<Prompt>,
}

/// Follows the events of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    operation: Option<Operation>,
    light: Option<Light>,
    /// What the first problem was about that kept something from being done.
    trouble: Option<Subject>,
}

impl Signals {
    /// What `event` means to the owner.
    pub fn follow(&mut self, event: &Event) -> Signal {
        let signal = match event {
            Event::Started { .. } => shown(Light::Starting),
            Event::Camera(_) => said(Prompt::Initialising),
            Event::OperationStarted(operation) => {
                self.operation = Some(*operation);
                both(Light::Working(*operation), Prompt::Starting(*operation))
            }
            Event::OperationEnded(_, Verdict::Done) => said(Prompt::OperationSucceeded),
            Event::OperationEnded(_, Verdict::Failed) => said(Prompt::OperationFailed),
            Event::StepStarted(Step::RewriteBoot { .. }) => shown(Light::DoNotCutPower),
            Event::StepEnded(_) if self.light == Some(Light::DoNotCutPower) => Signal {
                light: self.operation.map(Light::Working),
                prompt: None,
            },
            Event::Refused(problem) | Event::Failed(problem) => self.remember(problem),
            Event::Finished { outcome, .. } => self.finished(*outcome),
            _ => Signal::default(),
        };
        self.light = signal.light.or(self.light);
        signal
    }

    /// What is shown and said while the camera waits for the card to be taken out.
    pub fn waiting_for_card_out(&self) -> Signal {
        let reminder = Light::TakeCardOut(self.trouble);
        both(reminder, Prompt::TakeCardOut)
    }

    fn remember(&mut self, problem: &Problem) -> Signal {
        self.trouble.get_or_insert(problem.code().subject());
        Signal::default()
    }

    fn finished(&mut self, outcome: Outcome) -> Signal {
        let otherwise = match outcome {
            Outcome::Success | Outcome::DryRun => return both(Light::Done, Prompt::Finished),
            Outcome::NothingToDo => Subject::CONFIGURATION,
            Outcome::Incomplete | Outcome::Refused | Outcome::Failed => Subject::PROGRAM,
        };
        let subject = *self.trouble.get_or_insert(otherwise);
        both(Light::Trouble(subject), Prompt::Failed)
    }
}

fn shown(light: Light) -> Signal {
    Signal {
        light: Some(light),
        prompt: None,
    }
}

fn said(prompt: Prompt) -> Signal {
    Signal {
        light: None,
        prompt: Some(prompt),
    }
}

fn both(light: Light, prompt: Prompt) -> Signal {
    Signal {
        light: Some(light),
        prompt: Some(prompt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// All that is shown and said, in order.
    fn signals(events: &[Event]) -> (Vec<Light>, Vec<Prompt>) {
        let mut signals = Signals::default();
        let all: Vec<_> = events.iter().map(|event| signals.follow(event)).collect();
        let lights = all.iter().filter_map(|signal| signal.light);
        let prompts = all.iter().filter_map(|signal| signal.prompt);
        (lights.collect(), prompts.collect())
    }

    fn finished(outcome: Outcome) -> Event {
        Event::Finished {
            outcome,
            peak_memory: None,
        }
    }

    /// A problem of the card.
    fn card() -> Problem {
        Problem::KernelUnknown {}
    }

    /// A problem of an image.
    fn image() -> Problem {
        Problem::ImageWhole {
            file: "a.bin".to_owned(),
        }
    }

    #[rstest]
    #[case(Operation::Backup)]
    #[case(Operation::Restore)]
    #[case(Operation::SwitchFirmware)]
    fn an_operation_is_shown_and_said_from_its_beginning_to_its_end(#[case] operation: Operation) {
        let (lights, prompts) = signals(&[
            Event::Started { version: "1" },
            Event::OperationStarted(operation),
            Event::StepStarted(Step::FindBackup),
            Event::StepEnded(Verdict::Done),
            Event::OperationEnded(operation, Verdict::Done),
            finished(Outcome::Success),
        ]);
        let expected = [Light::Starting, Light::Working(operation), Light::Done];
        assert_eq!(lights, expected);
        let expected = [
            Prompt::Starting(operation),
            Prompt::OperationSucceeded,
            Prompt::Finished,
        ];
        assert_eq!(prompts, expected);
    }

    #[rstest]
    #[case(Verdict::Done)]
    #[case(Verdict::Failed)]
    fn the_warning_not_to_cut_the_power_lasts_as_long_as_the_boot_loader_is_written(
        #[case] verdict: Verdict,
    ) {
        let operation = Operation::SwitchFirmware;
        let (lights, _) = signals(&[
            Event::OperationStarted(operation),
            Event::StepStarted(Step::RewriteBoot { blocks: 8 }),
            Event::BootRewritten {
                window: std::time::Duration::ZERO,
            },
            Event::StepEnded(verdict),
        ]);
        let working = Light::Working(operation);
        assert_eq!(lights, [working, Light::DoNotCutPower, working]);
    }

    #[rstest]
    #[case(Outcome::Refused, &[Event::Refused(image())], 5)]
    #[case(Outcome::Failed, &[Event::Failed(card())], 2)]
    #[case(Outcome::Incomplete, &[Event::Failed(image()), Event::Failed(card())], 5)]
    #[case(Outcome::Refused, &[Event::Remark(card()), Event::Refused(image())], 5)]
    #[case(Outcome::NothingToDo, &[], 1)]
    #[case(Outcome::Failed, &[], 9)]
    fn the_first_problem_that_kept_something_from_being_done_is_blinked(
        #[case] outcome: Outcome,
        #[case] told: &[Event],
        #[case] blinks: u8,
    ) {
        let mut events = told.to_vec();
        events.push(finished(outcome));
        let (lights, prompts) = signals(&events);
        let [Light::Trouble(subject)] = lights[..] else {
            panic!("{lights:?}");
        };
        assert_eq!((subject.blinks(), prompts), (blinks, vec![Prompt::Failed]));
    }

    #[test]
    fn nothing_but_success_looks_or_sounds_like_success() {
        let bad = [
            Outcome::NothingToDo,
            Outcome::Incomplete,
            Outcome::Refused,
            Outcome::Failed,
        ];
        for outcome in bad {
            let (lights, prompts) = signals(&[finished(outcome)]);
            assert!(!lights.contains(&Light::Done), "{outcome}");
            assert!(!prompts.contains(&Prompt::Finished), "{outcome}");
        }
    }

    #[test]
    fn who_has_to_take_the_card_out_is_told_what_was_wrong_as_well() {
        let mut signals = Signals::default();
        let waiting = signals.waiting_for_card_out();
        assert_eq!(waiting.light, Some(Light::TakeCardOut(None)));
        signals.follow(&Event::Refused(card()));
        let waiting = signals.waiting_for_card_out();
        let subject = card().code().subject();
        assert_eq!(waiting.light, Some(Light::TakeCardOut(Some(subject))));
        assert_eq!(waiting.prompt, Some(Prompt::TakeCardOut));
    }
}

//! The least sidecar: it does nothing until it is asked to drain.
//!
//! Its flags make it misbehave on purpose, so that the contract's tests can watch the runtime keep
//! it: a slow end, an end that never comes, panics, a start that fails. Idle, it is what the
//! runtime itself costs in memory and wake-ups.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use sidecar_runtime::{
    Answer, Context, Lifecycle, Outcome, Rejections, Sidecar, StartError, Subcommand, setting,
};

#[derive(Debug, clap::Args)]
struct IdleArgs {
    /// What to do besides nothing
    #[arg(long, default_value = "nothing")]
    act: String,
    /// Time between the start of the drain and its end
    #[arg(long, default_value = "0s")]
    linger: String,
    /// A word of a list
    #[arg(long, value_delimiter = ',')]
    word: Vec<String>,
    /// A yes or no
    #[arg(long)]
    loud: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Nothing,
    FailToStart,
    HangInStart,
    Panic,
    PanicInTask,
    BlockThread,
    Leave,
    LeaveWork,
}

#[derive(Debug)]
struct IdleConfig {
    act: Act,
    linger: Duration,
    #[expect(dead_code, reason = "shown in the log through Debug")]
    word: Vec<String>,
    #[expect(dead_code, reason = "shown in the log through Debug")]
    loud: bool,
}

#[derive(Debug)]
struct Idle {
    config: IdleConfig,
    lifecycle: Lifecycle,
}

impl Sidecar for Idle {
    const NAME: &'static str = "idle-sidecar";
    const ABOUT: &'static str = "Does nothing until it is asked to drain";
    const ADMIN_PORT: u16 = 9199;
    type Args = IdleArgs;
    type Config = IdleConfig;

    fn subcommands() -> Vec<Subcommand<IdleConfig>> {
        let about = Some("Says each word with the time to linger");
        let repeat = Subcommand { name: "repeat", about, words: Some("WORD"), answer: repeat };
        let sigh = Subcommand {
            name: "sigh",
            about: None,
            words: None,
            answer: |_, _| Answer::Remark("oh\n".to_owned()),
        };
        vec![repeat, sigh]
    }

    fn configure(args: IdleArgs, rejections: &mut Rejections) -> Option<IdleConfig> {
        let acts = [
            ("nothing", Act::Nothing),
            ("fail-to-start", Act::FailToStart),
            ("hang-in-start", Act::HangInStart),
            ("panic", Act::Panic),
            ("panic-in-task", Act::PanicInTask),
            ("block-thread", Act::BlockThread),
            ("leave", Act::Leave),
            ("leave-work", Act::LeaveWork),
        ];
        let act = rejections.parse("act", &args.act, setting::one_of(&acts));
        let linger = rejections.parse("linger", &args.linger, setting::duration);
        Some(IdleConfig { act: act?, linger: linger?, word: args.word, loud: args.loud })
    }

    async fn start(config: IdleConfig, context: Context) -> Result<Idle, StartError> {
        match config.act {
            Act::FailToStart => Err(StartError::new("act", "fail-to-start", "asked to fail")),
            Act::HangInStart => std::future::pending().await,
            _ => Ok(Idle { config, lifecycle: context.lifecycle }),
        }
    }

    async fn run(self) -> Outcome {
        match self.config.act {
            Act::Panic => return panic_as_asked(),
            Act::Leave => return Outcome::Drained,
            Act::PanicInTask => {
                self.lifecycle.spawn_essential("panicker", async { panic_as_asked() });
            }
            Act::BlockThread => {
                tokio::task::spawn_blocking(|| {
                    loop {
                        std::thread::park();
                    }
                });
            }
            _ => {}
        }
        let linger = self.config.linger;
        let lifecycle = self.lifecycle.clone();
        let lingering = self.lifecycle.spawn_essential("lingerer", async move {
            lifecycle.draining().await;
            tokio::time::sleep(linger).await;
        });
        tokio::select! {
            _ = lingering => Outcome::Drained,
            () = self.lifecycle.expired(), if self.config.act == Act::LeaveWork => {
                Outcome::Unfinished(vec!["seven bytes of work".to_owned()])
            }
        }
    }
}

fn repeat(config: &IdleConfig, words: &[OsString]) -> Answer {
    let line = |word: &OsString| format!("{} {:?}\n", word.display(), config.linger);
    Answer::Data(words.iter().map(line).collect::<String>().into_bytes())
}

#[expect(clippy::panic, reason = "the tests watch what the runtime makes of it")]
fn panic_as_asked() -> Outcome {
    panic!("asked to panic")
}

fn main() -> ExitCode {
    sidecar_runtime::main::<Idle>()
}

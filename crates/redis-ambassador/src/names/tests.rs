//! Following a name against a list of answers. Time is paused: a wait costs nothing and is exact.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::*;

/// What the name servers say, the last again and again, and when they were asked.
struct Script {
    answers: RefCell<VecDeque<Said>>,
    asked_at: RefCell<Vec<Duration>>,
    start: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Said {
    /// Last octets, and the time in seconds.
    Addresses(&'static [u8], u64),
    ForEver,
    Unknown,
    Nothing,
}

fn addresses(octets: &[u8]) -> Vec<IpAddr> {
    octets.iter().map(|octet| IpAddr::from([10, 0, 0, *octet])).collect()
}

fn answer(said: Said) -> Result<Answer, NameError> {
    let source = || Box::new("scripted".into());
    match said {
        Said::Addresses(octets, seconds) => {
            let ttl = Some(Duration::from_secs(seconds));
            Ok(Answer { addresses: addresses(octets), ttl })
        }
        Said::ForEver => Ok(Answer { addresses: addresses(&[9]), ttl: None }),
        Said::Unknown => Err(NameError::Unknown { source: source() }),
        Said::Nothing => Err(NameError::Unanswered { source: source() }),
    }
}

fn start(answers: &[Said]) -> (NameWatch, Rc<Script>, JoinHandle<()>) {
    let (name, followed) = follow("redis-0", NameMetrics::default());
    let script = Rc::new(Script {
        answers: RefCell::new(answers.iter().copied().collect()),
        asked_at: RefCell::default(),
        start: Instant::now(),
    });
    let asked = Rc::clone(&script);
    let lookup = move |_deadline| {
        asked.asked_at.borrow_mut().push(asked.start.elapsed());
        let mut answers = asked.answers.borrow_mut();
        let said = answers.pop_front().expect("at least one answer");
        if answers.is_empty() {
            answers.push_back(said);
        }
        async move { answer(said) }
    };
    let task = spawn_local(followed.run(lookup));
    (name, script, task)
}

fn seconds(script: &Script) -> Vec<u64> {
    script.asked_at.borrow().iter().map(Duration::as_secs).collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_when_its_time_has_run_out() {
    let follow = async {
        let answers = [
            Said::Addresses(&[1, 2], 10),
            Said::Addresses(&[2, 1], 0),
            Said::Addresses(&[3], 3600),
            Said::Addresses(&[3], 5),
        ];
        let (mut name, script, task) = start(&answers);
        name.changed().await;
        assert_eq!(name.addresses(), addresses(&[1, 2]));
        name.changed().await;
        assert_eq!(seconds(&script), [0, 10, 11], "another order is no change");
        assert_eq!(name.addresses(), addresses(&[3]));
        assert_eq!(name.resolution.borrow().generation, 2);
        time::sleep(Duration::from_secs(36)).await;
        assert_eq!(seconds(&script), [0, 10, 11, 41, 46]);
        task.abort();
    };
    LocalSet::new().run_until(follow).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_lookup_is_tried_again_and_keeps_what_was_known() {
    let follow = async {
        let answers =
            [Said::Unknown, Said::Addresses(&[1], 30), Said::Nothing, Said::Unknown, Said::ForEver];
        let (mut name, script, _task) = start(&answers);
        name.changed().await;
        assert!(name.addresses().is_empty());
        name.changed().await;
        assert!(script.start.elapsed() <= RETRY);
        assert_eq!(name.connectable(), addresses(&[1]));
        name.changed().await;
        assert_eq!((name.addresses(), name.connectable()), (addresses(&[1]), addresses(&[1])));
        name.changed().await;
        assert_eq!((name.addresses(), name.connectable()), (addresses(&[1]), vec![]));
        name.changed().await;
        assert_eq!(name.connectable(), addresses(&[9]));
        time::sleep(Duration::from_secs(3600)).await;
        name.ask();
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(script.asked_at.borrow().len(), answers.len(), "nobody asks for a constant");
    };
    LocalSet::new().run_until(follow).await;
}

#[tokio::test(start_paused = true)]
async fn an_ask_brings_a_lookup_soon_and_many_asks_few() {
    let follow = async {
        let (mut name, script, task) =
            start(&[Said::Addresses(&[1], 30), Said::Addresses(&[2], 30)]);
        name.changed().await;
        name.ask();
        name.changed().await;
        assert!(script.start.elapsed() <= ASK_PAUSE);
        for _ in 0..1000 {
            name.ask();
            time::sleep(Duration::from_millis(20)).await;
        }
        let lookups = script.asked_at.borrow().len();
        assert!((10..60).contains(&lookups), "{lookups} in 20 s");
        task.abort();
    };
    LocalSet::new().run_until(follow).await;
}

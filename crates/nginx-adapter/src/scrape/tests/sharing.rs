//! Several askers at once, some of which go away or have less time than others.
//!
//! A gate stands for nginx: it counts the requests that reach it and answers when the test says so.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Counts requests, and answers each when the test says so.
struct Gate {
    scraper: Arc<Scraper>,
    requests: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn new() -> Gate {
        let requests = Arc::new(AtomicUsize::new(0));
        let open = watch::Sender::new(false);
        let (count, opened) = (Arc::clone(&requests), open.subscribe());
        let uri = server(move |_number, mut stream| {
            let (count, mut opened) = (Arc::clone(&count), opened.clone());
            async move {
                while read_request(&mut stream).await {
                    count.fetch_add(1, Ordering::Relaxed);
                    opened.wait_for(|open| *open).await.unwrap();
                    stream.write_all(&answer("200 OK", PAGE)).await.unwrap();
                }
            }
        });
        Gate { scraper: scraper(&uri.await, PATIENCE), requests, open }
    }

    async fn asked(&self) {
        while self.requests.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// An asker that does not wait with the test.
    fn ask(&self, patience: Duration) -> tokio::task::JoinHandle<Outcome> {
        let scraper = Arc::clone(&self.scraper);
        let scrape = async move { scraper.scrape(Instant::now() + patience).await };
        Lifecycle::new(PATIENCE).spawn_session(scrape)
    }
}

#[tokio::test]
async fn a_hundred_askers_share_one_fetch() {
    let gate = Gate::new().await;
    let askers: Vec<_> = (0..100).map(|_asker| gate.ask(PATIENCE)).collect();
    gate.asked().await;
    gate.open.send_replace(true);
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(STATUS));
    }
    assert_eq!(gate.requests.load(Ordering::Relaxed), 1);
    assert_eq!(scrape(&gate.scraper).await, Ok(STATUS));
    assert_eq!(gate.requests.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn askers_that_go_away_leave_one_fetch() {
    let gate = Gate::new().await;
    for _asker in 0..1000 {
        let deadline = Instant::now() + PATIENCE;
        tokio::select! {
            biased;
            outcome = gate.scraper.scrape(deadline) => assert!(outcome.is_err(), "{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    gate.asked().await;
    assert_eq!(gate.requests.load(Ordering::Relaxed), 1);
    gate.open.send_replace(true);
    assert_eq!(scrape(&gate.scraper).await, Ok(STATUS));
    assert!(gate.scraper.errors().is_empty());
}

#[tokio::test]
async fn an_asker_in_a_hurry_does_not_end_the_fetch_for_others() {
    let gate = Gate::new().await;
    let patient = gate.ask(PATIENCE);
    gate.asked().await;
    let hasty = gate.ask(SHORT);
    assert_eq!(hasty.await.unwrap(), Err(Failure::Timeout));
    gate.open.send_replace(true);
    assert_eq!(patient.await.unwrap(), Ok(STATUS));
    assert_eq!(gate.scraper.errors(), [("timeout", 1)]);
    assert_eq!(gate.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_patient_asker_does_not_fail_with_a_hasty_one() {
    let gate = Gate::new().await;
    let hasty = gate.ask(SHORT);
    gate.asked().await;
    let patient = gate.ask(PATIENCE);
    assert_eq!(hasty.await.unwrap(), Err(Failure::Timeout));
    gate.open.send_replace(true);
    assert_eq!(patient.await.unwrap(), Ok(STATUS));
    assert_eq!(gate.requests.load(Ordering::Relaxed), 2);
}

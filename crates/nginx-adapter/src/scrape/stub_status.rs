//! The page of nginx's stub_status module.
//!
//! In goes the body of an answer, out come seven numbers, or what is wrong with the page. Blank
//! lines, CRLF, a byte order mark, a missing last line end and lines behind the fourth do no harm,
//! and so does the fourth column that Tengine has. Anything else that differs is refused: half a
//! page read as a whole one would be numbers that nobody wrote. A pattern language was not taken:
//! four lines are read faster and with better messages by hand.

use thiserror::Error;

/// Of a page that is meant for people.
const HTML_STARTS: [&str; 3] = ["<!doctype", "<html", "<?xml"];
/// The first line of php-fpm's status page, which is mistaken for nginx's.
const PHP_FPM_START: &str = "pool:";
/// A gauge above this was subtracted below zero by nginx, which reads its parts one by one.
const GAUGE_MAX: u64 = i64::MAX.unsigned_abs();

/// What one page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StubStatus {
    pub(crate) active: u64,
    pub(crate) accepted: u64,
    pub(crate) handled: u64,
    pub(crate) requests: u64,
    pub(crate) reading: u64,
    pub(crate) writing: u64,
    pub(crate) waiting: u64,
}

/// What is wrong with a page. None of the texts holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum PageError {
    #[error("the page is empty")]
    Empty,
    #[error("the page is HTML, not that of stub_status")]
    Html,
    #[error("the page is that of php-fpm, not that of stub_status")]
    PhpFpm,
    #[error("the page is not that of stub_status: no {expected} in line {line}")]
    Line { expected: &'static str, line: usize },
    #[error("{name} is not a number from 0 to 18446744073709551615")]
    Number { name: &'static str },
}

impl StubStatus {
    /// Reads a page.
    pub(super) fn parse(body: &[u8]) -> Result<StubStatus, PageError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut lines = Lines { rest: body, line: 0 };
        let first = lines.next("'Active connections'").map_err(|_missing| PageError::Empty)?;
        let mut words = first.words();
        if !words.follow(["Active", "connections:"]) {
            return Err(kind_of(first.text));
        }
        let active = words.gauge("active connections")?;
        words.end(&first)?;

        let header = lines.next("'server accepts handled requests'")?;
        let mut words = header.words();
        if !words.follow(["server", "accepts", "handled", "requests"]) {
            return Err(header.error());
        }
        // Tengine adds the sum of request times.
        let times = words.follow(["request_time"]);
        words.end(&header)?;

        let counters = lines.next("three counters")?;
        let mut words = counters.words();
        let accepted = words.number("accepted connections")?;
        let handled = words.number("handled connections")?;
        let requests = words.number("requests")?;
        if times {
            words.number("request time")?;
        }
        words.end(&counters)?;

        let states = lines.next("'Reading', 'Writing' and 'Waiting'")?;
        let mut words = states.words();
        let mut state = |label, name| match words.follow([label]) {
            true => words.gauge(name),
            false => Err(states.error()),
        };
        let reading = state("Reading:", "reading")?;
        let writing = state("Writing:", "writing")?;
        let waiting = state("Waiting:", "waiting")?;
        words.end(&states)?;
        Ok(StubStatus { active, accepted, handled, requests, reading, writing, waiting })
    }
}

/// What a page is that does not begin as it should.
fn kind_of(first_line: &[u8]) -> PageError {
    let begins = |start: &str| {
        let head = first_line.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    if HTML_STARTS.into_iter().any(begins) {
        PageError::Html
    } else if begins(PHP_FPM_START) {
        PageError::PhpFpm
    } else {
        PageError::Line { expected: "'Active connections'", line: 1 }
    }
}

/// The lines that are not blank.
struct Lines<'a> {
    rest: &'a [u8],
    /// Counts those that were given out.
    line: usize,
}

struct Line<'a> {
    text: &'a [u8],
    expected: &'static str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// `expected` is for the error, if there is none or it turns out to be another.
    fn next(&mut self, expected: &'static str) -> Result<Line<'a>, PageError> {
        self.line += 1;
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            let text = self.rest[..end].trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !text.is_empty() {
                return Ok(Line { text, expected, line: self.line });
            }
        }
        Err(PageError::Line { expected, line: self.line })
    }
}

impl<'a> Line<'a> {
    fn words(&self) -> Words<'a> {
        Words { rest: self.text }
    }

    fn error(&self) -> PageError {
        PageError::Line { expected: self.expected, line: self.line }
    }
}

/// What is left of a line.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.trim_ascii_start();
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Takes these words if they are the next ones.
    fn follow<const N: usize>(&mut self, expected: [&str; N]) -> bool {
        let before = self.rest;
        let same = expected.into_iter().all(|word| self.next() == Some(word.as_bytes()));
        if !same {
            self.rest = before;
        }
        same
    }

    fn number(&mut self, name: &'static str) -> Result<u64, PageError> {
        let word = self.next().ok_or(PageError::Number { name })?;
        let digits = word.iter().all(u8::is_ascii_digit);
        let value = digits.then(|| str::from_utf8(word).ok()?.parse().ok()).flatten();
        value.ok_or(PageError::Number { name })
    }

    fn gauge(&mut self, name: &'static str) -> Result<u64, PageError> {
        self.number(name).map(|value| if value > GAUGE_MAX { 0 } else { value })
    }

    fn end(&mut self, line: &Line<'_>) -> Result<(), PageError> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(line.error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const PAGE: &str = "Active connections: 1 \nserver accepts handled requests\n 655 655 845498 \n\
                        Reading: 0 Writing: 1 Waiting: 0 \n";
    const STATUS: StubStatus = StubStatus {
        active: 1,
        accepted: 655,
        handled: 655,
        requests: 845_498,
        reading: 0,
        writing: 1,
        waiting: 0,
    };

    fn check(page: &str, expected: Result<StubStatus, PageError>) {
        assert_eq!(StubStatus::parse(page.as_bytes()), expected, "{page:?}");
    }

    #[test]
    fn pages_that_are_written_differently_say_the_same() {
        check(PAGE, Ok(STATUS));
        check(&PAGE.replace('\n', "\r\n"), Ok(STATUS));
        check(&PAGE.replace(" \n", "\n"), Ok(STATUS));
        check(&format!("\u{feff}{PAGE}"), Ok(STATUS));
        check(&format!("\n\r\n{PAGE}"), Ok(STATUS));
        check(PAGE.trim_end(), Ok(STATUS));
        check(&format!("{PAGE}\nand more\n"), Ok(STATUS));
        let tengine = PAGE
            .replace("requests\n", "requests request_time\n")
            .replace("845498 ", "845498 12345 ");
        check(&tengine, Ok(STATUS));
    }

    #[test]
    fn numbers_have_their_range() {
        let wrapped = PAGE.replace("Waiting: 0", "Waiting: 18446744073709551615");
        check(&wrapped, Ok(STATUS));
        let huge = PAGE.replace("845498", "18446744073709551615");
        check(&huge, Ok(StubStatus { requests: u64::MAX, ..STATUS }));
        let requests = Err(PageError::Number { name: "requests" });
        for wrong in ["-1", "18446744073709551616", "1.5", "+1", "x", "0x1", "1e3", ""] {
            check(&PAGE.replace("845498", wrong), requests);
        }
        let reading = Err(PageError::Number { name: "reading" });
        check(&PAGE.replace("Reading: 0", "Reading: -1"), reading);
        check(&PAGE.replace("connections: 1", "connections:"), {
            Err(PageError::Number { name: "active connections" })
        });
    }

    #[test]
    fn other_pages_are_named() {
        let line = |expected, line| Err(PageError::Line { expected, line });
        check("", Err(PageError::Empty));
        check(" \r\n\n", Err(PageError::Empty));
        check("<!DOCTYPE html>\n<html>", Err(PageError::Html));
        check("<HTML><body>hello", Err(PageError::Html));
        check("pool:                 www\n", Err(PageError::PhpFpm));
        check("hello", line("'Active connections'", 1));
        check("Active connections: 1 \n", line("'server accepts handled requests'", 2));
        check("Active connections: 1 2\n", line("'Active connections'", 1));
        let header = "Active connections: 1 \nserver accepts handled requests\n";
        check(header, line("three counters", 3));
        check(&PAGE.replace("845498", "845498 7"), line("three counters", 3));
        let states = line("'Reading', 'Writing' and 'Waiting'", 4);
        check(&PAGE.replace("Writing: 1 ", ""), states);
        check(&PAGE.replace("Reading", "reading"), states);
        check(&format!("{header} 655 655 845498\n"), states);
        check(&PAGE.replace("Waiting: 0 ", "Waiting: 0 Idle: 1"), states);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(body: Vec<u8>) {
            let answer = StubStatus::parse(&body);
            prop_assert_eq!(answer, StubStatus::parse(&body));
        }

        #[test]
        fn a_damaged_page_is_refused_or_read(place in 0..PAGE.len(), byte: u8, cut: bool) {
            let mut page = PAGE.as_bytes().to_vec();
            page[place] = byte;
            page.truncate(if cut { place } else { page.len() });
            if let Ok(status) = StubStatus::parse(&page) {
                for gauge in [status.active, status.reading, status.writing, status.waiting] {
                    assert!(gauge <= GAUGE_MAX);
                }
            }
        }

        #[test]
        fn what_nginx_writes_is_read(numbers in any::<[u64; 3]>(), gauges in any::<[u32; 4]>()) {
            let [accepted, handled, requests] = numbers;
            let [active, reading, writing, waiting] = gauges;
            let page = format!(
                "Active connections: {active} \nserver accepts handled requests\n {accepted} \
                 {handled} {requests} \nReading: {reading} Writing: {writing} Waiting: {waiting} \n"
            );
            let [active, reading, writing, waiting] = gauges.map(u64::from);
            let expected =
                StubStatus { active, accepted, handled, requests, reading, writing, waiting };
            prop_assert_eq!(StubStatus::parse(page.as_bytes()), Ok(expected));
        }
    }
}

//! Lines that are one JSON object each.
//!
//! In: a line. Out: time, level and message by their usual keys, the other members as fields, in
//! their order and with what is nested as it stands there.

use super::usual::Usual;
use crate::time::TimeReader;
use crate::{Fields, Unparsed, json};

pub(super) fn parse<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let mut usual = Usual::default();
    json::object(line, |key, value| usual.take(key.into(), value, times, fields))?;
    usual.finish(fields);
    Ok(())
}

//! A share of the records, chosen without chance.
//!
//! In: a record. Out: whether it is in the sample. A hash decides, of the file and the offset or of
//! a field's value, so that a record that is read again is decided alike, and all records with one
//! value (a request id) alike, in every process with the same rate.

use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use super::Candidate;

/// The share of records that is shipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Above 0, at most 1.
    rate: f64,
    /// The field whose values are taken or left as a whole. A record without it is decided by its
    /// place.
    field: Option<String>,
}

/// Why a text is no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// No number, or one that ships nothing or more than there is.
    #[error("expected RATE or RATE:FIELD with a rate above 0 and at most 1, such as 0.1")]
    Rate,
    /// Nothing behind the colon.
    #[error("expected the name of a field behind the colon")]
    Field,
}

impl FromStr for Sample {
    type Err = SampleError;

    /// Reads `RATE` or `RATE:FIELD`.
    fn from_str(text: &str) -> Result<Sample, SampleError> {
        let (rate, field) = match text.split_once(':') {
            Some((rate, field)) => (rate, Some(field.to_owned())),
            None => (text, None),
        };
        let rate: f64 = rate.parse().or(Err(SampleError::Rate))?;
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(SampleError::Rate);
        }
        match field.as_deref() {
            Some("") => Err(SampleError::Field),
            _ => Ok(Sample { rate, field }),
        }
    }
}

impl Sample {
    pub(super) fn takes(&self, record: &Candidate<'_>) -> bool {
        let value = self.field.as_deref().and_then(|name| record.fields.get(name));
        let hash = match value {
            Some(value) => xxh3_64(value.text().as_bytes()),
            None => {
                let mut place = [0; 16];
                place[..8].copy_from_slice(&record.file.to_le_bytes());
                place[8..].copy_from_slice(&record.offset.to_le_bytes());
                xxh3_64(&place)
            }
        };
        // 53 bits are what a fraction holds without rounding.
        let (bits, all) = (hash >> 11, 1_u64 << 53);
        (bits as f64) < self.rate * all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fields, Value};

    /// How many of 10,000 records are taken.
    fn taken(sample: &str, id: impl Fn(u64) -> Option<String>) -> usize {
        let sample: Sample = sample.parse().unwrap();
        let takes = |offset: &u64| {
            let mut fields = Fields::default();
            if let Some(id) = id(*offset) {
                fields.push("request_id", Value::Text(id.into()));
            }
            let record = Candidate { file: 7, offset: *offset, text: b"", fields: &fields };
            sample.takes(&record)
        };
        (0..10_000_u64).filter(takes).count()
    }

    #[test]
    fn the_share_is_kept() {
        for (sample, around) in [("0.1", 1000), ("0.5", 5000), ("0.1:other", 1000)] {
            let taken = taken(sample, |offset| Some(offset.to_string()));
            assert!(taken.abs_diff(around) < around / 10, "{sample}: {taken}");
        }
        assert_eq!(taken("1", |_| None), 10_000);
        assert_eq!(taken("1e-300", |_| None), 0);
    }

    #[test]
    fn records_with_one_value_share_its_fate() {
        for id in 0..50 {
            let taken = taken("0.5:request_id", |_| Some(format!("id-{id}")));
            assert!(taken == 0 || taken == 10_000, "{id}: {taken}");
        }
        let ids = taken("0.5:request_id", |offset| Some(offset.to_string()));
        assert!(ids.abs_diff(5000) < 500, "{ids}");
    }

    #[test]
    fn settings() {
        for text in ["", "0", "-1", "1.01", "NaN", "inf", "ten", "10%", ":id"] {
            assert_eq!(text.parse::<Sample>(), Err(SampleError::Rate), "{text}");
        }
        assert_eq!("0.1:".parse::<Sample>(), Err(SampleError::Field));
    }
}

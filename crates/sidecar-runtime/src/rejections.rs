//! The bad values of one start, collected so that a user repairs them in one go.
//!
//! Whoever reads a setting reports into the same [`Rejections`]: the command line, the settings
//! file, the runtime's own flags and the image's. Nothing stops at the first one. Returning the
//! first error would be simpler, and would make a user with four mistakes start the pod five times.

use std::fmt::Display;

/// One value that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {value:?}: {reason}")]
pub struct Rejection {
    /// The long name of the flag without dashes; also the key in the settings file.
    pub setting: String,
    /// The value as typed.
    pub value: String,
    /// What is wrong with it, in lower case.
    pub reason: String,
}

/// Collects what was not accepted.
#[derive(Debug, Default)]
pub struct Rejections {
    list: Vec<Rejection>,
}

impl Rejections {
    /// Reports one bad value. Do not pass a secret as `value`: it is printed.
    pub fn reject(&mut self, setting: &str, value: &str, reason: impl Display) {
        let (setting, value) = (setting.to_owned(), value.to_owned());
        self.list.push(Rejection { setting, value, reason: reason.to_string() });
    }

    /// Reads `value` with `parser`, which is one of [`crate::setting`] or the caller's own. `None`
    /// means that the value was rejected.
    pub fn parse<T, E: Display>(
        &mut self,
        setting: &'static str,
        value: &str,
        parser: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parser(value).map_err(|error| self.reject(setting, value, error)).ok()
    }

    /// Collects what `act` reports under names that begin with `scope` and a dot.
    pub fn within<T>(&mut self, scope: &str, act: impl FnOnce(&mut Rejections) -> T) -> T {
        let mut inner = Rejections::default();
        let result = act(&mut inner);
        self.list.extend(inner.list.into_iter().map(|item| {
            let setting = format!("{scope}.{}", item.setting);
            Rejection { setting, ..item }
        }));
        result
    }

    /// Whether everything so far was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was rejected, in the order of the reports.
    pub fn iter(&self) -> impl Iterator<Item = &Rejection> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    #[test]
    fn every_bad_value_is_kept_and_none_hides_another() {
        let mut rejections = Rejections::default();
        assert_eq!(rejections.parse("linger", "soon", setting::duration), None);
        assert!(rejections.parse("rescan", "5s", setting::duration).is_some());
        assert_eq!(rejections.parse("max-line-bytes", "1X", setting::bytes), None);
        rejections.reject("sink", "tape", "not known");
        rejections.within("sinks.a", |inner| inner.reject("sink", "tape", "not known"));
        let settings: Vec<_> = rejections.iter().map(|item| item.setting.as_str()).collect();
        assert_eq!(settings, ["linger", "max-line-bytes", "sink", "sinks.a.sink"]);
        assert_eq!(
            rejections.iter().last().unwrap().to_string(),
            r#"sinks.a.sink "tape": not known"#
        );
    }
}

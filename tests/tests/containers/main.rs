//! Our images and our compose file in a real engine.
//!
//! The images are built from the Dockerfile as it is; where no registry answers, on local stand-ins
//! for the images of others. Each test starts an engine, which keeps what was built: the first one
//! pays for all. What is asked is what the pages promise of an image, not what its binary does.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod compose;
mod images;

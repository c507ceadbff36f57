//! Files to framed lines with durable positions: discover, identity, cursor, framer, checkpoint.

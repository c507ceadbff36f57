//! Follows the files that a main container writes and ships every line to a log aggregator.

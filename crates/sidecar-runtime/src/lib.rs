//! What makes a process a good sidecar: settings, exit status, lifecycle, admin port, telemetry.
